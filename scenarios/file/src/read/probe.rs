//! `probes`: numbers that are read beside the load.

use std::time::Duration;

use squall_scenario::{Misfit, Probe, ProbeRead, Template, path_misfit, quoted};

use super::expect::not_a_pointer;
use super::{Context, Fields, Reader, SystemDraft};
use crate::address::{base_url, base_url_misfit};
use crate::diagnostic::Diagnostic;
use crate::shape::Kind;
use crate::yaml::Node;
use crate::{codes, keys};

/// How often a probe reads, and its deadline, unless it says otherwise.
const USUAL: Duration = Duration::from_secs(1);
/// More often than this a probe would be load of its own.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// A reading that takes longer says nothing about its window.
const WITHIN_MAX: Duration = Duration::from_secs(60);

impl Reader {
    pub(super) fn probes(&mut self, node: &Node, draft: &mut SystemDraft) {
        for item in self.list(node, "probes") {
            if let Some(probe) = self.probe(item, draft) {
                draft.system.probes.push(probe);
            }
        }
    }

    fn probe(&mut self, node: &Node, draft: &mut SystemDraft) -> Option<Probe> {
        let fields = self.fields(node, &keys::PROBE)?;
        let name = fields.get("name").and_then(|node| self.title(node));
        if let Some(name) = &name {
            draft.probes.push((name.clone(), fields.place("name")));
        }
        let every = self.duration_or(fields, "every", USUAL);
        self.between(fields, "every", every, EVERY_MIN, Duration::from_secs(3600));
        let within = self.duration_or(fields, "within", USUAL);
        self.between(
            fields,
            "within",
            within,
            Duration::from_millis(1),
            WITHIN_MAX,
        );
        let read = fields.get("read")?;
        let read = self.probe_read(read, name.as_deref().unwrap_or_default(), draft);
        Some(Probe {
            name: name?,
            every,
            within,
            read: read?,
        })
    }

    fn between(
        &mut self,
        fields: Fields<'_>,
        key: &str,
        value: Duration,
        low: Duration,
        high: Duration,
    ) {
        if (low..=high).contains(&value) {
            return;
        }
        let (low, high) = (
            squall_scenario::format_duration(low),
            squall_scenario::format_duration(high),
        );
        self.report(
            Diagnostic::error(
                codes::OUT_OF_RANGE,
                format!(
                    "no probe has an `{key}` of {}",
                    squall_scenario::format_duration(value)
                ),
            )
            .at(fields.place(key), format!("from {low} to {high}"))
            .help("write for instance `1s`"),
        );
    }

    fn probe_read(
        &mut self,
        node: &Node,
        probe: &str,
        draft: &mut SystemDraft,
    ) -> Option<ProbeRead> {
        let (key, value) = self.one_of(node, "what to read", keys::PROBE_READS)?;
        let Kind::Object(shape) = key.kind else {
            return None;
        };
        let fields = self.fields(value?, shape)?;
        if matches!(key.name, "metrics" | "log")
            && let Some(of) = fields.get("of").and_then(|node| self.text(node))
        {
            draft.process_uses.push((of, fields.place("of")));
        }
        match key.name {
            "command" => {
                let items = self.list(fields.get("run")?, "words of a command");
                let run: Vec<Template> = items
                    .iter()
                    .filter_map(|item| self.program_text(item, Context::Address))
                    .collect();
                (!run.is_empty()).then_some(ProbeRead::Command { run })
            }
            "prometheus" => {
                let at = self.probe_url(fields.get("at")?, probe, draft);
                let query = self.text(fields.get("query")?);
                Some(ProbeRead::Prometheus {
                    at: at?,
                    query: query?,
                })
            }
            "metrics" => {
                let of = self.text(fields.get("of")?);
                let name = self.metric_name(fields.get("name")?);
                Some(ProbeRead::Metrics {
                    of: of?,
                    path: self.path_or(fields, "/metrics")?,
                    name: name?,
                    labels: self.labels(fields),
                })
            }
            "log" => {
                let of = self.text(fields.get("of")?);
                let pattern = self.pattern(fields.get("pattern")?);
                Some(ProbeRead::Log {
                    of: of?,
                    pattern: pattern?,
                })
            }
            _ => self.http_read(fields, probe, draft),
        }
    }

    fn http_read(
        &mut self,
        fields: Fields<'_>,
        probe: &str,
        draft: &mut SystemDraft,
    ) -> Option<ProbeRead> {
        let get = self.probe_url(fields.get("get")?, probe, draft);
        let status = match fields.get("status") {
            Some(node) => u16::try_from(self.whole(node, 100, 599)?).ok(),
            None => Some(200),
        };
        let json = match fields.get("json") {
            Some(node) => Some(self.pointer(node)?),
            None => None,
        };
        Some(ProbeRead::Http {
            get: get?,
            status: status?,
            json,
        })
    }

    /// A JSON pointer: empty, or parts that each start with a slash.
    fn pointer(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if let Some(problem) = not_a_pointer(&text, node.place) {
            self.report_value(node, problem);
            return None;
        }
        Some(text)
    }

    /// The URL of a probe: `http://host:port/…`.
    fn probe_url(&mut self, node: &Node, probe: &str, draft: &mut SystemDraft) -> Option<Template> {
        let template = self.template(node, Context::Address)?;
        draft.probe_addresses.push((probe.to_owned(), node.place));
        if self.is_hidden(node) {
            return Some(template);
        }
        let source = template.source();
        let Some(misfit) = probe_url_misfit(source) else {
            return Some(template);
        };
        let title = format!("{} is not an address of a probe", quoted(source));
        self.bad_address(node, title, misfit);
        None
    }
}

/// What of a URL a probe cannot ask for.
pub(crate) fn probe_url_misfit(url: &str) -> Option<Misfit> {
    let secure = url.starts_with("https://").then(|| Misfit {
        range: 0.."https".len(),
        label: "probes speak no TLS",
        help: "name where the same is told over plain HTTP, or read it by a command: \
               `command: curl -s https://…`"
            .to_owned(),
    });
    base_url_misfit(url).or(secure).or_else(|| {
        let (at, path) = (base_url(url).len(), &url[base_url(url).len()..]);
        // Without a path it is `/`, with or without a query.
        let misfit = match path.starts_with('?') || path.is_empty() {
            true => path_misfit(&format!("/{path}")).map(|misfit| Misfit {
                range: misfit.range.start - 1..misfit.range.end - 1,
                ..misfit
            }),
            false => path_misfit(path),
        }?;
        Some(Misfit {
            range: at + misfit.range.start..at + misfit.range.end,
            ..misfit
        })
    })
}
