//! What keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ireva_queue::{JobId, JobState, Located};

use super::*;
use crate::tui::act::Act;
use crate::tui::input::{Effect, press};
use crate::tui::rows::{Key, Pane};
use crate::tui::state::Mode;

/// Presses keys: letters, and words in angle brackets; the last effect.
fn type_in(state: &mut State, keys: &str) -> Effect {
    let mut effect = Effect::None;
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let (code, modifiers, length) = match first {
            '<' => {
                let end = rest.find('>').unwrap();
                let (code, modifiers) = special(&rest[1..end]);
                (code, modifiers, end + 1)
            }
            letter => (KeyCode::Char(letter), KeyModifiers::NONE, letter.len_utf8()),
        };
        effect = press(state, KeyEvent::new(code, modifiers));
        rest = &rest[length..];
    }
    effect
}

fn special(word: &str) -> (KeyCode, KeyModifiers) {
    let code = match word {
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "backspace" => KeyCode::Backspace,
        "end" => KeyCode::End,
        "pagedown" => KeyCode::PageDown,
        control => return (KeyCode::Char(control.chars().last().unwrap()), KeyModifiers::CONTROL),
    };
    (code, KeyModifiers::NONE)
}

fn at(state: &State) -> Key {
    state.at_cursor().unwrap()
}

#[test]
fn tab_and_arrows_go_round_the_panes() {
    let mut state = state(80, 24, busy());
    for pane in [Pane::Running, Pane::Dead, Pane::Workers, Pane::Queues] {
        type_in(&mut state, "<tab>");
        assert_eq!(state.focus, pane);
    }
    type_in(&mut state, "<left>");
    assert_eq!(state.focus, Pane::Workers);
    type_in(&mut state, "<backtab><right><right>");
    assert_eq!(state.focus, Pane::Queues);
}

#[test]
fn the_cursor_moves_and_stops_at_both_ends() {
    let mut state = state(80, 24, busy());
    assert_eq!(at(&state), Key::Queue(name("email")));
    type_in(&mut state, "jj");
    assert_eq!(at(&state), Key::Queue(name("report-generation")));
    type_in(&mut state, "<down><down><down>");
    assert_eq!(at(&state), Key::Queue(name("roi-distribution")));
    type_in(&mut state, "k<up>gk");
    assert_eq!(at(&state), Key::Queue(name("email")));
    type_in(&mut state, "G");
    assert_eq!(at(&state), Key::Queue(name("roi-distribution")));
}

#[test]
fn the_cursor_stays_with_its_row_when_others_come_and_go() {
    let mut state = state(80, 24, busy());
    type_in(&mut state, "<tab>j");
    let chosen = Key::Job(name("email"), JobId::new("import-2").unwrap());
    assert_eq!(at(&state), chosen);
    let mut facts = busy();
    facts.running.insert(0, running("email", "older", 9_000, None));
    state.seen(facts.clone(), Duration::from_secs(1));
    assert_eq!(at(&state), chosen);
    facts.running.retain(|running| running.job.id.as_str() != "import-2");
    state.seen(facts, Duration::from_secs(2));
    assert_eq!(at(&state), Key::Job(name("email"), JobId::new("import-3").unwrap()), "the next takes its place");
    state.seen(Facts::default(), Duration::from_secs(3));
    assert_eq!(state.at_cursor(), None);
}

#[test]
fn a_long_list_scrolls_under_the_cursor() {
    let queues = (0..60).map(|n| queue(&format!("q-{n:02}"))).collect();
    let mut state = state(80, 24, Facts { queues, ..Facts::default() });
    let fits = state.fits(Pane::Queues);
    type_in(&mut state, "<pagedown>");
    assert_eq!(at(&state), Key::Queue(name(&format!("q-{fits:02}"))));
    type_in(&mut state, "<end>");
    let shown = state.shown(Pane::Queues);
    assert_eq!((shown.top, shown.cursor, shown.rows.len()), (60 - fits, Some(fits - 1), fits));
    type_in(&mut state, "k");
    assert_eq!(state.shown(Pane::Queues).top, 60 - fits, "the cursor moves before the list does");
}

#[test]
fn what_changes_something_is_asked_first() {
    let mut state = state(80, 24, busy());
    let table = [
        ("p", Act::Pause(name("email"))),
        ("Gp", Act::Resume(name("roi-distribution"))),
        (
            "<tab>c",
            Act::Cancel(Located::new(
                name("email"),
                JobId::new("01KAQ8Z3V7X9Y2N4M6P8R0S1T3").unwrap(),
                JobState::Active,
            )),
        ),
        ("p", Act::Pause(name("email"))),
        (
            "<tab>jr",
            Act::Revive { queue: name("email"), code: "connection_refused".to_owned(), count: 30, at_least: false },
        ),
    ];
    for (keys, act) in table {
        assert_eq!(type_in(&mut state, keys), Effect::None, "{keys}");
        assert!(matches!(&state.mode, Mode::Ask(asked) if *asked == act), "{keys}: {:?}", state.mode);
        for no in ["n", "<esc>", "<enter>", "q", "x"] {
            assert_eq!(type_in(&mut state, no), Effect::None, "{keys}: only y is yes");
            assert!(matches!(state.mode, Mode::Watch) && state.doing.is_none());
            type_in(&mut state, keys.trim_start_matches("<tab>").trim_start_matches('j'));
        }
        assert_eq!(type_in(&mut state, "y"), Effect::Act(act));
        state.done(Ok("done".to_owned()));
    }
}

#[test]
fn what_a_row_cannot_do_is_said() {
    let mut state = state(80, 24, busy());
    for (keys, said) in [("c", "running jobs"), ("r", "dead letters"), ("<left>p", "queues"), ("r", "dead letters")] {
        type_in(&mut state, keys);
        let notice = state.notice.clone().unwrap();
        assert!(matches!(state.mode, Mode::Watch) && notice.bad && notice.text.contains(said), "{keys}: {notice:?}");
    }
    state.seen(Facts::default(), Duration::from_secs(1));
    type_in(&mut state, "p");
    assert!(matches!(state.mode, Mode::Watch) && state.notice.is_some());
}

#[test]
fn with_no_input_nothing_is_asked_and_nothing_changed() {
    let mut state = state(80, 24, busy());
    state.about.changes_nothing = Some("--no-input: nothing is changed");
    type_in(&mut state, "p");
    assert!(matches!(state.mode, Mode::Watch) && state.notice.clone().unwrap().text.contains("--no-input"));
    assert!(!screen(&state).join("\n").contains("p pause"));
}

#[test]
fn in_a_read_only_profile_every_key_that_acts_says_so() {
    let mut state = state(80, 24, busy());
    state.about.changes_nothing = Some("read-only: this configuration changes nothing");
    // On every pane, also where there would be nothing to do, and on a job that is looked at.
    for keys in ["p", "r", "c", "<tab>p", "c", "<tab>r", "<tab>p", "<tab><tab><enter>c"] {
        let effect = type_in(&mut state, keys);
        assert_eq!(effect, Effect::None, "{keys}");
        let (mode, notice) = (&state.mode, state.notice.clone().unwrap_or_else(|| panic!("{keys}: nothing is said")));
        assert!(!matches!(mode, Mode::Ask(_)) && state.doing.is_none(), "{keys}: {mode:?}");
        assert!(notice.bad && screen(&state).last().unwrap().starts_with("read-only: "), "{keys}: {notice:?}");
    }
    type_in(&mut state, "<esc>j");
    let shown = screen(&state).join("\n");
    assert!(!shown.contains("p pause") && !shown.contains("c cancel") && shown.contains("q quit"), "{shown}");
}

#[test]
fn one_thing_is_done_at_a_time_and_can_be_stopped() {
    let mut state = state(80, 24, busy());
    assert_ne!(type_in(&mut state, "<left><left>ry"), Effect::None);
    assert_eq!(state.doing.as_ref().unwrap().1, 0);
    type_in(&mut state, "r");
    assert!(matches!(state.mode, Mode::Watch), "not before the first is done");
    type_in(&mut state, "j");
    state.doing.as_mut().unwrap().1 = 1_234;
    assert!(screen(&state)[23].contains("1,234 done"));
    assert_eq!(type_in(&mut state, "<esc>"), Effect::Stop);
    state.done(Err("no answer".to_owned()));
    assert!(state.doing.is_none() && screen(&state)[23].contains("no answer"));
    assert_eq!(type_in(&mut state, "<esc>"), Effect::None);
}

#[test]
fn the_filter_narrows_every_pane() {
    let mut state = state(80, 24, busy());
    type_in(&mut state, "/ROI");
    assert_eq!(state.filter, "ROI");
    let counts = Pane::ALL.map(|pane| state.shown(pane).count);
    assert_eq!(counts, [1, 0, 0, 1], "by the names of queues, in capitals or not");
    type_in(&mut state, "<enter>q<backspace>");
    assert_eq!(state.filter, "ROI", "the filter is kept, and keys act again");
    type_in(&mut state, "/<backspace>refused<enter>");
    assert_eq!(Pane::ALL.map(|pane| state.shown(pane).count), [0, 0, 1, 0], "by code");
    type_in(&mut state, "/zzz<esc>");
    assert_eq!(state.filter, "refused", "Esc drops what was typed");
    type_in(&mut state, "<esc>");
    assert_eq!(Pane::ALL.map(|pane| state.shown(pane).count), [4, 3, 2, 2]);
}

#[test]
fn enter_looks_at_what_the_cursor_stands_on() {
    let mut state = state(80, 24, busy());
    let titles = ["Queue email", "Job 01KAQ8Z3V7X9Y2N4M6P8R0S1T3", "Job job-dead-1", "Worker db-host-77"];
    for title in titles {
        assert_eq!(type_in(&mut state, "<enter>"), Effect::Ask, "it is asked for at once");
        let Mode::Look(look) = &state.mode else { panic!("{title}") };
        assert!(look.title().starts_with(title), "{}", look.title());
        type_in(&mut state, "<esc><tab>");
        assert!(matches!(state.mode, Mode::Watch));
    }
}

#[test]
fn keys_that_end_it_end_it() {
    let mut state = state(80, 24, busy());
    assert_eq!(type_in(&mut state, "q"), Effect::Quit);
    assert_eq!(type_in(&mut state, "?<C-c>"), Effect::Interrupt);
    assert_eq!(type_in(&mut state, "q<C-z>"), Effect::Suspend);
    assert_eq!(type_in(&mut state, "<C-l>"), Effect::Redraw);
    assert_eq!(type_in(&mut state, "/q"), Effect::None, "a letter of the filter ends nothing");
}
