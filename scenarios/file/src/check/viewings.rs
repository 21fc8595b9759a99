//! Rules about gates on what viewers saw: that somebody plays, and that they stand where
//! it is noted.

use squall_scenario::{Journey, ViewingGate, quoted};

use super::names::did_you_mean;
use super::role::Role;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::{GateDraft, ScenarioDraft};

pub(super) fn check(
    draft: &GateDraft,
    gate: &ViewingGate,
    role: Role,
    scenario: &ScenarioDraft,
    findings: &mut Vec<Diagnostic>,
) {
    if role != Role::During {
        findings.push(
            Diagnostic::error(
                codes::GATE_OUT_OF_PLACE,
                "what viewers saw is known of windows of the run only",
            )
            .at(draft.whole, "not here")
            .help("move it to a block with `during: NAME OF A FAULT` or `during: whole run`"),
        );
        return;
    }
    let Some(load) = scenario.load.as_ref().filter(|load| load.requests_complete) else {
        return;
    };
    let players: Vec<&str> = load
        .load
        .each()
        .flat_map(|each| &each.journeys)
        .flat_map(players)
        .collect();
    if players.is_empty() {
        findings.push(
            Diagnostic::error(codes::UNKNOWN_REFERENCE, "nobody watches in this load")
                .at(draft.whole, "no step plays")
                .help(
                    "add a step such as `player: { for: 30s }` behind the request for a manifest",
                ),
        );
    } else if let Some(of) = gate.of.as_deref().filter(|of| !players.contains(of)) {
        let title = format!("no step that plays is called {}", quoted(of));
        findings.push(
            Diagnostic::error(codes::UNKNOWN_REFERENCE, title)
                .at(draft.name.unwrap_or(draft.whole), "not a player")
                .help(did_you_mean(of, &players, "players")),
        );
    }
}

/// The steps of a journey that play.
fn players(journey: &Journey) -> impl Iterator<Item = &str> {
    let steps = journey.steps.iter().filter(|step| step.player.is_some());
    steps.map(|step| step.request.name.as_str())
}
