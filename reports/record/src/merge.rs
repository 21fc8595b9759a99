//! Puts the records of all shards of one load together, without any loss:
//! counts and histograms are added, nothing is averaged.

mod events;
mod intervals;

use std::collections::BTreeMap;

use crate::shard::ShardSet;
use crate::{Manifest, Record, Viewings};

/// Why records cannot be merged at all. Lesser faults make the merged record
/// inconclusive; see [`ShardSet::doubts`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("there is no record to merge")]
    Nothing,
    /// A record is no shard.
    #[error(
        "{run} is no shard: it holds a whole run; merge the runs of `squall run --shard NUMBER/COUNT`"
    )]
    NotAShard {
        /// The record's run.
        run: String,
    },
    /// Two records are of different loads.
    #[error("{run} differs from {first} in its {what}, so they are not shards of one load")]
    Foreign {
        /// The record.
        run: String,
        /// What it was compared with.
        first: String,
        /// What differs.
        what: &'static str,
    },
}

/// Merges records, each with the name it is called by in messages (its
/// directory). Missing, doubled, damaged and incomplete shards are doubts of
/// the merged record, which is inconclusive then.
///
/// # Errors
/// When there is no record, one is no shard, or they are not of one load.
pub fn merge(shards: Vec<(String, Record)>) -> Result<Record, MergeError> {
    let (_, first) = shards.first().ok_or(MergeError::Nothing)?;
    let of = count(&shards[0])?;
    let start_at = first
        .manifest
        .shards
        .as_ref()
        .and_then(|s| s.start_at.clone());
    for shard in &shards {
        same_load(&shards[0], shard)?;
        count(shard)?;
    }
    let mut doubts = Vec::new();
    let mut parts: BTreeMap<u32, (String, Record)> = BTreeMap::new();
    for (name, record) in shards {
        let set = record.manifest.shards.clone();
        let numbers = set.as_ref().map_or(&[][..], |set| &set.present);
        let Some(number) = numbers.first().copied() else {
            continue;
        };
        let known = numbers
            .iter()
            .find(|number| parts.iter().any(|(_, (_, part))| holds(part, **number)));
        if let Some(known) = known {
            doubts.push(format!("shard {known} is there twice; {name} was left out"));
            continue;
        }
        doubt(&name, &record, start_at.as_deref(), &mut doubts);
        parts.insert(number, (name, record));
    }
    let present: Vec<u32> = parts
        .values()
        .filter_map(|(_, record)| record.manifest.shards.as_ref())
        .flat_map(|set| set.present.iter().copied())
        .collect();
    let records: Vec<(u32, Record)> = parts
        .into_iter()
        .map(|(number, (_, record))| (number, record))
        .collect();
    let set = ShardSet {
        of,
        present,
        start_at,
        doubts,
    };
    Ok(put_together(records, set))
}

fn holds(record: &Record, number: u32) -> bool {
    let set = record.manifest.shards.as_ref();
    set.is_some_and(|set| set.present.contains(&number))
}

fn put_together(records: Vec<(u32, Record)>, mut set: ShardSet) -> Record {
    set.present.sort_unstable();
    let complete = records.iter().all(|(_, record)| record.complete);
    let events = events::unite(&records, complete);
    let intervals = intervals::add_up(&records);
    let mut samples: Vec<_> = records
        .iter()
        .flat_map(|(_, record)| record.samples.iter().cloned())
        .collect();
    samples.sort_by_key(|sample| sample.arrival);
    let manifest = manifest(&records, set);
    Record {
        manifest,
        events,
        intervals,
        samples,
        complete,
        damage: Vec::new(),
    }
}

/// How many shards the load of a record was split into.
fn count((name, record): &(String, Record)) -> Result<u32, MergeError> {
    let set = record.manifest.shards.as_ref();
    set.map(|set| set.of)
        .ok_or_else(|| MergeError::NotAShard { run: name.clone() })
}

fn same_load((first, a): &(String, Record), (run, b): &(String, Record)) -> Result<(), MergeError> {
    let (a, b) = (&a.manifest, &b.manifest);
    let of = |manifest: &Manifest| manifest.shards.as_ref().map(|set| set.of);
    let differing = [
        ("schema version", a.schema_version == b.schema_version),
        ("scenario", a.scenario == b.scenario),
        ("variant", a.variant == b.variant),
        ("seed", a.seed == b.seed),
        ("count of shards", of(a) == of(b)),
    ];
    match differing.iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(MergeError::Foreign {
            run: run.clone(),
            first: first.clone(),
            what,
        }),
        None => Ok(()),
    }
}

/// What speaks against one shard.
fn doubt(name: &str, record: &Record, start_at: Option<&str>, doubts: &mut Vec<String>) {
    if let Some(set) = &record.manifest.shards {
        doubts.extend(set.doubts.iter().cloned());
        if set.start_at.as_deref() != start_at {
            doubts.push(format!(
                "the shard {name} started at {}, the first shard at {}",
                set.start_at.as_deref().unwrap_or("a time of its own"),
                start_at.unwrap_or("a time of its own")
            ));
        }
    }
    if let Some(line) = record.damage.first() {
        doubts.push(format!("the shard {name} is damaged: {line}"));
    }
    let viewers = Viewings::told(record.events.iter().map(|stamped| &stamped.event));
    if let Some(lost) = viewers.and_then(|told| told.lost) {
        doubts.push(format!("of the shard {name}, {lost}"));
    }
    if !record.complete {
        doubts.push(format!("the shard {name} did not come to its end"));
    }
}

/// The manifest of the first shard, for all of them.
fn manifest(records: &[(u32, Record)], set: ShardSet) -> Manifest {
    let all = || records.iter().map(|(_, record)| &record.manifest);
    let mut merged = records[0].1.manifest.clone();
    let mut hosts: Vec<&str> = all().map(|manifest| manifest.host.as_str()).collect();
    hosts.dedup();
    merged.host = hosts.join(", ");
    if let Some(earliest) = all().map(|manifest| &manifest.started_utc).min() {
        merged.started_utc.clone_from(earliest);
    }
    if let Some((whole, _)) = merged.rerun.split_once(" --shard ") {
        merged.rerun = whole.to_owned();
    }
    merged.shards = Some(set);
    merged
}
