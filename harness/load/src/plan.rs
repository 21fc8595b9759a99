//! What a load needs to know to start, and how its threads share it.

use std::net::SocketAddr;
use std::num::NonZero;

use squall_record::Shard;
use squall_scenario::seed::sub_seed;
use squall_scenario::{Arrivals, Load, Rate, Stage};
use tokio::sync::watch;

use crate::transport::{Connector, Endpoint, Leads, Tls, TlsSetupError};

/// Arrivals a second that one thread sends with ease.
const RATE_EACH: f64 = 20_000.0;
/// Users of a closed loop that one thread plays with ease.
const USERS_EACH: f64 = 256.0;

/// Where a load goes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// What connections are made to, in turn.
    pub endpoints: Vec<Endpoint>,
    /// Where its names lead, if that may change while the load runs.
    pub leads: Option<watch::Receiver<Vec<Leads>>>,
    /// Value of the `Host` header.
    pub host: String,
    /// Whom the target has to prove to be by TLS, a name or an address; `None`
    /// where it is spoken to without.
    pub server_name: Option<String>,
}

impl Destination {
    /// Addresses that are spoken to without TLS.
    #[must_use]
    pub fn plain(addresses: Vec<SocketAddr>, host: String) -> Self {
        Self {
            endpoints: addresses.into_iter().map(Endpoint::Ip).collect(),
            leads: None,
            host,
            server_name: None,
        }
    }
}

/// What the load needs to know.
#[derive(Debug)]
pub struct LoadPlan {
    /// The scenario's load.
    pub load: Load,
    /// Seed of the run.
    pub seed: u64,
    /// Where it goes.
    pub destination: Destination,
    /// The share of the arrivals that is sent; `None` for all.
    pub shard: Option<Shard>,
    /// Whether there is load before time zero.
    pub lead: bool,
}

/// What one thread sends: its part of one of the loads.
#[derive(Debug)]
pub(crate) struct Part {
    /// Which load, in the order of [`Load::each`].
    pub(crate) which: usize,
    /// That load, with this thread's part of its connections and of what may be in
    /// flight. It lasts as long as the main load.
    pub(crate) load: Load,
    /// Seed of what the load draws.
    pub(crate) seed: u64,
    /// Which of so many threads of the load it is.
    pub(crate) nth: u32,
    pub(crate) count: u32,
    /// Number of the load's first route among those of all loads.
    pub(crate) first_route: usize,
}

impl LoadPlan {
    /// How many threads send: for each load as many as it asks for, else one for each
    /// 20 000 arrivals a second at its peak or 256 users of a closed loop, at most one for each core; never more
    /// than may have a request or a connection of their own.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.parts().len() as u32
    }

    /// How connections are made.
    pub(crate) fn connector(&self) -> Result<Connector, TlsSetupError> {
        let connecting = &self.load.connecting;
        let name = self.destination.server_name.as_deref();
        let tls = name.map(|name| Tls::new(&connecting.tls, name, connecting.http));
        Ok(Connector {
            endpoints: self.destination.endpoints.clone(),
            leads: self.destination.leads.clone(),
            tls: tls.transpose()?,
            http: connecting.http,
            per_request: connecting.per_request,
        })
    }

    /// What each thread sends; those of the main load first.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let shards = self.shard.map_or(1, Shard::of);
        let mut first_route = 0;
        let mut parts = Vec::new();
        for (which, load) in self.load.each().enumerate() {
            let count = workers(load, shards, cores);
            parts.extend((0..count).map(|nth| Part {
                which,
                load: self.share(load, (nth, count)),
                seed: self.seed_of(which),
                nth,
                count,
                first_route,
            }));
            first_route += load.own_routes().count();
        }
        parts
    }

    /// The seed of what a load draws: those beside the main one draw for themselves.
    pub(crate) fn seed_of(&self, which: usize) -> u64 {
        let beside = which.checked_sub(1);
        let beside = beside.and_then(|index| self.load.beside.get(index));
        beside.map_or(self.seed, |beside| {
            sub_seed(self.seed, &format!("load/{}", beside.name))
        })
    }

    /// A load as the nth of so many threads sees it.
    fn share(&self, load: &Load, (nth, count): (u32, u32)) -> Load {
        let share = |total: u32| total / count + u32::from(nth < total % count);
        let mut shape = load.shape.clone();
        let over = self.load.duration().saturating_sub(load.duration());
        if !over.is_zero() {
            // Edges of faults are heard to the end, and every second is told.
            shape.push(Stage::Hold {
                rate: Rate::default(),
                duration: over,
                arrivals: Arrivals::Even,
            });
        }
        Load {
            shape,
            connections: load.connections.map(share),
            in_flight_max: share(load.in_flight_max),
            beside: Vec::new(),
            ..load.clone()
        }
    }
}

fn workers(load: &Load, shards: u32, cores: usize) -> u32 {
    let peak = load.shape.iter().map(Stage::peak).fold(0.0, f64::max) / f64::from(shards);
    let users = load.closed_users();
    let users_of_shard = users.map(|users| users.div_ceil(shards));
    let needed = match users_of_shard {
        Some(users) => f64::from(users) / USERS_EACH,
        None => peak / RATE_EACH,
    };
    let needed = needed.ceil().min(cores as f64) as u32;
    load.workers
        .unwrap_or(needed)
        .min(users_of_shard.unwrap_or(u32::MAX))
        .min(load.in_flight_max)
        .min(load.connections.unwrap_or(u32::MAX))
        .max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use squall_scenario::{LoadBeside, Request, Template};

    use super::*;

    fn plan(rate: f64) -> LoadPlan {
        LoadPlan {
            load: Load {
                connections: Some(10),
                in_flight_max: 1_001,
                timeout: Duration::from_secs(1),
                ..Load::plain(
                    vec![Stage::Hold {
                        rate: Rate::per_second(rate).unwrap(),
                        duration: Duration::from_secs(1),
                        arrivals: Arrivals::Even,
                    }],
                    vec![],
                )
            },
            seed: 1,
            destination: Destination::plain(vec![], String::new()),
            shard: None,
            lead: false,
        }
    }

    #[test]
    fn threads_follow_the_rate_up_to_the_cores() {
        let count = |rate, cores| workers(&plan(rate).load, 1, cores);
        assert_eq!(count(0.0, 8), 1);
        assert_eq!(count(20_000.0, 8), 1);
        assert_eq!(count(20_001.0, 8), 2);
        assert_eq!(count(500_000.0, 4), 4);
        assert_eq!(workers(&plan(40_000.0).load, 2, 8), 1, "half of it each");
        let mut asked = plan(1.0).load;
        asked.workers = Some(64);
        assert_eq!(workers(&asked, 1, 2), 10, "one connection each");
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        let mut plan = plan(1.0);
        for count in 1..=10 {
            plan.load.workers = Some(count);
            let parts = plan.parts();
            let shares = || parts.iter().map(|part| &part.load);
            let connections: u32 = shares().filter_map(|share| share.connections).sum();
            let in_flight: u32 = shares().map(|share| share.in_flight_max).sum();
            assert_eq!((connections, in_flight), (10, 1_001), "{count}");
            assert!(shares().all(|share| share.connections > Some(0)));
        }
    }

    #[test]
    fn loads_beside_have_threads_routes_and_draws_of_their_own_and_last_as_long() {
        let mut plan = plan(1.0);
        let request = |name: &str| Request::plain(name, "GET", Template::parse("/"));
        let mut beside = plan.load.clone();
        plan.load.requests = vec![request("a"), request("b")];
        plan.load.shape.push(plan.load.shape[0].clone());
        beside.requests = vec![request("c")];
        beside.workers = Some(2);
        for name in ["c", "d"] {
            let (name, load) = (name.to_owned(), beside.clone());
            plan.load.beside.push(LoadBeside { name, load });
        }
        let parts = plan.parts();
        assert_eq!(plan.workers(), 5);
        let places = parts
            .iter()
            .map(|it| (it.which, it.nth, it.count, it.first_route));
        let expected = [
            (0, 0, 1, 0),
            (1, 0, 2, 2),
            (1, 1, 2, 2),
            (2, 0, 2, 3),
            (2, 1, 2, 3),
        ];
        assert_eq!(places.collect::<Vec<_>>(), expected);
        assert!(
            parts
                .iter()
                .all(|it| it.load.duration() == plan.load.duration())
        );
        assert_eq!((parts[0].seed, parts[1].seed), (1, parts[2].seed));
        assert!(parts[1].seed != 1 && parts[1].seed != parts[3].seed);
    }
}
