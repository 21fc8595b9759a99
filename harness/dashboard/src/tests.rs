//! The screen as it is drawn from a replayed real run, and what must hold of
//! any stream of events and keys.

mod acting;
mod properties;
mod screens;

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::Style;
use squall_judge::judge;
use squall_record::Record;

use crate::keys::KeyMap;
use crate::model::Model;
use crate::replay::{Player, facts};
use crate::theme::Theme;
use crate::update::{Command, Message, update};
use crate::view::draw;

/// A replay of the record of a real run.
struct Replayed {
    model: Model,
    player: Player,
    keys: KeyMap,
}

impl Replayed {
    /// At so many seconds after time zero.
    fn at(seconds: f64) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records/slow-recommendations");
        let record = Record::read(&dir).unwrap();
        assert!(record.damage.is_empty(), "{:?}", record.damage);
        let mut model = Model::new(facts(&record));
        let verdict = judge(&record);
        let mut player = Player::new(record, verdict, 1.0);
        player.advance(&mut model, std::time::Duration::from_secs_f64(seconds));
        model.settle();
        Self {
            model,
            player,
            keys: KeyMap::default(),
        }
    }

    fn press(&mut self, code: KeyCode) -> &mut Self {
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        for command in update(&mut self.model, &self.keys, Message::Key(key)) {
            if let Command::Play(play) = command {
                self.player.play(&mut self.model, play);
            }
        }
        self.model.settle();
        self
    }

    fn typed(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            self.press(KeyCode::Char(character));
        }
        self
    }

    fn screen(&mut self, (columns, rows): (u16, u16), theme: &Theme) -> Buffer {
        let resize = Message::Resize(columns, rows);
        update(&mut self.model, &self.keys, resize);
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        let targets = draw(&self.model, area, &mut buffer, theme, &self.keys);
        self.model.screen.targets = targets;
        buffer
    }
}

/// The characters on a screen.
fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let row: String = (0..buffer.area.width)
            .map(|x| buffer[(x, y)].symbol())
            .collect();
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// The styles on a screen: a letter per cell, and what each letter means.
fn styles(buffer: &Buffer) -> String {
    let mut known: Vec<Style> = Vec::new();
    let mut map = String::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        for x in 0..buffer.area.width {
            let style = buffer[(x, y)].style();
            let place = known.iter().position(|known| *known == style);
            let place = place.unwrap_or_else(|| {
                known.push(style);
                known.len() - 1
            });
            row.push(char::from(b" abcdefghijklmnopqrstuvwxyz"[place.min(26)]));
        }
        map.push_str(row.trim_end());
        map.push('\n');
    }
    for (place, style) in known.iter().enumerate() {
        let letter = char::from(b" abcdefghijklmnopqrstuvwxyz"[place.min(26)]);
        map.push_str(&format!("{letter:?} {style:?}\n"));
    }
    map
}
