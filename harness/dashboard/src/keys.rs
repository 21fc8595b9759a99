//! Which key does what: the table, as the user's configuration changes it.

mod table;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub use table::{Action, BINDINGS, Binding, Section};

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
        assert!(map.check().unwrap_err().contains("leave"));
        map.bind("freeze", &["hyper-x".to_owned()]).unwrap();
        assert!(map.check().unwrap_err().contains("no key"));
        assert!(map.bind("freez", &[]).unwrap_err().contains("freeze"));
    }
}
