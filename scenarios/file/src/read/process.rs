//! One process: its command, its instances, and how to live with it.

use std::time::Duration;

use squall_scenario::{
    ByteCount, Count, Process, Ready, Restart, Stop, Template, keep_output, quoted,
};

use super::{Context, Reader, SystemDraft};
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

const READY_WITHIN: Duration = Duration::from_secs(10);

const NEVER_READY: &str = "no process is ready at once";

/// The least and the most that is kept of an instance's output.
const KEEP_OUTPUT_MIN: ByteCount = ByteCount(64 << 10);
const KEEP_OUTPUT_MAX: ByteCount = ByteCount(1 << 30);

/// Most instances of one process.
pub(crate) const INSTANCES_MAX: u32 = 100;

impl Reader {
    pub(super) fn process(
        &mut self,
        name: &str,
        node: &Node,
        draft: &mut SystemDraft,
    ) -> Option<Process> {
        let fields = self.fields(node, &keys::PROCESS)?;
        let command = fields
            .get("command")
            .map(|node| self.command(node))
            .unwrap_or_default();
        let instances = match fields.get("instances") {
            Some(node) => self.instances(node, draft),
            None => Count::Fixed(1),
        };
        let env = fields
            .get("env")
            .map(|node| self.environment(node))
            .unwrap_or_default();
        let ready = match fields.get("ready") {
            Some(node) => self.ready(node),
            None => Some(Ready::Tcp {
                within: READY_WITHIN,
            }),
        };
        let restart = match fields.get("restart") {
            Some(node) => self.restart(node),
            None => Some(Restart::Never),
        };
        let inbound_link = match fields.get("inbound_link") {
            Some(node) => self.flag(node),
            None => Some(false),
        };
        let stop = match fields.get("stop") {
            Some(node) => self.stop(node),
            None => Some(Stop::default()),
        };
        let keep_output = match fields.get("keep_output") {
            Some(node) => self.keep_output(node),
            None => Some(keep_output()),
        };
        let process = Process {
            name: name.to_owned(),
            command,
            instances,
            env,
            ready: ready?,
            restart: restart?,
            inbound_link: inbound_link?,
            stop: stop?,
            keep_output: keep_output?,
        };
        let count = draft.system.instances(&process);
        let declared = &mut draft.names.declared;
        if let Some(declared) = declared.iter_mut().find(|d| d.name == name) {
            declared.instances = count;
        }
        Some(process)
    }

    fn command(&mut self, node: &Node) -> Vec<Template> {
        let items = self.list(node, "a program and its arguments");
        if items.is_empty() && matches!(node.kind, NodeKind::List(_)) {
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, "there is no program to start")
                    .at(node.place, "nothing in it")
                    .help("write for instance `command: [./server, --port, $self.port]`"),
            );
        }
        if let Some(first) = items.first().filter(|first| is_empty_text(first)) {
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, "there is no program to start")
                    .at(first.place, "no name of one")
                    .help("write for instance `command: [./server, --port, $self.port]`"),
            );
        }
        items
            .iter()
            .filter_map(|item| self.program_text(item, Context::Process))
            .collect()
    }

    fn environment(&mut self, node: &Node) -> Vec<(String, Template)> {
        let mut env = Vec::new();
        for entry in self.names(node, "environment variables") {
            if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
                let title = format!("{} cannot be an environment variable", quoted(&entry.key));
                self.report(
                    Diagnostic::error(codes::BAD_NAME, title)
                        .at(entry.key_place, "here")
                        .help("write for instance `RUST_LOG: info`"),
                );
                continue;
            }
            if let Some(value) = self.program_text(&entry.value, Context::Process) {
                env.push((entry.key.clone(), value));
            }
        }
        env
    }

    /// `2` or `$settings.replicas`.
    fn instances(&mut self, node: &Node, draft: &mut SystemDraft) -> Count {
        let text = node.scalar().map(|scalar| scalar.text.as_str());
        let Some(name) = text.and_then(|text| text.strip_prefix("$settings.")) else {
            let count = self.whole_u32(node, 1, INSTANCES_MAX);
            return Count::Fixed(count.unwrap_or(1));
        };
        draft.counts.push((name.to_owned(), node.place));
        match draft.system.setting(name).map(str::to_owned) {
            None if !draft.settings.iter().any(|(known, _)| known == name) => {
                self.unknown_setting(name, node.place, &draft.settings);
            }
            None => {}
            Some(value) => {
                let place = draft.settings.iter().find(|(known, _)| known == name);
                let place = place.map_or(node.place, |(_, place)| *place);
                self.count_setting(name, &value, place, node.place);
            }
        }
        Count::Setting(name.to_owned())
    }

    /// Checks the value of a setting that is used as a number of instances.
    pub(crate) fn count_setting(&mut self, name: &str, value: &str, place: Place, used: Place) {
        let good = value
            .parse()
            .is_ok_and(|n| (1..=INSTANCES_MAX).contains(&n));
        if good {
            return;
        }
        self.report(
            Diagnostic::error(
                codes::OUT_OF_RANGE,
                format!("the setting `{name}` is not a number of instances"),
            )
            .at(
                place,
                format!("a number from 1 to {INSTANCES_MAX} goes here"),
            )
            .also(used, "used as a number here")
            .help("write for instance `2`"),
        );
    }

    fn ready(&mut self, node: &Node) -> Option<Ready> {
        let (key, value) = self.one_of(node, "a ready probe", keys::READY)?;
        if key.name == "tcp" {
            let fields = match value {
                Some(value) => Some(self.fields(value, &keys::READY_TCP)?),
                None => None,
            };
            let within = match fields.and_then(|fields| fields.get("within")) {
                Some(node) => self.some_time(node, NEVER_READY)?,
                None => READY_WITHIN,
            };
            return Some(Ready::Tcp { within });
        }
        let value = value?;
        if value.scalar().is_some() {
            return Some(Ready::Http {
                path: self.path(value)?,
                status: 200,
                within: READY_WITHIN,
            });
        }
        let fields = self.fields(value, &keys::READY_HTTP)?;
        let path = fields.get("path").and_then(|node| self.path(node));
        let status = match fields.get("status") {
            Some(node) => self.whole(node, 100, 599),
            None => Some(200),
        };
        let within = match fields.get("within") {
            Some(node) => self.some_time(node, NEVER_READY)?,
            None => READY_WITHIN,
        };
        Some(Ready::Http {
            path: path?,
            status: u16::try_from(status?).ok()?,
            within,
        })
    }

    fn restart(&mut self, node: &Node) -> Option<Restart> {
        if node.scalar().is_some() {
            self.word(node, keys::RESTART_WORDS)?;
            return Some(Restart::Never);
        }
        let fields = self.fields(node, &keys::RESTART)?;
        let after = self.duration(fields.get("after")?)?;
        Some(Restart::After(after))
    }

    fn keep_output(&mut self, node: &Node) -> Option<ByteCount> {
        let bytes: ByteCount = self.size(node)?;
        if (KEEP_OUTPUT_MIN..=KEEP_OUTPUT_MAX).contains(&bytes) {
            return Some(bytes);
        }
        let diagnostic = Diagnostic::error(
            codes::OUT_OF_RANGE,
            format!("{bytes} of output cannot be kept"),
        )
        .at(
            node.place,
            format!("from {KEEP_OUTPUT_MIN} to {KEEP_OUTPUT_MAX}"),
        )
        .help("write for instance `keep_output: 16MiB`");
        self.report_value(node, diagnostic);
        None
    }

    fn stop(&mut self, node: &Node) -> Option<Stop> {
        let fields = self.fields(node, &keys::STOP)?;
        let grace = self.duration(fields.get("grace")?)?;
        Some(Stop { grace })
    }
}

fn is_empty_text(node: &Node) -> bool {
    let text = node.scalar().filter(|scalar| !scalar.is_nothing());
    text.is_some_and(|scalar| scalar.text.trim().is_empty())
}
