//! The loop of the dashboard, and all that it does outside of its state.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use ireva_queue::{Client, QueueName, local_now};
use ratatui::layout::Size;
use rustix::process::Signal;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::exit::Code;
use crate::tui::act::Act;
use crate::tui::facts::Facts;
use crate::tui::input::{Effect, press};
use crate::tui::load::{Loader, Wants};
use crate::tui::screen::Screen;
use crate::tui::state::{About, State};

/// What it is started with.
pub struct Setup {
    /// The server, as it is named in the first line.
    pub server: String,
    /// Only these queues; none named: all.
    pub queues: Vec<QueueName>,
    /// How often it looks.
    pub interval: Duration,
    /// Why keys change nothing, where they do not.
    pub changes_nothing: Option<&'static str>,
    /// Whether colours are shown.
    pub color: bool,
    /// Whether the terminal shows more than ASCII.
    pub unicode: bool,
}

/// A look that is under way; it gives the loader back.
type Looking = Pin<Box<dyn Future<Output = (Loader, ireva_queue::Result<Facts>)>>>;
/// An act that is under way.
type Acting = Pin<Box<dyn Future<Output = Result<String, String>>>>;

/// Shows the queues until a key or a signal ends it; how it ended.
///
/// # Errors
/// What the first look finds wrong, before anything is drawn; later the terminal's own errors.
pub async fn run(setup: Setup, client: &Client) -> Result<Code> {
    let Setup { server, queues, interval, changes_nothing, color, unicode } = setup;
    let started = Instant::now();
    let mut loader = Loader::new(client.clone());
    let first = Wants { queues: queues.clone(), running: 0, look: None, now: local_now() };
    let facts = loader.look(&first).await?;
    let mut told = Told::listen()?;
    let mut screen = Screen::take(color)?;
    let about = About { server, interval, changes_nothing, color, unicode };
    let mut state = State::new(about, screen.size()?, local_now());
    state.seen(facts, started.elapsed());
    let mut rim = Rim::new(client.clone(), queues, loader);
    let (mut keys, mut ticks) = (EventStream::new(), ticks(interval));
    loop {
        state.now = local_now();
        state.resize(screen.size()?);
        (state.doing, state.looking_for) = (rim.doing(), rim.looking_for());
        screen.show(&state)?;
        let effect = tokio::select! {
            key = keys.next() => match key {
                Some(Ok(event)) => heard(&mut state, event),
                // The terminal is gone.
                Some(Err(_)) | None => return Ok(Code::Interrupted),
            },
            (loader, seen) = next(&mut rim.looking) => {
                rim.loader = Some(loader);
                state.now = local_now();
                match seen {
                    Ok(facts) => state.seen(facts, started.elapsed()),
                    Err(error) => state.blind(error.to_string()),
                }
                Effect::None
            }
            outcome = next(&mut rim.acting) => {
                rim.act = None;
                state.done(outcome);
                Effect::Ask
            }
            _ = ticks.tick() => Effect::Ask,
            ended = told.next() => if ended {
                Effect::Interrupt
            } else {
                screen.resume()?;
                Effect::Ask
            }
        };
        match effect {
            Effect::None => {}
            Effect::Quit => return Ok(Code::Done),
            Effect::Interrupt => return Ok(Code::Interrupted),
            Effect::Redraw => screen.redraw()?,
            Effect::Suspend => screen.suspend(&mut told.resumed).await?,
            Effect::Ask => rim.look(&state),
            Effect::Act(act) => rim.act(act),
            Effect::Stop => {
                if let Some(words) = rim.stop() {
                    state.done(Ok(words));
                    rim.look(&state);
                }
            }
        }
    }
}

/// The first tick comes at once: what is drawn first has no running jobs, since nobody knew how many fit.
fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn heard(state: &mut State, event: Event) -> Effect {
    state.now = local_now();
    match event {
        Event::Key(key) => press(state, key),
        Event::Resize(width, height) => {
            state.resize(Size { width, height });
            Effect::Ask
        }
        _ => Effect::None,
    }
}

/// The outcome of what is under way; for ever pending where nothing is.
async fn next<T>(under_way: &mut Option<Pin<Box<dyn Future<Output = T>>>>) -> T {
    match under_way {
        Some(future) => {
            let outcome = future.await;
            *under_way = None;
            outcome
        }
        None => std::future::pending().await,
    }
}

/// What is under way outside of the state: at most one look, and at most one act.
struct Rim {
    client: Client,
    queues: Vec<QueueName>,
    loader: Option<Loader>,
    looking: Option<Looking>,
    looking_since: Instant,
    acting: Option<Acting>,
    /// What is being done, and how much of it is.
    act: Option<(Act, Arc<AtomicU64>)>,
}

impl Rim {
    fn new(client: Client, queues: Vec<QueueName>, loader: Loader) -> Self {
        Self {
            client,
            queues,
            loader: Some(loader),
            looking: None,
            looking_since: Instant::now(),
            acting: None,
            act: None,
        }
    }

    /// Looks, unless a look is under way: the next tick comes.
    fn look(&mut self, state: &State) {
        let Some(mut loader) = self.loader.take() else { return };
        let wants = Wants {
            queues: self.queues.clone(),
            running: state.wants_running(),
            look: state.job_looked_at(),
            now: state.now,
        };
        self.looking_since = Instant::now();
        self.looking = Some(Box::pin(async move {
            let seen = loader.look(&wants).await;
            (loader, seen)
        }));
    }

    /// How long the look that is under way has lasted.
    fn looking_for(&self) -> Option<Duration> {
        self.looking.as_ref().map(|_| self.looking_since.elapsed())
    }

    /// Begins an act.
    fn act(&mut self, act: Act) {
        let (client, done) = (self.client.clone(), Arc::new(AtomicU64::new(0)));
        self.act = Some((act.clone(), done.clone()));
        self.acting = Some(Box::pin(async move { act.run(&client, &done).await.map_err(|error| error.to_string()) }));
    }

    /// What is being done, and how much of it is.
    fn doing(&self) -> Option<(Act, u64)> {
        self.act.as_ref().map(|(act, done)| (act.clone(), done.load(Ordering::Relaxed)))
    }

    /// Breaks the act off; what was done by then, in words.
    fn stop(&mut self) -> Option<String> {
        self.acting = None;
        self.act.take().map(|(act, done)| act.stopped(done.load(Ordering::Relaxed)))
    }
}

/// The signals that matter to what draws on a terminal.
struct Told {
    terminate: Signals,
    hangup: Signals,
    resumed: Signals,
}

impl Told {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            resumed: listen(SignalKind::from_raw(Signal::CONT.as_raw()))?,
        })
    }

    /// Waits for the next one; whether it says to end.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.hangup.recv() => true,
            _ = self.resumed.recv() => false,
        }
    }
}
