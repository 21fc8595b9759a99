//! Looks names up again when what was said of them has run out, and tells the load
//! where they lead. It is a task beside the load: no arrival ever waits for a name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use squall_faults::lookup::Family;
use squall_load::{Endpoint, Leads};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::ask::{Found, Lost};
use super::machine::Lookup;

/// An answer is kept for so long at least, and at most, whatever its time to live.
const KEPT_MIN: Duration = Duration::from_secs(1);
const KEPT_MAX: Duration = Duration::from_secs(300);
/// How long after a lookup that failed, or that one family did not answer, the next one
/// follows; for a family twice as long each time, up to the time to live of the other.
const AGAIN: Duration = Duration::from_secs(1);
/// For so long the addresses of a family that is not answered any more are kept.
const UNANSWERED_MAX: Duration = Duration::from_secs(60);

/// A name that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// Its number among the places that the load goes to.
    pub(crate) place: usize,
    /// Who is asked.
    pub(crate) lookup: Lookup,
}

/// Follows names until the load is over. `leads` is where all places lead by now,
/// `refuses` says why an address may not be loaded, where it may not.
pub(crate) fn follow<R>(
    names: Vec<Followed>,
    leads: Vec<Leads>,
    refuses: R,
) -> watch::Receiver<Vec<Leads>>
where
    R: Fn(&str, IpAddr) -> Option<String> + Clone + Send + Sync + 'static,
{
    let (tell, told) = watch::channel(leads);
    let tell = Arc::new(tell);
    for followed in names {
        let place = Place {
            tell: Arc::clone(&tell),
            refuses: refuses.clone(),
            name: followed.name,
            port: followed.port,
            number: followed.place,
        };
        let lookup = followed.lookup;
        tokio::spawn(async move {
            let name = place.name.clone();
            let first = AtomicUsize::new(0);
            place.follow(|| lookup.look_up(&name, &first)).await;
        });
    }
    told
}

/// A family that is not answered.
#[derive(Debug, Clone, Copy)]
struct Missing {
    family: Family,
    /// Since which lookup, and by how many in a row.
    since: Instant,
    in_a_row: u32,
}

impl Missing {
    /// What is missing once this was found, where something is.
    fn after(before: Option<Self>, found: &Result<Found, Lost>) -> Option<Self> {
        let family = found.as_ref().ok()?.missing?;
        let before = before.filter(|before| before.family == family);
        let first = Self {
            family,
            since: Instant::now(),
            in_a_row: 0,
        };
        let missing = before.unwrap_or(first);
        Some(Self {
            in_a_row: missing.in_a_row.saturating_add(1),
            ..missing
        })
    }

    /// How long after it the next lookup follows, where the other family is kept so long.
    fn rest(self, kept: Duration) -> Duration {
        let doubled = 2_u32.saturating_pow(self.in_a_row.saturating_sub(1));
        AGAIN.saturating_mul(doubled).min(kept)
    }

    /// Whether it is long ago that it was answered.
    fn is_over(self) -> bool {
        self.since.elapsed() >= UNANSWERED_MAX
    }
}

/// One of the places, and who hears where it leads.
struct Place<R> {
    tell: Arc<watch::Sender<Vec<Leads>>>,
    refuses: R,
    name: String,
    port: u16,
    number: usize,
}

impl<R: Fn(&str, IpAddr) -> Option<String>> Place<R> {
    /// Looks it up by `look_up` again and again, until nobody hears any more.
    async fn follow<F>(&self, mut look_up: impl FnMut() -> F)
    where
        F: Future<Output = Result<Found, Lost>>,
    {
        // Until the DNS has once said where it leads, it has been found by other means.
        let mut known = false;
        let mut warned = false;
        let mut missing = None;
        loop {
            let mut found = tokio::select! {
                () = self.tell.closed() => return,
                found = look_up() => found,
            };
            known |= found.is_ok();
            missing = Missing::after(missing, &found);
            let rest = match &mut found {
                Ok(found) => {
                    let kept = found.ttl.clamp(KEPT_MIN, KEPT_MAX);
                    found.missing = found
                        .missing
                        .filter(|_| !missing.is_some_and(Missing::is_over));
                    missing.map_or(kept, |missing| missing.rest(kept))
                }
                Err(_) => AGAIN,
            };
            match found {
                Err(why) if !known && !warned => {
                    warned = true;
                    let (name, why) = (&self.name, why.to_string());
                    tracing::warn!(
                        name,
                        why,
                        "it stays where it was found: no server says more"
                    );
                }
                Err(_) if !known => {}
                found => self.tell(self.leads(found)),
            }
            tokio::select! {
                () = self.tell.closed() => return,
                () = sleep(rest) => {}
            }
        }
    }

    fn leads(&self, found: Result<Found, Lost>) -> Leads {
        let why = |why: &str| Leads::Nowhere(format!("look up {}: {why}", self.name));
        match found {
            Err(lost) => why(&lost.to_string()),
            Ok(found) => {
                let mut refused = found.addresses.iter();
                let refused = refused.find_map(|ip| (self.refuses)(&self.name, *ip));
                if let Some(refused) = refused {
                    return why(&refused);
                }
                let each = found.addresses.into_iter();
                let each = each.map(|ip| Endpoint::Ip(SocketAddr::new(ip, self.port)));
                let kept = found.missing.map(|family| self.led_to(family));
                Leads::To(each.chain(kept.into_iter().flatten()).collect())
            }
        }
    }

    /// Where it leads by now by addresses of a family.
    fn led_to(&self, family: Family) -> Vec<Endpoint> {
        let all = self.tell.borrow();
        let endpoints = match all.get(self.number) {
            Some(Leads::To(endpoints)) => endpoints.as_slice(),
            Some(Leads::Nowhere(_)) | None => &[],
        };
        let of_family = |it: &&Endpoint| match it {
            Endpoint::Ip(address) => Family::of(&address.ip()) == family,
            Endpoint::Unix(_) => false,
        };
        endpoints.iter().filter(of_family).cloned().collect()
    }

    /// Tells where it leads, if that is elsewhere than before. In which order addresses
    /// are said means nothing: servers change it from answer to answer.
    fn tell(&self, leads: Leads) {
        self.tell.send_if_modified(|all| {
            let Some(before) = all.get_mut(self.number) else {
                return false;
            };
            let same = match (&*before, &leads) {
                (Leads::To(before), Leads::To(now)) => {
                    before.len() == now.len() && now.iter().all(|it| before.contains(it))
                }
                (Leads::Nowhere(before), Leads::Nowhere(now)) => before == now,
                (Leads::To(_), Leads::Nowhere(_)) | (Leads::Nowhere(_), Leads::To(_)) => false,
            };
            if same {
                return false;
            }
            match &leads {
                Leads::To(endpoints) => tracing::info!(name = self.name, ?endpoints, "it leads"),
                Leads::Nowhere(why) => tracing::info!(name = self.name, why, "it leads nowhere"),
            }
            *before = leads;
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::sync::atomic::Ordering;

    use super::*;

    const A: [u8; 4] = [127, 0, 0, 1];
    const B: [u8; 4] = [127, 0, 0, 2];
    const REMOTE: [u8; 4] = [192, 0, 2, 1];

    fn to(addresses: &[[u8; 4]]) -> Leads {
        let each = addresses.iter();
        Leads::To(each.map(|ip| Endpoint::Ip((*ip, 80).into())).collect())
    }

    fn found(addresses: &[[u8; 4]], ttl: u64) -> Result<Found, Lost> {
        Ok(Found {
            addresses: addresses.iter().map(|ip| (*ip).into()).collect(),
            ttl: Duration::from_secs(ttl),
            missing: None,
        })
    }

    /// What was told, each with the seconds since the start, when a resolver says one
    /// thing after the other, each after so many seconds; and when it was asked.
    async fn told(says: Vec<(u64, Result<Found, Lost>)>) -> (Vec<(u64, Leads)>, Vec<u64>) {
        let (tell, mut told) = watch::channel(vec![to(&[A])]);
        let place = Place {
            tell: Arc::new(tell),
            refuses: |_: &str, ip: IpAddr| (!ip.is_loopback()).then(|| "far away".to_owned()),
            name: "shop.test".to_owned(),
            port: 80,
            number: 0,
        };
        let begun = Instant::now();
        let says = RefCell::new(VecDeque::from(says));
        let asked = RefCell::new(Vec::new());
        let done = tokio::sync::Notify::new();
        let following = place.follow(|| async {
            let next = says.borrow_mut().pop_front();
            let Some((after, said)) = next else {
                done.notify_one();
                return std::future::pending().await;
            };
            asked.borrow_mut().push(begun.elapsed().as_secs());
            sleep(Duration::from_secs(after)).await;
            said
        });
        let mut heard = Vec::new();
        let hearing = async {
            loop {
                tokio::select! {
                    biased;
                    changed = told.changed() => changed.unwrap(),
                    () = done.notified() => break,
                }
                let leads = told.borrow_and_update()[0].clone();
                heard.push((begun.elapsed().as_secs(), leads));
            }
        };
        tokio::select! {
            () = following => panic!("it ended"),
            () = hearing => {}
        }
        (heard, asked.into_inner())
    }

    fn nowhere(why: &str) -> Leads {
        Leads::Nowhere(format!("look up shop.test: {why}"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_leads_elsewhere_when_its_time_to_live_is_over() {
        let (heard, asked) = told(vec![
            (0, found(&[A], 30)),
            (0, found(&[B], 10)),
            (0, found(&[A, B], 20)),
            (0, found(&[B, A], 20)),
            (0, found(&[B], 20)),
        ])
        .await;
        assert_eq!(asked, [0, 30, 40, 60, 80]);
        let expected = [(30, to(&[B])), (40, to(&[A, B])), (80, to(&[B]))];
        assert_eq!(heard, expected, "another order is no other place");
    }

    /// One lost packet takes no family away.
    #[tokio::test(start_paused = true)]
    async fn a_family_that_is_not_answered_leads_where_it_led_and_is_soon_asked_for_again() {
        let six = |address: &str| address.parse::<IpAddr>().unwrap();
        let both = |v4: [u8; 4], v6| {
            Ok(Found {
                addresses: vec![v4.into(), six(v6)],
                ttl: Duration::from_secs(300),
                missing: None,
            })
        };
        let half = |ip: IpAddr, missing| {
            Ok(Found {
                addresses: vec![ip],
                ttl: Duration::from_secs(300),
                missing: Some(missing),
            })
        };
        let to = |v4: [u8; 4], v6| {
            let each = [v4.into(), six(v6)];
            Leads::To(each.map(|ip| Endpoint::Ip((ip, 80).into())).to_vec())
        };
        let (heard, asked) = told(vec![
            (0, both(A, "::1")),
            (0, half(A.into(), Family::V6)),
            (0, half(B.into(), Family::V6)),
            (0, half(six("::1"), Family::V4)),
            (0, found(&[B], 20)),
            (0, half(B.into(), Family::V6)),
            (0, Err(Lost::NoSuchName)),
            (0, half(A.into(), Family::V6)),
        ])
        .await;
        assert_eq!(asked, [0, 300, 301, 303, 304, 324, 325, 326]);
        let expected = [
            (0, to(A, "::1")),
            (301, to(B, "::1")),
            (304, self::to(&[B])),
            (325, nowhere("there is no such name (NXDOMAIN)")),
            (326, self::to(&[A])),
        ];
        assert_eq!(heard, expected);
    }

    /// It costs the servers little, and what it led to before does not stay for ever.
    #[tokio::test(start_paused = true)]
    async fn a_family_that_is_never_answered_is_asked_for_seldom_and_given_up() {
        let six = "::1".parse::<IpAddr>().unwrap();
        let both = Found {
            addresses: vec![A.into(), six],
            ttl: Duration::from_secs(40),
            missing: None,
        };
        let half = || {
            Ok(Found {
                addresses: vec![A.into()],
                missing: Some(Family::V6),
                ..both.clone()
            })
        };
        let mut says = vec![(0, Ok(both.clone()))];
        says.extend((0..9).map(|_| (0, half())));
        says.extend([(0, Ok(both.clone())), (0, half())]);
        let (heard, asked) = told(says).await;
        let later = [40, 41, 43, 47, 55, 71, 103, 143, 183, 223, 263];
        assert_eq!((asked[0], &asked[1..]), (0, &later[..]));
        let both = [A.into(), six].map(|ip| Endpoint::Ip((ip, 80).into()));
        let both = || Leads::To(both.to_vec());
        // A minute after the first that did not say.
        assert_eq!(heard, [(0, both()), (103, to(&[A])), (223, both())]);
    }

    #[tokio::test(start_paused = true)]
    async fn however_long_an_answer_may_be_kept_there_are_bounds() {
        let (_, asked) = told(vec![
            (0, found(&[A], 0)),
            (0, found(&[A], 86_400)),
            (0, found(&[A], 1)),
        ])
        .await;
        assert_eq!(asked, [0, 1, 301]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_vanishes_leads_nowhere_until_it_is_back() {
        let broken = || Err(Lost::Unknown("SERVFAIL".to_owned()));
        let (heard, asked) = told(vec![
            (0, found(&[A], 5)),
            (0, Err(Lost::NoSuchName)),
            (0, Err(Lost::NoSuchName)),
            (0, broken()),
            (0, found(&[A], 5)),
        ])
        .await;
        assert_eq!(asked, [0, 5, 6, 7, 8]);
        let gone = nowhere("there is no such name (NXDOMAIN)");
        let expected = [(5, gone), (7, nowhere("SERVFAIL")), (8, to(&[A]))];
        assert_eq!(heard, expected);
    }

    /// It leads where it led until there is an answer, or none any more.
    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_takes_long_changes_nothing_before_it_is_over() {
        let silence = || Err(Lost::Unknown("no answer in 30s".to_owned()));
        let (heard, asked) = told(vec![
            (0, found(&[A], 5)),
            (9, found(&[B], 5)),
            (11, silence()),
            (0, found(&[B], 5)),
        ])
        .await;
        assert_eq!(asked, [0, 5, 19, 31]);
        let expected = [
            (14, to(&[B])),
            (30, nowhere("no answer in 30s")),
            (31, to(&[B])),
        ];
        assert_eq!(heard, expected);
    }

    /// Names that the machine knows from elsewhere are not lost because the DNS does not.
    #[tokio::test(start_paused = true)]
    async fn what_the_dns_never_knew_stays_where_it_was_found() {
        let lost = || (0, Err(Lost::NoSuchName));
        let (heard, _) = told(vec![lost(), lost(), (0, found(&[B], 5)), lost()]).await;
        let gone = nowhere("there is no such name (NXDOMAIN)");
        assert_eq!(heard, [(2, to(&[B])), (7, gone)]);
    }

    /// Counts the warnings of a thread.
    #[derive(Clone, Default)]
    struct Warnings(Arc<AtomicUsize>);

    impl tracing::Subscriber for Warnings {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, event: &tracing::Event<'_>) {
            if event.metadata().target() == module_path!().trim_end_matches("::tests") {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_followed_is_said_once() {
        let warnings = Warnings::default();
        let _guard = tracing::subscriber::set_default(warnings.clone());
        let count = || warnings.0.load(Ordering::Relaxed);
        let silence = || (30, Err(Lost::Unknown("no answer in 30s".to_owned())));
        let (heard, _) = told(vec![silence(), silence(), silence()]).await;
        assert_eq!((heard, count()), (vec![], 1));
        // Where it led is known, and that it leads nowhere is heard.
        let (heard, _) = told(vec![(0, found(&[A], 5)), silence()]).await;
        assert_eq!((heard.len(), count()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_led_where_the_load_may_not_go() {
        let (heard, _) = told(vec![(0, found(&[A], 5)), (0, found(&[A, REMOTE], 5))]).await;
        assert_eq!(heard, [(5, nowhere("far away"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_load() {
        let (tell, told) = watch::channel(vec![to(&[A])]);
        let place = Place {
            tell: Arc::new(tell),
            refuses: |_: &str, _: IpAddr| None,
            name: "shop.test".to_owned(),
            port: 80,
            number: 0,
        };
        let following = place.follow(|| async { found(&[A], 300) });
        let mut following = std::pin::pin!(following);
        let begun = Instant::now();
        tokio::select! {
            () = &mut following => panic!("somebody hears"),
            () = sleep(Duration::from_secs(1)) => {}
        }
        drop(told);
        following.await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }
}
