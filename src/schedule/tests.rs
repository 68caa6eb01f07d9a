//! Schedules on the days on which clocks are set forward and back, in real zones; and what is written is read again.

use std::time::Duration;

use super::*;
use crate::schedule::{read_file, write_file};

fn timing(pattern: &str, zone: &str) -> Timing {
    Timing::cron(pattern, zone).unwrap()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The ticks from after `from` up to `to`, as UTC shows them.
fn ticks(timing: &Timing, from: &str, to: &str) -> Vec<String> {
    let (mut at, to) = (instant(from), instant(to));
    let mut ticks = Vec::new();
    while let Some(tick) = timing.next_after(at).filter(|tick| *tick <= to) {
        assert!(tick > at, "ticks rise");
        ticks.push(tick.to_rfc3339_opts(SecondsFormat::Secs, true));
        at = tick;
    }
    ticks
}

/// The same, asked every few seconds: whoever asks, and whenever, is told the same ticks.
fn asked_often(timing: &Timing, from: &str, to: &str) -> Vec<String> {
    let (mut at, to) = (instant(from), instant(to));
    let mut ticks = Vec::new();
    while at < to {
        let tick = timing.next_after(at).unwrap();
        if tick <= to && ticks.last() != Some(&tick) {
            ticks.push(tick);
        }
        // Every second of a minute comes up in turn.
        at += Duration::from_secs(17);
    }
    ticks.iter().map(|tick| tick.to_rfc3339_opts(SecondsFormat::Secs, true)).collect()
}

#[test]
fn r27_what_falls_into_the_hour_that_is_left_out_comes_right_after_it() {
    let half_past_two = timing("30 2 * * *", "Europe/Berlin");
    // 2027-03-28: after 01:59:59 (UTC+1) comes 03:00:00 (UTC+2), which is 01:00 UTC.
    let days = ["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"];
    assert_eq!(ticks(&half_past_two, "2027-03-27T00:00:00Z", "2027-03-29T12:00:00Z"), days);
    assert_eq!(half_past_two.wall_clock(instant(days[1])), "2027-03-28T03:00:00+02:00");
}

#[test]
fn r27_of_an_hour_that_comes_twice_the_first_counts() {
    let half_past_two = timing("30 2 * * *", "Europe/Berlin");
    // 2027-10-31: after 02:59:59 (UTC+2) comes 02:00:00 (UTC+1), which is 01:00 UTC.
    let days = ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"];
    assert_eq!(ticks(&half_past_two, "2027-10-30T00:00:00Z", "2027-11-01T12:00:00Z"), days);
    assert_eq!(half_past_two.wall_clock(instant(days[1])), "2027-10-31T02:30:00+02:00");
}

#[test]
fn r27_every_minute_is_a_tick_on_both_days() {
    let minutely = timing("* * * * *", "Europe/Berlin");
    // A day of 23 hours, and one of 25.
    for (from, to, minutes) in [
        ("2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z", 23 * 60),
        ("2027-10-30T22:00:00Z", "2027-10-31T23:00:00Z", 25 * 60),
    ] {
        let ticks = ticks(&minutely, from, to);
        let mut once = ticks.clone();
        once.dedup();
        assert_eq!((ticks.len(), once.len()), (minutes, minutes), "{from}");
    }
}

#[test]
fn r27_every_six_hours_keeps_to_the_wall_clock() {
    let six_hourly = timing("0 */6 * * *", "Europe/Berlin");
    let spring = ["2027-03-27T23:00:00Z", "2027-03-28T04:00:00Z", "2027-03-28T10:00:00Z", "2027-03-28T16:00:00Z"];
    assert_eq!(ticks(&six_hourly, "2027-03-27T22:00:00Z", "2027-03-28T21:00:00Z"), spring);
    let autumn = ["2027-10-30T22:00:00Z", "2027-10-31T05:00:00Z", "2027-10-31T11:00:00Z", "2027-10-31T17:00:00Z"];
    assert_eq!(ticks(&six_hourly, "2027-10-30T21:00:00Z", "2027-10-31T22:00:00Z"), autumn);
}

#[test]
fn r27_whoever_asks_whenever_is_told_the_same_ticks() {
    for pattern in ["30 2 * * *", "* * * * *", "0 */6 * * *", "*/20 2 * * *", "0 2,3 * * *"] {
        let timing = timing(pattern, "Europe/Berlin");
        for (from, to) in
            [("2027-03-28T00:00:00Z", "2027-03-28T03:00:00Z"), ("2027-10-30T23:30:00Z", "2027-10-31T03:00:00Z")]
        {
            assert_eq!(asked_often(&timing, from, to), ticks(&timing, from, to), "{pattern} from {from}");
        }
    }
}

#[test]
fn other_zones_have_other_days_and_hours() {
    // New York: 2027-03-14 at 02:00 to 03:00, 2027-11-07 at 02:00 back to 01:00.
    let new_york = timing("30 2 * * *", "America/New_York");
    assert_eq!(ticks(&new_york, "2027-03-14T05:00:00Z", "2027-03-15T00:00:00Z"), ["2027-03-14T07:00:00Z"]);
    let half_past_one = timing("30 1 * * *", "America/New_York");
    assert_eq!(ticks(&half_past_one, "2027-11-07T04:00:00Z", "2027-11-08T00:00:00Z"), ["2027-11-07T05:30:00Z"]);
    // Lord Howe sets its clocks by half an hour: 2027-10-03 at 02:00 to 02:30.
    let lord_howe = timing("15 2 * * *", "Australia/Lord_Howe");
    assert_eq!(ticks(&lord_howe, "2027-10-02T12:00:00Z", "2027-10-03T12:00:00Z"), ["2027-10-02T15:30:00Z"]);
    // Lagos never does.
    let lagos = timing("0 9 * * MON-FRI", "Africa/Lagos");
    let friday_and_monday = ["2027-03-26T08:00:00Z", "2027-03-29T08:00:00Z"];
    assert_eq!(ticks(&lagos, "2027-03-26T00:00:00Z", "2027-03-29T23:00:00Z"), friday_and_monday);
}

fn schedule(timing: Timing, payload: &str) -> Schedule {
    let (name, queue) = (ScheduleName::new("nightly").unwrap(), QueueName::new("email").unwrap());
    Schedule::new(name, queue, timing, NewJob::from_json(payload.to_owned()).unwrap()).unwrap()
}

#[test]
fn the_job_of_a_tick_is_named_after_it_and_spread_the_same_everywhere() {
    let tick_ms = instant("2027-03-28T01:00:00Z").timestamp_millis();
    let plain = schedule(timing("@daily", "UTC"), "1");
    let job = plain.job_of(tick_ms, tick_ms + 700);
    assert_eq!((job.job_id().as_str(), job.id_is_chosen), ("nightly@2027-03-28T01:00:00Z", true));
    assert_eq!(job.start, Start::Now);
    let spread = plain.jitter(Duration::from_secs(30));
    let starts: Vec<_> = (0..200)
        .map(|n| match spread.job_of(tick_ms + n * 60_000, 0).start {
            Start::AtMs(at_ms) => at_ms - tick_ms - n * 60_000,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(starts.iter().all(|after_ms| (0..=30_000).contains(after_ms)), "{starts:?}");
    assert!(starts.iter().filter(|after_ms| **after_ms < 15_000).count() > 60, "{starts:?}");
    assert!(starts.iter().filter(|after_ms| **after_ms >= 15_000).count() > 60, "{starts:?}");
    assert_eq!(spread.job_of(tick_ms, 0).start, spread.clone().job_of(tick_ms, 0).start);
}

#[test]
fn what_is_stored_is_read_again_and_leaves_out_defaults() {
    let payload = r#"{"n":9007199254740993,"f":19.999999999999998,"e":[]}"#;
    let plain = schedule(Timing::every(Duration::from_secs(900)).unwrap(), payload);
    assert_eq!(plain.to_stored().unwrap(), format!(r#"{{"every":"15m","payload":{payload}}}"#));
    let job = NewJob::from_json(payload.to_owned()).unwrap().priority(crate::job::Priority::High).attempts(3);
    let job = job.ttl(Duration::from_secs(60)).unique("k").unique_for(Duration::from_secs(5));
    let full = Schedule { job, ..schedule(timing("0 9 * * MON-FRI", "Africa/Lagos"), "1") }
        .missed(Missed::All)
        .grace(Duration::from_secs(3_600))
        .overlap(Overlap::Replace)
        .jitter(Duration::from_secs(30))
        .until(instant("2027-12-31T23:00:00Z"));
    let stored = full.to_stored().unwrap();
    let again = Schedule::from_stored("nightly", full.queue(), &stored).unwrap();
    assert_eq!(again.to_stored().unwrap(), stored);
    assert_eq!((again.missed, again.overlap, again.job.payload().get()), (Missed::All, Overlap::Replace, payload));
    // Null is a payload like any other, and not the same as none.
    let nothing = r#"{"every":"15m","payload":null}"#;
    let read = |text: &str| Schedule::from_stored("nightly", full.queue(), text).unwrap();
    assert_eq!((read(nothing).payload(), read(r#"{"every":"15m"}"#).payload()), ("null", "{}"));
    assert_eq!(read(nothing).to_stored().unwrap(), nothing);
    let error = Schedule::from_stored("nightly", full.queue(), "{\"every\":\"15m\",\"new\":1}").unwrap_err();
    assert!(error.kind() == crate::ErrorKind::Corrupt && error.to_string().contains("nightly"), "{error}");
}

#[test]
fn a_file_says_what_was_exported() {
    let payload = r#"{"name":"O'Brien","n":9007199254740993}"#;
    let weekly = schedule(timing("0 9 * * MON", "Africa/Lagos"), payload).overlap(Overlap::Skip);
    let text = write_file(&[(weekly.clone(), true)]).unwrap();
    assert!(text.contains("[schedules.nightly]") && text.contains("paused = true"), "{text}");
    let read = read_file(&text).unwrap();
    assert_eq!((read.len(), read[0].paused), (1, Some(true)));
    assert_eq!(read[0].to_stored().unwrap(), weekly.to_stored().unwrap());
    assert!(write_file(&[]).unwrap().is_empty() && read_file("").unwrap().is_empty());
}

#[test]
fn a_file_may_write_a_payload_as_a_table() {
    let text = "[schedules.a]\nqueue = \"q\"\nevery = \"1h\"\npayload = { to = \"ada@example.com\", n = [1, 2.5, true] }\n\
                [schedules.b]\nqueue = \"q\"\nevery = \"1h\"\nunique = \"k\"\nunique_for = \"5m\"\n";
    let read = read_file(text).unwrap();
    let payload: serde_json::Value = serde_json::from_str(read[0].job.payload().get()).unwrap();
    assert_eq!(payload, serde_json::json!({"to": "ada@example.com", "n": [1, 2.5, true]}));
    assert_eq!((read[1].job.payload().get(), read[1].job.unique.is_some()), ("{}", true));
}

#[test]
fn every_problem_of_a_file_is_named() {
    let text = "[schedules.a]\ncron = \"x\"\n[schedules.b]\nqueue = \"q\"\ncron = \"@daily\"\nevery = \"1m\"\nmissed = \"no\"\n\
                attempts = 0\npriority = \"urgent\"\n[schedules.c]\nqueue = \"q\"\nevery = \"0s\"\npayload = \"{\"\n\
                [schedules.d]\nqueue = \"q\"\nevery = \"1m\"\ntimezone = \"UTC\"\ncolour = 1\n\
                [schedules.e]\nqueue = \"q\"\ncron = \"@daily\"\ntimezone = \"Lagos\"\njitter = \"25h\"\n\
                [schedules.'f g']\nqueue = \"q\"\n";
    let error = read_file(text).unwrap_err();
    let fields: Vec<_> = error.fields().iter().map(|problem| problem.field.as_str()).collect();
    let wanted = [
        "schedules.a.queue",
        "schedules.b.every",
        "schedules.b.missed",
        "schedules.b.attempts",
        "schedules.b.priority",
        "schedules.c.every",
        "schedules.c.payload",
        "schedules.d",
        "schedules.e.timezone",
        "schedules.e.jitter",
        "schedules.f g",
    ];
    assert_eq!(fields, wanted, "{error}");
    let said = read_file("[schedules.a]\nqueue = ").unwrap_err().to_string();
    assert!(said.starts_with("line 2: "), "{said}");
    assert!(read_file("[queues.a]\n").is_err());
}

#[test]
fn a_schedule_takes_no_start_and_no_large_payload() {
    let make = |job: NewJob| {
        let (name, queue) = (ScheduleName::new("a").unwrap(), QueueName::new("q").unwrap());
        Schedule::new(name, queue, timing("@daily", "UTC"), job)
    };
    let error = make(NewJob::new(&1).unwrap().delay(Duration::from_secs(1))).unwrap_err();
    assert_eq!(error.fields()[0].field, "delay");
    let large = NewJob::new(&"x".repeat(SCHEDULE_PAYLOAD_MAX_BYTES)).unwrap();
    assert_eq!(make(large).unwrap_err().fields()[0].field, "payload");
}

#[test]
fn fuzz_a_cron_pattern_ticks_ever_later_or_is_refused() {
    use crate::fuzz::{fuzz, text_of};
    use proptest::prelude::*;

    let pieces = &[
        "*", "*/5", "0", "59", "1-5", "5-1", "L", "#3", "W", "MON", "JAN", "31", "2", "?", ",", "@daily", "60", "/0",
        "-", " ", " ",
    ];
    let field = || prop_oneof![3 => prop::sample::select(vec!["*", "0", "*/7", "1-5", "2,31", "FRI#5", "L", "29", "2", "15W"]).prop_map(str::to_owned), 1 => text_of(pieces, 3)];
    let shaped = prop::collection::vec(field(), 5..=6).prop_map(|fields| fields.join(" "));
    let zones =
        prop::sample::select(vec!["UTC", "Africa/Lagos", "Europe/Berlin", "Australia/Lord_Howe", "America/Nuuk", "x"]);
    fuzz(
        (prop_oneof![1 => text_of(pieces, 10), 3 => shaped], zones, 0_i64..4_000_000_000_000),
        |(pattern, zone, at_ms)| {
            let Ok(timing) = Timing::cron(&pattern, zone) else { return Ok(()) };
            let written = timing.pattern().unwrap();
            let again = Timing::cron(written, zone).unwrap();
            prop_assert_eq!(again.pattern(), Some(written));
            let mut last = at_ms;
            for _ in 0..4 {
                let Some(next) = timing.next_after_ms(last) else { break };
                prop_assert!(next > last, "{} after {}", next, last);
                last = next;
            }
            Ok(())
        },
    );
}

#[test]
fn a_list_with_an_empty_place_is_refused_and_hangs_nobody() {
    for pattern in [", */7 2 L * */7", "1, * * * *", "* ,5 * * *", "* * 1,,2 * *", "0 0 0 , * *", ""] {
        assert!(Timing::cron(pattern, "UTC").is_err(), "{pattern:?}");
    }
}
