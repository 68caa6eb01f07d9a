//! Properties of what reads foreign text, held against random input: a few hundred cases where every test runs, and for
//! `FUZZ_SECONDS` in `make fuzz`. What was found once is kept in `proptest-regressions/` and tried first.

use std::fmt::Debug;
use std::panic::Location;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Cases between two looks at the clock, and all of them where no time is given.
const ROUND: u32 = 256;
/// No case may take longer, on a busy machine and without optimization; one that takes far longer is taken for a hang.
const CASE_MAX: Duration = Duration::from_secs(5);
const HANG: Duration = Duration::from_secs(30);

/// The case under way: when it began, and what it is.
type Current = Mutex<Option<(Instant, String)>>;

/// Holds `property` against values of `strategy`, each within [`CASE_MAX`]; fails with the smallest that breaks it.
#[track_caller]
pub fn fuzz<S>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S: Strategy,
    S::Value: Debug,
{
    hold(Some(Location::caller().file()), strategy, property);
}

/// The same; what is found is kept beside the others of `file`.
fn hold<S>(file: Option<&'static str>, strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S: Strategy,
    S::Value: Debug,
{
    let (current, done) = (Current::default(), AtomicBool::new(false));
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| watch(&current, &done));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rounds(file, &strategy, |input| timed(&current, input, &property))
        }));
        done.store(true, Ordering::SeqCst);
        outcome
    });
    match outcome {
        Ok(Ok(cases)) => eprintln!("{cases} cases hold"),
        Ok(Err(why)) => panic!("{why}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Rounds of new cases until time is up; how many.
fn rounds<S: Strategy>(
    file: Option<&'static str>,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Result<u64, String> {
    let seconds = std::env::var("FUZZ_SECONDS").ok().filter(|text| !text.is_empty());
    let seconds: u64 = seconds.map_or(0, |text| text.parse().expect("FUZZ_SECONDS is a number"));
    let (began, mut cases) = (Instant::now(), 0);
    loop {
        let config = Config { source_file: file, cases: ROUND, ..Config::default() };
        let mut runner = TestRunner::new(config);
        runner.run(strategy, &property).map_err(|error| format!("{error}\n{runner}"))?;
        cases += u64::from(ROUND);
        if began.elapsed() >= Duration::from_secs(seconds) {
            return Ok(cases);
        }
    }
}

fn timed<T: Debug>(
    current: &Current,
    input: T,
    property: impl Fn(T) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    *current.lock().unwrap() = Some((Instant::now(), format!("{input:?}")));
    let began = own_time();
    let held = property(input);
    let took = own_time() - began;
    *current.lock().unwrap() = None;
    held?;
    prop_assert!(took <= CASE_MAX, "it took {:?}", took);
    Ok(())
}

/// The time of a core that this thread has had: on a busy machine that is less than has passed.
fn own_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
}

/// Ends the process with the case that hangs: nothing else could.
fn watch(current: &Current, done: &AtomicBool) {
    while !done.load(Ordering::SeqCst) {
        std::thread::park_timeout(Duration::from_millis(20));
        // A case that panicked has left its place as it was; it ends all by itself.
        let Ok(case) = current.lock() else { return };
        if let Some((_, input)) = case.as_ref().filter(|(began, _)| began.elapsed() > HANG) {
            eprintln!("a case hangs: {input}");
            std::process::abort();
        }
    }
}

/// Texts of up to `parts` pieces: mostly these, and any characters between them.
pub fn text_of(pieces: &'static [&'static str], parts: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => "[ -~]{1,3}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..=parts).prop_map(|pieces| pieces.concat())
}

/// Any JSON, a few levels deep.
pub fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text_of(&["{{", "}}", "{%", "<script>", "&", "\"", "'", "\r\n", "\u{1b}[", "a", "1250.5", " "], 8)
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[test]
fn a_planted_panic_is_found_and_made_small() {
    let found = std::panic::catch_unwind(|| {
        hold(None, 0..10_000_u32, |number| {
            assert!(number < 700, "planted");
            Ok(())
        });
    });
    let said = found.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("planted") && said.contains("700"), "{said}");
}
