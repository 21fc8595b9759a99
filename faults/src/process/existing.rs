//! Finding processes that squall did not start, by what people know them by.
//!
//! What is found may be hit only where somebody allowed it by name, on the
//! command line or in a configuration of their own; this module only looks.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

use procfs::process::{Process, all_processes};
use regex_lite::Regex;
use squall_scenario::{Find, visible};

use super::listeners::{listening_sockets, open_sockets};
use super::{ProcessIdentity, Processes, is_squalls_own};
use crate::marks::INSTANCE_MARK;

mod not_found;
mod pid_file;
mod units;

pub use not_found::NotFound;

/// Longest command line that is quoted, in characters.
const COMMAND_MAX: usize = 60;

/// A process that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Who it is.
    pub identity: ProcessIdentity,
    /// Its command line, shortened, control characters escaped.
    pub command: String,
}

/// The processes that are meant, oldest first, without those that another of
/// them started: a fault on that one reaches them. Never squall itself, or what works for
/// it. Blocks: it reads `/proc`.
///
/// # Errors
/// See [`NotFound`]; never an empty list.
pub fn find(what: &Find) -> Result<Vec<Found>, NotFound> {
    let (pids, nobody) = match what {
        Find::PidFile(path) => {
            let pid = pid_file::read(Path::new(path))?;
            let path = path.into();
            // It ended since, or squall wrote its own number there.
            (vec![pid], NotFound::Stale { path, pid })
        }
        Find::Unit(name) => {
            let pids = units::processes_of(name, units::ROOTS)?;
            (pids, NotFound::NoUnit(name.clone()))
        }
        Find::Command(pattern) => (by_command(pattern)?, NotFound::NoCommand(pattern.clone())),
        Find::Port(port) => (on_port(*port)?, NotFound::NoListener(*port)),
        Find::Instance(name) => (of_a_run(name)?, NotFound::NoInstance(name.clone())),
    };
    let processes = look()?;
    let mut found: Vec<ProcessIdentity> = pids
        .into_iter()
        // Its own links listen on ports, and its arguments may say a pattern.
        // What works for it beside a target may be in the unit of that one.
        .filter(|pid| *pid != std::process::id() && !is_squalls_own(*pid))
        .filter_map(|pid| ProcessIdentity::of(pid).ok())
        .filter(ProcessIdentity::is_alive)
        .collect();
    found.sort_by_key(|identity| (identity.start_time, identity.pid));
    let below: Vec<_> = reached(&found, &processes).collect();
    found.retain(|identity| below.iter().all(|(below, _)| below != identity));
    match found.is_empty() {
        false => Ok(found.into_iter().map(described).collect()),
        true => Err(nobody),
    }
}

/// Of some processes those that a fault on another of them reaches, each with
/// that other. Blocks: it reads `/proc`.
///
/// # Errors
/// Processes cannot be looked at.
pub fn below(
    identities: &[ProcessIdentity],
) -> Result<Vec<(ProcessIdentity, ProcessIdentity)>, NotFound> {
    Ok(reached(identities, &look()?).collect())
}

fn look() -> Result<Processes, NotFound> {
    Processes::look().map_err(|error| NotFound::Unseen(error.to_string()))
}

fn reached(
    identities: &[ProcessIdentity],
    processes: &Processes,
) -> impl Iterator<Item = (ProcessIdentity, ProcessIdentity)> {
    identities.iter().flat_map(move |above| {
        let origin = crate::Origin {
            root: *above,
            mark: String::new(),
        };
        let members = processes.members(&origin).into_iter();
        let members = members.map(|member| member.identity);
        let other = |member: &ProcessIdentity| member != above && identities.contains(member);
        let others: Vec<_> = members.filter(other).collect();
        others.into_iter().map(|member| (member, *above))
    })
}

fn described(identity: ProcessIdentity) -> Found {
    let command = super::process(identity.pid).map(|process| command_line(&process));
    let command = command.unwrap_or_default();
    let command = visible(&command, &[]);
    let mut short: String = command.chars().take(COMMAND_MAX).collect();
    if command.chars().count() > COMMAND_MAX {
        short.push('\u{2026}');
    }
    Found {
        identity,
        command: short,
    }
}

/// The arguments with spaces between; the name of a process that shows none.
fn command_line(process: &Process) -> String {
    match process.cmdline() {
        Ok(words) if !words.is_empty() => words.join(" "),
        _ => process.stat().map(|stat| stat.comm).unwrap_or_default(),
    }
}

/// Whose command line matches.
fn by_command(pattern: &str) -> Result<Vec<u32>, NotFound> {
    let bad = |error| NotFound::BadPattern(pattern.to_owned(), error);
    let regex = Regex::new(pattern).map_err(bad)?;
    let processes = processes()?;
    let matching = processes.filter(|process| regex.is_match(&command_line(process)));
    Ok(matching
        .map(|process| process.pid.cast_unsigned())
        .collect())
}

fn on_port(port: u16) -> Result<Vec<u32>, NotFound> {
    let sockets = listening_sockets().into_iter();
    let sockets: Vec<u64> = sockets
        .filter(|socket| socket.at.port() == port)
        .map(|socket| socket.inode)
        .collect();
    let has_one = |process: &Process| {
        open_sockets(process).is_some_and(|open| sockets.iter().any(|inode| open.contains(inode)))
    };
    let holders = processes()?.filter(has_one);
    Ok(holders.map(|process| process.pid.cast_unsigned()).collect())
}

/// What the last start of an instance of a run is made of.
fn of_a_run(name: &str) -> Result<Vec<u32>, NotFound> {
    let mut runs = BTreeSet::new();
    let mut starts: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for process in processes()? {
        let environ = process.environ().ok();
        let mark = environ.and_then(|mut all| all.remove(OsStr::new(INSTANCE_MARK)));
        let Some(mark) = mark.and_then(|mark| mark.into_string().ok()) else {
            continue;
        };
        if let Some((run, start)) = start_of(&mark, name) {
            runs.insert(run.to_owned());
            let pids = starts.entry(start).or_default();
            pids.push(process.pid.cast_unsigned());
        }
    }
    if runs.len() > 1 {
        return Err(NotFound::SeveralRuns {
            name: name.to_owned(),
            runs: runs.into_iter().collect(),
        });
    }
    let last = starts.pop_last();
    last.map(|(_, pids)| pids)
        .ok_or_else(|| NotFound::NoInstance(name.to_owned()))
}

/// The run, and which start of it, if a mark is one of the instance of this name.
fn start_of<'m>(mark: &'m str, name: &str) -> Option<(&'m str, u64)> {
    let (run, of_run) = mark.split_once('/')?;
    let (instance, start) = of_run.rsplit_once('/')?;
    (instance == name).then(|| start.parse().ok().map(|start| (run, start)))?
}

fn processes() -> Result<impl Iterator<Item = Process>, NotFound> {
    let all = all_processes().map_err(|error| NotFound::Unseen(error.to_string()))?;
    Ok(all.flatten())
}

#[cfg(test)]
mod tests;
