//! Streams, colour, progress, prompts: decided once, here. The answer goes to stdout, all else to stderr.

use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context as _, Result};
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ireva_queue::local_now;

use crate::args::{ColorChoice, Globals};
use crate::exit::{Code, Stop, is_closed_pipe};
use crate::output::{self, Answer, Format, Look, visible, visible_lines};
use crate::view::View;

/// The terminal, or what stands in for it.
pub struct Ui {
    format: Format,
    quiet: bool,
    verbosity: u8,
    color_out: bool,
    color_err: bool,
    width: Option<u16>,
    can_ask: bool,
    no_input: bool,
    can_draw: bool,
    has_screen: bool,
    out_is_terminal: bool,
    err_is_terminal: bool,
    pager: Option<String>,
}

impl Ui {
    /// Looks at flags, streams and environment.
    pub fn new(flags: &Globals) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let set = |name| env::var_os(name).is_some_and(|value: std::ffi::OsString| !value.is_empty() && value != "0");
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = |terminal: bool| match flags.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if no_color => false,
            ColorChoice::Auto => set("CLICOLOR_FORCE") || (terminal && !dumb),
        };
        Self {
            format: flags.output.unwrap_or(if out { Format::Table } else { Format::Plain }),
            quiet: flags.quiet,
            verbosity: flags.verbose,
            color_out: color(out),
            color_err: color(err),
            width: width(out),
            no_input: flags.no_input,
            can_ask: io::stdin().is_terminal() && err && !flags.no_input,
            can_draw: err && !dumb && !flags.quiet,
            has_screen: io::stdin().is_terminal() && out && !dumb,
            out_is_terminal: out,
            err_is_terminal: err,
            pager: (out && !dumb && !flags.no_pager).then(pager).flatten(),
        }
    }

    /// Who is at the keyboard: `user@host`.
    pub fn who(&self) -> String {
        who()
    }

    /// How answers are written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether only the answer, and errors, are wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether somebody sees what is said on stderr.
    pub fn is_watched(&self) -> bool {
        self.err_is_terminal
    }

    /// Whether a whole screen can be drawn and keys be heard.
    pub fn has_screen(&self) -> bool {
        self.has_screen
    }

    /// Whether `--no-input` forbids questions.
    pub fn forbids_questions(&self) -> bool {
        self.no_input
    }

    /// Whether the terminal shows more than ASCII: unless its language names another set of characters.
    pub fn shows_unicode(&self) -> bool {
        let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| env::var(name).ok());
        let language = set.map(|value| value.to_lowercase()).find(|value| !value.is_empty());
        language.is_none_or(|value| value.contains("utf-8") || value.contains("utf8"))
    }

    /// How often `-v` was given.
    pub fn verbosity(&self) -> u8 {
        self.verbosity
    }

    /// Whether stderr shows colours.
    pub fn colors_stderr(&self) -> bool {
        self.color_err
    }

    /// What renderers may know.
    pub fn look(&self) -> Look {
        Look { color: self.color_out, width: self.width, now: local_now() }
    }

    /// Writes an answer to stdout.
    ///
    /// # Errors
    /// Whatever stdout refuses; a closed pipe is an error that ends in exit code 0.
    pub fn answer(&self, answer: &Answer) -> Result<()> {
        let lost = |error: anyhow::Error| {
            if crate::exit::code_of(&error) == crate::exit::Code::Done {
                return error;
            }
            let mut names = Vec::new();
            let _ = answer.render(Format::Name, self.look(), &mut names);
            let names = String::from_utf8_lossy(&names);
            // A list can be asked for again; what was done must not be done again for want of an answer.
            let what = if names.lines().count() == 1 { format!(" ({})", names.trim_end()) } else { String::new() };
            error.context(format!("what was asked for is done{what}, but the answer is lost"))
        };
        self.write(|format, look, out| answer.render(format, look, out)).map_err(lost)
    }

    /// Writes the answer that a command ends with: for people, where it is longer than the terminal, through a pager.
    pub fn last_answer(&self, answer: &Answer) -> Result<()> {
        let for_people = matches!(self.format, Format::Table | Format::Wide);
        let Some(pager) = self.pager.as_deref().filter(|_| for_people && answer.is_paged()) else {
            return self.answer(answer);
        };
        let mut text = Vec::new();
        answer.render(self.format, self.look(), &mut text)?;
        let rows = Term::stdout().size_checked().map_or(usize::MAX, |(rows, _)| usize::from(rows));
        let long = text.iter().filter(|&&byte| byte == b'\n').count() >= rows;
        if long && crate::pager::show(pager, &text).context("cannot write to the pager")? {
            return Ok(());
        }
        self.answer(answer)
    }

    /// Writes an answer of a row of them: csv has its header only once.
    pub fn answer_again(&self, answer: &Answer, again: bool) -> Result<()> {
        if !(again && self.format == Format::Csv) {
            return self.answer(answer);
        }
        let mut rows = Vec::new();
        answer.render(self.format, self.look(), &mut rows)?;
        let rows = rows.splitn(2, |&byte| byte == b'\n').nth(1).unwrap_or_default();
        self.write(|_, _, out| out.write_all(rows))
    }

    /// Writes values of a row that goes on: each a line at once, without a header again; for people as `line` says.
    pub fn stream<T: View>(&self, values: &[T], again: bool, line: impl Fn(&T, Look) -> String) -> Result<()> {
        self.write(|format, look, out| match format {
            Format::Table | Format::Wide => values.iter().try_for_each(|value| writeln!(out, "{}", line(value, look))),
            Format::Csv if again => {
                let mut rows = Vec::new();
                output::rows(values, format, look, &mut rows)?;
                out.write_all(rows.splitn(2, |&byte| byte == b'\n').nth(1).unwrap_or_default())
            }
            // One JSON value would have no end.
            Format::Json => output::rows(values, Format::Jsonl, look, out),
            format => output::rows(values, format, look, out),
        })
    }

    /// Writes to stdout with the format and look in force.
    pub fn write(&self, write: impl FnOnce(Format, Look, &mut dyn Write) -> io::Result<()>) -> Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        write(self.format, self.look(), &mut out).and_then(|()| out.flush()).map_err(|error| {
            let closed = is_closed_pipe(&error);
            // What is still buffered has nowhere to go; dropping the writer would try once more.
            let _ = out.into_parts();
            let error = anyhow::Error::from(error);
            if closed { error } else { error.context("cannot write to standard output") }
        })
    }

    /// Clears the screen before the next answer, where there is one.
    pub fn redraw(&self) -> Result<()> {
        if self.out_is_terminal { Term::stdout().clear_screen().context("cannot clear the screen") } else { Ok(()) }
    }

    /// Says something on stderr, unless `-q`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.say_raw(&visible_lines(text));
        }
    }

    /// Says on stderr what went wrong.
    pub fn error(&self, error: &anyhow::Error) {
        let label = console::style("error:").force_styling(self.color_err).red().bold();
        for line in told(error).lines() {
            self.say_raw(&format!("{label} {}", visible(line)));
        }
    }

    /// Says on stderr that a part was refused, even with `-q`.
    pub fn refusal(&self, text: &str) {
        self.say_raw(&visible_lines(text));
    }

    /// One write for the whole line, so that lines of several processes do not mix; nobody to hear it is no error.
    fn say_raw(&self, line: &str) {
        let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
    }

    /// A bar on stderr up to `total` (a counter without it), on a terminal only.
    pub fn progress(&self, doing: &str, total: Option<u64>) -> Progress {
        if !self.can_draw {
            return Progress(ProgressBar::hidden());
        }
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let bar = ProgressBar::with_draw_target(total, target).with_message(visible(doing).into_owned());
        let template = match total {
            Some(_) => "{msg} [{bar:30}] {human_pos} of {human_len}, {eta} left",
            None => "{msg} {human_pos}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        Progress(bar)
    }

    /// Makes sure that a question can be asked at all, before any work is done for it.
    ///
    /// # Errors
    /// Refused (5) without a terminal.
    pub fn must_be_able_to_ask(&self, what: &str) -> Result<()> {
        if self.can_ask {
            return Ok(());
        }
        Err(Stop::new(Code::Refused, format!("{what} needs --yes where no question can be asked")).into())
    }

    /// Asks for the name of what is about to be changed, typed in full.
    ///
    /// # Errors
    /// Refused (5) without a terminal and when something else is typed.
    pub fn confirm(&self, what: &str, name: &str) -> Result<()> {
        self.must_be_able_to_ask(what)?;
        let term = Term::stderr();
        // A prompt that is longer than the terminal is wide would be drawn twice.
        self.say_raw(&visible(what));
        let prompt = format!("type {} to go on", visible(name));
        let typed = dialoguer::Input::<String>::new().with_prompt(prompt).allow_empty(true).interact_text_on(&term);
        match typed {
            Ok(typed) if typed.trim() == name => Ok(()),
            Ok(_) => Err(Stop::new(Code::Refused, "not confirmed; nothing was changed").into()),
            Err(dialoguer::Error::IO(error)) if error.kind() == io::ErrorKind::Interrupted => {
                let _ = term.show_cursor();
                Err(Stop::interrupted().into())
            }
            Err(dialoguer::Error::IO(error)) => Err(anyhow::Error::from(error).context("cannot ask")),
        }
    }
}

/// Shows what clap has to say: help and version on stdout, wrong usage on stderr.
pub fn usage(error: &clap::Error) -> Code {
    let text = error.render().to_string();
    let printed = if visible_lines(&text) == text {
        error.print()
    } else {
        // An argument that would act on the terminal is quoted in the message.
        io::stderr().lock().write_all(visible_lines(&text).as_bytes())
    };
    match printed {
        Err(error) if !is_closed_pipe(&error) => {
            let _ = writeln!(io::stderr(), "error: cannot write to standard output: {error}");
            Code::Failed
        }
        _ if error.use_stderr() => Code::Usage,
        _ => Code::Done,
    }
}

/// The error and what it was about. The causes behind the library's own error are already in its message.
pub fn told(error: &anyhow::Error) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        parts.push(cause.to_string());
        if cause.is::<ireva_queue::Error>() || cause.is::<Stop>() {
            break;
        }
    }
    parts.join(": ")
}

/// The pager that the user wants: `PAGER`, else less; `None` where it is set to nothing, or to what does not page.
fn pager() -> Option<String> {
    let set = env::var("PAGER").unwrap_or_else(|_| "less".to_owned());
    Some(set).filter(|pager| !["", "cat"].contains(&pager.trim()))
}

/// How less behaves where `LESS` does not say.
pub fn less_options() -> String {
    env::var("LESS").ok().filter(|options| !options.is_empty()).unwrap_or_else(|| "FRX".to_owned())
}

fn width(out_is_terminal: bool) -> Option<u16> {
    let asked = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&columns| columns >= 20);
    asked.or_else(|| out_is_terminal.then(|| Term::stdout().size_checked().map_or(80, |(_, columns)| columns)))
}

/// Where systemd listens, and how often it wants to hear from us: `NOTIFY_SOCKET`, `WATCHDOG_USEC`.
pub fn service_manager() -> (Option<std::ffi::OsString>, Option<Duration>) {
    let socket = env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty());
    let ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    let interval = env::var("WATCHDOG_USEC").ok().filter(|_| ours).and_then(|text| text.parse().ok());
    (socket, interval.map(Duration::from_micros))
}

/// Which start of the service this is, by systemd: `INVOCATION_ID`.
pub fn invocation() -> Option<String> {
    env::var("INVOCATION_ID").ok().filter(|id| !id.is_empty())
}

/// How the main process of the service ended, as systemd tells those that it runs afterwards: `EXIT_CODE` (exited, killed,
/// dumped) and `EXIT_STATUS` (a number, or the name of a signal).
pub fn service_end() -> Option<(String, String)> {
    Some((env::var("EXIT_CODE").ok()?, env::var("EXIT_STATUS").ok()?))
}

/// Who is at the keyboard, as the audit names them: `user@host`.
fn who() -> String {
    let named = |name| env::var(name).ok().filter(|user| !user.is_empty());
    let user = named("SUDO_USER").or_else(|| named("USER")).or_else(|| named("LOGNAME"));
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
}

/// Where the system keeps what does not last.
pub fn temporary_directory() -> std::path::PathBuf {
    env::temp_dir()
}

/// The command line; `help work` asks for what `work --help` does, but for topics.
pub fn arguments() -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = env::args_os().collect();
    let topic = |word: &std::ffi::OsString| {
        word.to_str().is_some_and(|word| word.starts_with('-') || crate::command::help::is_topic(word))
    };
    if arguments.get(1).is_some_and(|first| first == "help") && !arguments.get(2).is_some_and(topic) {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

/// The whole environment, for a processor to choose from.
pub fn environment() -> env::VarsOs {
    env::vars_os()
}

/// A bar on stderr, gone when it is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// So much is done.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// So much of so much, where that is not known before.
    pub fn set_of(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// What is being done now.
    pub fn say(&self, doing: &str) {
        self.0.set_message(visible(doing).into_owned());
        self.0.tick();
    }

    /// Writes a line above the bar without breaking it.
    pub fn above(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
