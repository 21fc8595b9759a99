//! Text in; a checked scenario or system, and everything that is wrong, out.

use std::path::Path;

use squall_scenario::{Existing, Gate, Scenario, Secrets, System};

use crate::beside::Beside;
use crate::diagnostic::{Diagnostic, Place, shortened};
use crate::findings::{keep_first, leave_out_of_unset, redact};
use crate::grammar::GateError;
use crate::interpolate::resolve;
use crate::openslo::{ObjectiveDraft, OpenSlo};
use crate::options::ParseOptions;
use crate::permission::{Allowed, Needs};
use crate::read::{
    LoadDraft, Reader, ScenarioDraft, SystemDraft, Use, gate_text, openslo_path, system_path,
};
use crate::remote::RemoteTarget;
use crate::source::Source;
use crate::yaml::{Node, NodeKind};
use crate::{check, yaml};

/// The outcome of parsing: a value if there are no errors, and all findings.
#[derive(Debug, Clone)]
pub struct Checked<T> {
    /// What was read; absent when a diagnostic is an error.
    pub value: Option<T>,
    /// The same with `${NAME}` in place of environment values: this one goes
    /// into records and reports.
    pub redacted: Option<T>,
    /// Everything that was found, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What [`crate::diagnostic::Label::source`] counts: the file, its system file, the
    /// command line. Their text is as written, without environment values.
    pub sources: Vec<Source>,
    /// Environment values that were used.
    pub secrets: Secrets,
    needs: Needs,
}

impl<T> Checked<T> {
    /// Whether a diagnostic is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// All findings as text in the manner of rustc.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let render = |diagnostic: &Diagnostic| diagnostic.render(&self.sources, color);
        let texts: Vec<String> = self.diagnostics.iter().map(render).collect();
        texts.join("\n")
    }

    /// Errors for every address off this machine (`S0410`) and every process
    /// that squall did not start and a fault is aimed at (`S0411`), unless they
    /// are `allowed`. A file cannot give these permissions to itself.
    #[must_use]
    pub fn refused(&self, allowed: &Allowed) -> Vec<Diagnostic> {
        let mut findings = self.needs.refused(allowed);
        for finding in &mut findings {
            redact(finding, &self.secrets);
        }
        findings
    }
}

/// Parses and checks a scenario.
#[must_use]
pub fn parse_scenario(source: &Source, options: &ParseOptions<'_>) -> Checked<Scenario> {
    let mut files = Files::new(source, options);
    let mut findings = Vec::new();
    let root = files.tree(0, &mut findings);
    let system = root
        .as_ref()
        .and_then(|root| files.system(root, &mut findings));
    let openslo_files = root
        .as_ref()
        .map(|root| files.openslo(root, &mut findings))
        .unwrap_or_default();
    let beside = root
        .as_ref()
        .map(|root| Beside::read(root, &source.name, &mut findings))
        .unwrap_or_default();
    let read = |redact: bool| {
        let root = root.as_ref()?;
        let mut reader = Reader {
            openslo_files: openslo_files.clone(),
            beside: beside.clone(),
            redact,
            ..Reader::default()
        };
        let system = system.as_ref().and_then(|root| {
            let mut draft = reader.system_file(root, &files.set)?;
            // Sums of errors in one file spare those in the other.
            draft.names.incomplete |= !reader.findings.is_empty();
            Some(draft)
        });
        let draft = reader.scenario(root, system, &files.set);
        Some((draft, reader.findings, reader.uses))
    };
    let mut needs = Needs::default();
    let mut value = None;
    if let Some((draft, mut found, uses)) = read(false) {
        if let Some(draft) = &draft {
            check::scenario(draft, &uses, &mut found);
            needs.remote = files.remote(&draft.system, draft.load.as_ref());
            needs.existing = existing(draft);
        }
        findings.append(&mut found);
        value = draft.and_then(ScenarioDraft::finish);
    }
    let redacted = read(true).and_then(|(draft, ..)| draft.and_then(ScenarioDraft::finish));
    files.outcome(value, redacted, findings, needs)
}

/// What faults are aimed at that squall did not start, each once.
fn existing(draft: &ScenarioDraft) -> Vec<(Existing, Place)> {
    let mut needed: Vec<(Existing, Place)> = Vec::new();
    for fault in &draft.faults {
        for existing in draft.system.system.existing_of(&fault.spec.into.value) {
            if !needed.iter().any(|(known, _)| known == existing) {
                needed.push((existing.clone(), fault.into));
            }
        }
    }
    needed
}

/// Parses and checks a system file by itself.
#[must_use]
pub fn parse_system(source: &Source, options: &ParseOptions<'_>) -> Checked<System> {
    let mut files = Files::new(source, options);
    let mut findings = Vec::new();
    let root = files.tree(0, &mut findings);
    let read = |redact: bool| -> Option<(SystemDraft, Vec<Diagnostic>, Vec<Use>)> {
        let mut reader = Reader {
            redact,
            ..Reader::default()
        };
        let draft = reader.system_file(root.as_ref()?, &files.set);
        Some((draft.unwrap_or_default(), reader.findings, reader.uses))
    };
    let mut needs = Needs::default();
    let mut value = None;
    if let Some((draft, mut found, uses)) = read(false) {
        check::system(&draft, &uses, &mut found);
        needs.remote = files.remote(&draft, None);
        findings.append(&mut found);
        value = Some(draft.system);
    }
    let redacted = read(true).map(|(draft, ..)| draft.system);
    files.outcome(value, redacted, findings, needs)
}

/// Reads a file that is neither a scenario nor a system by `read`, once with
/// the values of the environment and once without. `beside` opens what else it
/// names.
pub(crate) fn parse_with<T, B>(
    source: &Source,
    options: &ParseOptions<'_>,
    beside: impl FnOnce(&mut Files<'_>, &Node, &mut Vec<Diagnostic>) -> B,
    mut read: impl FnMut(&mut Reader, &Node, &B) -> Option<T>,
) -> Checked<T> {
    let mut files = Files::new(source, options);
    let mut findings = Vec::new();
    let root = files.tree(0, &mut findings);
    let opened = root.map(|root| {
        let opened = beside(&mut files, &root, &mut findings);
        (root, opened)
    });
    let mut reading = |redact: bool| {
        let mut reader = Reader {
            redact,
            ..Reader::default()
        };
        let read = |(root, opened): &(Node, B)| read(&mut reader, root, opened);
        let value = opened.as_ref().and_then(read);
        (value, reader.findings)
    };
    let (value, found) = reading(false);
    let (redacted, _) = reading(true);
    findings.extend(found);
    files.outcome(value, redacted, findings, Needs::default())
}

/// Reads the objectives of an OpenSLO v1 file. `${NAME}` means nothing there.
#[must_use]
pub fn parse_openslo(source: &Source, options: &ParseOptions<'_>) -> Checked<OpenSlo> {
    let files = Files::new(source, options);
    let mut findings = Vec::new();
    let documents = files.objects(0, &mut findings);
    let mut reader = Reader::default();
    let drafts = reader.openslo(&documents, None);
    findings.append(&mut reader.findings);
    let mut system = SystemDraft::default();
    for (probe, place) in drafts.iter().filter_map(|draft| draft.probe.clone()) {
        system.probe_addresses.push((probe.name.clone(), place));
        system.system.probes.push(probe);
    }
    let needs = Needs {
        remote: files.remote(&system, None),
        ..Needs::default()
    };
    let objectives = drafts.into_iter().map(ObjectiveDraft::finish).collect();
    let value = OpenSlo { objectives };
    files.outcome(Some(value.clone()), Some(value), findings, needs)
}

/// Reads one gate that stands by itself, for instance on a command line.
///
/// # Errors
/// A diagnostic with a place in `text`; render it with the source
/// `Source::new("gate", text)`.
pub fn parse_gate(text: &str) -> Result<Gate, Box<Diagnostic>> {
    let source = Source::new("gate", text);
    gate_text(text).map_err(|error: GateError| {
        let place = Place {
            source: 0,
            span: source.span(error.range.start, error.range.end),
        };
        Box::new(
            Diagnostic::error(error.code, shortened(&error.title))
                .at(place, error.label)
                .help(error.help),
        )
    })
}

/// Most documents of an OpenSLO file.
const OPENSLO_OBJECTS_MAX: usize = 1000;

/// The texts that belong together, and what was taken from the environment.
pub(crate) struct Files<'o> {
    sources: Vec<Source>,
    set: Vec<(String, String, Place)>,
    secrets: Secrets,
    options: &'o ParseOptions<'o>,
}

impl<'o> Files<'o> {
    fn new(source: &Source, options: &'o ParseOptions<'o>) -> Self {
        Self {
            sources: vec![source.clone()],
            set: Vec::new(),
            secrets: Secrets::default(),
            options,
        }
        .with_command_line()
    }

    /// Makes a text of the settings given on the command line, so that
    /// messages can point into it.
    fn with_command_line(mut self) -> Self {
        if self.options.set.is_empty() {
            return self;
        }
        let lines: Vec<String> = self
            .options
            .set
            .iter()
            .map(|(name, value)| format!("--set {name}={value}"))
            .collect();
        let source = Source::new("command line", lines.join("\n"));
        let number = self.sources.len();
        let mut start = 0;
        for ((name, value), line) in self.options.set.iter().zip(&lines) {
            let span = source.span(start, start + line.len());
            let place = Place {
                source: number,
                span,
            };
            self.set.push((name.clone(), value.clone(), place));
            start += line.len() + 1;
        }
        self.sources.push(source);
        self
    }

    fn tree(&mut self, number: usize, findings: &mut Vec<Diagnostic>) -> Option<Node> {
        let mut root = yaml::parse(&self.sources[number], number, findings)?;
        resolve(&mut root, self.options.env, &mut self.secrets, findings);
        Some(root)
    }

    /// The tree of the system file that a scenario names.
    pub(crate) fn system(&mut self, root: &Node, findings: &mut Vec<Diagnostic>) -> Option<Node> {
        let node = system_path(root)?;
        let path = node.scalar()?.text.clone();
        if path.trim().is_empty() {
            return None;
        }
        match (self.options.open)(path.trim(), &self.sources[0].name) {
            Ok(source) => {
                self.sources.push(source);
                self.tree(self.sources.len() - 1, findings)
            }
            Err(mut problem) => {
                if problem.labels.is_empty() {
                    *problem = problem.at(node.place, "the system is described there");
                }
                findings.push(*problem);
                None
            }
        }
    }

    /// Opens a text that stands beside the file; the number of the source.
    pub(crate) fn text_beside(
        &mut self,
        node: &Node,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<usize> {
        let path = node.scalar().filter(|path| !path.is_nothing())?;
        let folder = Path::new(&self.sources[0].name).parent();
        match Source::read(&folder.unwrap_or(Path::new("")).join(&path.text)) {
            Ok(source) => {
                self.sources.push(source);
                Some(self.sources.len() - 1)
            }
            Err(problem) => {
                findings.push(problem.at(node.place, "named here"));
                None
            }
        }
    }

    /// A source by its number.
    pub(crate) fn source(&self, number: usize) -> &Source {
        &self.sources[number]
    }

    /// The objects of every OpenSLO file that a scenario names, by path.
    pub(crate) fn openslo(
        &mut self,
        root: &Node,
        findings: &mut Vec<Diagnostic>,
    ) -> Vec<(String, Vec<Node>)> {
        let mut files: Vec<(String, Vec<Node>)> = Vec::new();
        let blocks = match root.get("slo").map(|node| &node.kind) {
            Some(NodeKind::List(items)) => items.as_slice(),
            _ => &[],
        };
        for node in blocks.iter().filter_map(|block| block.get("openslo")) {
            let Some(text) = node.scalar().filter(|text| !text.is_nothing()) else {
                continue;
            };
            let path = openslo_path(&text.text).0;
            if files.iter().any(|(known, _)| known == path) {
                continue;
            }
            match (self.options.open)(path, &self.sources[0].name) {
                Ok(source) => {
                    self.sources.push(source);
                    let objects = self.objects(self.sources.len() - 1, findings);
                    files.push((path.to_owned(), objects));
                }
                Err(mut problem) => {
                    if problem.labels.is_empty() {
                        *problem = problem.at(node.place, "objectives are described there");
                    }
                    findings.push(*problem);
                }
            }
        }
        files
    }

    /// The objects of an OpenSLO file; an empty document is none.
    fn objects(&self, number: usize, findings: &mut Vec<Diagnostic>) -> Vec<Node> {
        let source = &self.sources[number];
        let mut documents =
            yaml::documents(source, number, OPENSLO_OBJECTS_MAX, findings).unwrap_or_default();
        documents.retain(|node| node.scalar().is_none_or(|text| !text.is_nothing()));
        documents
    }

    fn remote(&self, draft: &SystemDraft, load: Option<&LoadDraft>) -> Vec<(RemoteTarget, Place)> {
        crate::remote::remote_of(&draft.system, load.map(|draft| &draft.load))
            .into_iter()
            .map(|target| {
                let link = |name: &str| draft.links.iter().find(|(link, ..)| link == name);
                let place = match &target {
                    RemoteTarget::Load { .. } => {
                        load.and_then(|load| load.connect_to).or(draft.target)
                    }
                    RemoteTarget::LinkTo { link: name, .. } => link(name).map(|(_, to, _)| *to),
                    RemoteTarget::Listen { link: name, .. } => link(name).map(|(.., at)| *at),
                    RemoteTarget::Name { name, .. } => {
                        let mut of_name = draft.hosts.iter().filter(|(host, _)| host == name);
                        of_name.next().map(|(_, at)| *at)
                    }
                    RemoteTarget::Probe { probe, .. } => {
                        let addresses = draft.probe_addresses.iter();
                        let mut of_probe = addresses.filter(|(name, _)| name == probe);
                        of_probe.next().map(|(_, at)| *at)
                    }
                };
                (target, place.unwrap_or_default())
            })
            .collect()
    }

    fn outcome<T>(
        self,
        value: Option<T>,
        redacted: Option<T>,
        mut findings: Vec<Diagnostic>,
        needs: Needs,
    ) -> Checked<T> {
        findings.sort_by_key(|finding| {
            finding
                .primary()
                .map(|label| (label.source, label.span.start, label.span.end))
        });
        findings.dedup();
        leave_out_of_unset(&mut findings);
        keep_first(&mut findings);
        for finding in &mut findings {
            redact(finding, &self.secrets);
        }
        let broken = findings.iter().any(Diagnostic::is_error);
        Checked {
            value: value.filter(|_| !broken),
            redacted: redacted.filter(|_| !broken),
            diagnostics: findings,
            sources: self.sources,
            secrets: self.secrets,
            needs,
        }
    }
}
