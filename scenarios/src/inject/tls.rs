//! `tls`: callers of a link meet a wrong certificate, or no handshake.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::{About, Inject, Parameter, ParameterKind, Surface};

/// What callers of a link meet instead of a good handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tls {
    /// What is shown to them.
    pub shows: TlsShows,
}

/// Ways in which a handshake is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TlsShows {
    /// A certificate whose time is over.
    Expired,
    /// A certificate whose time has not come.
    NotYetValid,
    /// A certificate for another host.
    WrongHost,
    /// A certificate that no authority has signed.
    SelfSigned,
    /// Nothing: the handshake never goes on.
    Stall,
    /// A TCP reset as soon as the caller has said hello.
    Reset,
}

/// What a fault on handshakes has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TlsDone {
    /// Handshakes that met it.
    pub met: u64,
    /// Callers that did not go on after a wrong certificate.
    pub refused: u64,
    /// Callers that took it, wrong as it was.
    pub taken: u64,
}

impl TlsDone {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            met: self.met + other.met,
            refused: self.refused + other.refused,
            taken: self.taken + other.taken,
        }
    }
}

pub(super) static ABOUT: About = About {
    keyword: "tls",
    surface: Surface::Tls,
    about: "Callers meet a wrong certificate, or no handshake.",
    also_called: &["certificate", "handshake", "https"],
    noun: "a fault on TLS",
    meaning: "New connections meet a wrong certificate, or a handshake that stalls or is reset.",
    reads: "tls: expired",
    parameters: &[Parameter::needed(
        "shows",
        ParameterKind::Words(&[
            ("expired", "A certificate whose time is over."),
            ("not_yet_valid", "A certificate whose time has not come."),
            ("wrong_host", "A certificate for another host."),
            ("self_signed", "A certificate that no authority has signed."),
            ("stall", "Nothing: the handshake never goes on."),
            ("reset", "A TCP reset as soon as the caller has said hello."),
        ]),
        "What callers meet.",
        &["certificate", "handshake", "kind"],
    )],
    example: "- name: certificate of payments ran out
  at: 15s
  inject: { tls: expired }
  into: secure
  for: 20s",
    verified: "Handshakes look for it when they begin, so it is in force at once. Before it is taken away, some must have met it; connections that are kept open shake no hands. The evidence says how many callers refused, and how many took what they should not.",
    undone: "New handshakes are good again; stalled ones are closed.",
    read: |given| {
        let word = given.word("shows")?;
        let mut all = TlsShows::ALL.into_iter();
        let shows = all.find(|shows| shows.word() == word)?;
        Some(Inject::Tls(super::OnTls::Tls(Tls { shows })))
    },
};

impl TlsShows {
    const ALL: [Self; 6] = [
        Self::Expired,
        Self::NotYetValid,
        Self::WrongHost,
        Self::SelfSigned,
        Self::Stall,
        Self::Reset,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongHost => "wrong_host",
            Self::SelfSigned => "self_signed",
            Self::Stall => "stall",
            Self::Reset => "reset",
        }
    }
}

impl Tls {
    /// What it did, in words.
    #[must_use]
    pub fn effect(&self, done: &TlsDone) -> String {
        let TlsDone {
            met,
            refused,
            taken,
        } = done;
        let certificate = match self.shows {
            TlsShows::Stall => return format!("{met} handshakes stalled"),
            TlsShows::Reset => return format!("{met} handshakes reset"),
            TlsShows::Expired => "an expired certificate",
            TlsShows::NotYetValid => "a certificate that is not valid yet",
            TlsShows::WrongHost => "a certificate for another host",
            TlsShows::SelfSigned => "a self-signed certificate",
        };
        format!("{met} callers met {certificate}: {refused} refused it, {taken} took it")
    }
}

impl Kind for Tls {
    fn details(&self) -> String {
        format!(" {}", self.shows.word())
    }

    fn brief(&self) -> String {
        self.details()
    }
}
