//! What is drawn.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::*;
use crate::tui::input::press;

fn type_in(state: &mut State, letters: &str) {
    for letter in letters.chars() {
        press(state, KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE));
    }
}

/// Ten looks, each with so many more jobs done.
fn with_trend(mut state: State) -> State {
    let mut facts = state.facts.clone();
    for second in 1..=10 {
        facts.queues[0].totals.completed += 10 * second;
        state.seen(facts.clone(), Duration::from_secs(second));
    }
    state
}

const BUSY_80_BY_24: &str = "\
ireva-queue  127.0.0.1:6379  08:00:00 UTC  every 1s
▶ Queues 4 ─────────────────────────────────────────────────────────────────────
  QUEUE             STATE     PENDING ACTIVE RETRYING DEAD IN/S DONE/S TREND
▶ email             working     1,200      3        4  130    0     80 ▂▂▃▄▅▆▆▇█
  notification      idle            0      0        0    0    0      0
  report-generation no worker       7      0        0    0    0      0
  roi-distribution  paused          2      0        0    0    0      0
─ Running jobs 3 ───────────────────────────────────────────────────────────────
  JOB                        QUEUE ELAPSED WORKER     PROGRESS
  01KAQ8Z3V7X9Y2N4M6P8R0S1T3 email 12m 34s db-host-77  24% 1,200 of 5,000 rows
  import-2                   email   1m 1s db-host-77 40 rows
  import-3                   email    1.0s db-host-77 -



─ Dead letters by code 130 ──────────────── ─ Workers 2 ────────────────────────
  COUNT CODE               LAST    QUEUE      WORKER      STATE  JOBS QUEUES
    100 smtp_5xx           90s ago email      db-host-77  ready   3/8 email roi…
     30 connection_refused 90s ago email      old-host-77 silent  3/8 email




Tab pane  p pause/resume  Enter look  / filter  ? help  q quit";

#[test]
fn a_busy_day_at_80_by_24() {
    let shown = screen(&with_trend(state(80, 24, busy())));
    assert_eq!(shown, BUSY_80_BY_24.lines().collect::<Vec<_>>(), "{}", shown.join("\n"));
}

const BUSY_120_BY_40: &str = "\
ireva-queue  127.0.0.1:6379  08:00:00 UTC  every 1s
▶ Queues 4 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
  QUEUE              STATE      PENDING  ACTIVE  RETRYING  DEAD  SCHEDULED  OLDEST  FAILED  IN/S  DONE/S  TREND
▶ email              working      1,200       3         4   130          0       -       -     0      80      ▁▂▂▃▄▅▆▆▇█
  notification       idle             0       0         0     0          0       -       -     0       0
  report-generation  no worker        7       0         0     0          0   1m 5s       -     0       0
  roi-distribution   paused           2       0         0     0          0       -       -     0       0
─ Running jobs 3 ───────────────────────────────────────────────────────────────────────────────────────────────────────
  JOB                         QUEUE  ELAPSED  ATTEMPT  WORKER      PROGRESS
  01KAQ8Z3V7X9Y2N4M6P8R0S1T3  email  12m 34s        1  db-host-77  ██░░░░░░░░░░  24% 1,200 of 5,000 rows
  import-2                    email    1m 1s        1  db-host-77  40 rows
  import-3                    email     1.0s        1  db-host-77  -











─ Dead letters by code 130 ────────────────────────────────────── ─ Workers 2 ──────────────────────────────────────────
  COUNT CODE               LAST    FIRST  QUEUE                     WORKER      STATE  JOBS   DONE FAILED QUEUES
    100 smtp_5xx           90s ago 2h ago email                     db-host-77  ready   3/8 12,345      7 email roi-dis…
     30 connection_refused 90s ago 2h ago email                     old-host-77 silent  3/8 12,345      7 email












Tab pane  p pause/resume  Enter look  / filter  ? help  q quit";

#[test]
fn a_busy_day_at_120_by_40() {
    let shown = screen(&with_trend(state(120, 40, busy())));
    assert_eq!(shown, BUSY_120_BY_40.lines().collect::<Vec<_>>(), "{}", shown.join("\n"));
}

#[test]
fn the_least_screen_shows_all_and_a_smaller_one_says_so() {
    let least = screen(&state(60, 15, busy())).join("\n");
    for word in ["email", "6P8R0S1T3", "smtp_5xx", "db-host-77", "1,200", "working", "q quit"] {
        assert!(least.contains(word), "{word}: {least}");
    }
    for (width, height) in [(59, 15), (60, 14), (7, 3), (1, 1)] {
        let text = screen(&state(width, height, busy())).concat();
        assert!(!text.contains("email") && text.is_ascii(), "{text}");
    }
    assert_eq!(screen(&state(40, 10, busy()))[..3], ["40x10 is too small:", "60x15 at least", "q quits"]);
}

#[test]
fn words_and_marks_tell_what_colours_tell() {
    let facts = busy();
    let (plain, colored) = (state(120, 40, facts.clone()), {
        let mut state = state(120, 40, facts);
        state.about.color = true;
        state
    });
    assert_eq!(screen(&plain), screen(&colored), "the same signs with and without");
    let colors = |state: &State| {
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        let cells = terminal.backend().buffer().content.clone();
        cells.iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    assert_eq!(colors(&plain), 0);
    assert!(colors(&colored) > 20);
    let text = screen(&plain).join("\n");
    assert!(["paused", "no worker", "silent", "working", "idle"].iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn a_terminal_without_unicode_gets_ascii() {
    let mut state = with_trend(state(80, 24, busy()));
    state.about.unicode = false;
    let text = screen(&state).concat();
    assert!(text.is_ascii() && text.contains('#'), "{text}");
}

#[test]
fn nothing_hostile_reaches_the_screen() {
    let hostile = "\x1b[2J\u{9b}31m\u{202e}evil\x07";
    let mut facts = busy();
    facts.causes[0].group.key = hostile.to_owned();
    facts.workers[0].worker = format!("{hostile}-1-x");
    facts.running[0].progress.as_mut().unwrap().unit = hostile.to_owned();
    for (width, height) in [(80, 24), (200, 60)] {
        let mut state = state(width, height, facts.clone());
        state.about.server = hostile.to_owned();
        state.filter = String::new();
        let raw = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        let check = |state: &State| {
            let text = screen(state).concat();
            assert!(!text.chars().any(raw) && text.contains("\\x1b[2J"), "{text:?}");
        };
        check(&state);
        state.blind(hostile.to_owned());
        state.done(Err(hostile.to_owned()));
        check(&state);
        state.filter = hostile.to_owned();
        check(&state);
    }
}

#[test]
fn an_outage_is_told_with_its_beginning_and_the_panes_stay() {
    let mut state = state(80, 24, busy());
    state.looking_for = Some(Duration::from_secs(3));
    assert!(screen(&state)[0].ends_with("every 1s  ! no answer for 3.0s"), "{}", screen(&state)[0]);
    state.now = now() + TimeDelta::seconds(15);
    state.blind("cannot reach Redis at 127.0.0.1:6379".to_owned());
    state.now = now() + TimeDelta::seconds(20);
    state.blind("cannot reach redis at 127.0.0.1:6379: connection refused, and nobody listens there".to_owned());
    let shown = screen(&state);
    let told = "! nothing new since 08:00:00 UTC (20s): cannot reach redis at 127.0.0.1:6379: connection refused, and";
    assert!(shown[..2].concat().starts_with(told), "{shown:?}");
    state.looking_for = None;
    assert!(shown.join("\n").contains("1,200"), "what was known stays");
    state.seen(busy(), Duration::from_secs(30));
    let shown = screen(&state);
    assert!(
        shown[0].starts_with("ireva-queue  127.0.0.1:6379  08:00:20 UTC  every 1s")
            && shown[23].contains("answers again"),
        "{shown:?}"
    );
}

#[test]
fn a_question_is_seen_whole() {
    let mut state = state(60, 15, busy());
    press(&mut state, KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE));
    assert!(screen(&state)[14].ends_with("q quit"), "the keys fit");
    type_in(&mut state, "c");
    let shown = screen(&state);
    let asked = shown[13..].concat();
    assert!(asked.contains("cancel job 01KAQ8Z3V7X9Y2N4M6P8R0S1T3 of email?  y/n"), "{shown:?}");
}

#[test]
fn the_help_fits_the_least_screen() {
    let mut state = state(60, 15, busy());
    type_in(&mut state, "?");
    let shown = screen(&state);
    assert!(shown.iter().any(|line| line.contains("Ctrl-Z")) && shown[13].contains("over five looks."), "{shown:?}");
}

#[test]
fn nothing_at_all_is_told_in_words() {
    let text = screen(&state(80, 24, Facts::default())).join("\n");
    for words in ["no queues yet", "no job runs", "no dead letters", "no workers"] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn more_letters_than_were_looked_at_are_marked() {
    let mut facts = busy();
    facts.causes[0].at_least = true;
    let text = screen(&state(120, 40, facts)).join("\n");
    assert!(text.contains("100+") && text.contains("oldest 1,000"), "{text}");
}
