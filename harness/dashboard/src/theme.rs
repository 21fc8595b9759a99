//! Colours and glyphs. No colour carries a meaning alone: every one stands
//! beside a word, a letter or a shape, and the mono theme has none at all.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None, or none are wanted.
    None,
    /// The sixteen named ones.
    Sixteen,
    /// A cube of 256.
    Indexed,
    /// Red, green and blue.
    True,
}

/// A theme by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThemeName {
    /// Blue for what is usual, orange for what is slow, red for what fails.
    Standard,
    /// Blue and orange only, apart also for the colour-blind.
    ColourBlind,
    /// Bold and bright on black.
    HighContrast,
    /// No colours: bold, reversed and underlined.
    Mono,
}

/// Every theme, in the order in which a key steps through them.
pub const THEMES: [ThemeName; 4] = [
    ThemeName::Standard,
    ThemeName::ColourBlind,
    ThemeName::HighContrast,
    ThemeName::Mono,
];

/// Styles by what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Its name.
    pub name: ThemeName,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
    /// Ordinary text.
    pub text: Style,
    /// What matters less.
    pub dim: Style,
    /// Titles.
    pub title: Style,
    /// Frames.
    pub border: Style,
    /// What is well.
    pub good: Style,
    /// What is not.
    pub bad: Style,
    /// What is undecided or under way.
    pub open: Style,
    /// The median.
    pub p50: Style,
    /// The 99th percentile.
    pub p99: Style,
    /// Objectives.
    pub objective: Style,
    /// A fault in force.
    pub fault: Style,
    /// Text on a fault's bar.
    pub fault_text: Style,
    /// Behind a chart while a fault is in force; `None` draws a pattern.
    pub shade: Option<Style>,
    /// A breaker that is open.
    pub breaker_open: Style,
    /// The selected row.
    pub selected: Style,
    /// A badge in the header.
    pub badge: Style,
    /// A key's name.
    pub key: Style,
}

struct Palette {
    usual: Color,
    slow: Color,
    good: Color,
    bad: Color,
    open: Color,
    fault: Color,
    title: Color,
    dim: Color,
    shade: Option<Color>,
}

impl Theme {
    /// A theme as far as the terminal can show it.
    #[must_use]
    pub fn new(name: ThemeName, depth: Depth, ascii: bool) -> Self {
        let palette = match (name, depth) {
            (ThemeName::Mono, _) | (_, Depth::None) => return Self::mono(ascii),
            (ThemeName::Standard, _) => standard(depth),
            (ThemeName::ColourBlind, _) => colour_blind(depth),
            (ThemeName::HighContrast, _) => HIGH_CONTRAST,
        };
        let fg = |color| Style::new().fg(color);
        let bold = |color| fg(color).add_modifier(Modifier::BOLD);
        Self {
            name,
            ascii,
            text: Style::new(),
            dim: fg(palette.dim),
            title: bold(palette.title),
            border: fg(palette.dim),
            good: fg(palette.good),
            bad: bold(palette.bad),
            open: fg(palette.open),
            p50: fg(palette.usual),
            p99: bold(palette.slow),
            objective: fg(palette.open),
            fault: fg(palette.fault),
            fault_text: Style::new()
                .fg(Color::Black)
                .bg(palette.fault)
                .add_modifier(Modifier::BOLD),
            shade: palette.shade.map(|color| Style::new().bg(color)),
            breaker_open: Style::new()
                .fg(Color::Black)
                .bg(palette.bad)
                .add_modifier(Modifier::BOLD),
            // Reversed, every figure would get a background of its own colour.
            selected: match depth {
                Depth::True => Style::new().bg(Color::Rgb(44, 52, 66)),
                Depth::Indexed => Style::new().bg(Color::Indexed(238)),
                _ => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            },
            badge: bold(palette.title).add_modifier(Modifier::REVERSED),
            key: bold(palette.title),
        }
    }

    fn mono(ascii: bool) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let reversed = plain.add_modifier(Modifier::REVERSED);
        Self {
            name: ThemeName::Mono,
            ascii,
            text: plain,
            dim: plain,
            title: bold,
            border: plain,
            good: plain,
            bad: bold.add_modifier(Modifier::REVERSED),
            open: plain.add_modifier(Modifier::UNDERLINED),
            p50: plain,
            p99: bold,
            objective: plain,
            fault: bold,
            fault_text: reversed,
            shade: None,
            breaker_open: reversed,
            selected: reversed,
            badge: bold.add_modifier(Modifier::REVERSED),
            key: bold,
        }
    }
}

fn pick(depth: Depth, rgb: (u8, u8, u8), named: Color) -> Color {
    let (r, g, b) = rgb;
    match depth {
        Depth::True => Color::Rgb(r, g, b),
        Depth::Indexed => Color::Indexed(cube(r, g, b)),
        Depth::Sixteen | Depth::None => named,
    }
}

/// The nearest colour of the 6 by 6 by 6 cube.
fn cube(r: u8, g: u8, b: u8) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |value: u8| {
        let far = |step: &u8| value.abs_diff(*step);
        let place = (0..STEPS.len()).min_by_key(|place| far(&STEPS[*place]));
        u8::try_from(place.unwrap_or(0)).unwrap_or(0)
    };
    16 + 36 * nearest(r) + 6 * nearest(g) + nearest(b)
}

fn standard(depth: Depth) -> Palette {
    let pick = |rgb, named| pick(depth, rgb, named);
    Palette {
        usual: pick((86, 180, 233), Color::Cyan),
        slow: pick((240, 170, 50), Color::Yellow),
        good: pick((80, 190, 120), Color::Green),
        bad: pick((255, 95, 95), Color::LightRed),
        open: pick((190, 160, 240), Color::Magenta),
        fault: pick((225, 110, 160), Color::LightMagenta),
        title: pick((130, 200, 240), Color::LightCyan),
        dim: pick((128, 136, 148), Color::DarkGray),
        shade: match depth {
            Depth::True => Some(Color::Rgb(54, 34, 46)),
            Depth::Indexed => Some(Color::Indexed(236)),
            _ => None,
        },
    }
}

/// After Okabe and Ito: blue and orange stay apart for every kind of sight.
fn colour_blind(depth: Depth) -> Palette {
    let pick = |rgb, named| pick(depth, rgb, named);
    Palette {
        usual: pick((86, 180, 233), Color::LightBlue),
        slow: pick((230, 159, 0), Color::Yellow),
        good: pick((86, 180, 233), Color::LightBlue),
        bad: pick((230, 159, 0), Color::Yellow),
        open: pick((240, 228, 66), Color::White),
        fault: pick((230, 159, 0), Color::Yellow),
        title: pick((86, 180, 233), Color::LightBlue),
        dim: pick((140, 140, 140), Color::Gray),
        shade: match depth {
            Depth::True => Some(Color::Rgb(48, 40, 20)),
            Depth::Indexed => Some(Color::Indexed(236)),
            _ => None,
        },
    }
}

const HIGH_CONTRAST: Palette = Palette {
    usual: Color::LightCyan,
    slow: Color::LightYellow,
    good: Color::LightGreen,
    bad: Color::LightRed,
    open: Color::White,
    fault: Color::LightMagenta,
    title: Color::White,
    dim: Color::Gray,
    shade: None,
};

/// Draws the whole screen in ASCII, for terminals and fonts that have no more.
pub fn flatten(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let Some(character) = cell.symbol().chars().next() else {
            continue;
        };
        if !character.is_ascii() {
            cell.set_symbol(in_ascii(character));
        }
    }
}

const fn in_ascii(character: char) -> &'static str {
    match character {
        '\u{2500}' | '\u{2014}' | '\u{2013}' | '\u{2501}' => "-",
        '\u{2502}' | '\u{250a}' | '\u{258f}' => "|",
        '\u{256d}' | '\u{256e}' | '\u{2570}' | '\u{256f}' => "+",
        '\u{2588}' | '\u{2587}' | '\u{2586}' => "#",
        '\u{2593}' => "%",
        '\u{2592}' | '\u{2585}' | '\u{2584}' => "=",
        '\u{2591}' => ":",
        '\u{2583}' | '\u{2582}' => "-",
        '\u{2581}' => "_",
        '\u{2713}' => "v",
        '\u{2717}' => "x",
        '\u{b7}' | '\u{2504}' => ".",
        '\u{2026}' => "~",
        '\u{b5}' => "u",
        '\u{a0}' => " ",
        '\u{2192}' | '\u{25b8}' | '\u{25b6}' => ">",
        '\u{25b2}' | '\u{2191}' => "^",
        '\u{25bc}' | '\u{2193}' => "v",
        '\u{2265}' => ">",
        '\u{2264}' => "<",
        '\u{25c6}' => "*",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_has_no_colour_and_keeps_bad_apart_from_good() {
        for name in THEMES {
            let theme = Theme::new(name, Depth::None, false);
            for style in [theme.good, theme.bad, theme.open, theme.fault, theme.dim] {
                assert_eq!((style.fg, style.bg), (None, None));
            }
            assert_ne!(theme.good, theme.bad);
        }
    }

    #[test]
    fn colours_fit_the_terminal() {
        let indexed = Theme::new(ThemeName::Standard, Depth::Indexed, false);
        assert!(matches!(indexed.p99.fg, Some(Color::Indexed(_))));
        let named = Theme::new(ThemeName::Standard, Depth::Sixteen, false);
        assert_eq!(named.p99.fg, Some(Color::Yellow));
        assert_eq!(cube(255, 0, 0), 196);
    }
}
