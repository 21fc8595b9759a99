//! Writing into a part of the screen: whatever does not fit is cut, and
//! nothing outside is ever touched, however small the part.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::line;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Widget};

use crate::theme::Theme;

/// A pen that stays within its area.
pub struct Pen<'b> {
    buffer: &'b mut Buffer,
    area: Rect,
}

impl<'b> Pen<'b> {
    /// A pen for the part of `area` that is on the screen.
    pub fn new(buffer: &'b mut Buffer, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area }
    }

    /// Columns.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.area.width
    }

    /// Rows.
    #[must_use]
    pub const fn height(&self) -> u16 {
        self.area.height
    }

    /// Writes from column `x` of row `y`; returns the column after it.
    pub fn put(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        if y >= self.area.height || x >= self.area.width {
            return x;
        }
        let room = usize::from(self.area.width - x);
        let (end, _) = self
            .buffer
            .set_stringn(self.area.x + x, self.area.y + y, text, room, style);
        end - self.area.x
    }

    /// Writes so that it ends before column `end`.
    pub fn put_right(&mut self, end: u16, y: u16, text: &str, style: Style) {
        let end = end.min(self.area.width);
        let width = cells(text);
        if width <= end {
            self.put(end - width, y, text, style);
        } else {
            self.put(0, y, &fit(text, end), style);
        }
    }

    /// Writes what fits into `room` columns, cut with an ellipsis.
    pub fn put_fit(&mut self, x: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
        self.put(x, y, &fit(text, room), style)
    }

    /// Gives a row a style from column `x` on.
    pub fn style(&mut self, x: u16, y: u16, width: u16, style: Style) {
        let width = width.min(self.area.width.saturating_sub(x));
        if y < self.area.height && width > 0 {
            let row = Rect::new(self.area.x + x, self.area.y + y, width, 1);
            self.buffer.set_style(row, style);
        }
    }
}

/// Draws a frame with a title on its left and one on its right, where there is
/// room for it; returns what is inside.
pub fn frame(theme: &Theme, area: Rect, buffer: &mut Buffer, titles: (&str, &str)) -> Rect {
    if area.width < 4 || area.height < 2 {
        return Rect::default();
    }
    let line = || Span::styled(line::HORIZONTAL, theme.border);
    let title = fit(&format!(" {} ", titles.0), area.width - 4);
    let room = (area.width - 2).saturating_sub(cells(&title) + 3);
    let title = Line::from_iter([line(), Span::styled(title, theme.title)]);
    let frame = Block::bordered().border_type(BorderType::Rounded);
    let mut frame = frame.border_style(theme.border).title(title);
    if !titles.1.is_empty() && room > 6 {
        let right = format!(" {} ", fit(titles.1, room - 2));
        let right = Line::from_iter([Span::styled(right, theme.dim), line()]);
        frame = frame.title(right.right_aligned());
    }
    (&frame).render(area, buffer);
    frame.inner(area)
}

/// How many columns a text takes.
#[must_use]
pub fn cells(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// A text cut to `room` columns, with an ellipsis where it was cut.
#[must_use]
pub fn fit(text: &str, room: u16) -> String {
    if cells(text) <= room {
        return text.to_owned();
    }
    if room == 0 {
        return String::new();
    }
    let mut cut = String::new();
    let mut used = 0;
    for character in text.chars() {
        let width = cells(character.encode_utf8(&mut [0; 4]));
        if used + width + 1 > room {
            break;
        }
        used += width;
        cut.push(character);
    }
    cut.push('\u{2026}');
    cut
}

/// A text in lines of at most `room` columns, broken between words; a longer
/// word has a line of its own, cut.
#[must_use]
pub fn wrap(text: &str, room: u16) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if cells(line).saturating_add(cells(word)) < room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fit(word, room)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(
            wrap("it took 9.9s to open", 8),
            ["it took", "9.9s to", "open"]
        );
        assert_eq!(wrap("recommendations", 6), ["recom\u{2026}"]);
        assert_eq!(wrap("", 6), [""]);
    }

    #[test]
    fn text_is_cut_by_columns_not_characters() {
        assert_eq!(fit("homepage", 8), "homepage");
        assert_eq!(fit("homepage", 5), "home\u{2026}");
        assert_eq!(
            fit("\u{6f22}\u{5b57}\u{6f22}", 5),
            "\u{6f22}\u{5b57}\u{2026}"
        );
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn a_pen_never_leaves_its_area() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 3));
        let mut pen = Pen::new(&mut buffer, Rect::new(4, 1, 40, 40));
        pen.put(0, 0, "long text", Style::new());
        pen.put(3, 0, "outside", Style::new());
        pen.put(0, 9, "outside", Style::new());
        pen.put_right(99, 1, "ends here", Style::new());
        assert_eq!(buffer[(4, 1)].symbol(), "l");
        assert_eq!(buffer[(0, 0)].symbol(), " ");
        assert_eq!(buffer[(0, 2)].symbol(), " ");
    }
}
