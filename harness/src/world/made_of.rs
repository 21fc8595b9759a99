//! The faults that one injection is made of: what of them acts on what.

use squall_faults::{
    CallsFault, Fault, Filter, Inside, MessageFault, NamesFault, PacketsFault, ProcessFault,
    ProcessTarget, Proxy, ResourceFault, TlsFault, ToxicFault,
};
use squall_scenario::inject::{Dns, Packets};
use squall_scenario::seed::sub_seed;
use squall_scenario::{FaultSpec, Inject, OnInProcess, OnNetwork, OnTls};

use super::means::Means;
use crate::system::{Member, RunningSystem, find};

/// The faults of the fault crate that one injection is made of.
pub(super) async fn faults(
    (means, system): (&Means, &RunningSystem),
    spec: &FaultSpec,
    number: u32,
    members: &[Member],
) -> Result<Vec<Fault>, String> {
    match &spec.inject {
        Inject::Bytes(fault) => Ok(vec![Fault::Toxic(ToxicFault {
            proxies: proxies(members),
            inject: fault.clone(),
            share: spec.share(),
        })]),
        Inject::Http(fault) => {
            let proxies = proxies(members);
            let inject = fault.clone();
            let scopes = Some(system.scopes().clone());
            Ok(vec![Fault::Messages(MessageFault {
                proxies,
                inject,
                scopes,
            })])
        }
        Inject::Process(fault) => {
            let of = |target| {
                let inject = fault.clone();
                Fault::Process(ProcessFault { target, inject })
            };
            on_processes(means, members, of).await
        }
        Inject::Resource(fault) => {
            let of = |target| {
                let inject = fault.clone();
                Fault::Resource(ResourceFault { target, inject })
            };
            on_processes(means, members, of).await
        }
        Inject::Tls(fault) => {
            let OnTls::Tls(inject) = fault;
            Ok(vec![Fault::Tls(TlsFault {
                proxies: proxies(members),
                inject: *inject,
            })])
        }
        Inject::InProcess(fault) => {
            let OnInProcess::InProcess(inject) = fault;
            let decisions = format!("fault/{}/{number}/calls", spec.name.value);
            Ok(vec![Fault::Calls(CallsFault {
                processes: inside(members)?,
                inject: inject.clone(),
                seed: sub_seed(means.seed, &decisions),
            })])
        }
        Inject::Network(fault) => match fault {
            OnNetwork::Dns(dns) => on_names(*dns, members),
            OnNetwork::Partition(_)
            | OnNetwork::Loss(_)
            | OnNetwork::Reject(_)
            | OnNetwork::Rate(_) => {
                let packets = fault.packets().into_iter();
                packets
                    .map(|packets| on_packets(packets, members))
                    .collect()
            }
        },
    }
}

fn proxies(members: &[Member]) -> Vec<Proxy> {
    let proxies = members.iter().filter_map(Member::proxy);
    proxies.cloned().collect()
}

/// Packets are met where callers connect: at the inbound link of a process, if
/// it has one.
fn on_packets(inject: Packets, members: &[Member]) -> Result<Fault, String> {
    let mut addresses = Vec::new();
    for member in members {
        let address = member.callers_address();
        let address = address.ok_or_else(|| format!("`{}` has no packets", member.name()))?;
        addresses.push(address);
    }
    let targets = members.iter().map(|member| member.name().to_owned());
    Ok(Fault::Packets(PacketsFault {
        targets: targets.collect(),
        filter: Filter::of(&inject, addresses),
        inject,
    }))
}

/// The processes that a fault inside them is set in.
fn inside(members: &[Member]) -> Result<Vec<Inside>, String> {
    let of = |member: &Member| match member {
        Member::Instance(instance) => Ok(Inside {
            name: instance.name.clone(),
            socket: instance.faults_socket.clone(),
        }),
        Member::Existing(_) | Member::Link(_) | Member::Name { .. } => {
            Err(format!("squall did not start `{}`", member.name()))
        }
    };
    members.iter().map(of).collect()
}

fn on_names(inject: Dns, members: &[Member]) -> Result<Vec<Fault>, String> {
    let mut names = Vec::new();
    let mut of = None;
    for member in members {
        match member {
            Member::Name { name, resolver } => {
                names.push(name.clone());
                of = Some(resolver.clone());
            }
            Member::Instance(_) | Member::Existing(_) | Member::Link(_) => {
                return Err(format!("`{}` is not looked up", member.name()));
            }
        }
    }
    // All names of a run have one resolver.
    let faults = of.map(|resolver| {
        Fault::Names(NamesFault {
            resolver,
            names,
            inject,
        })
    });
    Ok(faults.into_iter().collect())
}

async fn on_processes(
    means: &Means,
    members: &[Member],
    of: impl Fn(ProcessTarget) -> Fault,
) -> Result<Vec<Fault>, String> {
    let mut faults = Vec::new();
    for member in members {
        faults.extend(targets(means, member).await?.into_iter().map(&of));
    }
    Ok(faults)
}

/// The processes that a member stands for now.
async fn targets(means: &Means, member: &Member) -> Result<Vec<ProcessTarget>, String> {
    match member {
        Member::Instance(instance) => {
            let origin = instance
                .origin()
                .ok_or_else(|| format!("{} is not running, so it cannot be hit", instance.name))?;
            Ok(vec![ProcessTarget {
                name: instance.name.clone(),
                identity: origin.root,
                mark: Some(origin.mark),
            }])
        }
        Member::Existing(existing) => {
            let name = &existing.name;
            if !means.allowed_processes.contains(name) {
                return Err(format!(
                    "squall did not start `{name}`; if it may be broken, pass \
                     `--allow-process {name}`"
                ));
            }
            let found = find(existing).await;
            let found = found
                .map_err(|error| format!("{name}: {error}"))?
                .into_iter();
            Ok(found
                .map(|found| ProcessTarget::allowed(name.clone(), found.identity))
                .collect())
        }
        Member::Link(_) | Member::Name { .. } => {
            Err(format!("`{}` is not a process", member.name()))
        }
    }
}
