//! What a load needs to know to start, and how its threads share it.

use std::net::SocketAddr;
use std::num::NonZero;

use squall_record::Shard;
use squall_scenario::{Load, Stage};

use crate::transport::{Connector, Endpoint, Tls, TlsSetupError};

/// Arrivals a second that one thread sends with ease.
const RATE_EACH: f64 = 20_000.0;

/// Where a load goes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// What connections are made to, in turn.
    pub endpoints: Vec<Endpoint>,
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

impl LoadPlan {
    /// How many threads send: as many as the load asks for, else one for each
    /// 20 000 arrivals a second at its peak, at most one for each core; never more
    /// than may have a request or a connection of their own.
    #[must_use]
    pub fn workers(&self) -> u32 {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let shards = self.shard.map_or(1, Shard::of);
        workers(&self.load, shards, cores)
    }

    /// How connections are made.
    pub(crate) fn connector(&self) -> Result<Connector, TlsSetupError> {
        let connecting = &self.load.connecting;
        let name = self.destination.server_name.as_deref();
        let tls = name.map(|name| Tls::new(&connecting.tls, name, connecting.http));
        Ok(Connector {
            endpoints: self.destination.endpoints.clone(),
            tls: tls.transpose()?,
            http: connecting.http,
            per_request: connecting.per_request,
        })
    }

    /// The load as the nth of so many threads sees it.
    pub(crate) fn share(&self, nth: u32, count: u32) -> Load {
        let share = |total: u32| total / count + u32::from(nth < total % count);
        Load {
            connections: self.load.connections.map(share),
            in_flight_max: share(self.load.in_flight_max),
            ..self.load.clone()
        }
    }
}

fn workers(load: &Load, shards: u32, cores: usize) -> u32 {
    let peak = load.shape.iter().map(Stage::peak).fold(0.0, f64::max) / f64::from(shards);
    let needed = (peak / RATE_EACH).ceil().min(cores as f64) as u32;
    load.workers
        .unwrap_or(needed)
        .min(load.in_flight_max)
        .min(load.connections.unwrap_or(u32::MAX))
        .max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use squall_scenario::{Arrivals, Connecting, Rate};

    use super::*;

    fn plan(rate: f64) -> LoadPlan {
        LoadPlan {
            load: Load {
                shape: vec![Stage::Hold {
                    rate: Rate::per_second(rate).unwrap(),
                    duration: Duration::from_secs(1),
                    arrivals: Arrivals::Even,
                }],
                requests: vec![],
                data: vec![],
                journeys: vec![],
                users: None,
                connections: Some(10),
                connecting: Connecting::default(),
                in_flight_max: 1_001,
                workers: None,
                timeout: Duration::from_secs(1),
                warm_up: Duration::ZERO,
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
        let plan = plan(1.0);
        for count in 1..=10 {
            let shares: Vec<_> = (0..count).map(|nth| plan.share(nth, count)).collect();
            let connections: u32 = shares.iter().filter_map(|share| share.connections).sum();
            let in_flight: u32 = shares.iter().map(|share| share.in_flight_max).sum();
            assert_eq!((connections, in_flight), (10, 1_001), "{count}");
            assert!(shares.iter().all(|share| share.connections > Some(0)));
        }
    }
}
