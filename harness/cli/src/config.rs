//! The user's own configuration: `$SQUALL_CONFIG`, else
//! `$XDG_CONFIG_HOME/squall/config.yaml`, else `~/.config/squall/config.yaml`.
//! Never a file of the folder squall is called in: that may be anybody's.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use squall_dashboard::keys::KeyMap;
use squall_record::store::files;
use squall_scenario_file::Source;

use crate::args::ThemeArg;

/// A longer file is no configuration.
const BYTES_MAX: u64 = 64 << 10;

/// What a user may set once and for all.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Keys of the dashboard: the name of an action and the keys for it.
    #[serde(default)]
    keys: BTreeMap<String, Vec<Value>>,
    /// The theme of the dashboard.
    #[serde(default)]
    pub theme: Option<ThemeArg>,
    /// Whether the dashboard is drawn in ASCII only.
    #[serde(default)]
    pub ascii: bool,
    /// Whether the dashboard stays after the end of its run until somebody
    /// leaves it; so it does where nothing is said.
    #[serde(default)]
    pub stay: Option<bool>,
}

impl Config {
    /// Reads it; a file that is not there sets nothing.
    ///
    /// # Errors
    /// In words, with the file's path: it cannot be read or understood.
    pub fn read() -> Result<Self, String> {
        let Some(path) = path(|name| std::env::var_os(name).map(PathBuf::from)) else {
            return Ok(Self::default());
        };
        // It may be a link: those who keep such files in one place make links.
        let wrong = |why: &dyn Display| format!("{}: {why}", path.display());
        let bytes = match files::read_named(&path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(&error)),
        };
        let text = String::from_utf8(bytes).map_err(|error| wrong(&error))?;
        Self::parse(&text).map_err(|why| wrong(&why))
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let json = squall_scenario_file::to_json(text).map_err(|findings| {
            let source = [Source::new("the configuration", text)];
            let first = findings
                .first()
                .map(|finding| finding.render(&source, false));
            first.unwrap_or_default()
        })?;
        let config: Self = serde_json::from_str(&json).map_err(|error| without_place(&error))?;
        config.key_map()?;
        Ok(config)
    }

    /// The keys of the dashboard.
    ///
    /// # Errors
    /// In words: there is no such action or key, or one key does two things.
    pub fn key_map(&self) -> Result<KeyMap, String> {
        let mut map = KeyMap::default();
        for (name, keys) in &self.keys {
            let keys: Vec<_> = keys.iter().map(key_text).collect();
            map.bind(name, &keys)
                .map_err(|why| format!("keys: {why}"))?;
        }
        map.check().map_err(|why| format!("keys: {why}"))?;
        Ok(map)
    }
}

/// The name of a key; digits need no quotes.
fn key_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The place is one of a text that nobody wrote.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = text.rfind(" at line ").unwrap_or(text.len());
    text[..place].to_owned()
}

fn path(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.as_os_str().is_empty());
    if let Some(own) = set("SQUALL_CONFIG") {
        return Some(own);
    }
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("squall/config.yaml"))
}

#[cfg(test)]
mod tests {
    use squall_dashboard::keys::Action;

    use super::*;

    #[test]
    fn keys_are_bound_anew() {
        let config = Config::parse("keys: { freeze: [ctrl-s, space] }\ntheme: colour-blind\n");
        let config = config.unwrap();
        assert_eq!(config.theme, Some(ThemeArg::ColourBlind));
        assert_eq!(config.key_map().unwrap().key_of(Action::Freeze), "ctrl-s");
        assert!(Config::parse("").unwrap().theme.is_none());
        assert_eq!(Config::parse("stay: false").unwrap().stay, Some(false));
    }

    #[test]
    fn mistakes_are_refused_and_name_what_there_is() {
        let wrong = |text: &str| Config::parse(text).unwrap_err();
        let unknown = wrong("keys: { freez: [x] }");
        assert!(
            unknown.contains("freez") && unknown.contains("stop-fault"),
            "{unknown}"
        );
        assert!(wrong("keys: { freeze: [hyper-x] }").contains("is no key"));
        let twice = wrong("keys: { freeze: [q] }");
        assert!(twice.contains("`freeze` and `leave`"), "{twice}");
        let field = wrong("them: mono");
        assert!(field.contains("them") && field.contains("theme"), "{field}");
        assert!(wrong("theme: pink").contains("colour-blind"));
    }

    #[test]
    fn the_documented_example_is_valid_and_the_actions_are_all_there() {
        let docs = include_str!("../../../docs/dashboard.md");
        let (_, rest) = docs.split_once("```yaml\n").unwrap();
        let (example, rest) = rest.split_once("```").unwrap();
        Config::parse(example).unwrap();
        for row in squall_dashboard::keys::BINDINGS {
            let name = format!("`{}`", row.name);
            assert!(rest.contains(&name), "docs/dashboard.md lacks {name}");
        }
    }

    #[test]
    fn the_file_is_the_users_own() {
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/ada"));
        assert_eq!(
            path(home),
            Some(PathBuf::from("/home/ada/.config/squall/config.yaml"))
        );
        assert_eq!(path(|_| None), None);
    }
}
