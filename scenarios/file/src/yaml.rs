//! YAML text to a tree in which every key and value knows its place.
//!
//! This is the only module that knows the YAML library. It works on parser
//! events rather than on serde, because serde stops at the first mistake and
//! forgets how a scalar was quoted. YAML is cut down to what a scenario needs:
//! one document, text keys, each once, no tags and no merge keys; anchors are
//! allowed within a budget.

mod syntax;

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle};
use squall_scenario::{Span, quoted};

use self::syntax::DEPTH_MAX;
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::source::Source;

/// Most nodes of a tree, those copied by aliases included. A scenario of a
/// hundred faults has about a thousand.
const NODES_MAX: usize = 20_000;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: NodeKind,
}

#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Node,
}

/// Text as it counts: unescaped, unfolded, environment values put in.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    /// The text.
    pub(crate) text: String,
    /// Whether it was written without quotes and on the key's own line or so.
    pub(crate) plain: bool,
    /// Present when environment values were put in.
    pub(crate) resolved: Option<Resolved>,
    /// Where in the source the text starts, when it stands there unchanged.
    pub(crate) verbatim_at: Option<usize>,
}

/// Other forms of a text that has environment values in it.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    /// With `${NAME}` instead of the values: for everything that is shown.
    pub(crate) shown: String,
    /// With every dollar sign of the values doubled, so that no part of a
    /// value is taken for a placeholder.
    pub(crate) template: String,
}

impl Scalar {
    /// The text as it may be shown.
    pub(crate) fn shown(&self) -> &str {
        self.resolved.as_ref().map_or(&self.text, |r| &r.shown)
    }

    /// Whether nothing was written: `key:`, `~` or `null`.
    pub(crate) fn is_nothing(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null")
    }
}

impl Node {
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let entry = self.entries().iter().find(|entry| entry.key == key)?;
        Some(&entry.value)
    }

    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar(scalar) if scalar.is_nothing() => "nothing",
            NodeKind::Scalar(_) => "a single value",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a map of keys",
        }
    }

    /// The place of a part of a scalar's text. Where the text does not stand
    /// in the file as it is (escapes, folded lines, environment values), the
    /// place of the whole scalar.
    pub(crate) fn part(&self, range: Range<usize>) -> Place {
        let Some(scalar) = self.scalar() else {
            return self.place;
        };
        let (Some(at), Some(before)) = (scalar.verbatim_at, scalar.text.get(..range.start)) else {
            return self.place;
        };
        let whole = self.place.span;
        let quote = at.saturating_sub(whole.start);
        let columns = u32::try_from(before.chars().count() + quote).unwrap_or(0);
        let span = Span {
            start: at + range.start,
            end: at + range.end.max(range.start),
            line: whole.line,
            column: whole.column + columns,
        };
        Place { span, ..self.place }
    }

    /// Number of nodes of the tree.
    fn size(&self) -> usize {
        1 + match &self.kind {
            NodeKind::Scalar(_) => 0,
            NodeKind::List(items) => items.iter().map(Self::size).sum(),
            NodeKind::Map(entries) => entries.iter().map(|e| 1 + e.value.size()).sum(),
        }
    }
}

/// Reads the one document of a source; `number` is its place in the list of
/// sources. All findings are pushed; the tree is missing when there is none or
/// when it cannot be trusted.
pub(crate) fn parse(
    source: &Source,
    number: usize,
    findings: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let mut roots = documents(source, number, 1, findings)?;
    if roots.is_empty() {
        let place = Place {
            source: number,
            span: source.span(0, 0),
        };
        findings.push(source.empty().at(place, "nothing here but comments"));
    }
    roots.pop()
}

/// Reads all documents of a source, at most `most`, as [`parse`] reads one.
pub(crate) fn documents(
    source: &Source,
    number: usize,
    most: usize,
    findings: &mut Vec<Diagnostic>,
) -> Option<Vec<Node>> {
    grown(Tree::new(source, number, most, NODES_MAX), findings)
}

/// Reads the one document of a source that is no file of squall's, and may have
/// `nodes_max` values, as [`parse`] reads one.
pub(crate) fn large(
    source: &Source,
    nodes_max: usize,
    findings: &mut Vec<Diagnostic>,
) -> Option<Node> {
    grown(Tree::new(source, 0, 1, nodes_max), findings)?.pop()
}

fn grown(mut tree: Tree<'_>, findings: &mut Vec<Diagnostic>) -> Option<Vec<Node>> {
    let options = granit_parser::options! {
        disallow_directives: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let (source, number) = (tree.source, tree.number);
    for next in Parser::new_from_str_with_options(&source.text, options) {
        let step = match next {
            Ok((event, span)) => tree.take(event, tree.place(span)),
            Err(error) => Err(Box::new(syntax::finding(source, number, &error))),
        };
        if let Err(stop) = step {
            findings.append(&mut tree.findings);
            findings.push(*stop);
            return None;
        }
    }
    findings.append(&mut tree.findings);
    Some(tree.roots)
}

/// A list or map that is still open.
struct Open {
    kind: NodeKind,
    key: Option<(String, Place)>,
    /// Keys so far, for finding duplicates in a long map.
    keys: HashMap<String, Place>,
    place: Place,
    anchor: usize,
}

struct Tree<'s> {
    source: &'s Source,
    number: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    nodes_max: usize,
    documents: usize,
    documents_max: usize,
    roots: Vec<Node>,
    findings: Vec<Diagnostic>,
}

type Step = Result<(), Box<Diagnostic>>;

impl<'s> Tree<'s> {
    fn new(source: &'s Source, number: usize, documents_max: usize, nodes_max: usize) -> Self {
        Self {
            source,
            number,
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            nodes_max,
            documents: 0,
            documents_max,
            roots: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn place(&self, span: granit_parser::Span) -> Place {
        let bytes = span.byte_range().unwrap_or(0..0);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            source: self.number,
            span: Span {
                start: bytes.start,
                end: bytes.end.max(bytes.start),
                line: count(span.start.line().max(1)),
                column: count(span.start.col() + 1),
            },
        }
    }

    fn take(&mut self, event: Event<'_>, place: Place) -> Step {
        let tag = event.tag().is_some();
        match event {
            Event::DocumentStart(..) => self.start_document(place)?,
            Event::Scalar(text, style, anchor, _) => {
                self.refuse_tag(tag, place);
                let node = self.scalar(text.into_owned(), style, place);
                self.finish(node, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.refuse_tag(tag, place);
                self.start(NodeKind::List(Vec::new()), place, anchor);
            }
            Event::MappingStart(_, anchor, _) => {
                self.refuse_tag(tag, place);
                self.start(NodeKind::Map(Vec::new()), place, anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(place)?,
            Event::Alias(id) => self.alias(id, place)?,
            _ => {}
        }
        Ok(())
    }

    fn start_document(&mut self, place: Place) -> Step {
        self.documents += 1;
        if self.documents <= self.documents_max {
            return Ok(());
        }
        Err(Box::new(
            Diagnostic::error(
                codes::SECOND_DOCUMENT,
                "there is a second document in this file",
            )
            .at(place, "starts here")
            .help("write one scenario a file; `---` starts a new document"),
        ))
    }

    fn refuse_tag(&mut self, tag: bool, place: Place) {
        if tag {
            self.findings.push(
                Diagnostic::error(codes::YAML_FEATURE, "a scenario has no YAML tags")
                    .at(place, "has a tag")
                    .help("leave out the word that starts with `!`, or quote it"),
            );
        }
    }

    fn scalar(&self, text: String, style: ScalarStyle, place: Place) -> Node {
        let written = self.source.text.get(place.span.start..place.span.end);
        let unquoted = match (style, written) {
            (ScalarStyle::Plain, Some(written)) => Some((written, 0)),
            (ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, Some(written)) => written
                .get(1..written.len().saturating_sub(1))
                .map(|inner| (inner, 1)),
            _ => None,
        };
        let verbatim_at = unquoted
            .filter(|(written, _)| *written == text)
            .map(|(_, quote)| place.span.start + quote);
        let scalar = Scalar {
            text,
            plain: style == ScalarStyle::Plain,
            resolved: None,
            verbatim_at,
        };
        Node {
            place,
            kind: NodeKind::Scalar(scalar),
        }
    }

    fn start(&mut self, kind: NodeKind, place: Place, anchor: usize) {
        self.open.push(Open {
            kind,
            key: None,
            keys: HashMap::new(),
            place,
            anchor,
        });
    }

    fn close(&mut self, end: Place) -> Step {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let mut place = open.place;
        // A block ends where the next token starts; its last child is a
        // better end than that.
        let last = match &open.kind {
            NodeKind::List(items) => items.last().map(|node| node.place.span.end),
            NodeKind::Map(entries) => entries.last().map(|entry| entry.value.place.span.end),
            NodeKind::Scalar(_) => None,
        };
        let flow = matches!(
            self.source.text.as_bytes().get(place.span.start),
            Some(b'{' | b'[')
        );
        let end = match last {
            Some(last) if !flow => last,
            _ => end.span.end,
        };
        place.span.end = end.max(place.span.start);
        let node = Node {
            place,
            kind: open.kind,
        };
        self.finish(node, open.anchor)
    }

    fn alias(&mut self, id: usize, place: Place) -> Step {
        let Some(node) = self.anchors.get(&id) else {
            return Err(Box::new(
                Diagnostic::error(codes::YAML_FEATURE, "this alias contains itself")
                    .at(place, "refers to a part it stands in"),
            ));
        };
        let size = node.size();
        // Counted before it is copied: an alias may stand for very much.
        self.count(size, place)?;
        match self.anchors.get(&id).cloned() {
            Some(node) => self.finish(node, 0),
            None => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, place: Place) -> Step {
        self.nodes += nodes;
        if self.nodes <= self.nodes_max {
            return Ok(());
        }
        let title = format!("this file has more than {} values", self.nodes_max);
        Err(Box::new(
            Diagnostic::error(codes::TOO_MANY_VALUES, title)
                .at(place, "I stopped reading here")
                .help("a scenario is short; aliases (`*name`) count as often as they are used"),
        ))
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Step {
        self.count(1, node.place)?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.roots.push(node);
            return Ok(());
        };
        match &mut parent.kind {
            NodeKind::List(items) => items.push(node),
            NodeKind::Map(entries) => match parent.key.take() {
                Some((key, key_place)) => {
                    let earlier = parent.keys.insert(key.clone(), key_place);
                    if let Some(problem) = key_problem(&key, key_place, earlier) {
                        self.findings.push(problem);
                    } else {
                        entries.push(Entry {
                            key,
                            key_place,
                            value: node,
                        });
                    }
                }
                None => parent.key = Some(key_of(node)?),
            },
            NodeKind::Scalar(_) => {}
        }
        Ok(())
    }
}

fn key_of(node: Node) -> Result<(String, Place), Box<Diagnostic>> {
    if let NodeKind::Scalar(scalar) = node.kind {
        return Ok((scalar.text, node.place));
    }
    Err(Box::new(
        Diagnostic::error(codes::YAML_FEATURE, "a key must be a word")
            .at(node.place, "used as a key")
            .help("quote it if it is meant to be text; `{ }` and `[ ]` make maps and lists"),
    ))
}

fn key_problem(key: &str, place: Place, earlier: Option<Place>) -> Option<Diagnostic> {
    if let Some(earlier) = earlier {
        let title = format!("the key {} is written twice", quoted(key));
        return Some(
            Diagnostic::error(codes::DUPLICATE_KEY, title)
                .at(place, "again here")
                .also(earlier, "first here")
                .help("keep one of them"),
        );
    }
    (key == "<<").then(|| {
        Diagnostic::error(codes::YAML_FEATURE, "a scenario has no merge keys")
            .at(place, "merges another map")
            .help("write the keys out, or use an alias for a whole value: `*name`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        let node = parse(&Source::new("x", text), 0, &mut findings);
        (node, findings)
    }

    fn part_of<'t>(text: &'t str, key: &str, range: Range<usize>) -> &'t str {
        let (node, _) = tree(text);
        let span = node.unwrap().get(key).unwrap().part(range).span;
        &text[span.start..span.end]
    }

    #[test]
    fn parts_of_scalars_are_found_where_they_stand() {
        assert_eq!(part_of("a: p99 < 5\n", "a", 6..7), "5\n".trim());
        assert_eq!(part_of("ä: 1\na: 'p99 < 5'\n", "a", 0..3), "p99");
        assert_eq!(part_of("{ b: 1, a: \"p99 < 5\" }", "a", 4..5), "<");
        // An escape moves every offset after it: the whole scalar is shown.
        assert_eq!(part_of("a: \"p\\x39 9\"\n", "a", 0..1), "\"p\\x39 9\"");
    }

    #[test]
    fn columns_of_parts_count_characters() {
        let (node, _) = tree("a: 'ü < 5'\n");
        let node = node.unwrap();
        let place = node.get("a").unwrap().part(3..4);
        assert_eq!((place.span.line, place.span.column), (1, 7));
    }

    #[test]
    fn blocks_end_with_their_last_child() {
        let text = "a:\n  - b: 1\n    c: 2\n\nd: 3\n";
        let (node, _) = tree(text);
        let node = node.unwrap();
        let NodeKind::List(items) = &node.get("a").unwrap().kind else {
            panic!("a list");
        };
        let span = items[0].place.span;
        assert_eq!(&text[span.start..span.end], "b: 1\n    c: 2");
    }

    #[test]
    fn aliases_are_copied_within_a_budget() {
        let (node, findings) = tree("a: &x [1, 2]\nb: *x\n");
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(node.unwrap().get("b").unwrap().what(), "a list");

        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let before = format!("*a{}, ", n - 1).repeat(10);
            bomb.push_str(&format!("a{n}: &a{n} [{before}]\n"));
        }
        let (node, findings) = tree(&bomb);
        assert!(node.is_none());
        assert_eq!(findings[0].code, "S0013");
    }

    #[test]
    fn an_alias_to_itself_is_refused() {
        assert_eq!(tree("a: &x [*x]\n").1[0].code, "S0015");
    }
}
