//! Addresses that settings are a part of: whole for every value they take.

use squall_scenario::{LoadTarget, Misfit, ProbeRead, System, Template, quoted};

use crate::address::address_misfit;
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::read::{SystemDraft, VariantDraft, probe_url_misfit, target_misfit};
use crate::remote::rendered;

/// Why a text is no address, if it is none.
type Misfits = fn(&str) -> Option<Misfit>;

pub(super) fn check(
    draft: &SystemDraft,
    variants: &[VariantDraft],
    findings: &mut Vec<Diagnostic>,
) {
    if draft.names.incomplete {
        return;
    }
    let addresses = addresses(draft);
    for (template, place, misfit) in &addresses {
        let Some((text, misfit)) = wrong(template, draft, &draft.system, *misfit) else {
            variants_of(draft, variants, (template, *place, *misfit), findings);
            continue;
        };
        findings.push(no_address(&text, *place, misfit));
    }
}

/// Variants that make no address of one that is whole without them.
fn variants_of(
    draft: &SystemDraft,
    variants: &[VariantDraft],
    (template, place, misfits): (&Template, Place, Misfits),
    findings: &mut Vec<Diagnostic>,
) {
    for variant in variants {
        let mut system = draft.system.clone();
        for (name, value) in &variant.variant.with {
            if let Some(setting) = system.settings.iter_mut().find(|s| s.name == *name) {
                setting.value.clone_from(value);
            }
        }
        if let Some((text, misfit)) = wrong(template, draft, &system, misfits) {
            let name = quoted(&variant.variant.name);
            let problem = no_address(&text, place, misfit);
            findings.push(problem.also(variant.name, format!("in the variant {name}")));
        }
    }
}

fn wrong(
    template: &Template,
    draft: &SystemDraft,
    system: &System,
    misfit: Misfits,
) -> Option<(String, Misfit)> {
    let text = rendered(template, system);
    // A link may lead to a process by its name.
    let named = draft.names.resolve(&text).is_some();
    let misfit = misfit(&text).filter(|_| !named)?;
    Some((text, misfit))
}

fn no_address(text: &str, place: Place, misfit: Misfit) -> Diagnostic {
    let title = format!("{} is not an address", quoted(text));
    Diagnostic::error(codes::BAD_ADDRESS, title)
        .at(place, misfit.label)
        .help(misfit.help)
        .note("so it reads with the settings put in")
}

/// Every address with settings in it, where it stands, and what it must be.
fn addresses(draft: &SystemDraft) -> Vec<(&Template, Place, Misfits)> {
    let system = &draft.system;
    let mut addresses: Vec<(&Template, Place, Misfits)> = Vec::new();
    if let (Some(LoadTarget::Url(url)), Some(place)) = (&system.target, draft.target) {
        addresses.push((url, place, target_misfit));
    }
    for link in &system.links {
        let place = draft.links.iter().find(|(name, ..)| *name == link.name);
        if let Some((_, place, _)) = place {
            addresses.push((&link.to, *place, address_misfit));
        }
    }
    for probe in &system.probes {
        let (ProbeRead::Http { get: url, .. } | ProbeRead::Prometheus { at: url, .. }) =
            &probe.read
        else {
            continue;
        };
        let mut places = draft.probe_addresses.iter();
        if let Some((_, place)) = places.find(|(name, _)| *name == probe.name) {
            addresses.push((url, *place, probe_url_misfit));
        }
    }
    let with_settings = |template: &Template| {
        let mut variables = template.variables();
        variables.any(|name| name.starts_with("settings."))
    };
    addresses.retain(|(template, ..)| with_settings(template));
    addresses
}
