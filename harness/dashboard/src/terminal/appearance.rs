//! How the screen looks on this terminal.

use crate::theme::{Depth, THEMES, Theme, ThemeName};

/// How the screen looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appearance {
    /// Colours of the terminal.
    pub depth: Depth,
    /// The theme to start with.
    pub theme: ThemeName,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
}

impl Appearance {
    /// What the environment says: `NO_COLOR`, `COLORTERM`, `TERM`, the locale.
    pub fn of_environment(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let true_colour = set("COLORTERM").is_some_and(|v| v == "truecolor" || v == "24bit");
        let depth = if set("NO_COLOR").is_some() || term == "dumb" {
            Depth::None
        } else if true_colour {
            Depth::True
        } else if term.contains("256") || term.contains("kitty") || term.contains("alacritty") {
            Depth::Indexed
        } else {
            Depth::Sixteen
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| set(name));
        let utf8 = locale.is_none_or(|value| value.to_ascii_lowercase().contains("utf"));
        Self {
            depth,
            theme: ThemeName::Standard,
            // The console of Linux has a font of 256 glyphs, none of them dots.
            ascii: !utf8 || term == "linux",
        }
    }

    /// The theme after so many steps through all of them.
    #[must_use]
    pub fn theme(&self, steps: usize) -> Theme {
        let start = THEMES.iter().position(|theme| *theme == self.theme);
        let place = (start.unwrap_or(0) + steps) % THEMES.len();
        Theme::new(THEMES[place], self.depth, self.ascii)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> Appearance {
        Appearance::of_environment(|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_decides_how_it_looks() {
        let plain = environment(&[("TERM", "xterm"), ("LANG", "C.UTF-8")]);
        assert_eq!((plain.depth, plain.ascii), (Depth::Sixteen, false));
        let none = environment(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]);
        assert_eq!(none.depth, Depth::None);
        let many = environment(&[("TERM", "xterm-256color"), ("LANG", "C")]);
        assert_eq!((many.depth, many.ascii), (Depth::Indexed, true));
        let all = environment(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]);
        assert_eq!(all.depth, Depth::True);
        assert!(environment(&[("TERM", "linux")]).ascii);
    }
}
