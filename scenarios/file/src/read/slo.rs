//! `slo`, `steady_state`, `abort_when`: gates and the time they speak of.

use std::time::Duration;

use squall_scenario::{Gate, Located, Probe, Share, SloBlock, When};

use super::{Fields, Reader};
use crate::diagnostic::{Diagnostic, Place};
use crate::grammar::{GateError, Sentence, parse_gate};
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

const HOLD: Duration = Duration::from_secs(5);

/// A gate and where its parts stand.
#[derive(Debug, Clone)]
pub(crate) struct GateDraft {
    pub(crate) gate: Located<Gate>,
    pub(crate) whole: Place,
    pub(crate) subject: Place,
    pub(crate) name: Option<Place>,
    pub(crate) comparison: Option<Place>,
    pub(crate) sustained: Option<Place>,
    pub(crate) every: Option<Place>,
}

/// A block of gates and where its parts stand.
#[derive(Debug, Clone)]
pub(crate) struct SloDraft {
    pub(crate) when: Located<When>,
    pub(crate) when_place: Place,
    pub(crate) within: Place,
    pub(crate) settle: Duration,
    pub(crate) settle_place: Place,
    pub(crate) confidence: Option<Share>,
    pub(crate) burst: Option<u64>,
    pub(crate) gates: Vec<GateDraft>,
    /// What reads the numbers of OpenSLO objectives, with its address.
    pub(crate) probes: Vec<(Probe, Place)>,
}

impl SloDraft {
    pub(crate) fn block(&self) -> SloBlock {
        SloBlock {
            when: self.when.clone(),
            settle: self.settle,
            confidence: self.confidence,
            burst: self.burst,
            expect: self.gates.iter().map(|draft| draft.gate.clone()).collect(),
        }
    }
}

impl Reader {
    /// A list of gates that is not empty.
    pub(crate) fn gates(&mut self, node: &Node) -> Vec<GateDraft> {
        let items = self.list(node, "gates");
        if items.is_empty() && matches!(node.kind, NodeKind::List(_)) {
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, "nothing is expected here")
                    .at(node.place, "nothing in it")
                    .help("write for instance `- success >= 99.9%`"),
            );
        }
        items.iter().filter_map(|item| self.gate(item)).collect()
    }

    fn gate(&mut self, node: &Node) -> Option<GateDraft> {
        // `- breaker: x` is a map; the message of `text` covers it.
        let text = self.text(node)?;
        match parse_gate(&text) {
            Ok(sentence) => Some(draft_of(node, sentence)),
            Err(error) => {
                self.report_value(node, gate_error(node, error));
                None
            }
        }
    }

    pub(crate) fn slo(&mut self, node: &Node) -> Option<SloDraft> {
        let fields = self.fields(node, &keys::SLO)?;
        let mut gates = fields
            .get("expect")
            .map(|node| self.gates(node))
            .unwrap_or_default();
        let mut probes = Vec::new();
        match fields.get("openslo") {
            Some(node) => self.openslo_gates(node, &mut gates, &mut probes),
            None if fields.get("expect").is_none() => self.report(
                Diagnostic::error(codes::MISSING_KEY, "an slo block needs `expect`")
                    .at(first_key(fields), "has no `expect`")
                    .help("add for instance `expect: [ p99 < 300ms ]`, or `openslo: FILE`"),
            ),
            None => {}
        }
        let confidence = self.confidence(fields);
        let burst = self.burst(fields);
        let when = match (fields.get("during"), fields.get("after")) {
            (Some(during), None) => self.during(fields, during),
            (None, Some(after)) => self.after(fields, after),
            (Some(_), Some(_)) => {
                self.report(
                    Diagnostic::error(codes::KEYS_CONFLICT, "a block speaks of one time")
                        .at(fields.key_place("after"), "and `after`")
                        .also(fields.key_place("during"), "both `during`")
                        .help("write two blocks"),
                );
                None
            }
            (None, None) => {
                self.report(
                    Diagnostic::error(codes::MISSING_KEY, "an slo block needs `during` or `after`")
                        .at(fields.node.place, "has neither")
                        .help("write `during: NAME OF A FAULT` or `during: whole run`"),
                );
                None
            }
        };
        let settle = self.duration_or(fields, "settle", Duration::ZERO);
        let (when, when_place) = when?;
        Some(SloDraft {
            when: Located::new(when, when_place.span),
            when_place,
            within: fields.place("within"),
            settle,
            settle_place: fields.place("settle"),
            confidence,
            burst,
            gates,
            probes,
        })
    }

    /// The objectives of an OpenSLO file, at the place where it is named.
    fn openslo_gates(
        &mut self,
        node: &Node,
        gates: &mut Vec<GateDraft>,
        probes: &mut Vec<(Probe, Place)>,
    ) {
        let Some(text) = self.text(node) else {
            return;
        };
        let (path, only) = openslo_path(&text);
        let files = &self.openslo_files;
        // One that could not be opened was reported.
        let Some((_, documents)) = files.iter().find(|(known, _)| known == path) else {
            return;
        };
        let documents = documents.clone();
        let only = only.map(|name| (name, node.place));
        for mut objective in self.openslo(&documents, only) {
            objective.gate.gate.span = node.place.span;
            gates.push(objective.gate);
            probes.extend(objective.probe);
        }
    }

    /// `confidence: 95%`; nothing where it is none that a gate can have.
    fn confidence(&mut self, fields: Fields<'_>) -> Option<Share> {
        let confidence = self.share(fields.get("confidence")?)?;
        if confidence.get() > 0.0 && confidence.get() < 1.0 {
            return Some(confidence);
        }
        self.report(
            Diagnostic::error(codes::OUT_OF_RANGE, "no one is that sure")
                .at(fields.place("confidence"), "above 0% and below 100%")
                .help("write for instance `95%`"),
        );
        None
    }

    /// `burst: 10`, which means nothing without `confidence`.
    fn burst(&mut self, fields: Fields<'_>) -> Option<u64> {
        let burst = self.whole(fields.get("burst")?, 1, 1_000_000);
        if fields.get("confidence").is_none() {
            self.report(
                Diagnostic::error(codes::MISSING_KEY, "`burst` needs `confidence` beside it")
                    .at(fields.key_place("burst"), "changes nothing by itself")
                    .help("write for instance `confidence: 95%`, or leave it out"),
            );
        }
        burst
    }

    fn during(&mut self, fields: Fields<'_>, node: &Node) -> Option<(When, Place)> {
        for key in ["within", "hold"] {
            if fields.get(key).is_some() {
                self.report(
                    Diagnostic::error(
                        codes::AFTER_INCOMPLETE,
                        format!("`{key}` belongs to `after`"),
                    )
                    .at(fields.key_place(key), "in a `during` block")
                    .help("leave it out, or write `after: NAME OF A FAULT`"),
                );
            }
        }
        let window = self.text(node)?.trim().to_owned();
        Some((When::During(window), node.place))
    }

    fn after(&mut self, fields: Fields<'_>, node: &Node) -> Option<(When, Place)> {
        if fields.get("settle").is_some() {
            self.report(
                Diagnostic::error(codes::AFTER_INCOMPLETE, "`settle` belongs to `during`")
                    .at(fields.key_place("settle"), "in an `after` block")
                    .help("leave it out; `within` says how long recovery may take"),
            );
        }
        let Some(within) = fields.get("within") else {
            self.report(
                Diagnostic::error(codes::AFTER_INCOMPLETE, "`after` needs `within` beside it")
                    .at(node.place, "within what time?")
                    .help("write for instance `within: 10s`"),
            );
            return None;
        };
        let within = self.duration(within);
        let hold = self.duration_or(fields, "hold", HOLD);
        let fault = self.text(node)?.trim().to_owned();
        let when = When::After {
            fault,
            within: within?,
            hold,
        };
        Some((when, node.place))
    }
}

/// `FILE`, or `FILE#NAME OF AN SLO`.
pub(crate) fn openslo_path(text: &str) -> (&str, Option<&str>) {
    match text.trim().split_once('#') {
        Some((path, name)) => (path, Some(name)),
        None => (text.trim(), None),
    }
}

fn first_key(fields: Fields<'_>) -> Place {
    let first = fields.node.entries().first();
    first.map_or(fields.node.place, |entry| entry.key_place)
}

fn draft_of(node: &Node, sentence: Sentence) -> GateDraft {
    GateDraft {
        gate: Located::new(sentence.gate, node.place.span),
        whole: node.place,
        subject: node.part(sentence.subject),
        name: sentence.name.map(|range| node.part(range)),
        comparison: sentence.comparison.map(|range| node.part(range)),
        sustained: sentence.sustained.map(|range| node.part(range)),
        every: sentence.every.map(|range| node.part(range)),
    }
}

pub(super) fn gate_error(node: &Node, error: GateError) -> Diagnostic {
    Diagnostic::error(error.code, error.title)
        .at(node.part(error.range), error.label)
        .help(error.help)
}

/// Reads one gate that stands by itself, for instance on a command line.
pub(crate) fn gate_text(text: &str) -> Result<Gate, GateError> {
    parse_gate(text).map(|sentence| sentence.gate)
}
