//! Who may use how many file descriptors: links and load share what there is,
//! and leave some for putting everything back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use squall_faults::{LinkLimit, Proxy, Wants};
use squall_record::{DropCause, LinkShort, RunEvent};
use squall_scenario::System;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::RunningSystem;
use crate::hub::EventHub;

/// Connections that all links may carry, however many descriptors there are.
const CONNECTIONS_MAX: u64 = 16_384;
/// What squall keeps for the record, control, probes and undo: an eighth of
/// what there is, within these bounds.
const RESERVE: (u64, u64) = (64, 512);
/// How often it is looked what links went without.
const WANTS_EVERY: Duration = Duration::from_secs(1);
/// A connection through a link has two ends.
const ENDS: u64 = 2;

/// Every request in flight and every connection through a link takes file
/// descriptors. To be called after the guardian was started, so that the system
/// under test keeps the limit it would have without squall.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Best effort: what the links may carry follows from what it is then.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// What the links of a system may carry beside so many requests in flight.
pub(super) fn link_limit(system: &System, in_flight_max: u32) -> LinkLimit {
    let inbound = system.processes.iter().filter(|p| p.inbound_link);
    let inbound: usize = inbound.map(|p| system.instances(p) as usize).sum();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = connections(limit, u64::from(in_flight_max));
    let connections = usize::try_from(connections).unwrap_or(usize::MAX);
    LinkLimit::shared(inbound + system.links.len(), connections)
}

/// The load gets what it asked for, but not more than half of what is left
/// after the reserve.
fn connections(limit: u64, in_flight_max: u64) -> u64 {
    let reserve = (limit / 8).clamp(RESERVE.0, RESERVE.1);
    let left = limit.saturating_sub(reserve);
    let load = in_flight_max.min(left / 2);
    ((left - load) / ENDS).clamp(1, CONNECTIONS_MAX)
}

/// Says when a link carries as many connections as it may: what its callers see
/// then is not the system's doing alone.
pub(crate) fn watch_links(
    system: &Arc<RunningSystem>,
    hub: &EventHub,
    watchers: &TaskTracker,
    stop: &CancellationToken,
) {
    for link in system.proxies() {
        let (link, hub, stop) = (link.clone(), hub.clone(), stop.clone());
        watchers.spawn(async move {
            if stop.run_until_cancelled(link.filled()).await.is_none() {
                return;
            }
            let text = format!(
                "link {} carries {} connections, as many as it may: callers wait from now on \
                 until one of them ends",
                link.name(),
                link.counters().open
            );
            hub.emit(RunEvent::Note { text }).await;
            stop.cancelled().await;
            hub.emit(RunEvent::Note {
                text: waited(&link),
            })
            .await;
        });
    }
}

/// Says about once a second what links went without that is squall's own, to the end of
/// the run.
pub(crate) async fn watch_wants(
    system: Arc<RunningSystem>,
    hub: EventHub,
    stop: CancellationToken,
) {
    let mut told = vec![Wants::default(); system.proxies().count()];
    let mut looked = Instant::now();
    loop {
        let ended = stop
            .run_until_cancelled(tokio::time::sleep(WANTS_EVERY))
            .await
            .is_none();
        let now = Instant::now();
        let over_us = u64::try_from((now - looked).as_micros()).unwrap_or(u64::MAX);
        looked = now;
        for (link, told) in system.proxies().zip(&mut told) {
            let wants = link.counters().wants;
            for (cause, times) in since(*told, wants) {
                let link = link.name().to_owned();
                let short = LinkShort {
                    link,
                    cause,
                    times,
                    over_us,
                };
                hub.emit(RunEvent::LinkShort(short)).await;
            }
            *told = wants;
        }
        if ended {
            return;
        }
    }
}

/// What was wanted since `before`, and how often.
fn since(before: Wants, now: Wants) -> impl Iterator<Item = (DropCause, u64)> {
    let causes = [
        (
            DropCause::Descriptors,
            now.descriptors.saturating_sub(before.descriptors),
        ),
        (DropCause::Ports, now.ports.saturating_sub(before.ports)),
        (DropCause::Memory, now.memory.saturating_sub(before.memory)),
    ];
    causes.into_iter().filter(|(_, times)| *times > 0)
}

fn waited(link: &Proxy) -> String {
    let counters = link.counters();
    format!(
        "link {} made {} of {} connections wait: it carried as many as it may; raise the limit of \
         file descriptors (`ulimit -n`) for more",
        link.name(),
        counters.over_limit,
        counters.accepted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_links_went_without_is_told_once_and_by_its_cause() {
        let before = Wants {
            ports: 3,
            ..Wants::default()
        };
        let now = Wants {
            descriptors: 2,
            ports: 10,
            memory: 0,
        };
        let told: Vec<_> = since(before, now).collect();
        assert_eq!(told, [(DropCause::Descriptors, 2), (DropCause::Ports, 7)]);
        assert_eq!(since(now, now).count(), 0);
    }

    #[test]
    fn links_and_load_leave_a_reserve() {
        for limit in [256, 1024, 4096, 65_536] {
            for in_flight in [0, 100, 10_000, 1_000_000] {
                let links = connections(limit, in_flight);
                let used = links * ENDS + in_flight.min(limit / 2);
                assert!(links >= 32, "{limit} {in_flight}: {links}");
                assert!(used <= limit - 24, "{limit} {in_flight}: {used}");
            }
        }
        assert_eq!(connections(1024, 10_000), 224);
        assert_eq!(connections(0, 10_000), 1);
        assert_eq!(connections(u64::MAX, 10_000), CONNECTIONS_MAX);
    }
}
