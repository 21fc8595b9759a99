//! Whom a group of a monkey is made of: what its file names, and parts of a system.

use squall_scenario::{FaultTarget, Find, quoted};

use super::{Fields, Reader, SystemDraft};
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::Node;

impl Reader {
    /// The members of a group, by their names.
    pub(super) fn members(
        &mut self,
        fields: Fields<'_>,
        system: Option<&SystemDraft>,
    ) -> Vec<(String, Find)> {
        let mut members: Vec<(String, Find)> = Vec::new();
        let named = fields.get("members");
        let entries = named.map_or(&[][..], |node| self.names(node, "instances"));
        for entry in entries {
            self.name(&entry.key, entry.key_place, false);
            let found = self.find(&entry.value);
            members.extend(found.map(|find| (entry.key.clone(), find)));
        }
        let parts = fields.get("of");
        let items = parts.map_or(&[][..], |node| self.list(node, "names"));
        for item in items {
            for (name, find) in self.parts_of_system(item, system) {
                let known = members.iter().find(|(known, _)| *known == name);
                match known {
                    // A group may name a process and one of its instances.
                    Some((_, known)) if *known == find => {}
                    Some(_) => self.twice(item.place, &name),
                    None => members.push((name, find)),
                }
            }
        }
        if entries.is_empty() && items.is_empty() {
            let node = named.or(parts).unwrap_or(fields.node);
            self.nobody(node.place, "the group has no members");
        }
        members
    }

    /// The processes behind a name of the system.
    fn parts_of_system(
        &mut self,
        item: &Node,
        system: Option<&SystemDraft>,
    ) -> Vec<(String, Find)> {
        let Some(draft) = system else {
            self.report(
                Diagnostic::error(codes::UNKNOWN_REFERENCE, "there is no system it is part of")
                    .at(item.place, "a name of what?")
                    .help("name the file of the system: `system: shop.yaml`"),
            );
            return Vec::new();
        };
        let Some(target) = self.reference(item, &draft.names) else {
            return Vec::new();
        };
        if let FaultTarget::Any { of, .. } = &target {
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, "a monkey chooses by itself")
                    .at(item.place, "chooses for it")
                    .help(format!("write `{of}`: each kill is of one instance")),
            );
            return Vec::new();
        }
        let system = &draft.system;
        let mut members = Vec::new();
        for part in system.parts(&target) {
            match part {
                FaultTarget::Existing(name) => {
                    let mut all = system.existing.iter();
                    let existing = all.find(|existing| existing.name == *name);
                    members.extend(existing.map(|found| (name.clone(), found.find.clone())));
                }
                FaultTarget::Process(_) | FaultTarget::Instance { .. } => {
                    let instances = system.units(part).into_iter();
                    members.extend(instances.map(|name| (name.clone(), Find::Instance(name))));
                }
                FaultTarget::Link(name) | FaultTarget::Name(name) => self.report(
                    Diagnostic::error(
                        codes::NOT_A_PROCESS,
                        format!("nobody can kill {}", quoted(name)),
                    )
                    .at(item.place, "not only processes")
                    .help("name processes, their instances, and what stands under `existing`"),
                ),
                // Groups and choices are what the parts are taken from.
                FaultTarget::Group(_) | FaultTarget::Any { .. } => {}
            }
        }
        members
    }

    fn twice(&mut self, place: Place, name: &str) {
        self.report(
            Diagnostic::error(
                codes::DUPLICATE_NAME,
                format!("two members are called {}", quoted(name)),
            )
            .at(place, "also among `members`")
            .help("rename the one under `members`"),
        );
    }

    pub(super) fn nobody(&mut self, place: Place, title: &str) {
        self.report(
            Diagnostic::error(codes::NOTHING_IN_IT, title)
                .at(place, "nothing in it")
                .help("write for instance `catalog-0: { pid_file: /run/catalog-0.pid }`"),
        );
    }
}
