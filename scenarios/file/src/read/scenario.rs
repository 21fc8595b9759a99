//! The scenario as a whole.

use squall_scenario::{
    AbortRule, ExpectedFailure, FaultSpec, Gate, Located, PlannedWindow, Scenario, SteadyState,
    Variant, planned_windows, quoted,
};

use super::{FaultDraft, Fields, GateDraft, LoadDraft, Reader, SloDraft, SystemDraft};
use crate::diagnostic::{Diagnostic, Place};
use crate::grammar::parse_failure;
use crate::read::slo::gate_error;
use crate::yaml::Node;
use crate::{codes, keys};

/// A scenario and where its parts stand. What could not be read is missing.
#[derive(Debug)]
pub(crate) struct ScenarioDraft {
    pub(crate) name: Option<String>,
    pub(crate) about: Option<String>,
    pub(crate) seed: Option<u64>,
    pub(crate) system: SystemDraft,
    pub(crate) load: Option<LoadDraft>,
    pub(crate) steady_state: Option<(std::time::Duration, Vec<GateDraft>)>,
    pub(crate) faults: Vec<FaultDraft>,
    /// Every fault's name, also of those that could not be read.
    pub(crate) fault_names: Vec<(String, Place)>,
    pub(crate) abort_when: Vec<GateDraft>,
    pub(crate) slo: Vec<SloDraft>,
    pub(crate) variants: Vec<VariantDraft>,
    /// Where the whole file starts, for what is missing altogether.
    pub(crate) start: Place,
}

/// A variant and where its parts stand.
#[derive(Debug)]
pub(crate) struct VariantDraft {
    pub(crate) variant: Variant,
    pub(crate) name: Place,
    /// One for every setting in `with`.
    pub(crate) with: Vec<Place>,
    /// The place of every failure.
    pub(crate) fails: Vec<Place>,
    pub(crate) fails_place: Place,
}

/// The path of the system file, and where it is written.
pub(crate) fn system_path(root: &Node) -> Option<&Node> {
    root.get("system")
}

impl Reader {
    /// Reads a scenario file; `system` is what the system file declared, if
    /// the scenario names one.
    pub(crate) fn scenario(
        &mut self,
        root: &Node,
        system: Option<SystemDraft>,
        set: &[(String, String, Place)],
    ) -> Option<ScenarioDraft> {
        let fields = self.fields(root, &keys::SCENARIO)?;
        self.version(fields);
        let name = fields.get("name").and_then(|node| self.title(node));
        let about = fields.get("about").and_then(|node| self.secret_text(node));
        let seed = fields
            .get("seed")
            .and_then(|node| self.whole(node, 0, u64::MAX));
        let mut system = self.system_of(fields, system, set);
        let load = fields.get("load").and_then(|node| self.load(node));
        let steady_state = fields
            .get("steady_state")
            .and_then(|node| self.steady_state(node));
        let mut faults = Vec::new();
        let mut fault_names = Vec::new();
        if let Some(node) = fields.get("faults") {
            for item in self.list(node, "faults") {
                let (name, draft) = self.fault(item, &system.names);
                fault_names.extend(name);
                faults.extend(draft);
            }
        }
        let abort_when = fields
            .get("abort_when")
            .map(|node| self.gates(node))
            .unwrap_or_default();
        let mut slo = Vec::new();
        if let Some(node) = fields.get("slo") {
            for item in self.list(node, "slo blocks") {
                slo.extend(self.slo(item));
            }
        }
        for block in &slo {
            add_probes(block, &mut system);
        }
        let mut variants = Vec::new();
        if let Some(node) = fields.get("variants") {
            for item in self.list(node, "variants") {
                variants.extend(self.variant(item));
            }
        }
        Some(ScenarioDraft {
            name,
            about,
            seed,
            system,
            load,
            steady_state,
            faults,
            fault_names,
            abort_when,
            slo,
            variants,
            start: root.entries().first().map_or(root.place, |e| e.key_place),
        })
    }

    /// Reads a system file.
    pub(crate) fn system_file(
        &mut self,
        root: &Node,
        set: &[(String, String, Place)],
    ) -> Option<SystemDraft> {
        let fields = self.fields(root, &keys::SYSTEM)?;
        self.version(fields);
        for key in ["name", "about"] {
            fields.get(key).and_then(|node| self.text(node));
        }
        Some(self.system(fields, set))
    }

    /// Reads a file of objectives into the draft of the run they are asked of.
    pub(crate) fn objectives(&mut self, root: &Node, run: &mut ScenarioDraft) -> Option<()> {
        let fields = self.fields(root, &keys::OBJECTIVES)?;
        self.version(fields);
        for key in ["name", "about"] {
            fields.get(key).and_then(|node| self.text(node));
        }
        run.steady_state = fields
            .get("steady_state")
            .and_then(|node| self.steady_state(node));
        for item in self.list(fields.get("slo")?, "slo blocks") {
            run.slo.extend(self.slo(item));
        }
        Some(())
    }

    fn version(&mut self, fields: Fields<'_>) {
        let Some(node) = fields.get("version") else {
            return;
        };
        let text = node.scalar().map(|scalar| scalar.text.as_str());
        if text != Some("1") {
            self.report(
                Diagnostic::error(codes::VERSION, "I can only read version 1 of this format")
                    .at(node.place, "not 1")
                    .help("write `version: 1`, or update squall"),
            );
        }
    }

    fn system_of(
        &mut self,
        fields: Fields<'_>,
        system: Option<SystemDraft>,
        set: &[(String, String, Place)],
    ) -> SystemDraft {
        let Some(path) = fields.get("system") else {
            return self.system(fields, set);
        };
        let inline = keys::INLINE_SYSTEM_KEYS;
        for entry in fields.node.entries() {
            if inline.contains(&entry.key.as_str()) {
                let title = format!("`system` and `{}` exclude each other", entry.key);
                self.report(
                    Diagnostic::error(codes::KEYS_CONFLICT, title)
                        .at(entry.key_place, "here")
                        .also(path.place, "the system is described there")
                        .help("move this part to the system file, or leave out `system`"),
                );
            }
        }
        let mut draft = system.unwrap_or_else(|| {
            let mut draft = SystemDraft::default();
            draft.names.incomplete = true;
            draft
        });
        if let Some(node) = fields.get("target") {
            self.target(node, &mut draft);
        }
        if let Some(node) = fields.get("probes") {
            self.probes(node, &mut draft);
        }
        draft
    }

    fn steady_state(&mut self, node: &Node) -> Option<(std::time::Duration, Vec<GateDraft>)> {
        let fields = self.fields(node, &keys::STEADY_STATE)?;
        let title = "a steady state has to last some time";
        let duration = fields
            .get("for")
            .and_then(|node| self.some_time(node, title));
        let gates = fields
            .get("expect")
            .map(|node| self.gates(node))
            .unwrap_or_default();
        Some((duration?, gates))
    }

    fn variant(&mut self, node: &Node) -> Option<VariantDraft> {
        let fields = self.fields(node, &keys::VARIANT)?;
        let name = fields.get("name").and_then(|node| self.title(node));
        let mut with = Vec::new();
        let mut with_places = Vec::new();
        if let Some(node) = fields.get("with") {
            for entry in self.names(node, "settings") {
                if let Some(value) = self.secret_text(&entry.value) {
                    self.refuse_nul(&value, entry.value.place);
                    with.push((entry.key.clone(), value));
                    with_places.push(entry.key_place);
                }
            }
            if with.is_empty() {
                self.report(
                    Diagnostic::error(codes::NOTHING_IN_IT, "the variant is not weaker")
                        .at(node.place, "no setting differs")
                        .help("write for instance `with: { breakers: disabled }`"),
                );
            }
        }
        let mut fails = Vec::new();
        let mut fails_places = Vec::new();
        if let Some(node) = fields.get("fails") {
            let items = self.list(node, "gates that fail");
            for item in items {
                if let Some(failure) = self.failure(item) {
                    fails.push(Located::new(failure, item.place.span));
                    fails_places.push(item.place);
                }
            }
            if items.is_empty() {
                self.report(
                    Diagnostic::error(codes::NOTHING_IN_IT, "the variant fails nothing")
                        .at(node.place, "no gate here")
                        .help("write for instance `fails: [ success during NAME OF A FAULT ]`"),
                );
            }
        }
        Some(VariantDraft {
            variant: Variant {
                name: name?,
                with,
                fails,
            },
            name: fields.place("name"),
            with: with_places,
            fails: fails_places,
            fails_place: fields.place("fails"),
        })
    }

    fn failure(&mut self, node: &Node) -> Option<ExpectedFailure> {
        let text = self.text(node)?;
        match parse_failure(text.trim()) {
            Ok((metric, window)) => Some(ExpectedFailure { metric, window }),
            Err(error) => {
                let diagnostic = gate_error(node, error).note(format!(
                    "the gate is named {}",
                    quoted("METRIC during WINDOW")
                ));
                self.report_value(node, diagnostic);
                None
            }
        }
    }
}

/// Adds what reads the numbers of OpenSLO objectives; two blocks may speak of
/// one objective.
fn add_probes(block: &SloDraft, system: &mut SystemDraft) {
    for (probe, place) in &block.probes {
        if !system.system.probes.contains(probe) {
            system.system.probes.push(probe.clone());
            system.probes.push((probe.name.clone(), *place));
            system.probe_addresses.push((probe.name.clone(), *place));
        }
    }
}

impl ScenarioDraft {
    /// The windows of a scenario, if its times could be read.
    pub(crate) fn planned(&self) -> Option<(&LoadDraft, Vec<PlannedWindow>)> {
        let load = self.load.as_ref().filter(|load| load.shape_complete)?;
        let faults: Vec<FaultSpec> = self.faults.iter().map(|f| f.spec.clone()).collect();
        Some((
            load,
            planned_windows(&load.load, &faults, &self.system.system, self.seed),
        ))
    }

    /// The scenario, if everything it needs could be read.
    pub(crate) fn finish(self) -> Option<Scenario> {
        let load = self.load?;
        let abort = |draft: GateDraft| match draft.gate.value {
            Gate::Metric(gate) => Some(Located::new(AbortRule { gate }, draft.gate.span)),
            _ => None,
        };
        let on_reading = |draft: &GateDraft| match &draft.gate.value {
            Gate::Reading(gate) => Some(Located::new(gate.clone(), draft.gate.span)),
            _ => None,
        };
        let steady_state = self.steady_state.map(|(duration, gates)| SteadyState {
            duration,
            expect: gates.into_iter().map(|draft| draft.gate).collect(),
        });
        let faults: Vec<FaultSpec> = self.faults.into_iter().map(|draft| draft.spec).collect();
        Some(Scenario {
            name: self.name?,
            about: self.about,
            seed: self.seed,
            system: self.system.system,
            load: load.load,
            steady_state,
            faults,
            abort_on_readings: self.abort_when.iter().filter_map(on_reading).collect(),
            abort_when: self.abort_when.into_iter().filter_map(abort).collect(),
            slo: self.slo.iter().map(SloDraft::block).collect(),
            variants: self.variants.into_iter().map(|v| v.variant).collect(),
        })
    }
}
