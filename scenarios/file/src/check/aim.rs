//! Whether what a fault is aimed at can suffer it.

use squall_scenario::{FaultTarget, Surface, System, listed};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::FaultDraft;

/// Whether the target can suffer this kind of fault at all.
pub(super) fn check(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    match fault.spec.inject.surface() {
        Surface::Bytes | Surface::Http => {
            behind_a_link(fault, system, findings);
            at_no_name(fault, system, findings);
        }
        Surface::Process | Surface::Resource => {
            at_a_process(fault, system, findings);
            at_no_name(fault, system, findings);
        }
        Surface::InProcess => {
            at_a_process(fault, system, findings);
            at_no_name(fault, system, findings);
            started_by_squall(fault, system, findings);
        }
        Surface::Tls => at_tls(fault, system, findings),
        Surface::Network => match fault.spec.inject.is_on_names() {
            true => at_a_name(fault, system, findings),
            false => {
                at_a_port(fault, system, findings);
                at_no_name(fault, system, findings);
            }
        },
    }
}

/// Packets are told apart by the address and port where callers connect, which squall has
/// to have handed out.
fn at_a_port(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    if let Some(existing) = system.existing_of(&fault.spec.into.value).first() {
        let (name, keyword) = (&existing.name, fault.spec.inject.keyword());
        findings.push(
            Diagnostic::error(
                codes::NOT_BEHIND_A_LINK,
                format!("it is not known where callers of `{name}` connect"),
            )
            .at(fault.into, format!("`{keyword}` acts on packets of a port"))
            .help("let its callers connect through a link (`links: { NAME: { to: host:port } }`), and aim at that"),
        );
    }
}

/// Only whom squall started knows where its faults are switched.
fn started_by_squall(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    if let Some(existing) = system.existing_of(&fault.spec.into.value).first() {
        let (name, keyword) = (&existing.name, fault.spec.inject.keyword());
        findings.push(
            Diagnostic::error(
                codes::NOT_A_PROCESS,
                format!("`{name}` cannot suffer `{keyword}`"),
            )
            .at(fault.into, "squall did not start it")
            .also(fault.inject, "is switched where squall said at its start")
            .help("aim at a process of the system, or switch the service's faults by its environment or by headers"),
        );
    }
}

/// A name has neither bytes nor a process.
fn at_no_name(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    let parts = system.parts(&fault.spec.into.value).into_iter();
    let name = parts.filter_map(|part| match part {
        FaultTarget::Name(name) => Some(name),
        FaultTarget::Process(_)
        | FaultTarget::Instance { .. }
        | FaultTarget::Existing(_)
        | FaultTarget::Link(_)
        | FaultTarget::Group(_)
        | FaultTarget::Any { .. } => None,
    });
    let keyword = fault.spec.inject.keyword();
    for name in name.take(1) {
        findings.push(
            Diagnostic::error(
                codes::NAME_AND_FAULT,
                format!("a name cannot suffer `{keyword}`"),
            )
            .at(fault.into, format!("`{name}` is only looked up"))
            .also(fault.inject, "acts on what is behind it")
            .help("aim at the process or the link behind it, or inject `dns: nxdomain`"),
        );
    }
}

/// Only some links speak TLS.
fn at_tls(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    let speaks = |part: &&FaultTarget| match part {
        FaultTarget::Link(name) => {
            let mut links = system.links.iter();
            links.any(|link| link.name == *name && link.tls.is_some())
        }
        FaultTarget::Process(_)
        | FaultTarget::Instance { .. }
        | FaultTarget::Existing(_)
        | FaultTarget::Name(_)
        | FaultTarget::Group(_)
        | FaultTarget::Any { .. } => false,
    };
    let parts = system.parts(&fault.spec.into.value).into_iter();
    if let Some(other) = parts.filter(|part| !speaks(part)).take(1).next() {
        findings.push(
            Diagnostic::error(
                codes::NO_TLS_THERE,
                format!("`{other}` speaks no TLS with its callers"),
            )
            .at(fault.into, "not a link with `tls`")
            .also(fault.inject, "acts on handshakes")
            .help("let its callers connect through a link that does: `links: { secure: { to: NAME, tls: terminate } }`"),
        );
    }
}

/// Only names are looked up.
fn at_a_name(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    let parts = system.parts(&fault.spec.into.value).into_iter();
    let other = parts.filter(|part| !matches!(part, FaultTarget::Name(_)));
    let keyword = fault.spec.inject.keyword();
    for other in other.take(1) {
        let names: Vec<&str> = system.names.iter().map(|(name, _)| name.as_str()).collect();
        let help = match names.is_empty() {
            true => "declare a name and let callers use it: `names: { payments.test: payments }` and `http://$names.payments.test/`".to_owned(),
            false => format!("names: {}", listed(&names)),
        };
        findings.push(
            Diagnostic::error(
                codes::NAME_AND_FAULT,
                format!("`{other}` is no name that could be looked up"),
            )
            .at(fault.into, format!("`{keyword}` acts on one of `names`"))
            .help(help),
        );
    }
}

fn behind_a_link(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    let keyword = fault.spec.inject.keyword();
    if let Some(existing) = system.existing_of(&fault.spec.into.value).first() {
        let name = &existing.name;
        findings.push(
            Diagnostic::error(
                codes::NOT_BEHIND_A_LINK,
                format!("there is no link in front of `{name}`"),
            )
            .at(fault.into, format!("`{keyword}` acts on bytes of a link"))
            .help("let its callers connect through a link (`links: { NAME: { to: host:port } }`), and aim at that"),
        );
        return;
    }
    let bare = system
        .processes_of(&fault.spec.into.value)
        .into_iter()
        .filter_map(|name| system.process(name))
        .find(|process| !process.inbound_link);
    if let Some(process) = bare {
        let name = &process.name;
        findings.push(
            Diagnostic::error(
                codes::NOT_BEHIND_A_LINK,
                format!("there is no link in front of `{name}`"),
            )
            .at(fault.into, format!("`{keyword}` acts on bytes of a link"))
            .help(format!(
                "add `inbound_link: true` to the process `{name}`, or aim at a link"
            )),
        );
    }
}

fn at_a_process(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    let keyword = fault.spec.inject.keyword();
    if let Some(link) = link_of(&fault.spec.into.value, system) {
        findings.push(
            Diagnostic::error(
                codes::NOT_A_PROCESS,
                format!("a link cannot suffer `{keyword}`"),
            )
            .at(fault.into, format!("`{link}` is a link"))
            .also(fault.inject, "needs a process")
            .help("aim at a process, or inject `cut`, `delay`, `reset` or `bandwidth`"),
        );
    }
}

fn link_of<'t>(target: &'t FaultTarget, system: &'t System) -> Option<&'t str> {
    system
        .parts(target)
        .into_iter()
        .find_map(|part| match part {
            FaultTarget::Link(name) => Some(name.as_str()),
            FaultTarget::Process(_)
            | FaultTarget::Instance { .. }
            | FaultTarget::Existing(_)
            | FaultTarget::Name(_)
            | FaultTarget::Group(_)
            | FaultTarget::Any { .. } => None,
        })
}
