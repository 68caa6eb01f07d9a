//! One line, one job.

use std::io::{self, BufRead};

use ireva_queue::NewJob;

/// A payload at the library's limit with its options around it.
const LINE_MAX_BYTES: usize = 1024 * 1024 + 64 * 1024;

/// The job of a line; `defaults` puts on it what the flags say, the line's own fields win.
///
/// # Errors
/// Why the line is refused.
pub fn job(line: &str, bare: bool, defaults: impl Fn(NewJob) -> NewJob) -> Result<NewJob, String> {
    let job = if bare {
        NewJob::from_json(line.to_owned()).map(defaults).and_then(|job| job.check().map(|()| job))
    } else {
        NewJob::from_line(line, defaults)
    };
    job.map_err(|error| {
        let said = error.to_string();
        // What is no job as a line has it may be a payload by itself.
        let foreign =
            ["unknown field", "payload is missing", "it is no object"].iter().any(|start| said.starts_with(start));
        if foreign && !bare { format!("{said}; with --bare each line is a payload by itself") } else { said }
    })
}

/// Lines of a reader, each held to a length.
pub struct Lines<R> {
    from: R,
    /// The number of the line that was read last, from 1.
    pub number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `from`.
    pub fn new(from: R) -> Self {
        Self { from, number: 0 }
    }

    /// Reads the next line into `line`: `None` at the end, an inner error when it is no text or too long.
    ///
    /// # Errors
    /// What the reader says.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Option<Result<(), String>>> {
        line.clear();
        let (mut total, mut ended) = (0, false);
        while !ended {
            let buffer = self.from.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            total += part.len();
            // What is over the limit is read past, not kept.
            if total <= LINE_MAX_BYTES {
                line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            ended = end.is_some();
            self.from.consume(used);
        }
        if total == 0 && !ended {
            return Ok(None);
        }
        self.number += 1;
        if total > LINE_MAX_BYTES {
            return Ok(Some(Err(format!("it has {total} bytes, more than {LINE_MAX_BYTES}"))));
        }
        Ok(Some(std::str::from_utf8(line).map(|_| ()).map_err(|_| "it is not UTF-8".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_job_with_its_options_or_a_payload() {
        let line = r#"{"payload":{"n":19.999999999999998},"id":"a-1"}"#;
        let made = |bare| job(line, bare, |job| job).unwrap();
        assert_eq!(
            (made(false).job_id().as_str(), made(false).payload().get()),
            ("a-1", r#"{"n":19.999999999999998}"#)
        );
        assert_eq!(made(true).payload().get(), line);
        assert!(job("{", true, |job| job).is_err());
    }

    #[test]
    fn a_line_that_is_no_job_may_be_a_payload() {
        let refused = |line: &str| job(line, false, |job| job).unwrap_err();
        for line in ["1", "{}", r#"{"payload":1,"prio":"high"}"#] {
            assert!(refused(line).ends_with("; with --bare each line is a payload by itself"), "{}", refused(line));
        }
        assert!(!refused(r#"{"payload":1,"delay":5}"#).contains("--bare"));
    }

    #[test]
    fn long_lines_are_read_past() {
        let text = format!("1\n{}\n2", "x".repeat(LINE_MAX_BYTES + 1));
        let mut lines = Lines::new(io::BufReader::with_capacity(1000, text.as_bytes()));
        let mut line = Vec::new();
        assert!(lines.next(&mut line).unwrap().unwrap().is_ok() && line == b"1");
        assert!(lines.next(&mut line).unwrap().unwrap().is_err() && line.len() <= LINE_MAX_BYTES);
        assert!(lines.next(&mut line).unwrap().unwrap().is_ok() && line == b"2" && lines.number == 3);
        assert!(lines.next(&mut line).unwrap().is_none());
    }
}
