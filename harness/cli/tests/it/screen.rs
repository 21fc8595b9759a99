//! The screen on a real terminal, without a run: what is written on it, byte by
//! byte, and what its keys do there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use squall_dashboard::keys::KeyMap;
use squall_dashboard::model::Model;
use squall_dashboard::replay::facts;
use squall_dashboard::terminal::{Appearance, Feed, show};
use squall_dashboard::update;
use squall_record::Record;

use crate::support::Sandbox;
use crate::support::pty::Pty;
use crate::support::tmux::Tmux;

/// The record of a real run.
fn record() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/tests/records/slow-recommendations")
}

/// A feed that breaks while the screen is drawn.
struct Breaks {
    polls: u32,
}

impl Feed for Breaks {
    fn poll(&mut self, _model: &mut Model, _keys: &KeyMap, _elapsed: Duration) {
        self.polls += 1;
        assert!(self.polls < 4, "something is broken");
    }

    fn act(&mut self, _model: &mut Model, _command: update::Command) {}

    fn over(&self) -> bool {
        false
    }
}

/// Set where this very program is called again, with a terminal of its own.
const HAS_A_TERMINAL: &str = "SQUALL_TEST_HAS_A_TERMINAL";

/// The program of the next test; by itself it does nothing.
#[test]
fn a_program_whose_screen_panics() {
    if std::env::var_os(HAS_A_TERMINAL).is_none() {
        return;
    }
    let record = Record::read(&record()).unwrap();
    let screen = std::thread::spawn(move || {
        let model = Model::new(facts(&record));
        let appearance = Appearance::of_environment(|name| std::env::var(name).ok());
        let keys = KeyMap::default();
        show(
            model,
            &keys,
            appearance,
            std::io::stderr(),
            &mut Breaks { polls: 0 },
        )
    });
    assert!(screen.join().is_err(), "it panicked");
    eprintln!("plain lines from here on");
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_words_are_told() {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args([
        "--exact",
        "screen::a_program_whose_screen_panics",
        "--nocapture",
    ]);
    program.env(HAS_A_TERMINAL, "1");
    let mut terminal = Pty::start(&mut program, Some(Stdio::null()));
    assert_eq!(terminal.end(), Some(0), "{}", terminal.written());
    let written = terminal.wait_for(0, "plain lines from here on");
    let place = |words: &str| {
        let found = written.rfind(words);
        found.unwrap_or_else(|| panic!("no {words:?} in\n{written:?}"))
    };
    // The alternate screen, something drawn on it, and back: main screen,
    // cursor, no mouse; then the words of the panic, and of the program.
    let order = [
        "\u{1b}[?1049h",
        "timeline",
        "\u{1b}[?1000l",
        "\u{1b}[?1049l",
        "\u{1b}[?25h",
        "something is broken",
        "plain lines from here on",
    ];
    let places = order.map(place);
    assert!(places.is_sorted(), "{order:?} are at {places:?}");
    // Not one frame more, nor anything else that moves the cursor.
    let after = &written[place("\u{1b}[?25h") + "\u{1b}[?25h".len()..];
    assert!(!after.contains('\u{1b}'), "{after:?}");
    assert!(terminal.is_sane());
}

#[test]
fn keys_that_come_with_a_change_of_size_are_not_lost() {
    let sandbox = Sandbox::new();
    let record = record();
    let mut replay = sandbox.command(&["replay", record.to_str().unwrap()]);
    let mut terminal = Pty::start(&mut replay, None);
    terminal.wait_for(0, "timeline");
    // Both are there before its thread looks again.
    for (columns, key, words) in [
        (130, "5", "against"),
        (120, "6", "newest below"),
        (131, "3", "asked for, and seen"),
        (121, "5", "against"),
        (132, "6", "newest below"),
    ] {
        let from = terminal.written().len();
        terminal.resize(columns, 34);
        terminal.press(key);
        terminal.wait_for(from, words);
    }
    terminal.press("q");
    assert_eq!(terminal.end(), Some(0));
    assert!(terminal.is_sane());
}

#[test]
fn rows_are_copied_and_the_mouse_is_taken_and_given_back() {
    let sandbox = Sandbox::new();
    let Some(tmux) = Tmux::start(&sandbox) else {
        return;
    };
    // As terminals do that let programs set the clipboard.
    tmux.tell(&["set", "-g", "set-clipboard", "on"]);
    let record = record();
    tmux.enter(&format!(
        "$SQUALL replay {}; echo left=$?",
        record.display()
    ));
    tmux.wait_for("timeline");
    // At the end of the record, where nothing moves.
    tmux.press(&["End", "2", "j", "y"]);
    tmux.wait_for("copied: homepage (window: recovery): rate");
    let buffer = tmux.tell(&["show-buffer"]);
    let copied = String::from_utf8(buffer.stdout).unwrap();
    assert!(
        copied.starts_with("homepage (window: recovery): rate "),
        "{copied}"
    );
    assert!(
        copied.contains(", max ") && copied.contains(", mostly "),
        "{copied}"
    );
    assert_eq!(tmux.figure("mouse_standard_flag"), "0");
    tmux.press(&["m"]);
    tmux.wait_for("the mouse scrolls");
    assert_eq!(tmux.figure("mouse_standard_flag"), "1");
    tmux.press(&["u"]);
    tmux.wait_for("all times in ms");
    tmux.press(&["Escape", "2"]);
    let row = |words: &str| {
        let screen = tmux.wait_until(words, |screen| screen.contains(words));
        let lines: Vec<_> = screen.lines().collect();
        // What was scrolled away stands above the screen.
        let first = lines.len().saturating_sub(34);
        lines[first..]
            .iter()
            .position(|line| line.contains(words))
            .unwrap()
            + 1
    };
    // A press and a release of the left button as terminals tell of them.
    let click = |column: usize, row: usize| {
        tmux.press(&[
            "-l",
            &format!("\u{1b}[<0;{column};{row}M\u{1b}[<0;{column};{row}m"),
        ]);
    };
    click(5, row("\u{2502}  all "));
    tmux.wait_for("\u{25b8} all");
    let tabs = tmux.wait_for(" gates  events ");
    let tabs = tabs.lines().find(|line| line.contains(" gates  events "));
    let tabs = tabs.unwrap();
    let column = tabs[..tabs.find(" gates ").unwrap()].chars().count() + 3;
    click(column, 34);
    tmux.wait_for("against");
    tmux.press(&["m"]);
    tmux.wait_for("the mouse is the terminal's again");
    assert_eq!(tmux.figure("mouse_standard_flag"), "0");
    tmux.press(&["m"]);
    tmux.wait_for("the mouse scrolls");
    tmux.press(&["q"]);
    tmux.wait_for("left=0");
    assert_eq!(tmux.figure("mouse_standard_flag"), "0", "given back");
    tmux.assert_sane();
}
