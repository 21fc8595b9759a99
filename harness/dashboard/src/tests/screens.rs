//! Snapshots of the whole screen and of every view.

use ratatui::crossterm::event::KeyCode;
use ratatui::style::Color;

use super::{Replayed, styles, text};
use crate::theme::{Depth, THEMES, Theme, ThemeName};

/// The sizes that layouts are made for, from the smallest with panels on.
const SIZES: [(u16, u16); 4] = [(60, 12), (80, 24), (120, 34), (200, 60)];

fn mono() -> Theme {
    Theme::new(ThemeName::Mono, Depth::None, false)
}

fn colour() -> Theme {
    Theme::new(ThemeName::Standard, Depth::True, false)
}

/// While the fault is in force and the breaker has opened.
fn in_the_fault() -> Replayed {
    Replayed::at(27.5)
}

#[test]
fn the_overview_at_every_size() {
    let mut replayed = in_the_fault();
    for size in SIZES {
        let name = format!("overview_{}x{}", size.0, size.1);
        let drawn = replayed.screen(size, &mono());
        insta::assert_snapshot!(format!("{name}_mono"), text(&drawn) + &styles(&drawn));
        let drawn = replayed.screen(size, &colour());
        insta::assert_snapshot!(format!("{name}_colour"), styles(&drawn));
    }
}

#[test]
fn every_view() {
    let views = ["routes", "faults", "system", "gates", "events"];
    for (key, view) in ('2'..).zip(views) {
        let mut replayed = in_the_fault();
        replayed.press(KeyCode::Char(key));
        let drawn = replayed.screen((120, 34), &mono());
        insta::assert_snapshot!(format!("view_{view}"), text(&drawn));
    }
}

#[test]
fn a_route_in_detail() {
    let mut replayed = in_the_fault();
    replayed.typed("2j").press(KeyCode::Enter);
    let drawn = replayed.screen((120, 34), &mono());
    insta::assert_snapshot!(text(&drawn));
}

#[test]
fn the_end_shows_the_verdict_and_what_the_judge_said() {
    let mut replayed = Replayed::at(1000.0);
    replayed.press(KeyCode::Char('5'));
    let drawn = text(&replayed.screen((120, 34), &mono()));
    assert!(drawn.contains("verdict PASS"), "{drawn}");
    insta::assert_snapshot!(drawn);
}

#[test]
fn before_anything_happened_there_are_words_instead_of_voids() {
    let mut replayed = Replayed::at(0.0);
    replayed.model.rewind();
    insta::assert_snapshot!(text(&replayed.screen((120, 34), &mono())));
}

#[test]
fn help_is_searched_by_typing() {
    let mut replayed = in_the_fault();
    replayed.typed("?zoom");
    let drawn = text(&replayed.screen((80, 24), &mono()));
    assert!(drawn.contains("show less time"), "{drawn}");
    assert!(!drawn.contains("stop one fault"), "{drawn}");
    insta::assert_snapshot!(drawn);
    replayed.press(KeyCode::Esc).press(KeyCode::Esc);
    assert!(replayed.model.screen.help.is_none());
}

#[test]
fn ascii_means_ascii() {
    let theme = Theme::new(ThemeName::Mono, Depth::None, true);
    for key in '1'..='6' {
        let mut replayed = in_the_fault();
        replayed.press(KeyCode::Char(key));
        for size in SIZES {
            let drawn = text(&replayed.screen(size, &theme));
            let other = drawn.chars().find(|c| !c.is_ascii());
            assert_eq!(other, None, "{drawn}");
            assert!(!drawn.contains("??"), "a glyph has no ASCII form:\n{drawn}");
        }
    }
    let drawn = in_the_fault().screen((120, 34), &theme);
    insta::assert_snapshot!(text(&drawn));
}

#[test]
fn no_colour_means_no_colour_in_any_theme() {
    for name in THEMES {
        let theme = Theme::new(name, Depth::None, false);
        let drawn = in_the_fault().screen((120, 34), &theme);
        for cell in &drawn.content {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
    }
}

#[test]
fn the_text_is_the_same_in_every_theme_but_for_the_shade() {
    // Whatever a colour says, the characters say too.
    let plain = text(&in_the_fault().screen((120, 34), &mono()));
    for name in THEMES {
        let drawn = text(&in_the_fault().screen((120, 34), &Theme::new(name, Depth::True, false)));
        let differs = |(a, b): (char, char)| a != b && a != '\u{2591}' && b != '\u{2591}';
        let other = plain.chars().zip(drawn.chars()).find(|pair| differs(*pair));
        assert_eq!(other, None, "{drawn}");
    }
}

#[test]
fn every_size_can_be_drawn() {
    let theme = mono();
    for key in '1'..='6' {
        let mut replayed = in_the_fault();
        replayed.press(KeyCode::Char(key));
        for columns in (0..140)
            .step_by(7)
            .chain([59, 60, 79, 80, 99, 100, 119, 120])
        {
            for rows in (0..40).step_by(3).chain([11, 12, 23, 24]) {
                replayed.screen((columns, rows), &theme);
            }
        }
        replayed.press(KeyCode::Char('?'));
        for side in 0..30 {
            replayed.screen((side, side), &theme);
        }
    }
}

#[test]
fn going_back_shows_what_was_then() {
    let mut replayed = in_the_fault();
    let then = text(&replayed.screen((120, 34), &mono()));
    replayed.press(KeyCode::End).press(KeyCode::Home);
    assert_eq!(replayed.model.run().told_us, 0);
    replayed.press(KeyCode::Char('n'));
    assert_eq!(
        replayed.model.run().faults.in_force(),
        ["slow recommendations"]
    );
    replayed.press(KeyCode::Char('p'));
    assert!(replayed.model.run().faults.in_force().is_empty());
    let again = text(&in_the_fault().screen((120, 34), &mono()));
    assert_eq!(then, again);
}
