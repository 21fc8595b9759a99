//! The system under test: its processes, its links, its addresses.

pub(crate) mod answer;
mod brake;
mod breakers;
mod certificates;
mod descriptors;
pub(crate) mod exposition;
mod instance;
pub(crate) mod log_lines;
mod member;
mod names;
mod port_holder;
mod ports;
mod prepare;
mod ready;
mod resolver;
mod resources;
mod stand_alone;
mod supervision;
mod switches;
mod target;
mod variables;
mod wall_clock;

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use squall_faults::existing::NotFound;
use squall_faults::guardian::{GuardianClient, LeftOut};
use squall_faults::{Proxy, Resolver, ScopeKey};
use squall_record::RunEvent;
use squall_scenario::{FaultTarget, System};
use tokio_util::sync::CancellationToken;

pub use breakers::{BREAKERS_EVERY, HystrixCommand, HystrixStream, LineTooLong, watch_breakers};
pub(crate) use descriptors::{raise_descriptor_limit, watch_links, watch_wants};
pub use instance::{Instance, InstanceState};
pub use member::Member;
pub(crate) use member::find;
pub(crate) use port_holder::Listens;
pub use resources::watch_resources;
pub use stand_alone::StandAlone;
pub(crate) use target::look_up;
pub use variables::Variables;
pub use wall_clock::watch_wall_clock;

use crate::hub::EventHub;
use descriptors::link_limit;
use prepare::{base_variables, prepare_instances, resolve_command, start_links};
use resolver::Lookups;
use supervision::Supervision;
use target::CONNECT_MAX;

/// The value that requests carry as their scope: all that the scenario allows.
pub(crate) const RUN_SCOPE: &str = "run.scope";

/// What is needed to start a system.
#[derive(Debug, Clone)]
pub struct StartSystem {
    /// Its description, settings applied.
    pub system: System,
    /// Where processes run: the folder of the file that describes them, or
    /// squall's own.
    pub cwd: Option<PathBuf>,
    /// Value of `$squall`.
    pub squall_exe: PathBuf,
    /// Value of `$seed`.
    pub seed: u64,
    /// Value of `$run.dir`: data of processes go below it.
    pub data_dir: PathBuf,
    /// Where the output of processes goes.
    pub log_dir: PathBuf,
    /// Most requests that the load has in flight: it needs descriptors as
    /// links do.
    pub in_flight_max: u32,
    /// Hosts that links may lead to although they are not on this machine.
    pub allowed_hosts: Vec<String>,
    /// What faults on calls over HTTP/2 are aimed at: its links follow calls from
    /// the first byte on.
    pub calls_into: Vec<FaultTarget>,
}

/// Why a system is not there.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A process did not become ready.
    #[error("{0}")]
    NotReady(String),
    /// A placeholder in a command, an environment or a link has no value.
    #[error("{place}: {source}")]
    Variable {
        /// Where it stands.
        place: String,
        /// The placeholder.
        source: squall_scenario::UnknownVariable,
    },
    /// A link has no valid address.
    #[error("link `{link}`: {text:?} is not an address on this machine such as 127.0.0.1:9001")]
    LinkAddress {
        /// The link.
        link: String,
        /// The text.
        text: String,
    },
    /// A link cannot listen.
    #[error(
        "link `{link}` cannot listen on {address}: {source}{}",
        holder.as_ref().map_or_else(String::new, |who| format!(
            "; {who} listens there: end it, or write another port after `listen`"
        ))
    )]
    Listen {
        /// The link.
        link: String,
        /// The address.
        address: SocketAddr,
        /// The process that listens there, if it could be found.
        holder: Option<String>,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// A name has no valid address.
    #[error("name `{name}`: {text:?} is not an address on this machine such as 127.0.0.1:9001")]
    NameAddress {
        /// The name.
        name: String,
        /// The text.
        text: String,
    },
    /// Names cannot be answered.
    #[error(transparent)]
    Resolver(#[from] squall_faults::ResolverError),
    /// Processes cannot be made to ask the resolver.
    #[error(transparent)]
    NoOverlay(#[from] squall_faults::NoOverlay),
    /// There are no certificates for links that speak TLS.
    #[error(transparent)]
    NoCertificate(#[from] squall_faults::NoCertificate),
    /// A process that squall did not start is not there.
    #[error("existing `{name}`: {source}")]
    NotFound {
        /// Its name in the file.
        name: String,
        /// Why nothing was found.
        source: NotFound,
    },
    /// A link leads to another machine.
    #[error(
        "link `{link}` leads to {host}, which is not this machine; if it is yours, \
         pass `--allow-remote {host}`"
    )]
    Remote {
        /// The link.
        link: String,
        /// Where it leads.
        host: String,
    },
    /// A name leads to another machine.
    #[error(
        "name `{name}` leads to {host}, which is not this machine; if it is yours, \
         pass `--allow-remote {host}`"
    )]
    RemoteName {
        /// The name.
        name: String,
        /// Where it leads.
        host: String,
    },
    /// There is no key for scopes of faults.
    #[error(transparent)]
    NoScopeKey(#[from] squall_faults::NoScopeKey),
    /// No ports, no folder.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// A running system.
#[derive(Debug)]
pub struct RunningSystem {
    system: System,
    instances: Vec<Arc<Instance>>,
    links: Vec<Proxy>,
    /// Whom processes ask for names, where the system has any.
    resolver: Option<Resolver>,
    variables: Variables,
    scopes: ScopeKey,
    supervision: Supervision,
    supervisors: tokio_util::task::TaskTracker,
}

/// A system that is dropped while it starts must not start anything again.
impl Drop for RunningSystem {
    fn drop(&mut self) {
        self.supervision.stop.cancel();
    }
}

impl RunningSystem {
    /// Starts everything in the order of the file; each process is ready
    /// before the next one is started.
    ///
    /// # Errors
    /// See [`SystemError`]. What was started is ended with the guardian.
    pub async fn start(
        request: &StartSystem,
        guardian: GuardianClient,
        hub: EventHub,
    ) -> Result<Self, SystemError> {
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        let made = private.create(&request.log_dir);
        made.map_err(|source| SystemError::Io {
            doing: "creating the log folder",
            source,
        })?;
        let made = private.create(switches::folder(request));
        made.map_err(|source| SystemError::Io {
            doing: "creating the folder of switches",
            source,
        })?;
        let client = control_client()?;
        let limit = link_limit(&request.system, request.in_flight_max);
        let mut instances = prepare_instances(request, &limit)?;
        let scopes = ScopeKey::generate()?;
        let mut variables = base_variables(request, &instances, &scopes);
        let links = start_links(request, &instances, &mut variables, &limit)?;
        let lookups = Lookups::start(request, &instances, &links, &mut variables).await?;
        for instance in &mut instances {
            let to_it = |link: &&Proxy| link.upstream() == instance.address();
            instance.named_links = links.iter().filter(to_it).cloned().collect();
            resolve_command(instance, &variables)?;
            instance.laid_over.clone_from(&lookups.laid_over);
        }
        let running = Self {
            system: request.system.clone(),
            instances: instances.into_iter().map(Arc::new).collect(),
            links,
            resolver: lookups.resolver,
            variables,
            scopes,
            supervision: Supervision {
                guardian,
                hub,
                client,
                cwd: request.cwd.clone(),
                stop: CancellationToken::new(),
            },
            supervisors: tokio_util::task::TaskTracker::new(),
        };
        for target in &request.calls_into {
            let members = running.members_with_repeats(target);
            members
                .iter()
                .filter_map(Member::proxy)
                .for_each(Proxy::follow_calls);
        }
        running.announce_existing().await?;
        running.announce_links().await;
        running.follow_links().await;
        running.start_processes().await?;
        Ok(running)
    }

    async fn start_processes(&self) -> Result<(), SystemError> {
        for process in &self.system.processes {
            let of_process: Vec<_> = self.instances_of(&process.name).cloned().collect();
            for instance in &of_process {
                let supervise = self.supervision.clone().supervise(Arc::clone(instance));
                self.supervisors.spawn(supervise);
            }
            // The probe has its own deadline; the margin is for the spawn.
            let within = process.ready.within() + Duration::from_secs(5);
            for instance in &of_process {
                instance
                    .wait_until_ready(None, within)
                    .await
                    .map_err(SystemError::NotReady)?;
            }
        }
        Ok(())
    }

    /// Says who is meant by what squall did not start.
    async fn announce_existing(&self) -> Result<(), SystemError> {
        for existing in &self.system.existing {
            let found = find(existing)
                .await
                .map_err(|source| SystemError::NotFound {
                    name: existing.name.clone(),
                    source,
                })?;
            let each = found
                .iter()
                .map(|found| format!("pid {} ({})", found.identity.pid, found.command));
            let each = each.collect::<Vec<_>>().join(", ");
            let text = format!("existing `{}` is {each}", existing.name);
            self.supervision.hub.emit(RunEvent::Note { text }).await;
        }
        Ok(())
    }

    async fn announce_links(&self) {
        for proxy in self.proxies() {
            let event = RunEvent::LinkUp {
                link: proxy.name().to_owned(),
                listen: proxy.address().to_string(),
                to: proxy.upstream().to_string(),
            };
            self.supervision.hub.emit(event).await;
        }
    }

    /// Links to what squall did not start listen if that does; those of
    /// processes follow when they are started.
    async fn follow_links(&self) {
        let own = |link: &&Proxy| {
            let mut addresses = self.instances.iter().map(|instance| instance.address());
            addresses.any(|address| address == link.upstream())
        };
        let outward: Vec<&Proxy> = self.links.iter().filter(|link| !own(link)).collect();
        outward.iter().for_each(|link| link.follow());
        for link in outward {
            link.decided(CONNECT_MAX).await;
        }
    }

    /// Every proxy: links and inbound links.
    pub(crate) fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.links
            .iter()
            .chain(self.instances.iter().filter_map(|i| i.proxy.as_ref()))
    }

    /// All instances, in the order they were started.
    #[must_use]
    pub fn instances(&self) -> &[Arc<Instance>] {
        &self.instances
    }

    /// The instances of a process.
    pub fn instances_of<'s>(&'s self, process: &'s str) -> impl Iterator<Item = &'s Arc<Instance>> {
        self.instances
            .iter()
            .filter(move |instance| instance.process.name == process)
    }

    /// The description it was started from.
    #[must_use]
    pub const fn description(&self) -> &System {
        &self.system
    }

    /// Values of `$name`.
    #[must_use]
    pub const fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The key by which scopes of faults are signed in this run.
    #[must_use]
    pub(crate) const fn scopes(&self) -> &ScopeKey {
        &self.scopes
    }

    /// The instances and links a fault's target names, without `any`.
    #[must_use]
    pub fn members(&self, target: &FaultTarget) -> Vec<Member> {
        let mut members = self.members_with_repeats(target);
        let mut seen = std::collections::BTreeSet::new();
        members.retain(|member| seen.insert(member.name().to_owned()));
        members
    }

    /// A group may name a process and one of its instances.
    fn members_with_repeats(&self, target: &FaultTarget) -> Vec<Member> {
        match target {
            FaultTarget::Process(name) => self
                .instances_of(name)
                .cloned()
                .map(Member::Instance)
                .collect(),
            FaultTarget::Instance { process, index } => {
                let name = format!("{process}-{index}");
                let found = self.instances.iter().find(|instance| instance.name == name);
                found.cloned().map(Member::Instance).into_iter().collect()
            }
            FaultTarget::Existing(name) => {
                let existing = self.system.existing.iter();
                let named = existing.filter(|existing| existing.name == *name);
                named.cloned().map(Member::Existing).collect()
            }
            FaultTarget::Link(name) => {
                let found = self.links.iter().find(|proxy| proxy.name() == name);
                found.cloned().map(Member::Link).into_iter().collect()
            }
            FaultTarget::Group(name) => {
                let members = self.system.groups.iter().find(|(group, _)| group == name);
                members
                    .iter()
                    .flat_map(|(_, all)| all)
                    .flat_map(|m| self.members(m))
                    .collect()
            }
            FaultTarget::Name(name) => {
                let resolver = self.resolver.clone();
                let member = resolver.map(|resolver| Member::Name {
                    name: name.clone(),
                    resolver,
                });
                member.into_iter().collect()
            }
            FaultTarget::Any { of, .. } => self.members_with_repeats(of),
        }
    }

    /// The guardian that owns the processes.
    #[must_use]
    pub const fn guardian(&self) -> &GuardianClient {
        &self.supervision.guardian
    }

    /// Stops supervision, so that nothing is started again, then ends every
    /// process and closes every link.
    ///
    /// # Errors
    /// What is left, in words.
    pub async fn stop(&self) -> Result<String, String> {
        self.supervision.stop.cancel();
        self.supervisors.close();
        self.supervisors.wait().await;
        let own: Vec<(String, Duration)> = self
            .instances
            .iter()
            .map(|instance| (instance.name.clone(), instance.process.stop.grace))
            .collect();
        // What left its group belongs to nobody, and has the longest.
        let longest = own.iter().map(|(_, grace)| *grace).max();
        let longest = longest.unwrap_or_default();
        let mut ended = self.guardian().shutdown_each(longest, &own).await;
        for proxy in self.proxies() {
            proxy.shutdown().await;
        }
        if let Some(resolver) = &self.resolver {
            resolver.shutdown().await;
        }
        if ended.is_err() {
            // Links hold descriptors that squall may have lacked.
            ended = self.guardian().shutdown_each(longest, &own).await;
        }
        let report =
            ended.map_err(|error| format!("the guardian did not end the processes: {error}"))?;
        for left_out in &report.left_out {
            let text = say_left_out(left_out);
            self.supervision.hub.emit(RunEvent::Note { text }).await;
        }
        switches::remove(&self.instances).await;
        if report.left.is_empty() {
            Ok(format!(
                "{} processes ended, {} killed",
                report.ended, report.killed
            ))
        } else {
            Err(format!(
                "these processes are left: {:?}; end them with `kill -9`",
                report.left
            ))
        }
    }
}

fn say_left_out(LeftOut { log, bytes }: &LeftOut) -> String {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let mebibytes = *bytes as f64 / f64::from(1 << 20);
    format!(
        "{mebibytes:.1} MiB of output are left out of logs/{name}, which keeps the beginning \
         and the end; `keep_output` of the process says how much"
    )
}

/// The client for probes and streams: short connects.
pub(crate) fn control_client() -> Result<reqwest::Client, SystemError> {
    answer::client()
        .connect_timeout(Duration::from_secs(1))
        .build()
        .map_err(|error| SystemError::Io {
            doing: "preparing the control client",
            source: std::io::Error::other(error),
        })
}
