//! The table of keys: which key does what, and in which words help says so.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Opens or closes the list of keys.
    Help,
    /// Shows a view, counted from 0.
    View(u8),
    /// Shows the next view.
    NextView,
    /// Shows the view before.
    PreviousView,
    /// Moves up in a list.
    Up,
    /// Moves down in a list.
    Down,
    /// Moves up a page.
    PageUp,
    /// Moves down a page.
    PageDown,
    /// Moves to the first row.
    Top,
    /// Moves to the last row.
    Bottom,
    /// Opens what is selected.
    Open,
    /// Goes back; never quits.
    Back,
    /// Shows less time.
    ZoomIn,
    /// Shows more time.
    ZoomOut,
    /// Shows the whole run.
    ZoomWhole,
    /// Moves the axis to earlier times.
    PanLeft,
    /// Moves the axis to later times.
    PanRight,
    /// Follows the run again.
    Follow,
    /// Freezes the screen; in a replay, pauses it.
    Freeze,
    /// Filters lists.
    Filter,
    /// Orders the routes otherwise.
    Sort,
    /// Switches between the present window and the whole run.
    Scope,
    /// Changes the theme.
    Theme,
    /// Draws everything anew.
    Redraw,
    /// Marks the present moment.
    Mark,
    /// Stops one fault.
    StopFault,
    /// Stops every fault.
    RecoverAll,
    /// Ends the run early; leaves a replay.
    Finish,
    /// As Ctrl-C at a plain run.
    Interrupt,
    /// Says why the program is not suspended.
    Suspend,
    /// Goes back ten seconds.
    SeekBack,
    /// Goes on ten seconds.
    SeekOn,
    /// Goes to the edge of a fault before.
    PreviousEdge,
    /// Goes to the next edge of a fault.
    NextEdge,
    /// Goes to the start.
    Start,
    /// Goes to the end.
    End,
    /// Plays at half the speed.
    Slower,
    /// Plays at twice the speed.
    Faster,
}

/// Where help lists a key, and when it is there at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Looking around.
    Look,
    /// Time.
    Time,
    /// Acting on a run.
    GameDay,
    /// Moving through a record.
    Replay,
}

impl Section {
    /// Its title.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Look => "look around",
            Self::Time => "time",
            Self::GameDay => "act on the run",
            Self::Replay => "move through the record",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// What is done.
    pub action: Action,
    /// Its name in the configuration.
    pub name: &'static str,
    /// The keys that do it.
    pub keys: &'static [&'static str],
    /// What it does, in words.
    pub words: &'static str,
    /// Where it is listed.
    pub section: Section,
}

const fn row(
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    words: &'static str,
    section: Section,
) -> Binding {
    Binding {
        action,
        name,
        keys,
        words,
        section,
    }
}

use Section::{GameDay, Look, Replay, Time};

/// Every key, in the order of help.
pub const BINDINGS: &[Binding] = &[
    row(
        Action::Help,
        "help",
        &["?", "f1"],
        "list the keys; type to search them",
        Look,
    ),
    row(
        Action::View(0),
        "overview",
        &["1"],
        "everything at once",
        Look,
    ),
    row(
        Action::View(1),
        "routes",
        &["2"],
        "routes; enter shows one's histogram",
        Look,
    ),
    row(
        Action::View(2),
        "faults",
        &["3"],
        "faults, asked for and seen",
        Look,
    ),
    row(
        Action::View(3),
        "system",
        &["4"],
        "breakers and processes",
        Look,
    ),
    row(
        Action::View(4),
        "gates",
        &["5"],
        "gates with the figures behind them",
        Look,
    ),
    row(Action::View(5), "events", &["6"], "events in words", Look),
    row(
        Action::NextView,
        "next-view",
        &["tab"],
        "the next view",
        Look,
    ),
    row(
        Action::PreviousView,
        "previous-view",
        &["backtab"],
        "the view before",
        Look,
    ),
    row(Action::Up, "up", &["up", "k"], "up in a list", Look),
    row(Action::Down, "down", &["down", "j"], "down in a list", Look),
    row(Action::PageUp, "page-up", &["pageup"], "up a page", Look),
    row(
        Action::PageDown,
        "page-down",
        &["pagedown"],
        "down a page",
        Look,
    ),
    row(Action::Top, "top", &["g"], "to the first row", Look),
    row(Action::Bottom, "bottom", &["G"], "to the last row", Look),
    row(
        Action::Open,
        "open",
        &["enter"],
        "open the selected row",
        Look,
    ),
    row(Action::Back, "back", &["esc"], "back; never quits", Look),
    row(
        Action::Filter,
        "filter",
        &["/"],
        "show only rows that hold some words",
        Look,
    ),
    row(
        Action::Sort,
        "sort",
        &["s"],
        "order the routes otherwise",
        Look,
    ),
    row(
        Action::Scope,
        "scope",
        &["w"],
        "figures of this window, or of the whole run",
        Look,
    ),
    row(Action::Theme, "theme", &["t"], "the next theme", Look),
    row(
        Action::Redraw,
        "redraw",
        &["ctrl-l"],
        "draw everything anew",
        Look,
    ),
    row(
        Action::ZoomIn,
        "zoom-in",
        &["+", "="],
        "show less time",
        Time,
    ),
    row(Action::ZoomOut, "zoom-out", &["-"], "show more time", Time),
    row(
        Action::ZoomWhole,
        "zoom-whole",
        &["0"],
        "show the whole run",
        Time,
    ),
    row(
        Action::PanLeft,
        "pan-left",
        &["left", "h"],
        "to earlier times",
        Time,
    ),
    row(
        Action::PanRight,
        "pan-right",
        &["right", "l"],
        "to later times",
        Time,
    ),
    row(
        Action::Follow,
        "follow",
        &["f"],
        "follow the run again",
        Time,
    ),
    row(
        Action::Freeze,
        "freeze",
        &["space"],
        "freeze the screen, never the load; pause a replay",
        Time,
    ),
    row(
        Action::Mark,
        "mark",
        &["a"],
        "mark this moment; the mark goes into the record",
        GameDay,
    ),
    row(
        Action::StopFault,
        "stop-fault",
        &["x"],
        "stop one fault and put it back",
        GameDay,
    ),
    row(
        Action::RecoverAll,
        "recover-all",
        &["!"],
        "stop every fault and put all back",
        GameDay,
    ),
    row(
        Action::Finish,
        "finish",
        &["q"],
        "finish early, judge what there is; leave a replay",
        GameDay,
    ),
    row(
        Action::Interrupt,
        "interrupt",
        &["ctrl-c"],
        "interrupt and put all back; again: do not wait",
        GameDay,
    ),
    row(
        Action::Suspend,
        "suspend",
        &["ctrl-z"],
        "not here: it would stop the load too",
        GameDay,
    ),
    row(Action::SeekBack, "seek-back", &["["], "10 s back", Replay),
    row(Action::SeekOn, "seek-on", &["]"], "10 s on", Replay),
    row(
        Action::PreviousEdge,
        "previous-edge",
        &["{", "p"],
        "to the edge of a fault before",
        Replay,
    ),
    row(
        Action::NextEdge,
        "next-edge",
        &["}", "n"],
        "to the next edge of a fault",
        Replay,
    ),
    row(Action::Start, "start", &["home"], "to the start", Replay),
    row(Action::End, "end", &["end"], "to the end", Replay),
    row(
        Action::Slower,
        "slower",
        &["<", ","],
        "half the speed",
        Replay,
    ),
    row(
        Action::Faster,
        "faster",
        &[">", "."],
        "twice the speed",
        Replay,
    ),
];

/// Which key does what, after the user's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMap {
    rows: Vec<Vec<String>>,
}

impl Default for KeyMap {
    fn default() -> Self {
        let owned = |row: &Binding| row.keys.iter().map(ToString::to_string).collect();
        Self {
            rows: BINDINGS.iter().map(owned).collect(),
        }
    }
}

impl KeyMap {
    /// What a pressed key does.
    #[must_use]
    pub fn action(&self, key: &KeyEvent) -> Option<Action> {
        let name = key_name(key)?;
        let place = self.rows.iter().position(|keys| keys.contains(&name))?;
        Some(BINDINGS[place].action)
    }

    /// The keys of a row of [`BINDINGS`], for people.
    #[must_use]
    pub fn keys(&self, row: usize) -> String {
        self.rows
            .get(row)
            .map_or_else(String::new, |keys| keys.join(" "))
    }

    /// The first key of an action, for people.
    #[must_use]
    pub fn key_of(&self, action: Action) -> &str {
        let place = BINDINGS.iter().position(|row| row.action == action);
        let keys = place.and_then(|place| self.rows[place].first());
        keys.map_or("", String::as_str)
    }

    /// Binds the action of that name to other keys.
    ///
    /// # Errors
    /// In words, when there is no such action, or a key is bound already.
    pub fn bind(&mut self, name: &str, keys: &[String]) -> Result<(), String> {
        let place = BINDINGS.iter().position(|row| row.name == name);
        let Some(place) = place else {
            let known: Vec<_> = BINDINGS.iter().map(|row| row.name).collect();
            return Err(format!(
                "there is no action {name:?}; there are {}",
                known.join(", ")
            ));
        };
        self.rows[place] = keys.to_vec();
        Ok(())
    }

    /// Checks that every key is one a terminal can send, and bound once.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        for (place, keys) in self.rows.iter().enumerate() {
            for key in keys {
                if !is_key(key) {
                    return Err(format!(
                        "{key:?} is no key; write one character, or enter, esc, tab, backtab, space, \
                         up, down, left, right, home, end, pageup, pagedown, f1 to f12, ctrl-X"
                    ));
                }
                let other = self.rows[..place]
                    .iter()
                    .position(|keys| keys.contains(key));
                if let Some(other) = other {
                    return Err(format!(
                        "{key:?} is bound to both `{}` and `{}`",
                        BINDINGS[other].name, BINDINGS[place].name
                    ));
                }
            }
        }
        Ok(())
    }
}

const NAMED: [&str; 12] = [
    "enter", "esc", "tab", "backtab", "space", "up", "down", "left", "right", "home", "end",
    "pageup",
];

fn is_key(name: &str) -> bool {
    let rest = name.strip_prefix("ctrl-").unwrap_or(name);
    let function = rest.strip_prefix('f').and_then(|n| n.parse::<u8>().ok());
    rest.chars().count() == 1
        || NAMED.contains(&rest)
        || rest == "pagedown"
        || function.is_some_and(|n| (1..=12).contains(&n))
}

/// The name of a key as the table and the configuration write it.
#[must_use]
pub fn key_name(key: &KeyEvent) -> Option<String> {
    let name = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(character) => character.to_string(),
        KeyCode::Enter => "enter".to_owned(),
        KeyCode::Esc => "esc".to_owned(),
        KeyCode::Tab => "tab".to_owned(),
        KeyCode::BackTab => "backtab".to_owned(),
        KeyCode::Up => "up".to_owned(),
        KeyCode::Down => "down".to_owned(),
        KeyCode::Left => "left".to_owned(),
        KeyCode::Right => "right".to_owned(),
        KeyCode::Home => "home".to_owned(),
        KeyCode::End => "end".to_owned(),
        KeyCode::PageUp => "pageup".to_owned(),
        KeyCode::PageDown => "pagedown".to_owned(),
        KeyCode::F(number) => format!("f{number}"),
        _ => return None,
    };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(if control {
        format!("ctrl-{name}")
    } else {
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let map = KeyMap::default();
        map.check().unwrap();
        for (place, row) in BINDINGS.iter().enumerate() {
            assert!(!row.words.is_empty() && !row.keys.is_empty());
            let same = BINDINGS.iter().position(|other| other.name == row.name);
            assert_eq!(same, Some(place), "{} stands twice", row.name);
        }
    }

    #[test]
    fn keys_are_bound_anew_and_clashes_are_told() {
        let mut map = KeyMap::default();
        map.bind("freeze", &["ctrl-s".to_owned()]).unwrap();
        map.check().unwrap();
        let pressed = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
        assert_eq!(map.action(&pressed), Some(Action::Freeze));
        map.bind("freeze", &["q".to_owned()]).unwrap();
        assert!(map.check().unwrap_err().contains("finish"));
        map.bind("freeze", &["hyper-x".to_owned()]).unwrap();
        assert!(map.check().unwrap_err().contains("no key"));
        assert!(map.bind("freez", &[]).unwrap_err().contains("freeze"));
    }
}
