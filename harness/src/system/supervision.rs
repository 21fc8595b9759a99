//! The life of an instance: started, watched, started again.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use squall_faults::guardian::{ExitStatus, Exited, GuardianClient, SpawnRequest, Spawned};
use squall_faults::{Origin, Proxy};
use squall_record::{ProcessChange, RunEvent};
use squall_scenario::Restart;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::brake::Brake;
use super::instance::{Instance, InstanceState, Wanted};
use super::port_holder::Listens;
use super::ready::wait_ready;
use crate::hub::EventHub;

/// How long the link of an instance that listens may take to do so too.
const LINK_OPENS_WITHIN: Duration = Duration::from_secs(1);
/// How much of a process's output is quoted when it does not get ready.
const OUTPUT_BYTES_MAX: u64 = 2048;
const OUTPUT_LINES_MAX: usize = 5;

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
            let status = describe(end);
            let who = instance.identity().map(|who| (who, status.clone()));
            instance.last_end.send_replace(who);
            instance.links().for_each(Proxy::close);
            instance.state.send_replace(InstanceState::Down);
            let expected = instance.end_is_expected();
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
        // From before the start on: some end before anybody has looked.
        let mut own_exits = exits.resubscribe();
        // What a guardian starts after that ends with the guardian.
        let spawning = self.stop.run_until_cancelled(self.spawn(instance));
        let spawned = match spawning.await {
            None => return true,
            Some(Ok(spawned)) => spawned,
            Some(Err(why)) => {
                instance.state.send_replace(InstanceState::Failed(why));
                return false;
            }
        };
        let pid = spawned.identity.pid;
        let origin = Origin {
            root: spawned.identity,
            mark: spawned.mark,
        };
        instance
            .state
            .send_replace(InstanceState::Starting(origin.clone()));
        instance.links().for_each(Proxy::follow);
        self.tell(instance, ProcessChange::Started { pid }).await;
        let probing = self.probe(instance, &origin, &mut own_exits);
        let Some(seen) = self.stop.run_until_cancelled(probing).await else {
            return true;
        };
        match seen {
            Ok(unseen) => {
                // Whoever waits for it connects to its link.
                for link in instance.links() {
                    link.follow();
                    link.listens(LINK_OPENS_WITHIN).await;
                }
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
            Err(NotReady { ended: true, .. }) if instance.served.load(Ordering::SeqCst) => true,
            Err(NotReady { mut why, .. }) => {
                if let Some(output) = last_output(&instance.log_path) {
                    why.push_str("; its last output: ");
                    why.push_str(&output);
                }
                instance.state.send_replace(InstanceState::Failed(why));
                false
            }
        }
    }

    async fn spawn(&self, instance: &Instance) -> Result<Spawned, String> {
        let request = SpawnRequest {
            key: instance.name.clone(),
            argv: instance.argv.clone(),
            env: instance.env.clone(),
            cwd: self.cwd.clone(),
            log_path: instance.log_path.clone(),
            keep_bytes: instance.process.keep_output.0,
            laid_over: instance.laid_over.clone(),
        };
        let spawned = self.guardian.spawn(request).await;
        spawned.map_err(|error| error.to_string())
    }

    /// Waits until it serves; what cannot be seen of that, in words.
    async fn probe(
        &self,
        instance: &Instance,
        origin: &Origin,
        exits: &mut broadcast::Receiver<Exited>,
    ) -> Result<Option<String>, NotReady> {
        let ready = &instance.process.ready;
        tokio::select! {
            seen = wait_ready(ready, instance.address(), origin, &self.client) => {
                seen.map_err(|seen| {
                    let within = squall_scenario::format_duration(ready.within());
                    let why = format!("{} was not ready within {within}: {seen}", instance.name);
                    NotReady { why, ended: false }
                })
            }
            end = next_exit(exits, instance) => {
                let end = end.map_or_else(|| "its guardian is gone".to_owned(), describe);
                let mut why = format!("{} ended before it was ready: {end}", instance.name);
                // Often the reason: the address is in use.
                if let Listens::Stranger(who) = instance.listens(origin).await {
                    why.push_str("; ");
                    why.push_str(&who);
                }
                Err(NotReady { why, ended: true })
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

/// Why an instance does not serve.
struct NotReady {
    why: String,
    /// Whether its process has ended.
    ended: bool,
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
