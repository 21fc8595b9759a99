//! What the resolver of a run says: its names, and the faults on them. It has
//! no socket and no clock.

use std::net::IpAddr;
use std::time::Duration;

use squall_scenario::inject::{Dns, DnsAnswer};

use super::message::{Code, Question, Unreadable};

/// The names of a run.
#[derive(Debug, Default)]
pub struct Names(Vec<Name>);

#[derive(Debug)]
struct Name {
    name: String,
    address: IpAddr,
    asked: u64,
    /// Faults in force on it, the one that decides last.
    faults: Vec<Attached>,
}

#[derive(Debug)]
struct Attached {
    id: String,
    dns: Dns,
    /// Questions for the name before it was attached.
    asked_before: u64,
    hit: u64,
}

/// What becomes of a query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// What is said; nothing where it stays without an answer.
    pub message: Option<Vec<u8>>,
    /// How much later.
    pub after: Duration,
}

/// What a fault on a name has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Met {
    /// Questions for the name since it was attached.
    pub(super) asked: u64,
    /// Questions it answered.
    pub(super) hit: u64,
}

impl Names {
    /// Names and where each leads.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = (String, IpAddr)>) -> Self {
        let names = names.into_iter().map(|(name, address)| Name {
            name,
            address,
            asked: 0,
            faults: Vec::new(),
        });
        Self(names.collect())
    }

    /// Answers a query. Those of squall itself (`own`) are not counted. Names
    /// that are none of the run's are refused, for nobody asked anybody about
    /// them: to say that there are none would be a lie.
    pub fn answer(&mut self, query: &[u8], own: bool) -> Reply {
        let at_once = |message| Reply {
            message: Some(message),
            after: Duration::ZERO,
        };
        let question = match Question::read(query) {
            Ok(question) => question,
            Err(Unreadable::NoQuery) => return Reply::default(),
            Err(Unreadable::Answer(message)) => return at_once(message),
        };
        let Some(name) = self.0.iter_mut().find(|name| name.name == question.name) else {
            return at_once(question.error(Code::Refused));
        };
        name.asked += u64::from(!own);
        let Some(fault) = name.faults.last_mut() else {
            return at_once(question.addresses(&[name.address]));
        };
        fault.hit += u64::from(!own);
        match fault.dns.answer {
            DnsAnswer::Nxdomain => at_once(question.error(Code::NoSuchName)),
            DnsAnswer::Servfail => at_once(question.error(Code::ServerFailure)),
            DnsAnswer::Timeout => Reply::default(),
            DnsAnswer::Wrong => at_once(question.addresses(&[fault.dns.wrong_address()])),
            DnsAnswer::Slow => Reply {
                message: Some(question.addresses(&[name.address])),
                after: fault.dns.later(),
            },
        }
    }

    /// Whether this is one of the names.
    pub(super) fn address(&self, name: &str) -> Option<IpAddr> {
        let mut names = self.0.iter();
        names
            .find(|known| known.name == name)
            .map(|known| known.address)
    }

    /// Puts a fault on a name; `false` where there is no such name. The last
    /// one decides.
    pub(super) fn attach(&mut self, name: &str, id: &str, dns: Dns) -> bool {
        let Some(name) = self.0.iter_mut().find(|known| known.name == name) else {
            return false;
        };
        name.faults.push(Attached {
            id: id.to_owned(),
            dns,
            asked_before: name.asked,
            hit: 0,
        });
        true
    }

    /// Takes a fault off a name; what it met, or nothing where it was taken off
    /// before.
    pub(super) fn detach(&mut self, name: &str, id: &str) -> Option<Met> {
        let met = self.met(name, id)?;
        let name = self.0.iter_mut().find(|known| known.name == name)?;
        name.faults.retain(|fault| fault.id != id);
        Some(met)
    }

    /// What a fault has met so far; nothing where it is not on the name.
    pub(super) fn met(&self, name: &str, id: &str) -> Option<Met> {
        let name = self.0.iter().find(|known| known.name == name)?;
        let fault = name.faults.iter().find(|fault| fault.id == id)?;
        Some(Met {
            asked: name.asked - fault.asked_before,
            hit: fault.hit,
        })
    }

    /// Whether a fault is what decides about a name.
    pub(super) fn decides(&self, name: &str, id: &str) -> bool {
        let mut names = self.0.iter();
        let name = names.find(|known| known.name == name);
        let last = name.and_then(|name| name.faults.last());
        last.is_some_and(|fault| fault.id == id)
    }

    /// Whether no fault is on the name.
    pub(super) fn is_whole(&self, name: &str) -> bool {
        let mut names = self.0.iter();
        let name = names.find(|known| known.name == name);
        name.is_none_or(|name| name.faults.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::lookup::{Family, Said, question, read};
    use super::*;

    const PAYMENTS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));

    fn names() -> Names {
        let names = ["payments.test", "stock.test"];
        Names::new(names.map(|name| (name.to_owned(), PAYMENTS)))
    }

    fn dns(answer: DnsAnswer) -> Dns {
        Dns {
            answer,
            by: (answer == DnsAnswer::Slow).then_some(Duration::from_secs(2)),
            to: None,
        }
    }

    /// What whoever asks is told, and when.
    fn ask(names: &mut Names, name: &str) -> (Option<Said>, Duration) {
        let asked = question(1, name, Family::V4).unwrap();
        let reply = names.answer(&asked, false);
        let seen = reply
            .message
            .and_then(|said| read(&said, &asked, Family::V4));
        (seen, reply.after)
    }

    fn leads_to(address: IpAddr) -> Option<Said> {
        Some(Said::Addresses(vec![address], Duration::ZERO))
    }

    #[test]
    fn names_are_answered_truly_and_others_refused() {
        let mut names = names();
        let now = Duration::ZERO;
        let truth = (leads_to(PAYMENTS), now);
        assert_eq!(ask(&mut names, "payments.test"), truth);
        assert_eq!(ask(&mut names, "example.com"), (Some(Said::Failed(5)), now));
        assert_eq!(names.answer(b"?", false), Reply::default());
    }

    #[test]
    fn each_fault_says_what_it_is_for_on_its_name_alone() {
        let wrong = dns(DnsAnswer::Wrong).wrong_address();
        let now = Duration::ZERO;
        let cases = [
            (DnsAnswer::Nxdomain, (Some(Said::NoSuchName), now)),
            (DnsAnswer::Servfail, (Some(Said::Failed(2)), now)),
            (DnsAnswer::Timeout, (None, now)),
            (DnsAnswer::Wrong, (leads_to(wrong), now)),
            (
                DnsAnswer::Slow,
                (leads_to(PAYMENTS), Duration::from_secs(2)),
            ),
        ];
        for (answer, expected) in cases {
            let mut names = names();
            let truth = ask(&mut names, "payments.test");
            assert!(names.attach("payments.test", "gone#0", dns(answer)));
            assert_eq!(ask(&mut names, "payments.test"), expected, "{answer:?}");
            assert_eq!(ask(&mut names, "PAYMENTS.test"), expected, "other letters");
            assert_eq!(ask(&mut names, "stock.test"), truth, "{answer:?}");
            let met = Some(Met { asked: 2, hit: 2 });
            assert_eq!(names.detach("payments.test", "gone#0"), met);
            assert_eq!(names.detach("payments.test", "gone#0"), None, "twice");
            assert_eq!(ask(&mut names, "payments.test"), truth);
        }
    }

    #[test]
    fn of_two_faults_the_later_decides_and_the_earlier_comes_back() {
        let mut names = names();
        let said = |names: &mut Names| ask(names, "payments.test").0;
        names.attach("payments.test", "first", dns(DnsAnswer::Nxdomain));
        names.attach("payments.test", "second", dns(DnsAnswer::Servfail));
        assert_eq!(said(&mut names), Some(Said::Failed(2)));
        names.detach("payments.test", "second");
        assert_eq!(said(&mut names), Some(Said::NoSuchName));
        let met = Some(Met { asked: 2, hit: 1 });
        assert_eq!(names.met("payments.test", "first"), met);
        assert!(!names.is_whole("payments.test"));
        names.detach("payments.test", "first");
        assert_eq!(said(&mut names), leads_to(PAYMENTS));
        assert!(names.is_whole("payments.test"));
    }

    #[test]
    fn questions_of_squall_itself_count_for_nothing() {
        let mut names = names();
        names.attach("payments.test", "gone", dns(DnsAnswer::Nxdomain));
        let query = question(1, "payments.test", Family::V4).unwrap();
        assert!(names.answer(&query, true).message.is_some());
        assert_eq!(names.met("payments.test", "gone"), Some(Met::default()));
        assert!(!names.attach("nobody.test", "gone", dns(DnsAnswer::Nxdomain)));
    }
}
