//! The terminal: taken over, drawn on, and given back on every way out.

use std::io::{self, Stdout, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crossterm::cursor::{Hide, Show};
use crossterm::style::force_color_output;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Size;
use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::Signal as Signals;

use crate::tui::draw::draw;
use crate::tui::state::State;

/// A stopped process goes on when SIGCONT comes; where it could not be stopped (nobody's job) none does.
const STOPPED_WAIT: Duration = Duration::from_millis(500);

/// Whether a panic has given the terminal back: one that a runtime caught must not be drawn over.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives it back.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over. A panic gives it back before it says anything.
    ///
    /// # Errors
    /// Where the terminal refuses.
    pub fn take(color: bool) -> Result<Self> {
        // The decision on colour is made elsewhere, and for good.
        force_color_output(color);
        panic::set_hook(on_panic(give_back, panic::take_hook()));
        let mut screen = Self { terminal: Terminal::new(CrosstermBackend::new(io::stdout())).context(REFUSED)? };
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&mut self) -> Result<()> {
        enable_raw_mode().context(REFUSED)?;
        execute!(io::stdout(), EnterAlternateScreen, Hide).context(REFUSED)?;
        self.redraw()
    }

    /// Forgets what is on the screen: the next drawing is a whole one.
    pub fn redraw(&mut self) -> Result<()> {
        // `clear` would ask the terminal where its cursor is, and wait for an answer between the keys.
        let size = self.size()?;
        self.terminal.resize(size.into()).context(REFUSED)
    }

    /// Its columns and lines.
    pub fn size(&self) -> Result<Size> {
        self.terminal.size().context(REFUSED)
    }

    /// Shows the state: what differs from the last time is written, nothing else.
    ///
    /// # Errors
    /// Where the terminal refuses, and after a panic.
    pub fn show(&mut self, state: &State) -> Result<()> {
        ensure!(!PANICKED.load(Ordering::Relaxed), "a part of the program panicked");
        self.terminal.draw(|frame| draw(frame, state)).map(drop).context(REFUSED)
    }

    /// Gives the terminal to the shell until it lets us go on.
    pub async fn suspend(&mut self, resumed: &mut Signals) -> Result<()> {
        give_back();
        kill_current_process_group(Signal::TSTP).context("cannot stop")?;
        let _ = tokio::time::timeout(STOPPED_WAIT, resumed.recv()).await;
        self.enter()
    }

    /// After SIGCONT without [`Screen::suspend`]: whoever stopped us may have used the terminal.
    pub fn resume(&mut self) -> Result<()> {
        self.enter()
    }
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

const REFUSED: &str = "cannot use the terminal";

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back before the panic is told: on the other screen nobody would see it.
fn on_panic(give_back: impl Fn() + Send + Sync + 'static, tell: Hook) -> Hook {
    Box::new(move |info| {
        PANICKED.store(true, Ordering::Relaxed);
        give_back();
        tell(info);
    })
}

/// As it was before, as far as it can still be reached; doing it twice does no harm.
fn give_back() {
    let _ = leave(&mut io::stdout());
    let _ = disable_raw_mode();
}

fn leave(out: &mut impl Write) -> io::Result<()> {
    queue!(out, LeaveAlternateScreen, Show)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_panic_is_told_on_the_shell_s_screen() {
        static ORDER: Mutex<Vec<&str>> = Mutex::new(Vec::new());
        let note = |what| move || ORDER.lock().unwrap().push(what);
        let tell = note("told");
        let usual = panic::take_hook();
        panic::set_hook(on_panic(note("back"), Box::new(move |_| tell())));
        let caught = panic::catch_unwind(|| panic!("on purpose"));
        panic::set_hook(usual);
        assert!(caught.is_err() && PANICKED.load(Ordering::Relaxed));
        assert_eq!(*ORDER.lock().unwrap(), ["back", "told"]);
    }

    #[test]
    fn leaving_shows_the_shell_and_the_cursor_again() {
        let mut out = Vec::new();
        leave(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\x1b[?1049l\x1b[?25h");
    }
}
