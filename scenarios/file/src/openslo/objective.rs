//! SLOs and their targets, as gates.

use squall_scenario::{Located, Probe, ProbeRead, Template, quoted};

use super::indicator::{Measure, Query, QueryOf, not_mapped};
use super::{Object, ObjectiveDraft, keys};
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::grammar::parse_gate;
use crate::read::{Fields, GateDraft, Reader};
use crate::yaml::Node;

/// How often a query is asked, and its deadline: as for every probe that does
/// not say otherwise.
const EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// A gate in words, and the parts of the file that it was made from.
struct Sentence {
    text: String,
    subject: Place,
    name: Place,
    probe: Option<(Probe, Place)>,
    /// Whether the gate asks more than the objective does.
    stricter: bool,
}

/// `op` and `value` of an objective.
struct Threshold {
    sign: &'static str,
    value: f64,
    op: Place,
}

impl Reader {
    pub(super) fn slo_object(
        &mut self,
        slo: Object<'_>,
        objects: &[Object<'_>],
    ) -> Vec<ObjectiveDraft> {
        let Some(fields) = self.fields(slo.spec, &keys::SLO) else {
            return Vec::new();
        };
        if let Some(node) = fields.get("budgetingMethod")
            && !self.occurrences(node)
        {
            return Vec::new();
        }
        if fields.get("alertPolicies").is_some() {
            self.report(left_out(
                "squall alerts nobody",
                fields.key_place("alertPolicies"),
                "left out",
                "gate on what the policy guards, or leave it to your monitoring",
            ));
        }
        let items = fields
            .get("objectives")
            .map_or(&[][..], |node| self.list(node, "objectives"));
        let composite = items.iter().any(|item| item.get("indicator").is_some())
            || items.iter().any(|item| item.get("indicatorRef").is_some());
        let own = match composite {
            false => self.indicator(fields, slo, objects),
            true => None,
        };
        let time_window = time_window(fields);
        let mut drafts = Vec::new();
        for (number, item) in items.iter().enumerate() {
            let Some(objective) = self.fields(item, &keys::OBJECTIVE) else {
                continue;
            };
            let measure = match composite {
                true => self.indicator(objective, slo, objects),
                false => own.clone(),
            };
            let name = match items.len() {
                1 => slo.name.to_owned(),
                _ => format!("{} {}", slo.name, number + 1),
            };
            let gate = measure.and_then(|measure| self.objective(objective, &measure, &name));
            if let Some((gate, probe)) = gate {
                drafts.push(ObjectiveDraft {
                    slo: slo.name.to_owned(),
                    time_window: time_window.clone(),
                    gate,
                    probe,
                });
            }
        }
        drafts
    }

    /// Whether events are counted, which is what gates do.
    fn occurrences(&mut self, node: &Node) -> bool {
        let Some(word) = self.word(node, keys::METHODS) else {
            return false;
        };
        if word != "Occurrences" {
            self.report(not_mapped(
                format!("squall has no gate for {}", quoted(word)),
                node.place,
                "counts slices of time",
                "write `budgetingMethod: Occurrences`, or ask `success >= 95% in every 1m` in the scenario",
            ));
        }
        word == "Occurrences"
    }

    fn objective(
        &mut self,
        fields: Fields<'_>,
        measure: &Measure,
        name: &str,
    ) -> Option<(GateDraft, Option<(Probe, Place)>)> {
        if fields.get("compositeWeight").is_some() {
            self.report(left_out(
                "squall does not weigh objectives against each other",
                fields.key_place("compositeWeight"),
                "left out",
                "every objective is a gate of its own, and each has to hold",
            ));
        }
        for key in ["timeSliceTarget", "timeSliceWindow"] {
            if fields.get(key).is_some() {
                self.report(left_out(
                    &format!("`{key}` means nothing with Occurrences"),
                    fields.key_place(key),
                    "left out",
                    "leave it out",
                ));
            }
        }
        let (target, target_place) = self.target_percent(fields)?;
        let threshold = match measure {
            Measure::Success { .. } => None,
            Measure::Query(query) if query.of != QueryOf::Number => None,
            _ => Some(self.threshold(fields)?),
        };
        if threshold.is_none() {
            for key in ["op", "value"] {
                if fields.get(key).is_some() {
                    let title = format!("`{key}` belongs to a `thresholdMetric`");
                    self.report(
                        Diagnostic::error(codes::KEYS_CONFLICT, title)
                            .at(fields.key_place(key), "a ratio has a target only")
                            .help("leave it out"),
                    );
                    return None;
                }
            }
        }
        let sentence = self.sentence(measure, target, threshold.as_ref(), name)?;
        let comparison = threshold.map_or(target_place, |threshold| threshold.op);
        self.gate_of(sentence, target_place, comparison)
    }

    fn gate_of(
        &mut self,
        sentence: Sentence,
        target: Place,
        comparison: Place,
    ) -> Option<(GateDraft, Option<(Probe, Place)>)> {
        let parsed = match parse_gate(&sentence.text) {
            Ok(parsed) => parsed,
            Err(error) => {
                let help = match error.code {
                    codes::GATE_WITHOUT_UNIT => "say which unit: `unit: ms` beside `measure`",
                    _ => &error.help,
                };
                self.report(
                    not_mapped(error.title, sentence.subject, &error.label, help)
                        .note(format!("as a gate it reads {}", quoted(&sentence.text))),
                );
                return None;
            }
        };
        if sentence.stricter {
            let title = "squall asks this of every reading in the window";
            self.report(
                left_out(
                    title,
                    target,
                    "the objective asks it of a share of them",
                    "keep it, if a test may ask for more than a month does",
                )
                .note(format!("as a gate it reads {}", quoted(&sentence.text))),
            );
        }
        let draft = GateDraft {
            gate: Located::new(parsed.gate, target.span),
            whole: target,
            subject: sentence.subject,
            name: parsed.name.map(|_| sentence.name),
            comparison: Some(comparison),
            sustained: None,
            every: None,
        };
        Some((draft, sentence.probe))
    }

    fn sentence(
        &mut self,
        measure: &Measure,
        target: f64,
        threshold: Option<&Threshold>,
        name: &str,
    ) -> Option<Sentence> {
        let sentence = match measure {
            Measure::Success {
                of,
                within,
                place,
                of_place,
            } => {
                let of = of.as_ref().map_or(String::new(), |of| format!(" of {of}"));
                Sentence {
                    text: match within {
                        None => format!("success{of} >= {target}%"),
                        Some(time) => format!("p{target}{of} <= {time}"),
                    },
                    subject: *place,
                    name: *of_place,
                    probe: None,
                    stricter: false,
                }
            }
            Measure::Number {
                measure,
                unit,
                place,
            } => {
                let Threshold { sign, value, op } = threshold?;
                let (text, stricter) = match measure.strip_prefix("response_time") {
                    Some(_) if sign.starts_with('>') => {
                        self.report(not_mapped(
                            "no response time is too short".to_owned(),
                            *op,
                            "good when it is slow",
                            "write `op: lte`",
                        ));
                        return None;
                    }
                    Some(of) => (format!("p{target}{of} {sign} {value}{unit}"), false),
                    None if !self.is_reading(measure, *place) => return None,
                    None => (format!("{measure} {sign} {value}{unit}"), true),
                };
                Sentence {
                    text,
                    subject: *place,
                    name: *place,
                    probe: None,
                    stricter,
                }
            }
            Measure::Query(query) => of_query(query, target, threshold, name),
        };
        Some(sentence)
    }

    /// Whether it is read beside the load, again and again.
    fn is_reading(&mut self, measure: &str, place: Place) -> bool {
        let first = measure.split_whitespace().next().unwrap_or_default();
        if ["cpu", "memory", "fds", "restarts", "probe"].contains(&first) {
            return true;
        }
        self.report(not_mapped(
            format!(
                "{} is nothing that squall measures as a number",
                quoted(measure)
            ),
            place,
            "response_time, cpu, memory, fds, restarts or probe",
            "write for instance `response_time of checkout`",
        ));
        false
    }

    /// `target` or `targetPercent`, in percent.
    fn target_percent(&mut self, fields: Fields<'_>) -> Option<(f64, Place)> {
        let (node, key, most) = match (fields.get("target"), fields.get("targetPercent")) {
            (Some(node), None) => (node, "target", 1.0),
            (None, Some(node)) => (node, "targetPercent", 100.0),
            (both, _) => {
                let title = "an objective has a `target` or a `targetPercent`";
                let code = both.map_or(codes::MISSING_KEY, |_| codes::KEYS_CONFLICT);
                self.report(
                    Diagnostic::error(code, title)
                        .at(fields.node.place, "one of the two")
                        .help("write for instance `target: 0.999`"),
                );
                return None;
            }
        };
        let number = self.plain_number(node)?;
        if !(number > 0.0 && number < most) {
            self.report(
                Diagnostic::error(codes::OUT_OF_RANGE, format!("no `{key}` is {number}"))
                    .at(node.place, format!("above 0 and below {most}"))
                    .help(format!("write for instance `{key}: {}`", 0.999 * most)),
            );
            return None;
        }
        // Rounding hides binary noise such as 99.90000000000001.
        let percent = (number / most * 100.0 * 1e9).round() / 1e9;
        Some((percent, node.place))
    }

    fn threshold(&mut self, fields: Fields<'_>) -> Option<Threshold> {
        for key in ["op", "value"] {
            if fields.get(key).is_none() {
                let title = format!("an objective of a `thresholdMetric` needs `{key}`");
                self.report(
                    Diagnostic::error(codes::MISSING_KEY, title)
                        .at(fields.node.place, format!("has no `{key}`"))
                        .help("write for instance `op: lte` and `value: 300`"),
                );
                return None;
            }
        }
        let op = fields.get("op")?;
        let word = self.word(op, keys::OPERATORS)?;
        let (_, sign) = keys::OPERATORS.iter().find(|(known, _)| *known == word)?;
        Some(Threshold {
            sign,
            value: self.plain_number(fields.get("value")?)?,
            op: op.place,
        })
    }

    fn plain_number(&mut self, node: &Node) -> Option<f64> {
        let text = self.text(node)?;
        let number = text.trim().parse().ok().filter(|n: &f64| n.is_finite());
        if number.is_none() {
            self.report(
                Diagnostic::error(
                    codes::NOT_A_NUMBER,
                    format!("{} is not a number", quoted(&text)),
                )
                .at(node.place, "a number")
                .help("write digits, without a unit"),
            );
        }
        number
    }
}

/// A query becomes a probe and a gate on it.
fn of_query(query: &Query, target: f64, threshold: Option<&Threshold>, name: &str) -> Sentence {
    let text = match (query.of, threshold) {
        (QueryOf::Number, Some(Threshold { sign, value, .. })) => {
            format!("probe {name} {sign} {value}")
        }
        (QueryOf::Failure, _) => format!("probe {name} <= {}", share(100.0 - target)),
        _ => format!("probe {name} >= {}", share(target)),
    };
    let probe = Probe {
        name: name.to_owned(),
        every: EVERY,
        within: EVERY,
        read: ProbeRead::Prometheus {
            // The file knows nothing of squall's names.
            at: Template::parse(&query.at.replace('$', "$$")),
            query: query.query.clone(),
        },
    };
    Sentence {
        text,
        subject: query.place,
        name: query.place,
        probe: Some((probe, query.at_place)),
        stricter: true,
    }
}

/// `duration` of `timeWindow`, as it is written.
fn time_window(fields: Fields<'_>) -> Option<String> {
    let window = match &fields.get("timeWindow")?.kind {
        crate::yaml::NodeKind::List(items) => items.first()?,
        _ => return None,
    };
    Some(window.get("duration")?.scalar()?.text.clone())
}

/// Percent as a share, without binary noise.
fn share(percent: f64) -> f64 {
    (percent * 1e10).round() / 1e12
}

/// Something of the file that the gate does not ask.
fn left_out(title: &str, place: Place, label: &str, help: &str) -> Diagnostic {
    Diagnostic::warning(codes::LEFT_OUT, title)
        .at(place, label)
        .help(help)
}
