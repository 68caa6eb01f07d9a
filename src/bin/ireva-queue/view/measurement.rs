//! A number that `bench` has measured.

use ireva_queue::bench::Measurement;

use crate::output::Cell;
use crate::view::{Column, View};

impl View for Measurement {
    const COLUMNS: &'static [Column] = &[
        Column::new("MEASURE").whole(),
        Column::number("CONCURRENCY").gives_way(3),
        Column::number("N").whole().gives_way(4),
        Column::number("VALUE").whole(),
        Column::new("UNIT").whole(),
        Column::number("P50").whole().gives_way(5),
        Column::number("P99").whole().gives_way(1),
        Column::number("MAX").whole().gives_way(5),
        Column::number("WORKER US/JOB").gives_way(2),
        Column::number("REDIS US/JOB").gives_way(2),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.measure.as_str()),
            Cell::maybe(self.concurrency),
            Cell::count(self.n),
            Cell::text(rounded(self.value)),
            Cell::text(self.unit),
            Cell::maybe(self.p50.map(rounded)),
            Cell::maybe(self.p99.map(rounded)),
            Cell::maybe(self.max.map(rounded)),
            Cell::maybe(self.worker_cpu_us_per_job.map(rounded)),
            Cell::maybe(self.redis_cpu_us_per_job.map(rounded)),
        ]
    }

    fn name(&self) -> String {
        self.measure.to_string()
    }
}

/// With as many places as say something.
fn rounded(value: f64) -> String {
    let places = if value >= 1_000.0 { 0 } else { 2 };
    format!("{value:.places$}")
}
