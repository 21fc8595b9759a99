//! Single values: text, names, numbers and quantities.

use std::time::Duration;

use squall_scenario::{
    ByteCount, QuantityError, QuantityProblem, Rate, Share, Template, nearest, parse_duration,
    path_misfit, quoted,
};

use super::{Context, Reader, Use};
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::{Entry, Node, NodeKind, Scalar};

/// Longest name of a fault, request, variant or scenario.
const TITLE_CHARACTERS_MAX: usize = 80;

impl Reader {
    /// A single value that is not empty.
    fn scalar<'n>(&mut self, node: &'n Node, wanted: &str) -> Option<&'n Scalar> {
        match node.scalar() {
            Some(scalar) if scalar.is_nothing() => {
                self.report(
                    Diagnostic::error(codes::NOTHING_IN_IT, format!("{wanted} is missing here"))
                        .at(node.place, "nothing here")
                        .help("write a value after the colon, or leave out the key"),
                );
                None
            }
            Some(scalar) => Some(scalar),
            None => {
                self.report(
                    Diagnostic::error(codes::WRONG_SHAPE, format!("{wanted} goes here"))
                        .at(node.place, format!("{} here", node.what()))
                        .help("write a single value; quote it if it holds `{`, `[`, `: ` or ` #`"),
                );
                None
            }
        }
    }

    /// Text. What decides how a run goes (names, gates) is never redacted.
    pub(crate) fn text(&mut self, node: &Node) -> Option<String> {
        Some(self.scalar(node, "a text")?.text.clone())
    }

    /// Text that may hold a secret, redacted if asked for.
    pub(crate) fn secret_text(&mut self, node: &Node) -> Option<String> {
        let redact = self.redact;
        let scalar = self.scalar(node, "a text")?;
        // A short number decides how many instances run, and hides nothing.
        let number = scalar.text.len() < 4 && scalar.text.parse::<u32>().is_ok();
        let text = if redact && !number {
            scalar.shown()
        } else {
            &scalar.text
        };
        Some(text.to_owned())
    }

    /// Whether a value stands for a secret that must not be read now.
    pub(crate) fn is_hidden(&self, node: &Node) -> bool {
        self.redact
            && node
                .scalar()
                .is_some_and(|scalar| scalar.resolved.is_some())
    }

    /// A name with spaces: of a fault, a request, a variant.
    pub(crate) fn title(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?.trim().to_owned();
        let why = if text.is_empty() {
            "a name is missing"
        } else if text.chars().count() > TITLE_CHARACTERS_MAX {
            "at most 80 characters"
        } else if text.chars().any(char::is_control) {
            "one line without control characters"
        } else if text.contains(['<', '>', '=']) {
            "no <, > or =, which gates need"
        } else {
            return Some(text);
        };
        let diagnostic = Diagnostic::error(codes::BAD_NAME, "this cannot be a name")
            .at(node.place, why)
            .help("names are short texts: `slow recommendations`");
        self.report_value(node, diagnostic);
        None
    }

    /// Checks a key that names something: `[a-z][a-z0-9-]*`, with `_` where
    /// `underscore` says so.
    pub(crate) fn name(&mut self, name: &str, place: Place, underscore: bool) -> bool {
        let fits = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || (underscore && c == '_')
        };
        let good = name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(fits);
        if !good {
            let letters = if underscore {
                "a-z, 0-9, - and _"
            } else {
                "a-z, 0-9 and -"
            };
            self.report(
                Diagnostic::error(
                    codes::BAD_NAME,
                    format!("{} cannot be a name", quoted(name)),
                )
                .at(place, "here")
                .help(format!(
                    "start with a letter and use {letters}; at most 63 of them"
                )),
            );
        }
        good
    }

    /// Text with `$name` placeholders.
    pub(crate) fn template(&mut self, node: &Node, context: Context) -> Option<Template> {
        let redact = self.redact;
        let scalar = self.scalar(node, "a text")?;
        let text = match &scalar.resolved {
            Some(resolved) if redact => &resolved.shown,
            Some(resolved) => &resolved.template,
            None => &scalar.text,
        };
        Some(self.template_of(node, text, 0, context))
    }

    /// A template that is a part of a node's text, from byte `offset` on.
    pub(crate) fn template_of(
        &mut self,
        node: &Node,
        text: &str,
        offset: usize,
        context: Context,
    ) -> Template {
        let template = Template::parse(text);
        let mut from = 0;
        for variable in template.variables() {
            let written = format!("${variable}");
            let at = text[from..].find(&written).map_or(from, |at| from + at);
            from = at + written.len();
            self.uses.push(Use {
                variable: variable.to_owned(),
                place: node.part(offset + at..offset + from),
                context,
            });
        }
        template
    }

    /// Reports a text with a NUL character, at which the kernel ends it: a
    /// program would be given something else.
    pub(crate) fn refuse_nul(&mut self, text: &str, place: Place) -> bool {
        let nul = text.contains('\0');
        if nul {
            self.report(
                Diagnostic::error(
                    codes::NUL_IN_TEXT,
                    "no program can be given a NUL character",
                )
                .at(place, "has one in it")
                .help("leave it out, or let the program read it from a file"),
            );
        }
        nul
    }

    /// A template without a NUL character, for a program.
    pub(crate) fn program_text(&mut self, node: &Node, context: Context) -> Option<Template> {
        let template = self.template(node, context)?;
        let nul = self.refuse_nul(&node.scalar()?.text, node.place);
        (!nul).then_some(template)
    }

    /// A duration that has some length.
    pub(crate) fn some_time(&mut self, node: &Node, title: &str) -> Option<Duration> {
        let duration = self.duration(node)?;
        if !duration.is_zero() {
            return Some(duration);
        }
        self.report(
            Diagnostic::error(codes::OUT_OF_RANGE, title)
                .at(node.place, "no time at all")
                .help("write for instance `1s`"),
        );
        None
    }

    /// The items of a list.
    pub(crate) fn list<'n>(&mut self, node: &'n Node, wanted: &str) -> &'n [Node] {
        match &node.kind {
            NodeKind::List(items) => items,
            _ => {
                self.report(
                    Diagnostic::error(codes::WRONG_SHAPE, format!("a list of {wanted} goes here"))
                        .at(node.place, format!("{} here", node.what()))
                        .help("start every item with `- `, or write `[ one, two ]`"),
                );
                &[]
            }
        }
    }

    /// The entries of a map whose keys the user chose.
    pub(crate) fn names<'n>(&mut self, node: &'n Node, wanted: &str) -> &'n [Entry] {
        match &node.kind {
            NodeKind::Map(entries) => entries,
            NodeKind::Scalar(scalar) if scalar.is_nothing() => &[],
            _ => {
                self.report(
                    Diagnostic::error(codes::WRONG_SHAPE, format!("{wanted} by name go here"))
                        .at(node.place, format!("{} here", node.what()))
                        .help("write `name: value` on lines of their own"),
                );
                &[]
            }
        }
    }

    pub(super) fn quantity<T>(
        &mut self,
        node: &Node,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<T, QuantityError>,
    ) -> Option<T> {
        let scalar = self.scalar(node, wanted)?;
        match parse(&scalar.text) {
            Ok(value) => Some(value),
            Err(error) => {
                let diagnostic = Diagnostic::error(codes::of_quantity(error.problem), error.title)
                    .at(node.place, error.label)
                    .help(error.help);
                self.report_value(node, diagnostic);
                None
            }
        }
    }

    pub(crate) fn duration(&mut self, node: &Node) -> Option<Duration> {
        self.quantity(node, "a duration", parse_duration)
    }

    pub(crate) fn rate(&mut self, node: &Node) -> Option<Rate> {
        self.quantity(node, "a rate", str::parse)
    }

    pub(crate) fn share(&mut self, node: &Node) -> Option<Share> {
        self.quantity(node, "a share", str::parse)
    }

    /// `64KiB`
    pub(crate) fn size(&mut self, node: &Node) -> Option<ByteCount> {
        self.quantity(node, "a size", str::parse)
    }

    /// `64KiB/s`
    pub(crate) fn bytes_per_second(&mut self, node: &Node) -> Option<ByteCount> {
        self.quantity(node, "a rate of bytes", |text| {
            let size = text.trim();
            let Some(size) = size.strip_suffix("/s") else {
                let size: ByteCount = size.parse().map_err(per_second)?;
                return Err(QuantityError {
                    problem: QuantityProblem::BareNumber,
                    title: format!("{} is a size, not a rate", quoted(text)),
                    label: "per second?",
                    help: format!("write `{size}/s`"),
                });
            };
            size.parse().map_err(per_second)
        })
    }

    /// A whole number from `low` to `high`.
    pub(crate) fn whole(&mut self, node: &Node, low: u64, high: u64) -> Option<u64> {
        let scalar = self.scalar(node, "a whole number")?;
        let diagnostic = match scalar.text.replace('_', "").parse::<u64>() {
            Ok(number) if (low..=high).contains(&number) => return Some(number),
            Ok(_) => {
                let range = if high == u64::MAX {
                    format!("at least {low}")
                } else {
                    format!("from {low} to {high}")
                };
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    format!("{} is out of range", quoted(&scalar.text)),
                )
                .at(node.place, range)
                .help(format!("write for instance `{}`", low.max(1)))
            }
            Err(_) => not_a_number(node, scalar, "a whole number"),
        };
        self.report_value(node, diagnostic);
        None
    }

    /// A whole number that fits 32 bits.
    pub(crate) fn whole_u32(&mut self, node: &Node, low: u32, high: u32) -> Option<u32> {
        let number = self.whole(node, low.into(), high.into())?;
        u32::try_from(number).ok()
    }

    /// A number above 0 and at most 100.
    pub(crate) fn positive(&mut self, node: &Node) -> Option<f64> {
        self.decimal(node, |number| number > 0.0, "above 0 and at most 100")
    }

    /// By how much faster something is: 0.001 to 100.
    pub(crate) fn speed(&mut self, node: &Node) -> Option<f64> {
        self.decimal(node, |number| number >= 0.001, "0.001 to 100")
    }

    fn decimal(&mut self, node: &Node, fits: fn(f64) -> bool, range: &str) -> Option<f64> {
        let scalar = self.scalar(node, "a number")?;
        let diagnostic = match scalar.text.parse::<f64>() {
            Ok(number) if fits(number) && number <= 100.0 => return Some(number),
            Ok(_) => Diagnostic::error(
                codes::OUT_OF_RANGE,
                format!("{} is out of range", quoted(&scalar.text)),
            )
            .at(node.place, range)
            .help("write for instance `1.1`"),
            Err(_) => not_a_number(node, scalar, "a number"),
        };
        self.report_value(node, diagnostic);
        None
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, node: &Node) -> Option<bool> {
        const WORDS: &[(&str, &str)] = &[("true", ""), ("false", "")];
        Some(self.word(node, WORDS)? == "true")
    }

    /// One of the words.
    pub(crate) fn word(
        &mut self,
        node: &Node,
        words: &'static [(&'static str, &'static str)],
    ) -> Option<&'static str> {
        let scalar = self.scalar(node, "a word")?;
        let known: Vec<&'static str> = words.iter().map(|(word, _)| *word).collect();
        if let Some(word) = known.iter().find(|word| **word == scalar.text) {
            return Some(word);
        }
        let help = match nearest(&scalar.text, known.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("write one of: {}", known.join(", ")),
        };
        let title = format!("{} is not one of the words here", quoted(&scalar.text));
        let diagnostic = Diagnostic::error(codes::UNKNOWN_WORD, title)
            .at(node.place, known.join(", "))
            .help(help);
        self.report_value(node, diagnostic);
        None
    }

    /// A path that can be asked for.
    pub(crate) fn path(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let Some(misfit) = path_misfit(&text) else {
            return Some(text);
        };
        let help = match text.starts_with('/') {
            true => misfit.help,
            false => "write for instance `/health`".to_owned(),
        };
        let title = format!("{} is not a path", quoted(&text));
        let diagnostic = Diagnostic::error(codes::BAD_REQUEST_LINE, title)
            .at(node.part(misfit.range), misfit.label)
            .help(help);
        self.report_value(node, diagnostic);
        None
    }
}

/// The same said of a rate: a size by itself is none of the examples that fit.
fn per_second(error: QuantityError) -> QuantityError {
    QuantityError {
        title: error
            .title
            .replace("B, KiB, MiB and GiB", "B/s, KiB/s, MiB/s and GiB/s"),
        help: error.help.replace("B`", "B/s`"),
        ..error
    }
}

fn not_a_number(node: &Node, scalar: &Scalar, wanted: &str) -> Diagnostic {
    let title = format!("{} is not {wanted}", quoted(&scalar.text));
    Diagnostic::error(codes::NOT_A_NUMBER, title)
        .at(node.place, wanted)
        .help("write digits, without a unit")
}
