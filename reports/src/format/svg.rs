//! A small writer of static SVG: presentation attributes only, so that a chart
//! reads the same where style sheets and scripts are blocked.
//!
//! Every element may carry a class as well; the page's one style block uses it
//! to follow a dark theme.

use super::html_text;

/// Colours that can be told apart with every kind of colour blindness
/// (Okabe and Ito), and neutral ones for a white page.
pub(super) mod color {
    pub(in super::super) const INK: &str = "#26251f";
    pub(in super::super) const FAINT: &str = "#716e65";
    pub(in super::super) const GRID: &str = "#dedad0";
    pub(in super::super) const BLUE: &str = "#0072b2";
    pub(in super::super) const VERMILION: &str = "#d55e00";
    pub(in super::super) const AMBER: &str = "#e69f00";
    pub(in super::super) const SKY: &str = "#8cc5e8";
    pub(in super::super) const GREEN: &str = "#009e73";
    pub(in super::super) const PURPLE: &str = "#a8518a";
    pub(in super::super) const STEEL: &str = "#b6c0c8";
}

/// An SVG image under construction.
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
    id: &'static str,
    title: String,
    description: String,
    data: String,
}

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// An empty image with its title and a description for those who cannot
    /// see it. `id` is unique in the page.
    pub(super) fn new(
        id: &'static str,
        (width, height): (f64, f64),
        title: &str,
        description: &str,
    ) -> Self {
        Self {
            body: String::new(),
            width,
            height,
            id,
            title: title.to_owned(),
            description: description.to_owned(),
            data: String::new(),
        }
    }

    /// A number that a script of the page may read from the image.
    pub(super) fn data(&mut self, name: &str, value: f64) {
        let (name, value) = (html_text(name), number(value));
        self.data.push_str(&format!(" data-{name}=\"{value}\""));
    }

    /// An empty element. Values are escaped.
    pub(super) fn element(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.open(name, attributes);
        self.body.push_str("/>");
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.body.push('<');
        self.body.push_str(name);
        for (attribute, value) in attributes {
            self.body.push(' ');
            self.body.push_str(attribute);
            self.body.push_str("=\"");
            self.body.push_str(&html_text(value));
            self.body.push('"');
        }
    }

    /// A rectangle; stretches without area are left out.
    pub(super) fn rect(
        &mut self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        more: &[(&str, &str)],
    ) {
        if width <= 0.0 || height <= 0.0 {
            return;
        }
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        let mut attributes = vec![
            ("x", x.as_str()),
            ("y", &y),
            ("width", &width),
            ("height", &height),
        ];
        attributes.extend_from_slice(more);
        self.element("rect", &attributes);
    }

    /// A straight line.
    pub(super) fn line(
        &mut self,
        (x1, y1): (f64, f64),
        (x2, y2): (f64, f64),
        more: &[(&str, &str)],
    ) {
        let (x1, y1, x2, y2) = (number(x1), number(y1), number(x2), number(y2));
        let mut attributes = vec![("x1", x1.as_str()), ("y1", &y1), ("x2", &x2), ("y2", &y2)];
        attributes.extend_from_slice(more);
        self.element("line", &attributes);
    }

    /// A line through points; `None` breaks it.
    pub(super) fn curve(&mut self, points: &[Option<(f64, f64)>], more: &[(&str, &str)]) {
        let mut path = String::new();
        let mut drawing = false;
        for point in points {
            match point {
                Some((x, y)) => {
                    path.push(if drawing { 'L' } else { 'M' });
                    path.push_str(&format!("{} {}", number(*x), number(*y)));
                    drawing = true;
                }
                None => drawing = false,
            }
        }
        if path.is_empty() {
            return;
        }
        let mut attributes = vec![("d", path.as_str()), ("fill", "none")];
        attributes.extend_from_slice(more);
        self.element("path", &attributes);
    }

    /// A closed area along `top` down to the line `base`.
    pub(super) fn area(&mut self, top: &[(f64, f64)], base: f64, more: &[(&str, &str)]) {
        let (Some(first), Some(last)) = (top.first(), top.last()) else {
            return;
        };
        let mut path = format!("M{} {}", number(first.0), number(base));
        for (x, y) in top {
            path.push_str(&format!("L{} {}", number(*x), number(*y)));
        }
        path.push_str(&format!("L{} {}Z", number(last.0), number(base)));
        let mut attributes = vec![("d", path.as_str())];
        attributes.extend_from_slice(more);
        self.element("path", &attributes);
    }

    /// Text at a point, cut to what fits `width_max` where that is given.
    pub(super) fn text(
        &mut self,
        (x, y): (f64, f64),
        anchor: Anchor,
        class: &str,
        fill: &str,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y) = (number(x), number(y));
        let mut attributes = vec![
            ("x", x.as_str()),
            ("y", &y),
            ("text-anchor", anchor),
            ("class", class),
            ("fill", fill),
            ("font-size", "11"),
            ("font-family", "system-ui, sans-serif"),
        ];
        if class.contains("halo") {
            // Keeps text readable where a line runs through it.
            attributes.extend([
                ("stroke", "#ffffff"),
                ("stroke-width", "3"),
                ("paint-order", "stroke"),
            ]);
        }
        self.open("text", &attributes);
        self.body.push('>');
        self.body.push_str(&html_text(text));
        self.body.push_str("</text>");
    }

    /// A diagonal hatch to fill with: `fill="url(#NAME)"`.
    pub(super) fn hatch(&mut self, name: &str, color: &str, width: &str) {
        self.body.push_str(&format!(
            "<defs><pattern id=\"{}\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\" stroke=\"{color}\" stroke-width=\"{width}\"/></pattern></defs>",
            html_text(name)
        ));
    }

    /// The finished image.
    pub(super) fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\"{data}><title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>{}</svg>",
            html_text(&self.title),
            html_text(&self.description),
            self.body,
            w = number(self.width),
            h = number(self.height),
            id = self.id,
            data = self.data,
        )
    }
}

/// One decimal, without a trailing zero: a tenth of a pixel is enough.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Text cut to about `width` pixels of the chart's font.
pub(super) fn fitted(text: &str, width: f64) -> Option<String> {
    const CHARACTER_WIDTH: f64 = 6.6;
    let length = text.chars().count();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the width of a chart in characters"
    )]
    let room = (width / CHARACTER_WIDTH).max(0.0) as usize;
    if length <= room {
        return Some(text.to_owned());
    }
    (room >= 4).then(|| text.chars().take(room - 1).chain(['\u{2026}']).collect())
}
