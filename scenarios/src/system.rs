//! What is under test: processes, links between them, and how to read them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::FaultTarget;
use crate::probe::Probe;
use crate::template::Template;
use crate::units::ByteCount;

/// A system file, or the same keys written inside a scenario.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct System {
    /// Processes in the order they are started.
    pub processes: Vec<Process>,
    /// Processes that squall did not start.
    #[serde(default)]
    pub existing: Vec<Existing>,
    /// Named TCP routes the proxy owns.
    pub links: Vec<Link>,
    /// Values handed to processes as `$settings.NAME`.
    pub settings: Vec<Setting>,
    /// Where breaker states are read.
    pub breakers: Vec<(String, BreakerSource)>,
    /// Names for sets of processes and instances.
    pub groups: Vec<(String, Vec<FaultTarget>)>,
    /// Where the load goes.
    pub target: Option<LoadTarget>,
    /// What is read beside the load.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// Names that the run's resolver answers, with the address behind each. With
    /// any of them, processes ask that resolver and no other.
    #[serde(default)]
    pub names: Vec<(String, Template)>,
}

impl System {
    /// The process of that name.
    #[must_use]
    pub fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }

    /// The value of a setting.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|setting| setting.name == name)
            .map(|s| s.value.as_str())
    }

    /// How many instances of a process run under the current settings. A
    /// setting that is no number was refused by the parser and counts as 1.
    #[must_use]
    pub fn instances(&self, process: &Process) -> u32 {
        match &process.instances {
            Count::Fixed(count) => *count,
            Count::Setting(name) => self
                .setting(name)
                .and_then(|value| value.parse().ok())
                .unwrap_or(1),
        }
    }

    /// The processes, instances and links behind a target: a group gives its
    /// members, `any 1 of` what it chooses from, everything else itself.
    #[must_use]
    pub fn parts<'t>(&'t self, target: &'t FaultTarget) -> Vec<&'t FaultTarget> {
        match target {
            FaultTarget::Any { of, .. } => self.parts(of),
            FaultTarget::Group(name) => self
                .groups
                .iter()
                .filter(|(group, _)| group == name)
                .flat_map(|(_, members)| members)
                // Groups hold no groups, so this ends; the filter keeps a
                // broken model from recursing for ever.
                .filter(|member| !matches!(member, FaultTarget::Group(_)))
                .flat_map(|member| self.parts(member))
                .collect(),
            FaultTarget::Process(_)
            | FaultTarget::Instance { .. }
            | FaultTarget::Existing(_)
            | FaultTarget::Link(_)
            | FaultTarget::Name(_) => vec![target],
        }
    }

    /// The processes that a fault is aimed at and squall did not start.
    #[must_use]
    pub fn existing_of(&self, target: &FaultTarget) -> Vec<&Existing> {
        let parts = self.parts(target);
        let named = |existing: &&Existing| {
            let is_it = |part: &&FaultTarget| matches!(part, FaultTarget::Existing(name) if *name == existing.name);
            parts.iter().any(is_it)
        };
        self.existing.iter().filter(named).collect()
    }

    /// The processes of squall's that a fault is aimed at.
    #[must_use]
    pub fn processes_of<'t>(&'t self, target: &'t FaultTarget) -> Vec<&'t str> {
        let parts = self.parts(target).into_iter();
        parts
            .filter_map(|part| match part {
                FaultTarget::Process(name) | FaultTarget::Instance { process: name, .. } => {
                    Some(name.as_str())
                }
                FaultTarget::Link(_)
                | FaultTarget::Existing(_)
                | FaultTarget::Group(_)
                | FaultTarget::Name(_)
                | FaultTarget::Any { .. } => None,
            })
            .collect()
    }

    /// The instances and links that a fault may act on.
    #[must_use]
    pub fn units(&self, target: &FaultTarget) -> Vec<String> {
        let parts = self.parts(target).into_iter();
        parts
            .flat_map(|part| match part {
                FaultTarget::Process(name) => {
                    let count = self
                        .process(name)
                        .map_or(0, |process| self.instances(process));
                    (0..count).map(|index| format!("{name}-{index}")).collect()
                }
                FaultTarget::Instance { process, index } => vec![format!("{process}-{index}")],
                FaultTarget::Link(name) | FaultTarget::Existing(name) | FaultTarget::Name(name) => {
                    vec![name.clone()]
                }
                FaultTarget::Any { .. } | FaultTarget::Group(_) => Vec::new(),
            })
            .collect()
    }
}

/// A process and how to live with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Name; instances are `NAME-0`, `NAME-1`, …, or just `NAME` as well
    /// where there is exactly one.
    pub name: String,
    /// Program and arguments. `$squall` is squall's own executable.
    pub command: Vec<Template>,
    /// How many run.
    pub instances: Count,
    /// Additional environment.
    pub env: Vec<(String, Template)>,
    /// How to tell that it serves.
    pub ready: Ready,
    /// What happens when it ends by itself or is killed.
    pub restart: Restart,
    /// Whether a link of the fault proxy stands in front of each instance.
    pub inbound_link: bool,
    /// How it is ended.
    pub stop: Stop,
    /// How much of an instance's output is kept, half from its beginning and
    /// half from its end.
    #[serde(default = "keep_output")]
    pub keep_output: ByteCount,
}

/// What is kept of an instance's output where the file does not say.
#[must_use]
pub const fn keep_output() -> ByteCount {
    ByteCount(16 << 20)
}

/// A process that squall did not start, and what people know it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Existing {
    /// Its name in this file.
    pub name: String,
    /// How it is found.
    pub find: Find,
}

/// How a process is found that squall did not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Find {
    /// By the number in a file.
    PidFile(String),
    /// By the systemd unit it belongs to: everything in its control group.
    Unit(String),
    /// By a regular expression that its command line matches.
    Command(String),
    /// By the TCP port it listens on.
    Port(u16),
    /// By its name in a system that another squall has started: `catalog-0`.
    Instance(String),
}

impl fmt::Display for Find {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PidFile(path) => write!(f, "pid file {path}"),
            Self::Unit(unit) => write!(f, "unit {unit}"),
            Self::Command(pattern) => write!(f, "command {pattern}"),
            Self::Port(port) => write!(f, "port {port}"),
            Self::Instance(name) => write!(f, "instance {name}"),
        }
    }
}

/// A number of instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Count {
    /// Always the same.
    Fixed(u32),
    /// The value of the setting of this name: `instances: $settings.replicas`.
    Setting(String),
}

/// The condition for "it serves", with its deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ready {
    /// An HTTP GET answers with this status.
    Http {
        /// Path, asked at the process's own port; starts with `/`.
        path: String,
        /// Expected status.
        status: u16,
        /// Deadline.
        within: Duration,
    },
    /// Its port accepts connections.
    Tcp {
        /// Deadline.
        within: Duration,
    },
}

impl Ready {
    /// The deadline.
    #[must_use]
    pub const fn within(&self) -> Duration {
        match self {
            Self::Http { within, .. } | Self::Tcp { within } => *within,
        }
    }
}

/// What happens when a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Restart {
    /// It stays down.
    #[default]
    Never,
    /// It is started again this long after its end.
    After(Duration),
}

/// How a process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// How long it may take after SIGTERM before SIGKILL.
    pub grace: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(3),
        }
    }
}

/// A named TCP route: callers connect to its address, the proxy connects to
/// `to`, and faults act in between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Name; `$links.NAME` is the address callers use.
    pub name: String,
    /// Address to listen on; allocated on loopback when absent.
    pub listen: Option<String>,
    /// Where connections go: `host:port`, `$processes.NAME.address` or `NAME`.
    pub to: Template,
    /// Whether it speaks TLS with its callers, by a certificate of the run's own
    /// authority (`$run.ca`), and what it speaks with the target then.
    #[serde(default)]
    pub tls: Option<TlsTo>,
}

/// What a link that speaks TLS with its callers speaks with its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsTo {
    /// Plain bytes.
    Plain,
    /// TLS as well; whose certificate the target has is not looked at.
    Tls,
}

/// A named value processes are started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Name.
    pub name: String,
    /// Value; `--set` and a variant's `with` override it.
    pub value: String,
}

/// Where the state of a breaker is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BreakerSource {
    /// A Hystrix event stream of every instance of a process.
    HystrixStream {
        /// The process.
        of: String,
        /// Path of the stream.
        path: String,
        /// Name of the command in the stream.
        command: String,
    },
    /// A metric in the exposition text of every instance of a process: the
    /// series whose `state` label names the state has the value 1
    /// (resilience4j), or 0 is closed and anything else open (Envoy).
    Metrics {
        /// The process.
        of: String,
        /// Path of the exposition.
        path: String,
        /// Name of the metric.
        name: String,
        /// Labels that the series must have.
        labels: Vec<(String, String)>,
    },
    /// Lines in the output of every instance of a process.
    Log {
        /// The process.
        of: String,
        /// A line that matches says that the breaker is open now.
        open: String,
        /// A line that matches says that it is closed now.
        closed: String,
        /// A line that matches says that it is half-open now.
        half_open: Option<String>,
        /// Whether it counts as closed until a line says otherwise; without
        /// that nothing is known of it until a line matches.
        #[serde(default)]
        starts_closed: bool,
    },
}

impl BreakerSource {
    /// The process whose instances have the breaker.
    #[must_use]
    pub fn of(&self) -> &str {
        match self {
            Self::HystrixStream { of, .. } | Self::Metrics { of, .. } | Self::Log { of, .. } => of,
        }
    }
}

/// Where the load goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LoadTarget {
    /// Every instance of a process in turn. A client that cannot connect to
    /// one tries the next, as a client does with a name that has several
    /// addresses.
    Process(String),
    /// A base URL, `http://host:port`, possibly with placeholders.
    Url(Template),
}
