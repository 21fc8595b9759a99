//! Processes, links, settings, breakers, groups and the target.

use squall_scenario::{
    Count, Existing, FaultTarget, Link, LoadTarget, Misfit, Setting, System, TlsTo, listed,
    nearest, quoted,
};

use super::{Context, Fields, Reader};
use crate::address::{address_misfit, base_url, base_url_misfit};
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

/// A system and where its parts stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct SystemDraft {
    pub(crate) system: System,
    pub(crate) names: Names,
    /// Where the value of each setting stands.
    pub(crate) settings: Vec<(String, Place)>,
    /// Where each link's `to` and `listen` stand.
    pub(crate) links: Vec<(String, Place, Place)>,
    /// Where the address of each name stands.
    pub(crate) hosts: Vec<(String, Place)>,
    /// Every breaker that was written.
    pub(crate) breakers: Vec<(String, Place)>,
    /// Processes that breaker sources and probes speak of.
    pub(crate) process_uses: Vec<(String, Place)>,
    /// Where `instances: $settings.NAME` stands.
    pub(crate) counts: Vec<(String, Place)>,
    pub(crate) target: Option<Place>,
    /// Every probe that was written.
    pub(crate) probes: Vec<(String, Place)>,
    /// Where each probe's address stands.
    pub(crate) probe_addresses: Vec<(String, Place)>,
}

/// The one namespace of processes, links and groups.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) declared: Vec<Declared>,
    /// Whether some names are not known because a file could not be read.
    /// References are not checked then, to spare the user errors that follow
    /// from errors.
    pub(crate) incomplete: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) kind: NameKind,
    pub(crate) place: Place,
    /// Instances of a process, 0 of anything else.
    pub(crate) instances: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    Process,
    Existing,
    Link,
    Group,
    /// One that processes look up.
    Host,
}

impl Names {
    pub(crate) fn get(&self, name: &str) -> Option<&Declared> {
        self.declared.iter().find(|declared| declared.name == name)
    }

    /// What a name means as the aim of a fault.
    pub(crate) fn resolve(&self, name: &str) -> Option<FaultTarget> {
        if let Some(declared) = self.get(name) {
            let name = name.to_owned();
            return Some(match declared.kind {
                NameKind::Process => FaultTarget::Process(name),
                NameKind::Existing => FaultTarget::Existing(name),
                NameKind::Link => FaultTarget::Link(name),
                NameKind::Group => FaultTarget::Group(name),
                NameKind::Host => FaultTarget::Name(name),
            });
        }
        let (process, index) = name.rsplit_once('-')?;
        let number: u32 = index.parse().ok()?;
        let declared = self.get(process)?;
        let exists = declared.kind == NameKind::Process
            && number < declared.instances
            && number.to_string() == index;
        exists.then(|| FaultTarget::Instance {
            process: process.to_owned(),
            index: number,
        })
    }
}

impl SystemDraft {
    /// One that could not be read: nobody knows what it has.
    pub(crate) fn unread() -> Self {
        let names = Names {
            incomplete: true,
            ..Names::default()
        };
        Self {
            names,
            ..Self::default()
        }
    }

    /// Whether a text names an instance that there would be without `set`.
    fn is_set_away(&self, item: &Node, set: &[(String, String, Place)]) -> bool {
        let name = item
            .scalar()
            .and_then(|scalar| scalar.text.rsplit_once('-'));
        let Some((name, index)) = name else {
            return false;
        };
        let instances = self
            .names
            .get(name)
            .map_or(0, |declared| declared.instances);
        let by_setting = self.system.process(name).is_some_and(|process| {
            let Count::Setting(count) = &process.instances else {
                return false;
            };
            set.iter().any(|(setting, ..)| setting == count)
        });
        by_setting && index.parse().is_ok_and(|index: u32| index >= instances)
    }
}

impl Reader {
    /// Reads the keys of a system out of `fields`; `set` are the values given
    /// on the command line, with their places.
    pub(crate) fn system(
        &mut self,
        fields: Fields<'_>,
        set: &[(String, String, Place)],
    ) -> SystemDraft {
        let mut draft = SystemDraft::default();
        self.settings(fields, set, &mut draft);
        let processes = fields.get("processes");
        let existing = fields.get("existing");
        let links = fields.get("links");
        let groups = fields.get("groups");
        let hosts = fields.get("names");
        for (node, kind) in [
            (processes, NameKind::Process),
            (existing, NameKind::Existing),
            (links, NameKind::Link),
            (groups, NameKind::Group),
            (hosts, NameKind::Host),
        ] {
            self.declare(node, kind, &mut draft.names);
        }
        for entry in processes.map_or(&[][..], |node| self.names(node, "processes")) {
            if let Some(process) = self.process(&entry.key, &entry.value, &mut draft) {
                draft.system.processes.push(process);
            }
        }
        for entry in existing.map_or(&[][..], |node| self.names(node, "existing")) {
            if let Some(find) = self.find(&entry.value) {
                let name = entry.key.clone();
                draft.system.existing.push(Existing { name, find });
            }
        }
        for entry in links.map_or(&[][..], |node| self.names(node, "links")) {
            if let Some(link) = self.link(&entry.key, &entry.value, &mut draft) {
                draft.system.links.push(link);
            }
        }
        for entry in hosts.map_or(&[][..], |node| self.names(node, "names")) {
            if let Some(address) = self.host(&entry.value, &draft) {
                draft.system.names.push((entry.key.clone(), address));
                draft.hosts.push((entry.key.clone(), entry.value.place));
            }
        }
        if let Some(node) = fields.get("breakers") {
            self.breakers(node, &mut draft);
        }
        for entry in groups.map_or(&[][..], |node| self.names(node, "groups")) {
            let members = self.group(&entry.value, &draft, set);
            draft.system.groups.push((entry.key.clone(), members));
        }
        if let Some(node) = fields.get("target") {
            self.target(node, &mut draft);
        }
        if let Some(node) = fields.get("probes") {
            self.probes(node, &mut draft);
        }
        draft
    }

    fn settings(
        &mut self,
        fields: Fields<'_>,
        set: &[(String, String, Place)],
        draft: &mut SystemDraft,
    ) {
        let entries = fields
            .get("settings")
            .map_or(&[][..], |node| self.names(node, "settings"));
        for entry in entries {
            if !self.name(&entry.key, entry.key_place, true) {
                continue;
            }
            let given = set.iter().rev().find(|(name, ..)| *name == entry.key);
            let (value, place) = match given {
                Some((_, value, place)) => (Some(value.clone()), *place),
                None => (self.secret_text(&entry.value), entry.value.place),
            };
            draft.settings.push((entry.key.clone(), place));
            if let Some(value) = value {
                self.refuse_nul(&value, place);
                let name = entry.key.clone();
                draft.system.settings.push(Setting { name, value });
            }
        }
        for (name, _, place) in set {
            if !entries.iter().any(|entry| entry.key == *name) {
                self.unknown_setting(name, *place, &draft.settings);
            }
        }
    }

    pub(crate) fn unknown_setting(
        &mut self,
        name: &str,
        place: Place,
        settings: &[(String, Place)],
    ) {
        let known: Vec<&str> = settings.iter().map(|(name, _)| name.as_str()).collect();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "the system has no settings".to_owned(),
            None => format!("settings: {}", listed(&known)),
        };
        let title = format!("there is no setting called {}", quoted(name));
        self.report(
            Diagnostic::error(codes::UNKNOWN_SETTING, title)
                .at(place, "not declared")
                .help(help),
        );
    }

    /// Notes the names of one kind and reports those that are taken.
    fn declare(&mut self, node: Option<&Node>, kind: NameKind, names: &mut Names) {
        for entry in node.map_or(&[][..], Node::entries) {
            let good = match kind {
                NameKind::Process | NameKind::Existing | NameKind::Link | NameKind::Group => {
                    self.name(&entry.key, entry.key_place, false)
                }
                NameKind::Host => self.host_name(&entry.key, entry.key_place),
            };
            if !good {
                continue;
            }
            if let Some(earlier) = names.get(&entry.key) {
                let title = format!("two things are called {}", quoted(&entry.key));
                let diagnostic = Diagnostic::error(codes::DUPLICATE_NAME, title)
                    .at(entry.key_place, "again here")
                    .also(earlier.place, "first here")
                    .help("processes, links and groups share one set of names; rename one");
                self.report(diagnostic);
                continue;
            }
            names.declared.push(Declared {
                name: entry.key.clone(),
                kind,
                place: entry.key_place,
                instances: u32::from(kind == NameKind::Process),
            });
        }
    }

    fn link(&mut self, name: &str, node: &Node, draft: &mut SystemDraft) -> Option<Link> {
        let fields = self.fields(node, &keys::LINK)?;
        let listen = match fields.get("listen") {
            Some(node) => Some(self.listen(node)?),
            None => None,
        };
        let to = fields.get("to")?;
        let template = self.template(to, Context::Address)?;
        let tls = match fields.get("tls") {
            Some(node) => Some(self.tls(node)?),
            None => None,
        };
        let readable = !self.is_hidden(to) && !draft.names.incomplete;
        let source = template.source();
        let named = matches!(
            draft.names.resolve(source),
            Some(FaultTarget::Process(_) | FaultTarget::Instance { .. })
        );
        let misfit = address_misfit(source).filter(|_| readable && !named);
        if let Some(misfit) = misfit {
            let title = format!("{} is not an address", quoted(source));
            self.bad_address(to, title, misfit);
            return None;
        }
        let places = (name.to_owned(), to.place, fields.place("listen"));
        draft.links.push(places);
        Some(Link {
            name: name.to_owned(),
            listen,
            to: template,
            tls,
        })
    }

    /// What a link that speaks TLS with its callers speaks with its target.
    fn tls(&mut self, node: &Node) -> Option<TlsTo> {
        let word = self.word(node, keys::TLS)?;
        Some(match word {
            "terminate" => TlsTo::Plain,
            _ => TlsTo::Tls,
        })
    }

    fn listen(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        // Port 0 is any free one.
        let misfit = address_misfit(&text).filter(|_| !text.ends_with(":0"));
        let Some(misfit) = misfit else {
            return Some(text);
        };
        let title = format!("{} is not an address to listen on", quoted(&text));
        let help = "write for instance `127.0.0.1:9101`, or leave it out to get a free port";
        let help = help.to_owned();
        let label = "host:port";
        self.bad_address(
            node,
            title,
            Misfit {
                label,
                help,
                ..misfit
            },
        );
        None
    }

    /// Reports an address by its first part that is wrong.
    pub(super) fn bad_address(&mut self, node: &Node, title: String, misfit: Misfit) {
        let diagnostic = Diagnostic::error(codes::BAD_ADDRESS, title)
            .at(node.part(misfit.range), misfit.label)
            .help(misfit.help);
        self.report_value(node, diagnostic);
    }

    /// The members of a group. An instance that is not there because the command
    /// line sets the number of its process lower is left out: a zone is what is in
    /// it.
    fn group(
        &mut self,
        node: &Node,
        draft: &SystemDraft,
        set: &[(String, String, Place)],
    ) -> Vec<FaultTarget> {
        let items = self.list(node, "names");
        if items.is_empty() && matches!(node.kind, NodeKind::List(_)) {
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, "the group has no members")
                    .at(node.place, "nothing in it")
                    .help("write for instance `[ catalog, playback-0 ]`"),
            );
        }
        let mut members = Vec::new();
        for item in items {
            if draft.is_set_away(item, set) {
                continue;
            }
            let Some(target) = self.reference(item, &draft.names) else {
                continue;
            };
            match target {
                // A region is made of zones.
                FaultTarget::Group(name) => members.extend(self.group_above(item, &name, draft)),
                FaultTarget::Any { .. } => self.report(
                    Diagnostic::error(codes::WRONG_SHAPE, "a group has no choices in it")
                        .at(item.place, "not a process, an instance, a link or a group")
                        .help("a fault chooses: `into: any 1 of NAME`"),
                ),
                FaultTarget::Process(_)
                | FaultTarget::Instance { .. }
                | FaultTarget::Existing(_)
                | FaultTarget::Link(_)
                | FaultTarget::Name(_) => members.push(target),
            }
        }
        if members.is_empty() && items.iter().any(|item| draft.is_set_away(item, set)) {
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, "nobody of the group is left")
                    .at(node.place, "the command line sets them all away")
                    .help("set a higher number, or leave out the faults on the group"),
            );
        }
        members
    }

    /// The members of a group that another names: one further up, so that no
    /// group is in itself.
    fn group_above(&mut self, item: &Node, name: &str, draft: &SystemDraft) -> Vec<FaultTarget> {
        let mut above = draft.system.groups.iter();
        if let Some((_, members)) = above.find(|(group, _)| group == name) {
            return members.clone();
        }
        self.report(
            Diagnostic::error(
                codes::UNKNOWN_REFERENCE,
                "a group names only groups above it",
            )
            .at(item.place, "described later, or in itself")
            .help(format!("describe {} before it", quoted(name))),
        );
        Vec::new()
    }

    pub(super) fn target(&mut self, node: &Node, draft: &mut SystemDraft) {
        draft.target = Some(node.place);
        let Some(template) = self.template(node, Context::Address) else {
            return;
        };
        let source = template.source();
        if self.is_hidden(node) {
            draft.system.target = Some(LoadTarget::Url(template));
            return;
        }
        if source.contains("://") {
            if let Some(misfit) = target_misfit(source) {
                let title = format!("{} is not an address for load", quoted(source));
                self.bad_address(node, title, misfit);
                return;
            }
            draft.system.target = Some(LoadTarget::Url(template));
            return;
        }
        let declared = draft.names.get(source);
        if declared.is_some_and(|declared| declared.kind == NameKind::Process) {
            draft.system.target = Some(LoadTarget::Process(source.to_owned()));
            return;
        }
        if source.contains([':', '/', '$']) {
            let title = format!("{} is not an address for load", quoted(source));
            let diagnostic = Diagnostic::error(codes::BAD_ADDRESS, title)
                .at(node.place, "http://host:port, or the name of a process")
                .help(format!("write `http://{source}`"));
            self.report_value(node, diagnostic);
        } else if !draft.names.incomplete {
            let processes = draft.names.declared.iter();
            let processes: Vec<&str> = processes
                .filter(|declared| declared.kind == NameKind::Process)
                .map(|declared| declared.name.as_str())
                .collect();
            let help = match nearest(source, processes.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("processes: {}", listed(&processes)),
            };
            let title = format!("there is no process called {}", quoted(source));
            let diagnostic = Diagnostic::error(codes::UNKNOWN_REFERENCE, title)
                .at(node.place, "not declared")
                .help(help);
            self.report_value(node, diagnostic);
        }
    }
}

/// What of a target the load cannot use: requests bring their own path.
pub(crate) fn target_misfit(url: &str) -> Option<Misfit> {
    let base = base_url(url);
    base_url_misfit(url).or_else(|| {
        let rest = &url[base.len()..];
        (!rest.is_empty() && rest != "/").then(|| Misfit {
            range: base.len()..url.len(),
            label: "requests bring their own path",
            help: format!("write `target: {base}`, and this part in every request"),
        })
    })
}
