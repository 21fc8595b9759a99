//! Draws the dashboard as SVG from the record of a run, for the README:
//!
//! ```text
//! cargo run -p squall-dashboard --example screen_svg -- RUN SECONDS > docs/dashboard.svg
//! ```
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use squall_dashboard::keys::KeyMap;
use squall_dashboard::model::Model;
use squall_dashboard::replay::{Player, facts};
use squall_dashboard::theme::{Depth, Theme, ThemeName};
use squall_dashboard::update::{Message, update};
use squall_dashboard::view::draw;
use squall_judge::judge;
use squall_record::Record;

/// Columns and rows of the screen.
const SIZE: (u16, u16) = (120, 34);
/// Width and height of a cell.
const CELL: (f64, f64) = (8.4, 18.0);
/// Room around the screen.
const BORDER: f64 = 12.0;
const PAPER: &str = "#14171c";
const INK: &str = "#d5d9e0";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(run), Some(seconds)) = (arguments.next(), arguments.next()) else {
        return Err("write RUN and SECONDS since time zero".into());
    };
    let screen = screen(Path::new(&run), seconds.parse()?)?;
    anstream::println!("{}", svg(&screen));
    Ok(())
}

fn screen(run: &Path, seconds: f64) -> Result<Buffer, Box<dyn std::error::Error>> {
    let record = Record::read(run)?;
    let mut model = Model::new(facts(&record));
    let verdict = judge(&record);
    let mut player = Player::new(record, verdict, 1.0);
    let keys = KeyMap::default();
    update(&mut model, &keys, Message::Resize(SIZE.0, SIZE.1));
    player.advance(&mut model, Duration::try_from_secs_f64(seconds)?);
    model.settle();
    let area = Rect::new(0, 0, SIZE.0, SIZE.1);
    let mut buffer = Buffer::empty(area);
    let theme = Theme::new(ThemeName::Standard, Depth::True, false);
    draw(&model, area, &mut buffer, &theme, &keys);
    Ok(buffer)
}

fn svg(screen: &Buffer) -> String {
    let width = f64::from(SIZE.0) * CELL.0 + 2.0 * BORDER;
    let height = f64::from(SIZE.1) * CELL.1 + 2.0 * BORDER;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" \
         role=\"img\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"14\">\n<title>The dashboard of squall during a fault</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g transform=\"translate({BORDER} {BORDER})\">\n"
    );
    for y in 0..SIZE.1 {
        let cells: Vec<&Cell> = (0..SIZE.0).map(|x| &screen[(x, y)]).collect();
        row(&mut out, f64::from(y) * CELL.1, &cells);
    }
    out.push_str("</g>\n</svg>");
    out
}

/// Cells of one look that stand side by side are drawn together.
fn row(out: &mut String, top: f64, cells: &[&Cell]) {
    let mut start = 0;
    while start < cells.len() {
        let look = look(cells[start]);
        let drawn = is_drawn(cells[start]);
        let same = |cell: &&&Cell| self::look(cell) == look && is_drawn(cell) == drawn;
        let length = cells[start..].iter().take_while(same).count();
        let left = start as f64 * CELL.0;
        let width = length as f64 * CELL.0;
        if let Some(back) = &look.back {
            rect(out, (left, top, width, CELL.1), back);
        }
        let run = &cells[start..start + length];
        if drawn {
            for (place, cell) in run.iter().enumerate() {
                glyph(out, (left + place as f64 * CELL.0, top), cell, &look.ink);
            }
        } else {
            words(out, (left, top), run, &look);
        }
        start += length;
    }
}

#[derive(PartialEq)]
struct Look {
    ink: String,
    back: Option<String>,
    bold: bool,
}

fn look(cell: &Cell) -> Look {
    let ink = colour(cell.fg).unwrap_or_else(|| INK.to_owned());
    let back = colour(cell.bg);
    let bold = cell.modifier.contains(Modifier::BOLD);
    if cell.modifier.contains(Modifier::REVERSED) {
        let ink_behind = Some(ink);
        let paper = back.unwrap_or_else(|| PAPER.to_owned());
        return Look {
            ink: paper,
            back: ink_behind,
            bold,
        };
    }
    Look { ink, back, bold }
}

fn colour(color: Color) -> Option<String> {
    match color {
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        Color::Black => Some(PAPER.to_owned()),
        Color::Reset => None,
        _ => Some(INK.to_owned()),
    }
}

/// Lines, blocks and dots are drawn: no font has them all at one width.
fn is_drawn(cell: &Cell) -> bool {
    let character = cell.symbol().chars().next().unwrap_or(' ');
    matches!(character, '\u{2500}'..='\u{259f}' | '\u{2800}'..='\u{28ff}')
}

fn rect(out: &mut String, (x, y, width, height): (f64, f64, f64, f64), fill: &str) {
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>"
    );
}

fn words(out: &mut String, (left, top): (f64, f64), run: &[&Cell], look: &Look) {
    let text: String = run.iter().map(|cell| cell.symbol()).collect();
    if text.trim().is_empty() {
        return;
    }
    let leading = text.chars().take_while(|c| *c == ' ').count();
    let text = text.trim();
    let x = left + leading as f64 * CELL.0;
    let width = text.chars().count() as f64 * CELL.0;
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let weight = if look.bold {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" xml:space=\"preserve\" \
         fill=\"{}\"{weight}>{escaped}</text>",
        top + 13.0,
        look.ink
    );
}

fn glyph(out: &mut String, (x, y): (f64, f64), cell: &Cell, ink: &str) {
    let character = cell.symbol().chars().next().unwrap_or(' ');
    let (width, height) = CELL;
    let (middle, centre) = (x + width / 2.0, y + height / 2.0);
    let (right, bottom) = (x + width, y + height);
    let line = |path: String, dash: &str| {
        format!("<path d=\"{path}\" fill=\"none\" stroke=\"{ink}\"{dash}/>\n")
    };
    let dash = " stroke-dasharray=\"2 2\"";
    let across = || format!("M{x:.1} {centre:.1}H{right:.1}");
    let down = || format!("M{middle:.1} {y:.1}V{bottom:.1}");
    match character {
        '\u{2500}' => out.push_str(&line(across(), "")),
        '\u{2504}' => out.push_str(&line(across(), dash)),
        '\u{2502}' => out.push_str(&line(down(), "")),
        '\u{250a}' => out.push_str(&line(down(), dash)),
        '\u{256d}' => corner(
            out,
            ink,
            (middle, bottom),
            (middle, centre),
            (right, centre),
        ),
        '\u{256e}' => corner(out, ink, (middle, bottom), (middle, centre), (x, centre)),
        '\u{2570}' => corner(out, ink, (middle, y), (middle, centre), (right, centre)),
        '\u{256f}' => corner(out, ink, (middle, y), (middle, centre), (x, centre)),
        '\u{2581}'..='\u{2588}' => {
            let eighths = f64::from(u32::from(character) - 0x2580);
            let tall = height * eighths / 8.0;
            rect(out, (x, bottom - tall, width, tall), ink);
        }
        '\u{2591}'..='\u{2593}' => {
            let strength = f64::from(u32::from(character) - 0x2590) * 0.25;
            let _ = writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
                 fill=\"{ink}\" opacity=\"{strength}\"/>"
            );
        }
        '\u{2800}'..='\u{28ff}' => dots(out, (x, y), u32::from(character) - 0x2800, ink),
        _ => {}
    }
}

fn corner(out: &mut String, ink: &str, from: (f64, f64), over: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        out,
        "<path d=\"M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}\" fill=\"none\" stroke=\"{ink}\"/>",
        from.0, from.1, over.0, over.1, to.0, to.1
    );
}

/// The dots of a braille cell: two across, four down.
fn dots(out: &mut String, (x, y): (f64, f64), bits: u32, ink: &str) {
    const BITS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    let mut path = String::new();
    for (column, rows) in (0_u8..).zip(BITS) {
        for (row, bit) in (0_u8..).zip(rows) {
            if bits & bit != 0 {
                let left = x + CELL.0 * (0.5 * f64::from(column) + 0.12);
                let top = y + CELL.1 * (0.25 * f64::from(row) + 0.06);
                let _ = write!(path, "M{left:.1} {top:.1}h2.7v2.7h-2.7z");
            }
        }
    }
    let _ = writeln!(out, "<path d=\"{path}\" fill=\"{ink}\"/>");
}
