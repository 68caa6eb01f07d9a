//! Values of flags, as they are written on the command line.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ireva_queue::{Error, JobState};
pub use ireva_queue::{instant_from_text as instant, span_from_text as span};

/// A span that is not zero.
pub fn positive_span(text: &str) -> Result<Duration, Error> {
    match span(text)? {
        Duration::ZERO => Err(Error::invalid("it must be longer than zero")),
        span => Ok(span),
    }
}

/// One of these words, which shells complete.
pub fn one_of<T>(words: &[&'static str]) -> impl TypedValueParser<Value = T> + use<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words.to_vec()).try_map(|word| word.parse::<T>().map_err(|error| error.to_string()))
}

/// A whole number that is not zero.
pub fn count<T>(text: &str) -> Result<T, String>
where
    T: std::str::FromStr + PartialEq + From<u8>,
{
    let number = text.parse().ok().filter(|number| *number != T::from(0));
    number.ok_or_else(|| "write a whole number, 1 or more".to_owned())
}

/// Over how many partitions a queue is spread.
pub fn partitions(text: &str) -> Result<u16, String> {
    let count = text.parse().ok().filter(|count| (1..=64).contains(count));
    count.ok_or_else(|| "write a whole number, 1 to 64; 1 is a queue that is not spread".to_owned())
}

/// A number, or `none` for no limit.
pub fn number_or_none<T>(text: &str) -> Result<Option<T>, String>
where
    T: std::str::FromStr + PartialEq + From<u8>,
{
    match text {
        "none" => Ok(None),
        text => count(text).map(Some).map_err(|why| format!("{why}, or none")),
    }
}

/// A rate, or `none` for no limit.
pub fn rate_or_none(text: &str) -> Result<Option<ireva_queue::config::Rate>, String> {
    if text == "none" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "write 100/s, 30/m or 5000/h, with a burst 100/s:20, or none".to_owned())
}

/// The field of a payload that holds the key of its job; `none` for none. An empty one is a variable that was not set.
pub fn key_field_or_none(text: &str) -> Result<Option<ireva_queue::KeyField>, Error> {
    if text == "none" { Ok(None) } else { text.parse().map(Some) }
}

/// A state in which jobs can be removed.
pub fn removable_state(text: &str) -> Result<JobState, String> {
    match text.parse() {
        Ok(JobState::Active) => Err("active jobs are never removed: cancel them".to_owned()),
        Ok(state) => Ok(state),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_that_must_not_be_zero_is_not() {
        assert!(span("0s").is_ok() && positive_span("0s").is_err());
        assert_eq!(positive_span("5m").unwrap(), Duration::from_secs(300));
    }

    #[test]
    fn limits_are_positive_or_none() {
        assert_eq!(number_or_none::<u32>("none"), Ok(None));
        assert_eq!(number_or_none::<u32>("7"), Ok(Some(7)));
        assert!(["0", "-1", "x", "5000000000"].iter().all(|text| number_or_none::<u32>(text).is_err()));
        assert!(key_field_or_none("none").unwrap().is_none() && key_field_or_none("").is_err());
        assert!(rate_or_none("none") == Ok(None) && rate_or_none("5/d").is_err());
    }
}
