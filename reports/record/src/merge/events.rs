//! The events of all shards: the first one's, and of the others what decides
//! whether the load was what it should be.

use std::collections::BTreeMap;

use crate::{JourneyEnds, LinkShort, Phase, Record, RunEvent, Stamped, Viewings};

/// Faults, breakers and processes are told by the first shard alone, which is
/// the only one that injects; every shard tells what cut it short.
pub(super) fn unite(records: &[(u32, Record)], complete: bool) -> Vec<Stamped> {
    let mut events = Vec::new();
    let Some(((_, first), others)) = records.split_first() else {
        return events;
    };
    let mut viewings_due = true;
    for stamped in &first.events {
        match &stamped.event {
            RunEvent::SteadyState { .. } => events.extend(steady_state(records, stamped.at_us)),
            RunEvent::LoadFinished { .. } => events.extend(load_finished(records, stamped.at_us)),
            RunEvent::JourneysEnded { .. } => events.extend(journeys(records, stamped.at_us)),
            RunEvent::Viewings { .. } => {
                // What comes in pieces is told again once, in pieces of all shards.
                if std::mem::replace(&mut viewings_due, false) {
                    events.extend(viewings(records, stamped.at_us));
                }
            }
            RunEvent::Phase(Phase::Finished) if !complete => {}
            _ => events.push(stamped.clone()),
        }
    }
    for (number, record) in others {
        let theirs = record.events.iter().filter_map(|stamped| {
            Some(Stamped {
                at_us: stamped.at_us,
                event: of_another(*number, &stamped.event)?,
            })
        });
        events.extend(theirs);
    }
    events.sort_by_key(|stamped| stamped.at_us);
    events
}

/// An event of another shard than the first, marked as its own.
fn of_another(number: u32, event: &RunEvent) -> Option<RunEvent> {
    let mark = |text: &str| format!("shard {number}: {text}");
    Some(match event {
        RunEvent::Abort { guard, detail } => RunEvent::Abort {
            guard: guard.clone(),
            detail: mark(detail),
        },
        RunEvent::Interrupted { reason } => RunEvent::Interrupted { reason: *reason },
        RunEvent::NotReady { detail } => RunEvent::NotReady {
            detail: mark(detail),
        },
        RunEvent::UndoFailed { detail } => RunEvent::UndoFailed {
            detail: mark(detail),
        },
        RunEvent::Internal { detail } => RunEvent::Internal {
            detail: mark(detail),
        },
        RunEvent::Note { text } => RunEvent::Note { text: mark(text) },
        RunEvent::LinkShort(short) => RunEvent::LinkShort(LinkShort {
            link: format!("{} of shard {number}", short.link),
            ..short.clone()
        }),
        // Only the first shard has faults that could be stopped.
        RunEvent::ByHand { action, from } => RunEvent::Note {
            text: mark(&format!("by hand: {}", action.words_from(*from))),
        },
        RunEvent::Resources { usage } => {
            let own = usage.get("squall")?;
            RunEvent::Resources {
                usage: BTreeMap::from([(format!("squall of shard {number}"), *own)]),
            }
        }
        _ => return None,
    })
}

/// Reached when every shard reached it.
fn steady_state(records: &[(u32, Record)], at_us: i64) -> Option<Stamped> {
    let mut own = None;
    for (number, record) in records {
        for stamped in &record.events {
            let RunEvent::SteadyState { reached, detail } = &stamped.event else {
                continue;
            };
            if !reached {
                let detail = format!("shard {number}: {detail}");
                let reached = false;
                let event = RunEvent::SteadyState { reached, detail };
                return Some(Stamped { at_us, event });
            }
            own.get_or_insert_with(|| stamped.event.clone());
        }
    }
    own.map(|event| Stamped { at_us, event })
}

/// What the viewers of all shards saw; none while a shard has not told all of its part.
fn viewings(records: &[(u32, Record)], at_us: i64) -> Vec<Stamped> {
    let mut players = Vec::new();
    for (_, record) in records {
        let told = Viewings::told(record.events.iter().map(|stamped| &stamped.event));
        let Some(told) = told.filter(|told| told.lost.is_none()) else {
            return Vec::new();
        };
        players.extend(told.players);
    }
    let events = Viewings::events(Viewings::sum(players.into_iter().cloned())).into_iter();
    events.map(|event| Stamped { at_us, event }).collect()
}

/// How the journeys of all shards ended; none while a shard has not told its part.
fn journeys(records: &[(u32, Record)], at_us: i64) -> Option<Stamped> {
    let parts = told(records, |event| match event {
        RunEvent::JourneysEnded { journeys } => Some(journeys.clone()),
        _ => None,
    })?;
    let journeys = JourneyEnds::sum(parts.into_iter().flatten());
    let event = RunEvent::JourneysEnded { journeys };
    Some(Stamped { at_us, event })
}

/// All that the shards told, where each told something.
fn told<T>(records: &[(u32, Record)], part: impl Fn(&RunEvent) -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    for (_, record) in records {
        let before = all.len();
        all.extend(record.events.iter().filter_map(|told| part(&told.event)));
        if all.len() == before {
            return None;
        }
    }
    Some(all)
}

/// The sum; none while a shard has not told its part.
fn load_finished(records: &[(u32, Record)], at_us: i64) -> Option<Stamped> {
    let mut total = 0_u64;
    let mut worst = 0_u64;
    for (_, record) in records {
        let (scheduled, lag_max_us) =
            record
                .events
                .iter()
                .find_map(|stamped| match stamped.event {
                    RunEvent::LoadFinished {
                        scheduled,
                        lag_max_us,
                    } => Some((scheduled, lag_max_us)),
                    _ => None,
                })?;
        total = total.saturating_add(scheduled);
        worst = worst.max(lag_max_us);
    }
    let event = RunEvent::LoadFinished {
        scheduled: total,
        lag_max_us: worst,
    };
    Some(Stamped { at_us, event })
}
