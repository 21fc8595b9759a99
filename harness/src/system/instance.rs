//! One instance of a process: started, watched, started again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use squall_faults::guardian::{ExitStatus, Exited, GuardianClient, SpawnRequest};
use squall_faults::{Origin, ProcessIdentity, Proxy};
use squall_reports::{ProcessChange, RunEvent};
use squall_scenario::{Process, Restart};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::brake::Brake;
use super::port_holder::{self, Listens};
use super::ports::PortLease;
use super::ready::wait_ready;
use crate::hub::EventHub;

/// How much of a process's output is quoted when it does not get ready.
const OUTPUT_BYTES_MAX: u64 = 2048;
const OUTPUT_LINES_MAX: usize = 5;

/// Where an instance stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceState {
    /// Not running.
    Down,
    /// Running, not known to serve.
    Starting(Origin),
    /// Running, and its ready probe succeeded.
    Ready(Origin),
    /// It never became ready, or stays down against the plan; in words.
    Failed(String),
}

/// What a fault wants of an instance when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// No fault is involved: the restart policy decides.
    Policy,
    /// A fault ends it; the restart policy brings it back.
    EndThenPolicy,
    /// A fault ends it and holds it down.
    Down,
    /// The fault is over: it comes back at once.
    Back,
}

/// An instance and everything needed to start it again at the same address.
#[derive(Debug)]
pub struct Instance {
    /// Its process.
    pub process: Process,
    /// Its name, for instance `catalog-0`.
    pub name: String,
    /// Its inbound link, if it has one.
    pub proxy: Option<Proxy>,
    pub(super) lease: PortLease,
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(crate) log_path: PathBuf,
    pub(super) state: watch::Sender<InstanceState>,
    /// What a fault wants.
    wanted: watch::Sender<Wanted>,
    /// Whether it has served before.
    served: AtomicBool,
}

impl Instance {
    pub(super) fn new(
        process: Process,
        name: String,
        proxy: Option<Proxy>,
        lease: PortLease,
        log_path: PathBuf,
    ) -> Self {
        Self {
            process,
            name,
            proxy,
            lease,
            argv: Vec::new(),
            env: BTreeMap::new(),
            log_path,
            state: watch::channel(InstanceState::Down).0,
            wanted: watch::channel(Wanted::Policy).0,
            served: AtomicBool::new(false),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.lease.address()
    }

    /// Where its callers connect: its inbound link, or itself.
    #[must_use]
    pub fn callers_address(&self) -> SocketAddr {
        self.proxy
            .as_ref()
            .map_or_else(|| self.address(), Proxy::address)
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> InstanceState {
        self.state.borrow().clone()
    }

    /// Who it is, if it runs.
    #[must_use]
    pub fn identity(&self) -> Option<ProcessIdentity> {
        self.origin().map(|origin| origin.root)
    }

    /// What it is made of, if it runs.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match &*self.state.borrow() {
            InstanceState::Starting(origin) | InstanceState::Ready(origin) => Some(origin.clone()),
            InstanceState::Down | InstanceState::Failed(_) => None,
        }
    }

    /// Tells the supervisor that a fault is about to end the process; with
    /// `hold` it also stays down until [`Instance::release`].
    pub fn expect_end(&self, hold: bool) {
        self.wanted.send_replace(if hold {
            Wanted::Down
        } else {
            Wanted::EndThenPolicy
        });
    }

    /// The process lives after all: its next end would be a surprise.
    pub fn expect_no_end(&self) {
        self.wanted.send_replace(Wanted::Policy);
    }

    /// Lets the supervisor start the process again, whatever its restart
    /// policy says.
    pub fn release(&self) {
        self.wanted.send_if_modified(|wanted| {
            let held = *wanted == Wanted::Down;
            if held {
                *wanted = Wanted::Back;
            }
            held
        });
    }

    /// Nobody can start it again, so nobody need wait for it.
    fn lost_its_guardian(&self) {
        let why = "its guardian is gone".to_owned();
        self.state.send_replace(InstanceState::Failed(why));
    }

    fn end_is_expected(&self) -> bool {
        *self.wanted.borrow() != Wanted::Policy
    }

    /// Waits until the instance serves, as another process than `not` if that
    /// is given: a process that was just killed may not be known to be gone.
    ///
    /// # Errors
    /// It failed for good, or the deadline passed; in words.
    pub async fn wait_until_ready(
        &self,
        not: Option<ProcessIdentity>,
        within: Duration,
    ) -> Result<ProcessIdentity, String> {
        let mut states = self.state.subscribe();
        let ready = async {
            loop {
                match &*states.borrow_and_update() {
                    InstanceState::Ready(origin) if Some(origin.root) != not => {
                        return Ok(origin.root);
                    }
                    InstanceState::Failed(why) => return Err(why.clone()),
                    InstanceState::Down | InstanceState::Starting(_) | InstanceState::Ready(_) => {}
                }
                if states.changed().await.is_err() {
                    return Err("its supervisor has ended".to_owned());
                }
            }
        };
        match tokio::time::timeout(within, ready).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(format!("it was not ready within {within:?}")),
        }
    }
}

/// What a supervisor needs.
#[derive(Debug, Clone)]
pub(super) struct Supervision {
    pub(super) guardian: GuardianClient,
    pub(super) hub: EventHub,
    pub(super) client: reqwest::Client,
    /// Where processes run: the folder of the file that describes them.
    pub(super) cwd: Option<PathBuf>,
    pub(super) stop: CancellationToken,
}

impl Supervision {
    /// Starts the instance and keeps its restart policy until the run stops.
    pub(super) async fn supervise(self, instance: Arc<Instance>) {
        let mut exits = self.guardian.exits();
        let mut brake = Brake::default();
        loop {
            let started = Instant::now();
            if !self.start(&instance, &mut exits).await {
                return;
            }
            let end = tokio::select! {
                () = self.stop.cancelled() => return,
                end = next_exit(&mut exits, &instance) => end,
            };
            // Without a guardian nobody knows what became of the process.
            let Some(end) = end else {
                return instance.lost_its_guardian();
            };
            instance.state.send_replace(InstanceState::Down);
            let expected = instance.end_is_expected();
            let status = describe(end);
            self.tell(&instance, ProcessChange::Exited { status, expected })
                .await;
            let policy = self.braked(&instance, &mut brake, started.elapsed()).await;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.guardian.gone() => return instance.lost_its_guardian(),
                again = wait_for_restart(&instance, policy) => if !again {
                    let why = "it ended and its restart policy is `never`".to_owned();
                    instance.state.send_replace(InstanceState::Failed(why));
                    // A fault that ends it later cannot bring it back either.
                    return;
                },
            }
            instance.wanted.send_replace(Wanted::Policy);
            self.tell(&instance, ProcessChange::Restarting).await;
        }
    }

    /// The restart policy, with a longer pause for one that cannot live; told
    /// when it begins, as the run goes otherwise than the file says.
    async fn braked(&self, instance: &Instance, brake: &mut Brake, lived: Duration) -> Restart {
        let Restart::After(asked) = instance.process.restart else {
            return Restart::Never;
        };
        // What a fault ended says nothing about the process.
        if instance.end_is_expected() {
            return Restart::After(asked);
        }
        let pause = brake.pause(lived, asked);
        if pause > asked {
            let text = format!(
                "{} ends as soon as it is started; it is started again in {}",
                instance.name,
                squall_scenario::format_duration(pause)
            );
            self.hub.emit(RunEvent::Note { text }).await;
        }
        Restart::After(pause)
    }

    /// Spawns and probes; whether the process is running afterwards.
    async fn start(&self, instance: &Instance, exits: &mut broadcast::Receiver<Exited>) -> bool {
        let request = SpawnRequest {
            key: instance.name.clone(),
            argv: instance.argv.clone(),
            env: instance.env.clone(),
            cwd: self.cwd.clone(),
            log_path: instance.log_path.clone(),
        };
        // From before the start on: some end before anybody has looked.
        let mut own_exits = exits.resubscribe();
        // What a guardian starts after that ends with the guardian.
        let spawning = self.stop.run_until_cancelled(self.guardian.spawn(request));
        let Some(spawned) = spawning.await else {
            return true;
        };
        let spawned = match spawned {
            Ok(spawned) => spawned,
            Err(error) => {
                instance
                    .state
                    .send_replace(InstanceState::Failed(error.to_string()));
                return false;
            }
        };
        let origin = Origin {
            root: spawned.identity,
            mark: spawned.mark,
        };
        instance
            .state
            .send_replace(InstanceState::Starting(origin.clone()));
        self.tell(
            instance,
            ProcessChange::Started {
                pid: spawned.identity.pid,
            },
        )
        .await;
        let (ready, address) = (&instance.process.ready, instance.address());
        let probe = wait_ready(ready, address, &origin, &self.client);
        let mut ended = true;
        let seen = tokio::select! {
            () = self.stop.cancelled() => return true,
            seen = probe => seen.map_err(|seen| {
                ended = false;
                let within = squall_scenario::format_duration(instance.process.ready.within());
                format!("{} was not ready within {within}: {seen}", instance.name)
            }),
            end = next_exit(&mut own_exits, instance) => {
                let end = end.map_or_else(|| "its guardian is gone".to_owned(), describe);
                let mut why = format!("{} ended before it was ready: {end}", instance.name);
                // Often the reason: the address is in use.
                if let Listens::Stranger(who) = port_holder::look(address, &origin).await {
                    why.push_str("; ");
                    why.push_str(&who);
                }
                Err(why)
            }
        };
        match seen {
            Ok(unseen) => {
                if let Some(why) = unseen {
                    let text = format!("{} answers, but {why}", instance.name);
                    self.hub.emit(RunEvent::Note { text }).await;
                }
                // Told before it is seen: whoever waits for the state finds
                // the event in the record.
                self.tell(instance, ProcessChange::Ready).await;
                instance.served.store(true, Ordering::SeqCst);
                instance.state.send_replace(InstanceState::Ready(origin));
                true
            }
            Err(_) if instance.end_is_expected() => true,
            // One that served before may fail to start until what it depends
            // on is back: that is for its restart policy.
            Err(_) if ended && instance.served.load(Ordering::SeqCst) => true,
            Err(mut why) => {
                if let Some(output) = last_output(&instance.log_path) {
                    why.push_str("; its last output: ");
                    why.push_str(&output);
                }
                instance.state.send_replace(InstanceState::Failed(why));
                false
            }
        }
    }

    async fn tell(&self, instance: &Instance, change: ProcessChange) {
        let event = RunEvent::Process {
            process: instance.process.name.clone(),
            instance: instance.name.clone(),
            change,
        };
        self.hub.emit(event).await;
    }
}

/// Waits until the process should be started again; `false` means never.
async fn wait_for_restart(instance: &Instance, policy: Restart) -> bool {
    let mut wanted = instance.wanted.subscribe();
    let now = *wanted.borrow();
    match (now, policy) {
        (Wanted::Down | Wanted::Back, _) => {
            // Never an error: the instance owns the sender.
            let _ = wanted.wait_for(|wanted| *wanted == Wanted::Back).await;
            true
        }
        (_, Restart::After(pause)) => {
            tokio::time::sleep(pause).await;
            true
        }
        (_, Restart::Never) => false,
    }
}

/// The next end of this instance; `None` when the guardian is gone.
async fn next_exit(
    exits: &mut broadcast::Receiver<Exited>,
    instance: &Instance,
) -> Option<ExitStatus> {
    loop {
        match exits.recv().await {
            Ok(exited) if exited.key == instance.name => return Some(exited.status),
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exit {code}"),
        ExitStatus::Signal(signal) => format!("signal {signal}"),
    }
}

/// The last lines of a process's output as one line, `None` without any.
/// Control characters are escaped: what a system under test writes must not
/// reach a terminal as it is.
fn last_output(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(OUTPUT_BYTES_MAX)))
        .ok()?;
    let mut bytes = Vec::new();
    file.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines.len().saturating_sub(OUTPUT_LINES_MAX);
    let last: Vec<String> = lines[last..].iter().map(|line| printable(line)).collect();
    (!last.is_empty()).then(|| last.join(" | "))
}

fn printable(line: &str) -> String {
    let mut text = String::new();
    for character in line.chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_output_is_one_harmless_line() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("api-0.log");
        assert_eq!(last_output(&log), None);
        std::fs::write(&log, "\n  \n").unwrap();
        assert_eq!(last_output(&log), None);
        let early = "early\n".repeat(10_000);
        std::fs::write(&log, format!("{early}a\n\n\u{1b}[2Jb\nc\nd\nlast")).unwrap();
        let expected = "a | \\u{1b}[2Jb | c | d | last";
        assert_eq!(last_output(&log).as_deref(), Some(expected));
    }
}
