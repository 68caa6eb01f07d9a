//! Charts as plain geometry: where bars, points and lines of the scale stand, from 0 at the bottom to 1 at the top.
//!
//! Amounts stay decimal up to here; a place on paper is no amount and may be a float.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

use super::figures::grouped;
use crate::builtin::portfolio::{Currency, Money};

/// Lines of the scale that are aimed at.
const LINES: i64 = 5;
/// More points than this would stand on each other: the last ones are shown.
const POINTS_MAX: usize = 24;
/// Labels that stand beside each other on a page.
const LABELS_MAX: usize = 12;

/// A chart, ready to draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Chart {
    pub title: String,
    /// What the scale counts: `NGN million`, `%`.
    pub unit: String,
    pub form: Form,
    pub lines: Vec<Mark>,
    pub points: Vec<Point>,
    /// Where zero stands, or the lowest line where zero is not shown.
    pub base: f64,
}

/// How points are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Form {
    /// A bar each, from zero.
    Bars,
    /// Joined by a line.
    Line,
}

/// A line of the scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Mark {
    pub at: f64,
    pub label: String,
}

/// What is shown of one thing or day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Point {
    pub at: f64,
    /// Below the chart; empty where there is no room.
    pub label: String,
    /// At the point, in the unit of the scale.
    pub value: String,
}

/// A chart of amounts of one currency; none without points, or where all of them are zero.
pub(super) fn of_money(title: &str, form: Form, currency: Currency, points: &[(String, Money)]) -> Option<Chart> {
    let points: Vec<_> = points.iter().map(|(label, money)| (label.clone(), money.to_decimal())).collect();
    let most = points.iter().map(|(_, value)| value.abs()).max()?;
    let scales: [(i64, &str); 4] =
        [(1_000_000_000_000, " trillion"), (1_000_000_000, " billion"), (1_000_000, " million"), (1_000, " thousand")];
    let scale = scales.into_iter().find(|(size, _)| most >= Decimal::from(*size));
    let (size, words) = scale.unwrap_or((1, ""));
    let scaled: Vec<_> = points.into_iter().map(|(label, value)| (label, value / Decimal::from(size))).collect();
    draw(title, &format!("{currency}{words}"), form, &scaled)
}

/// A chart of ratios, in percent.
pub(super) fn of_ratios(title: &str, form: Form, points: &[(String, Decimal)]) -> Option<Chart> {
    let points: Vec<_> = points.iter().map(|(label, ratio)| (label.clone(), ratio * Decimal::ONE_HUNDRED)).collect();
    draw(title, "%", form, &points)
}

fn draw(title: &str, unit: &str, form: Form, points: &[(String, Decimal)]) -> Option<Chart> {
    let points = &points[points.len().saturating_sub(POINTS_MAX)..];
    let (low, high) = (points.iter().map(|(_, value)| *value).min()?, points.iter().map(|(_, value)| *value).max()?);
    if low.is_zero() && high.is_zero() {
        return None;
    }
    // Bars that do not begin at zero lie about their length; a line may show its changes from nearby.
    let is_near = form == Form::Line && low.is_sign_positive() && low * Decimal::TWO > high && low < high;
    let (low, high) = if is_near { (low, high) } else { (low.min(Decimal::ZERO), high.max(Decimal::ZERO)) };
    let step = step((high - low) / Decimal::from(LINES));
    let (bottom, top) = ((low / step).floor() * step, (high / step).ceil() * step);
    let at = |value: Decimal| ((value - bottom) / (top - bottom)).to_f64().unwrap_or_default();
    let count = ((top - bottom) / step).to_i64().unwrap_or_default();
    let lines: Vec<_> = (0..=count).map(|line| bottom + step * Decimal::from(line)).collect();
    let exact = digits(lines.iter().copied());
    let lines = lines.into_iter().map(|value| Mark { at: at(value), label: shown(value, exact) }).collect();
    let every = points.len().div_ceil(LABELS_MAX);
    let room = if points.len() > LABELS_MAX { 1 } else { 2 };
    let exact = digits(points.iter().map(|(_, value)| value.round_dp(room)));
    let point = |(index, (label, value)): (usize, &(String, Decimal))| {
        // Counted from the last one, which is what people look for.
        let is_labelled = (points.len() - 1 - index).is_multiple_of(every);
        let label = if is_labelled { label.clone() } else { String::new() };
        Point { at: at(*value), label, value: shown(*value, exact) }
    };
    let points = points.iter().enumerate().map(point).collect();
    Some(Chart {
        title: title.to_owned(),
        unit: unit.to_owned(),
        form,
        lines,
        points,
        base: at(bottom.max(Decimal::ZERO)),
    })
}

/// The most digits after the point that one of these has.
fn digits(values: impl Iterator<Item = Decimal>) -> u32 {
    values.map(|value| value.normalize().scale()).max().unwrap_or(0)
}

/// With so many digits after the point; nothing is nothing.
fn shown(value: Decimal, digits: u32) -> String {
    if value.is_zero() {
        return "0".to_owned();
    }
    let mut rounded = value.round_dp(digits);
    rounded.rescale(digits);
    grouped(rounded)
}

/// The next larger of 1, 2, 2.5 and 5 times a power of ten.
fn step(least: Decimal) -> Decimal {
    let mut power = Decimal::ONE;
    while power > least && power.scale() < 20 {
        power /= Decimal::TEN;
    }
    while power * Decimal::TEN <= least {
        power *= Decimal::TEN;
    }
    let sizes = [Decimal::ONE, Decimal::TWO, Decimal::new(25, 1), Decimal::from(5), Decimal::TEN];
    let found = sizes.into_iter().map(|size| size * power).find(|size| *size >= least);
    found.unwrap_or(power * Decimal::TEN).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(form: Form, amounts: &[i64]) -> Option<Chart> {
        let currency: Currency = "NGN".parse().unwrap();
        let point = |(index, amount): (usize, &i64)| (format!("p{index}"), Money::from_minor(amount * 100, currency));
        of_money("t", form, currency, &amounts.iter().enumerate().map(point).collect::<Vec<_>>())
    }

    fn labels(chart: &Chart) -> String {
        chart.lines.iter().map(|line| line.label.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_scale_has_round_numbers_in_a_unit_that_is_named() {
        let millions = chart(Form::Bars, &[250_000_000, 120_000_000]).unwrap();
        assert_eq!((millions.unit.as_str(), labels(&millions).as_str()), ("NGN million", "0 50 100 150 200 250"));
        assert_eq!((millions.points[0].at, millions.points[0].value.as_str()), (1.0, "250"));
        let small = chart(Form::Bars, &[7]).unwrap();
        assert_eq!((small.unit.as_str(), labels(&small).as_str()), ("NGN", "0 2 4 6 8"));
        let ratios = of_ratios("r", Form::Bars, &[("a".to_owned(), "0.0312".parse().unwrap())]).unwrap();
        assert_eq!((ratios.unit.as_str(), labels(&ratios).as_str()), ("%", "0 1 2 3 4"));
    }

    #[test]
    fn bars_stand_on_zero_also_where_some_hang_below_it() {
        let both = chart(Form::Bars, &[300, -100]).unwrap();
        assert_eq!(labels(&both), "\u{2212}100 0 100 200 300");
        assert_eq!((both.base, both.points[0].at, both.points[1].at), (0.25, 1.0, 0.0));
        let negative = chart(Form::Bars, &[-100]).unwrap();
        assert_eq!(negative.base, 1.0, "{negative:?}");
        assert_eq!(chart(Form::Bars, &[0, 0]), None);
        assert_eq!(chart(Form::Bars, &[]), None);
    }

    #[test]
    fn a_line_shows_its_changes_from_nearby() {
        let near = chart(Form::Line, &[1_000, 1_050]).unwrap();
        assert_eq!((labels(&near).as_str(), near.base), ("1.00 1.01 1.02 1.03 1.04 1.05", 0.0));
        assert!(labels(&chart(Form::Line, &[100, 1_050]).unwrap()).starts_with("0 0.25 "));
        assert!(labels(&chart(Form::Line, &[100, 100]).unwrap()).starts_with("0 "));
    }

    #[test]
    fn many_points_are_thinned_out() {
        let many = chart(Form::Bars, &(1..=40).collect::<Vec<_>>()).unwrap();
        assert_eq!((many.points.len(), many.points[23].label.as_str()), (24, "p39"));
        assert_eq!(many.points.iter().filter(|point| !point.label.is_empty()).count(), 12);
    }
}
