//! What is injected: the faults there are, by the surface they act on.
//!
//! A kind of fault has one file here that says all there is to know about it,
//! and a row in the list of its surface. Whoever has to tell kinds apart does so
//! per surface, with one arm for each.

mod accept_reset;
mod bandwidth;
mod connection_limit;
mod corrupt;
mod cpu;
mod cpu_burn;
mod cut;
mod delay;
mod direction;
mod disk;
mod dns;
mod done;
mod freeze;
mod http;
mod in_process;
mod kill;
mod kind;
mod limit;
mod limit_data;
mod loss;
mod memory;
mod memory_pressure;
mod monkey;
mod on_bytes;
mod on_http;
mod on_network;
mod on_resource;
mod packets;
mod partition;
mod pause;
mod rate;
mod refuse;
mod reject;
mod reset;
mod slicer;
mod slow_close;
mod slow_connect;
mod spread;
mod stall;
mod surface;
mod timeout;
mod tls;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use connection_limit::Beyond;
pub use cpu::Cpu;
pub use cpu_burn::CpuBurn;
pub use direction::Direction;
pub use disk::Disk;
pub use dns::{Dns, DnsAnswer};
pub use done::BytesDone;
pub use freeze::Freeze;
pub use http::{
    Answer, GrpcAnswer, GrpcStatus, Http, HttpAction, HttpDone, Matching, Message, Part,
    SCOPE_HEADER,
};
pub use in_process::{CallsDone, InProcess, InsideDoes};
pub use kill::{Kill, Signal};
pub use kind::{About, Absent, Given, Group, Mistake, Parameter, ParameterKind, Problem, Value};
pub use limit::Limit;
pub use loss::Loss;
pub use memory::Memory;
pub use memory_pressure::MemoryPressure;
pub use monkey::Monkey;
pub use on_http::OnHttp;
pub use on_network::OnNetwork;
pub use on_resource::OnResource;
pub use packets::Packets;
pub use partition::Partition;
pub use pause::Pause;
pub use rate::Rate;
pub use reject::Reject;
pub use reset::Meanwhile;
pub use spread::Spread;
pub use surface::Surface;
pub use tls::{Tls, TlsDone, TlsShows};

use kind::Kind;
use on_bytes::OnBytesKind;

/// A built-in fault with its parameters, by the surface it acts on. Externally
/// tagged in files: `inject: { delay: { by: 5s } }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a fault that this version of squall knows")]
pub enum Inject {
    /// On the bytes of links.
    Bytes(OnBytes),
    /// On the TLS of links.
    Tls(OnTls),
    /// On the HTTP of links.
    Http(OnHttp),
    /// On processes.
    Process(OnProcess),
    /// On the network.
    Network(OnNetwork),
    /// On what processes have.
    Resource(OnResource),
    /// On calls inside processes.
    InProcess(OnInProcess),
}

/// Hands the list of faults on bytes to the macro `$then`: each with the name of
/// its type and of its file. Behind the semicolon are those that act on
/// connections before their first byte.
#[macro_export]
macro_rules! faults_on_bytes {
    ($then:ident) => {
        $then! {
            Delay in delay,
            Cut in cut,
            Reset in reset,
            Bandwidth in bandwidth,
            SlowClose in slow_close,
            Timeout in timeout,
            LimitData in limit_data,
            Slicer in slicer,
            Corrupt in corrupt,
            ;
            Refuse in refuse,
            Stall in stall,
            AcceptReset in accept_reset,
            SlowConnect in slow_connect,
            ConnectionLimit in connection_limit,
        }
    };
}

macro_rules! on_bytes {
    ($($kind:ident in $file:ident,)+ ; $($rest:tt)+) => {
        on_bytes! { $($kind in $file,)+ $($rest)+ }
    };
    ($($kind:ident in $file:ident,)+) => {
        $(pub use $file::$kind;)+

        /// What is done to the bytes of a link.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum OnBytes {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)+
        }

        impl OnBytes {
            /// Every kind, in the order they are listed.
            pub const KINDS: &[&About] = &[$(&$file::ABOUT),+];

            /// What there is to know about it.
            #[must_use]
            pub const fn about(&self) -> &'static About {
                match self {
                    $(Self::$kind(_) => &$file::ABOUT,)+
                }
            }

            fn kind(&self) -> &dyn OnBytesKind {
                match self {
                    $(Self::$kind(kind) => kind,)+
                }
            }
        }

        $(impl From<$kind> for Inject {
            fn from(kind: $kind) -> Self {
                Self::Bytes(OnBytes::$kind(kind))
            }
        })+
    };
}

faults_on_bytes!(on_bytes);

/// What is done to a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnProcess {
    /// See [`Kill`].
    Kill(Kill),
    /// See [`Pause`].
    Pause,
    /// See [`Monkey`].
    Monkey(Monkey),
}

/// What is done to the TLS of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnTls {
    /// See [`Tls`].
    Tls(Tls),
}

/// What is done to calls inside a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnInProcess {
    /// See [`InProcess`].
    InProcess(InProcess),
}

impl Inject {
    /// Every kind there is, in the order they are listed.
    pub fn kinds() -> impl Iterator<Item = &'static About> {
        let links = OnBytes::KINDS
            .iter()
            .chain(OnHttp::KINDS)
            .chain(OnTls::KINDS);
        let all = links.chain(OnProcess::KINDS).chain(OnResource::KINDS);
        let all = all.chain(OnNetwork::KINDS);
        all.chain(OnInProcess::KINDS).copied()
    }

    /// Where it acts.
    #[must_use]
    pub const fn surface(&self) -> Surface {
        match self {
            Self::Bytes(_) => Surface::Bytes,
            Self::Tls(_) => Surface::Tls,
            Self::Http(_) => Surface::Http,
            Self::Process(_) => Surface::Process,
            Self::Network(_) => Surface::Network,
            Self::Resource(_) => Surface::Resource,
            Self::InProcess(_) => Surface::InProcess,
        }
    }

    /// What there is to know about it.
    #[must_use]
    pub const fn about(&self) -> &'static About {
        match self {
            Self::Bytes(fault) => fault.about(),
            Self::Tls(fault) => fault.about(),
            Self::Http(fault) => fault.about(),
            Self::Process(fault) => fault.about(),
            Self::Network(fault) => fault.about(),
            Self::Resource(fault) => fault.about(),
            Self::InProcess(fault) => fault.about(),
        }
    }

    /// The word that names it in a file.
    #[must_use]
    pub const fn keyword(&self) -> &'static str {
        self.about().keyword
    }

    /// What is wrong with its parameters, if anything.
    #[must_use]
    pub fn mistake(&self) -> Option<Mistake> {
        self.kind().mistake()
    }

    /// Its name with what matters most of its parameters: `delay 5s`.
    #[must_use]
    pub fn in_brief(&self) -> String {
        format!("{}{}", self.keyword(), self.kind().brief())
    }

    /// Whether it ends processes: what it broke then lasts until they serve
    /// again, and a restart policy may see to that.
    #[must_use]
    pub const fn ends_processes(&self) -> bool {
        match self {
            Self::Bytes(_)
            | Self::Http(_)
            | Self::Tls(_)
            | Self::Resource(_)
            | Self::InProcess(_)
            | Self::Network(_) => false,
            Self::Process(fault) => fault.ends_it(),
        }
    }

    /// Whether it stops processes and continues them.
    #[must_use]
    pub const fn stops_processes(&self) -> bool {
        match self {
            Self::Bytes(_)
            | Self::Http(_)
            | Self::Tls(_)
            | Self::InProcess(_)
            | Self::Network(_) => false,
            Self::Resource(fault) => fault.stops_it(),
            Self::Process(fault) => fault.stops_it(),
        }
    }

    /// The monkey, if it is one: it acts several times while it lasts.
    #[must_use]
    pub const fn monkey(&self) -> Option<&Monkey> {
        match self {
            Self::Process(OnProcess::Monkey(monkey)) => Some(monkey),
            Self::Process(OnProcess::Kill(_) | OnProcess::Pause)
            | Self::Bytes(_)
            | Self::Http(_)
            | Self::Tls(_)
            | Self::Resource(_)
            | Self::InProcess(_)
            | Self::Network(_) => None,
        }
    }

    /// Whether it acts on names, and on what is behind them not at all.
    #[must_use]
    pub const fn is_on_names(&self) -> bool {
        match self {
            Self::Bytes(_)
            | Self::Http(_)
            | Self::Process(_)
            | Self::Resource(_)
            | Self::InProcess(_)
            | Self::Tls(_) => false,
            Self::Network(fault) => fault.packets().is_none(),
        }
    }

    /// Whether it may hit a share of the connections of a link.
    #[must_use]
    pub fn takes_a_share(&self) -> bool {
        match self {
            Self::Bytes(fault) => fault.kind().per_connection(),
            Self::Http(_)
            | Self::Tls(_)
            | Self::Process(_)
            | Self::Resource(_)
            | Self::InProcess(_)
            | Self::Network(_) => false,
        }
    }

    fn kind(&self) -> &dyn Kind {
        match self {
            Self::Bytes(fault) => fault.kind(),
            Self::Tls(fault) => fault.kind(),
            Self::Http(fault) => fault.kind(),
            Self::Process(fault) => fault.kind(),
            Self::Network(fault) => fault.kind(),
            Self::Resource(fault) => fault.kind(),
            Self::InProcess(fault) => fault.kind(),
        }
    }
}

impl OnProcess {
    /// Every kind, in the order they are listed.
    pub const KINDS: &[&About] = &[&kill::ABOUT, &pause::ABOUT, &monkey::ABOUT];

    /// What there is to know about it.
    #[must_use]
    pub const fn about(&self) -> &'static About {
        match self {
            Self::Kill(_) => &kill::ABOUT,
            Self::Pause => &pause::ABOUT,
            Self::Monkey(_) => &monkey::ABOUT,
        }
    }

    /// Whether the process ends.
    #[must_use]
    pub const fn ends_it(&self) -> bool {
        match self {
            Self::Kill(_) | Self::Monkey(_) => true,
            Self::Pause => false,
        }
    }

    /// Whether the process is stopped, and continued.
    #[must_use]
    pub const fn stops_it(&self) -> bool {
        match self {
            Self::Kill(_) | Self::Monkey(_) => false,
            Self::Pause => true,
        }
    }

    fn kind(&self) -> &dyn Kind {
        match self {
            Self::Kill(kill) => kill,
            Self::Pause => &Pause,
            Self::Monkey(monkey) => monkey,
        }
    }
}

impl OnTls {
    /// Every kind, in the order they are listed.
    pub const KINDS: &[&About] = &[&tls::ABOUT];

    /// What there is to know about it.
    #[must_use]
    pub const fn about(&self) -> &'static About {
        match self {
            Self::Tls(_) => &tls::ABOUT,
        }
    }

    fn kind(&self) -> &dyn Kind {
        match self {
            Self::Tls(tls) => tls,
        }
    }
}

impl OnInProcess {
    /// Every kind, in the order they are listed.
    pub const KINDS: &[&About] = &[&in_process::ABOUT];

    /// What there is to know about it.
    #[must_use]
    pub const fn about(&self) -> &'static About {
        match self {
            Self::InProcess(_) => &in_process::ABOUT,
        }
    }

    fn kind(&self) -> &dyn Kind {
        match self {
            Self::InProcess(fault) => fault,
        }
    }
}

impl fmt::Display for Inject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.keyword(), self.kind().details())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteCount, Share};

    fn any(kind: ParameterKind) -> Value {
        match kind {
            ParameterKind::Duration => Value::Duration(std::time::Duration::from_secs(1)),
            ParameterKind::BytesPerSecond => Value::Bytes(ByteCount(1)),
            ParameterKind::Size => Value::Bytes(ByteCount(1 << 20)),
            ParameterKind::Share => Value::Share(Share::new(0.5).unwrap()),
            ParameterKind::Count(low, _) => Value::Count(low),
            ParameterKind::Words(words) => Value::Word(words[0].0),
            ParameterKind::Text | ParameterKind::Content => Value::Text("some".to_owned()),
            ParameterKind::Part => Value::Bytes(ByteCount(1)),
            ParameterKind::Texts => Value::Texts(vec![("a".to_owned(), "b".to_owned())]),
            ParameterKind::Names => Value::Names(vec!["a".to_owned()]),
            ParameterKind::Group(group) => Value::Group(given(group.parameters)),
        }
    }

    /// Defaults, and a value of every parameter that has none, or of the first
    /// where all may be left out.
    fn given(parameters: &[Parameter]) -> Given {
        let mut given = Given::default();
        let mut another = false;
        let optional = |parameter: &Parameter| matches!(parameter.absent, Absent::Nothing);
        let all_optional = parameters.iter().all(optional);
        for (at, parameter) in parameters.iter().enumerate() {
            let value = match &parameter.absent {
                Absent::Means(value) => value.clone(),
                Absent::Nothing if at == 0 && all_optional => any(parameter.kind),
                Absent::Nothing => continue,
                Absent::Another if another => continue,
                Absent::Mistake | Absent::Another => any(parameter.kind),
            };
            another |= matches!(parameter.absent, Absent::Another);
            given.set(parameter.name, value);
        }
        given
    }

    fn some(about: &About) -> Inject {
        let read = (about.read)(&given(about.parameters));
        read.unwrap_or_else(|| panic!("{} reads a parameter it has not", about.keyword))
    }

    #[test]
    fn a_kind_reads_the_parameters_it_declares_and_is_itself() {
        for about in Inject::kinds() {
            let inject = some(about);
            assert_eq!(inject.about(), about);
            assert_eq!(inject.mistake(), None, "{}", about.keyword);
            assert_eq!(inject.in_brief().split(' ').next(), Some(about.keyword));
            assert_eq!(inject.to_string().split(' ').next(), Some(about.keyword));
        }
    }

    #[test]
    fn records_say_a_fault_as_they_always_did() {
        let said = |inject: &Inject| serde_json::to_string(inject).unwrap();
        let by_keyword = |keyword| {
            let about = Inject::kinds().find(|about| about.keyword == keyword);
            some(about.unwrap())
        };
        assert_eq!(
            said(&by_keyword("delay")),
            r#"{"Delay":{"by":{"secs":1,"nanos":0},"jitter":{"secs":0,"nanos":0},"direction":"From"}}"#,
        );
        assert_eq!(said(&by_keyword("kill")), r#"{"Kill":{"signal":"Kill"}}"#);
        assert_eq!(said(&by_keyword("pause")), r#""Pause""#);
        for about in Inject::kinds() {
            let inject = some(about);
            let read: Inject = serde_json::from_str(&said(&inject)).unwrap();
            assert_eq!(read, inject);
        }
        let unknown = serde_json::from_str::<Inject>(r#"{"Melt":{}}"#).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "a fault that this version of squall knows"
        );
    }
}
