//! What keys do: the state changes here, what must happen outside is returned.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::tui::act::Act;
use crate::tui::chosen;
use crate::tui::look::{Look, Target};
use crate::tui::rows::{Key, Pane};
use crate::tui::state::{Mode, State};

/// As long as a filter may be.
const FILTER_CHARS: usize = 40;

/// What must happen outside of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// It ends; everything is as it should be.
    Quit,
    /// It ends by Ctrl-C.
    Interrupt,
    /// The shell gets the terminal until `fg`.
    Suspend,
    /// The whole screen is drawn anew.
    Redraw,
    /// The panes are asked for anew at once, not at the next tick.
    Ask,
    /// This is done.
    Act(Act),
    /// What is being done is broken off.
    Stop,
}

/// A key was pressed.
pub fn press(state: &mut State, key: KeyEvent) -> Effect {
    if key.kind == KeyEventKind::Release {
        return Effect::None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => return Effect::Interrupt,
        KeyCode::Char('z') if control => return Effect::Suspend,
        KeyCode::Char('l') if control => return Effect::Redraw,
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => return Effect::None,
        _ => {}
    }
    state.notice = None;
    let effect = match &state.mode {
        Mode::Watch => watch(state, key.code),
        Mode::Filter(before) => {
            let before = before.clone();
            filter(state, key.code, before)
        }
        Mode::Ask(act) => {
            let act = act.clone();
            answer(state, key.code, act)
        }
        Mode::Look(_) => look(state, key.code),
        Mode::Help => {
            state.mode = Mode::Watch;
            Effect::None
        }
    };
    state.settle();
    effect
}

fn watch(state: &mut State, code: KeyCode) -> Effect {
    let page = isize::try_from(state.fits(state.focus).max(1)).unwrap_or(isize::MAX);
    match code {
        KeyCode::Char('q') => return Effect::Quit,
        KeyCode::Up | KeyCode::Char('k') => state.move_by(-1),
        KeyCode::Down | KeyCode::Char('j') => state.move_by(1),
        KeyCode::PageUp => state.move_by(-page),
        KeyCode::PageDown => state.move_by(page),
        KeyCode::Home | KeyCode::Char('g') => state.move_to(0),
        KeyCode::End | KeyCode::Char('G') => state.move_to(usize::MAX),
        KeyCode::Tab | KeyCode::Right => state.focus = neighbour(state.focus, 1),
        KeyCode::BackTab | KeyCode::Left => state.focus = neighbour(state.focus, Pane::ALL.len() - 1),
        KeyCode::Char('/') => state.mode = Mode::Filter(std::mem::take(&mut state.filter)),
        KeyCode::Char('?') => state.mode = Mode::Help,
        KeyCode::Esc if state.doing.is_some() => return Effect::Stop,
        KeyCode::Esc => state.filter.clear(),
        KeyCode::Enter => return enter(state),
        KeyCode::Char('p') => ask(state, chosen::switch),
        KeyCode::Char('r') => ask(state, chosen::revive),
        KeyCode::Char('c') => ask(state, |key, _| chosen::cancel(key)),
        _ => {}
    }
    Effect::None
}

fn neighbour(pane: Pane, steps: usize) -> Pane {
    Pane::ALL[(pane as usize + steps) % Pane::ALL.len()]
}

/// Asks about what is at the cursor, or says why there is nothing to ask.
fn ask(state: &mut State, act: impl Fn(&Key, &State) -> Result<Act, &'static str>) {
    if let Some(why) = state.about.changes_nothing {
        return state.warn(why);
    }
    let Some(key) = state.at_cursor() else { return state.warn("nothing is listed there") };
    match act(&key, state) {
        Ok(act) => ask_about(state, act),
        Err(why) => state.warn(why),
    }
}

fn ask_about(state: &mut State, act: Act) {
    if let Some(why) = state.about.changes_nothing {
        state.warn(why);
    } else if state.doing.is_some() {
        state.warn("one thing at a time: Esc stops the one that is being done");
    } else {
        state.mode = Mode::Ask(act);
    }
}

fn answer(state: &mut State, code: KeyCode, act: Act) -> Effect {
    state.mode = Mode::Watch;
    if matches!(code, KeyCode::Char('y' | 'Y')) {
        state.doing = Some((act.clone(), 0));
        return Effect::Act(act);
    }
    state.say("nothing was changed");
    Effect::None
}

fn enter(state: &mut State) -> Effect {
    let Some(target) = state.at_cursor().and_then(|key| chosen::target(&key, state)) else { return Effect::None };
    let mut look = Look::at(target);
    look.update(&state.facts);
    state.mode = Mode::Look(look);
    Effect::Ask
}

fn look(state: &mut State, code: KeyCode) -> Effect {
    let page = state.layout().map_or(1, |layout| usize::from(layout.body.height.saturating_sub(1)).max(1));
    let Mode::Look(look) = &mut state.mode else { return Effect::None };
    let last = look.lines.len().saturating_sub(page);
    match code {
        KeyCode::Up | KeyCode::Char('k') => look.top = look.top.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => look.top = (look.top + 1).min(last),
        KeyCode::PageUp => look.top = look.top.saturating_sub(page),
        KeyCode::PageDown | KeyCode::Char(' ') => look.top = (look.top + page).min(last),
        KeyCode::Home | KeyCode::Char('g') => look.top = 0,
        KeyCode::End | KeyCode::Char('G') => look.top = last,
        KeyCode::Char('c') => {
            if let Target::Job(job) = &look.target {
                let act = Act::Cancel(job.clone());
                ask_about(state, act);
            }
        }
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => state.mode = Mode::Watch,
        _ => {}
    }
    Effect::None
}

fn filter(state: &mut State, code: KeyCode, before: String) -> Effect {
    match code {
        KeyCode::Enter => state.mode = Mode::Watch,
        KeyCode::Esc => {
            state.filter = before;
            state.mode = Mode::Watch;
        }
        KeyCode::Backspace => _ = state.filter.pop(),
        KeyCode::Char(letter) if state.filter.chars().count() < FILTER_CHARS => state.filter.push(letter),
        _ => {}
    }
    Effect::None
}
