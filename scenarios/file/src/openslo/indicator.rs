//! What an indicator measures, as far as squall can measure it.

use squall_scenario::quoted;

use super::{Object, keys};
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::read::{Fields, Reader, probe_url_misfit};
use crate::yaml::Node;

/// What an indicator measures.
#[derive(Debug, Clone)]
pub(super) enum Measure {
    /// Good arrivals of all, or of those of a request; with a time, good ones
    /// that took no longer.
    Success {
        of: Option<String>,
        within: Option<String>,
        place: Place,
        of_place: Place,
    },
    /// A number: `response_time of checkout`, `memory of catalog`.
    Number {
        measure: String,
        unit: String,
        place: Place,
    },
    /// A query to Prometheus.
    Query(Query),
}

/// A number that a Prometheus server is asked for.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) at: String,
    pub(super) at_place: Place,
    pub(super) query: String,
    pub(super) place: Place,
    pub(super) of: QueryOf,
}

/// What a query gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryOf {
    /// A share of what is good.
    Success,
    /// A share of what is not.
    Failure,
    /// A number of any kind.
    Number,
}

/// A metric source whose type is known.
#[derive(Clone, Copy)]
enum SourceOf<'n> {
    Squall(&'n Node),
    Prometheus {
        spec: &'n Node,
        at: Option<(&'n str, Place)>,
        place: Place,
    },
}

/// What stands for an indicator that squall cannot ask as it is.
const INSTEAD: &str = "say what of the load stands for it: \
    `annotations: { squall/measure: success of NAME }` in the metadata";

impl Reader {
    /// What the indicator of `fields` measures, inline or by reference. What
    /// annotations say counts more than metric sources.
    pub(super) fn indicator(
        &mut self,
        fields: Fields<'_>,
        slo: Object<'_>,
        objects: &[Object<'_>],
    ) -> Option<Measure> {
        let (metadata, spec) = match (fields.get("indicator"), fields.get("indicatorRef")) {
            (Some(_), Some(other)) => {
                let title = "`indicator` and `indicatorRef` exclude each other";
                self.report(
                    Diagnostic::error(codes::KEYS_CONFLICT, title)
                        .at(other.place, "both are given")
                        .help("keep one of them"),
                );
                return None;
            }
            (Some(inline), None) => {
                let inline = self.fields(inline, &keys::INDICATOR)?;
                (inline.get("metadata"), inline.get("spec")?)
            }
            (None, Some(name)) => {
                let sli = self.referred(name, "SLI", objects)?;
                (Some(sli.metadata), sli.spec)
            }
            (None, None) => {
                let title = "an objective needs an `indicator` or `indicatorRef`";
                self.report(
                    Diagnostic::error(codes::MISSING_KEY, title)
                        .at(fields.node.place, "nothing is measured")
                        .help("write for instance `indicatorRef: NAME OF AN SLI`"),
                );
                return None;
            }
        };
        for metadata in metadata.into_iter().chain([slo.metadata]) {
            let known = self.fields(metadata, &keys::METADATA)?;
            if let Some(annotations) = known.get("annotations")
                && let Some(measure) = self.annotated(annotations)?
            {
                return Some(measure);
            }
        }
        self.sli(spec, objects)
    }

    /// What annotations say is measured: `Some(None)` when they say nothing.
    fn annotated(&mut self, annotations: &Node) -> Option<Option<Measure>> {
        for entry in self.names(annotations, "annotations") {
            let own = entry.key.starts_with("squall/");
            if own && !keys::ANNOTATIONS.iter().any(|key| key.name == entry.key) {
                let names: Vec<&str> = keys::ANNOTATIONS.iter().map(|key| key.name).collect();
                let title = format!("I do not know the annotation {}", quoted(&entry.key));
                self.report(
                    Diagnostic::error(codes::UNKNOWN_KEY, title)
                        .at(entry.key_place, "not an annotation for squall")
                        .help(format!("write one of: {}", names.join(", "))),
                );
                return None;
            }
        }
        let Some(node) = annotations.get("squall/measure") else {
            return Some(None);
        };
        let measure = self.text(node)?.trim().to_owned();
        let own = |key| annotations.get(key);
        let text = |reader: &mut Self, key| own(key).and_then(|node| reader.text(node));
        let (within, unit) = (text(self, "squall/within"), text(self, "squall/unit"));
        let Some(rest) = measure.strip_prefix("success") else {
            return Some(Some(Measure::Number {
                measure,
                unit: unit.unwrap_or_default(),
                place: node.place,
            }));
        };
        let of = rest.trim().strip_prefix("of ").map(str::trim);
        if of.is_none() && !rest.is_empty() {
            self.report(not_mapped(
                format!("{} is nothing that squall measures", quoted(&measure)),
                node.place,
                "success, or success of a request",
                "write for instance `success of checkout`",
            ));
            return None;
        }
        Some(Some(Measure::Success {
            of: of.map(str::to_owned),
            within,
            place: node.place,
            of_place: node.place,
        }))
    }

    fn sli(&mut self, spec: &Node, objects: &[Object<'_>]) -> Option<Measure> {
        let fields = self.fields(spec, &keys::SLI)?;
        match (fields.get("ratioMetric"), fields.get("thresholdMetric")) {
            (Some(ratio), None) => self.ratio(ratio, objects),
            (None, Some(metric)) => match self.source(metric, objects)? {
                SourceOf::Squall(spec) => {
                    let fields = self.fields(spec, &keys::MEASURE)?;
                    let unit = fields.get("unit").and_then(|node| self.text(node));
                    let measure = fields.get("measure")?;
                    Some(Measure::Number {
                        measure: self.text(measure)?.trim().to_owned(),
                        unit: unit.unwrap_or_default(),
                        place: measure.place,
                    })
                }
                source => {
                    let (at, at_place, query, place) = self.query(source)?;
                    Some(Measure::Query(Query {
                        at,
                        at_place,
                        query,
                        place,
                        of: QueryOf::Number,
                    }))
                }
            },
            _ => {
                let title = "an SLI has a `ratioMetric` or a `thresholdMetric`";
                self.report(
                    Diagnostic::error(codes::KEYS_CONFLICT, title)
                        .at(spec.place, "one of the two")
                        .help("write for instance `ratioMetric: { good: …, total: … }`"),
                );
                None
            }
        }
    }

    fn ratio(&mut self, node: &Node, objects: &[Object<'_>]) -> Option<Measure> {
        let fields = self.fields(node, &keys::RATIO)?;
        let (good, bad) = (fields.get("good"), fields.get("bad"));
        match (fields.get("raw"), good, bad, fields.get("total")) {
            (Some(raw), None, None, None) => self.raw(fields, raw, objects),
            (None, Some(part), None, Some(total)) => {
                self.part_of(fields, (part, QueryOf::Success), total, objects)
            }
            (None, None, Some(part), Some(total)) => {
                self.part_of(fields, (part, QueryOf::Failure), total, objects)
            }
            _ => {
                self.report(
                    Diagnostic::error(
                        codes::KEYS_CONFLICT,
                        "a ratio is `good` or `bad` of `total`, or `raw`",
                    )
                    .at(node.place, "something else")
                    .help("write for instance `ratioMetric: { good: …, total: … }`"),
                );
                None
            }
        }
    }

    fn raw(&mut self, fields: Fields<'_>, raw: &Node, objects: &[Object<'_>]) -> Option<Measure> {
        let Some(kind) = fields.get("rawType") else {
            self.report(
                Diagnostic::error(codes::MISSING_KEY, "`raw` needs `rawType` beside it")
                    .at(fields.key_place("raw"), "a share of what?")
                    .help("write `rawType: success` or `rawType: failure`"),
            );
            return None;
        };
        let of = match self.word(kind, keys::RAW)? {
            "failure" => QueryOf::Failure,
            _ => QueryOf::Success,
        };
        let source = self.source(raw, objects)?;
        if let SourceOf::Squall(spec) = source {
            self.report(not_mapped(
                "squall counts arrivals, and has no ratio as such".to_owned(),
                spec.place,
                "not counts",
                "write `good` and `total` instead of `raw`",
            ));
            return None;
        }
        let (at, at_place, query, place) = self.query(source)?;
        Some(Measure::Query(Query {
            at,
            at_place,
            query,
            place,
            of,
        }))
    }

    fn part_of(
        &mut self,
        fields: Fields<'_>,
        (part, kind): (&Node, QueryOf),
        total: &Node,
        objects: &[Object<'_>],
    ) -> Option<Measure> {
        match (self.source(part, objects)?, self.source(total, objects)?) {
            (SourceOf::Squall(part), SourceOf::Squall(total)) => self.counts(part, kind, total),
            (one @ SourceOf::Prometheus { .. }, other @ SourceOf::Prometheus { .. }) => {
                let counter = fields.get("counter").and_then(|node| self.flag(node));
                if counter != Some(false) {
                    let title = "squall does not set counters of Prometheus against a window";
                    let place = fields.place("counter");
                    self.report(
                        not_mapped(title.to_owned(), place, "not `counter: false`", INSTEAD).help(
                            "or write queries that give rates, `sum(rate(…[1m]))`, \
                             and `counter: false`",
                        ),
                    );
                    return None;
                }
                let (at, at_place, part, place) = self.query(one)?;
                let (_, _, total, _) = self.query(other)?;
                Some(Measure::Query(Query {
                    at,
                    at_place,
                    query: format!("({part}) / ({total})"),
                    place,
                    of: kind,
                }))
            }
            _ => {
                self.report(not_mapped(
                    "the two parts of a ratio come from different places".to_owned(),
                    total.place,
                    "another type than its other part",
                    INSTEAD,
                ));
                None
            }
        }
    }

    /// Good or failed arrivals over all of them.
    fn counts(&mut self, part: &Node, kind: QueryOf, total: &Node) -> Option<Measure> {
        let part = self.fields(part, &keys::COUNT)?;
        let total = self.fields(total, &keys::COUNT)?;
        let wanted = match kind {
            QueryOf::Failure => "failed",
            _ => "good",
        };
        for (fields, wanted) in [(part, wanted), (total, "all")] {
            let node = fields.get("count")?;
            let word = self.word(node, keys::COUNTS)?;
            if word != wanted {
                self.report(not_mapped(
                    format!("this part of the ratio counts {wanted} arrivals"),
                    node.place,
                    &format!("should be {wanted}"),
                    &format!("write `count: {wanted}`"),
                ));
                return None;
            }
        }
        let of = part.get("of").and_then(|node| self.text(node));
        let of_all = total.get("of").and_then(|node| self.text(node));
        if of != of_all {
            self.report(not_mapped(
                "both parts of a ratio speak of the same request".to_owned(),
                total.place("of"),
                "another one than its other part",
                "write the same `of` in both",
            ));
            return None;
        }
        let late = total.get("within").or_else(|| {
            // Failed within a time is not the opposite of good within it.
            part.get("within").filter(|_| kind == QueryOf::Failure)
        });
        if let Some(node) = late {
            self.report(not_mapped(
                "`within` says which arrivals are good".to_owned(),
                node.place,
                "does not belong here",
                "write it beside `count: good`",
            ));
            return None;
        }
        let within = part.get("within").and_then(|node| self.text(node));
        Some(Measure::Success {
            of,
            within,
            place: part.node.place,
            of_place: part.place("of"),
        })
    }

    /// The source of a metric, if squall can ask it.
    fn source<'n>(&mut self, metric: &'n Node, objects: &[Object<'n>]) -> Option<SourceOf<'n>> {
        let metric = self.fields(metric, &keys::METRIC)?;
        let source = self.fields(metric.get("metricSource")?, &keys::SOURCE)?;
        let data = match source.get("metricSourceRef") {
            Some(name) => {
                let object = self.referred(name, "DataSource", objects)?;
                Some(self.fields(object.spec, &keys::DATA_SOURCE)?)
            }
            None => None,
        };
        let kind = source.get("type").or_else(|| data?.get("type"));
        let Some(kind) = kind else {
            self.report(
                Diagnostic::error(codes::MISSING_KEY, "`metricSource` needs a `type`")
                    .at(source.node.place, "of which type?")
                    .help("write `type: squall` or `type: Prometheus`"),
            );
            return None;
        };
        let spec = source.get("spec")?;
        let name = self.text(kind)?;
        match name.to_ascii_lowercase().as_str() {
            "squall" => Some(SourceOf::Squall(spec)),
            "prometheus" => {
                let details = data.and_then(|data| data.get("connectionDetails"));
                let url = ["url", "address", "server"]
                    .iter()
                    .find_map(|key| details?.get(key));
                let at = url.and_then(|url| Some((url.scalar()?.text.as_str(), url.place)));
                Some(SourceOf::Prometheus {
                    spec,
                    at,
                    place: source.node.place,
                })
            }
            _ => {
                self.report(not_mapped(
                    format!("squall cannot ask a source of type {}", quoted(&name)),
                    kind.place,
                    "neither squall nor Prometheus",
                    INSTEAD,
                ));
                None
            }
        }
    }

    /// Address and query of a Prometheus source, with their places.
    fn query(&mut self, source: SourceOf<'_>) -> Option<(String, Place, String, Place)> {
        let SourceOf::Prometheus { spec, at, place } = source else {
            return None;
        };
        let fields = self.fields(spec, &keys::QUERY)?;
        let Some(node) = fields.get("query").or_else(|| fields.get("promql")) else {
            self.report(
                Diagnostic::error(codes::MISSING_KEY, "a source of Prometheus needs a `query`")
                    .at(spec.place, "asks nothing")
                    .help("write `spec: { query: … }`"),
            );
            return None;
        };
        let query = self.text(node)?;
        let Some((at, at_place)) = at else {
            self.report(
                not_mapped(
                    "nothing says where this Prometheus server is".to_owned(),
                    place,
                    "asks which server?",
                    "refer to a DataSource with `connectionDetails: { url: http://127.0.0.1:9090 }`",
                )
                .help(INSTEAD),
            );
            return None;
        };
        if let Some(misfit) = probe_url_misfit(at) {
            let title = format!("{} is not an address of a probe", quoted(at));
            self.report(
                Diagnostic::error(codes::BAD_ADDRESS, title)
                    .at(at_place, misfit.label)
                    .help(misfit.help),
            );
            return None;
        }
        Some((at.to_owned(), at_place, query, node.place))
    }
}

/// Something of the file that cannot be asked of a run.
pub(super) fn not_mapped(title: String, place: Place, label: &str, help: &str) -> Diagnostic {
    Diagnostic::error(codes::NOT_MAPPED, title)
        .at(place, label)
        .help(help)
}
