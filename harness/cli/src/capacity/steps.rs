//! Short open-loop runs at rising rates against a server that does nothing.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::Counts;
use squall_record::histogram::new_histogram;
use squall_record::store::files;
use squall_scenario::{Arrivals, Load, Rate, Request, Stage, Template};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::machine::Identity;
use super::{BoundedBy, Held};
use crate::limit_search::{Search, Step};

/// Requests a second of the first run.
const START: f64 = 250.0;
/// Requests a second of the last one.
const MOST: f64 = 2_000_000.0;
/// How long each rate stays.
const EACH: Duration = Duration::from_millis(400);
/// When the search ends, however close it has come.
const IN_ALL: Duration = Duration::from_secs(12);
/// Connections of every run: of as many a server on the same machine takes what it
/// is sent.
const CONNECTIONS: u32 = 64;
/// A rate is held if 99 % of its arrivals are sent this much after their time at
/// most: what a report calls notable is later.
const LAG_MAX_US: u64 = 5_000;
/// Of a rate that is held so many may fail, one of so many.
const LOST_MAX: u64 = 1_000;
/// From this share on processors are called busy.
const BUSY: f64 = 0.9;
/// From this share of that on the work is squall's.
const OWN: f64 = 0.5;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a run at one rate showed.
#[derive(Debug, Clone, Copy)]
struct Seen {
    counts: Counts,
    lag_p99_us: u64,
    /// Share of the time that processors had something to do.
    busy: f64,
    /// Share of that time in which it was something of squall's, its server
    /// included.
    own: f64,
}

impl Seen {
    fn holds(&self) -> bool {
        let lost = self.counts.scheduled.saturating_sub(self.counts.good);
        self.lag_p99_us <= LAG_MAX_US && lost * LOST_MAX <= self.counts.scheduled
    }

    /// What was used up, of a rate that was not held.
    fn bounded_by(&self) -> BoundedBy {
        match self {
            _ if self.busy >= BUSY && self.own < OWN => BoundedBy::OtherPrograms,
            _ if self.busy >= BUSY => BoundedBy::Processors,
            _ if self.lag_p99_us > LAG_MAX_US => BoundedBy::Lag,
            _ => BoundedBy::Answers,
        }
    }
}

/// Finds the highest rate that is held, in some ten seconds at most.
///
/// # Errors
/// No server or no load can be started, in words.
pub async fn measure() -> Result<Held, String> {
    let address = server()
        .await
        .map_err(|error| format!("no server: {error}"))?;
    let begun = Instant::now();
    let mut search = Search::new(START, MOST);
    let mut bound: Option<(f64, BoundedBy)> = None;
    while let Some(rate) = search.next().and_then(Rate::per_second) {
        let seen = one_rate(rate, address).await?;
        let per_second = rate.as_per_second();
        if seen.holds() {
            search.tell(per_second, Step::Holds);
        } else {
            search.tell(per_second, Step::Breaks);
            if bound.is_none_or(|(lowest, _)| per_second < lowest) {
                bound = Some((per_second, seen.bounded_by()));
            }
        }
        if begun.elapsed() > IN_ALL {
            break;
        }
    }
    let per_second = search
        .holds()
        .ok_or("not even the lowest rate was held; other programs need the processors")?;
    Ok(Held {
        per_second,
        bounded_by: bound.map_or(BoundedBy::Nothing, |(_, by)| by),
        machine: Identity::of_this(),
        measured_utc: Timestamp::now().strftime("%Y-%m-%d").to_string(),
    })
}

async fn one_rate(rate: Rate, address: SocketAddr) -> Result<Seen, String> {
    let plan = LoadPlan {
        load: load(rate),
        seed: 1,
        destination: Destination::plain(vec![address], address.to_string()),
        shard: None,
        lead: false,
    };
    let mut handle = LoadHandle::start(plan).map_err(|error| error.to_string())?;
    let before = Spent::now();
    // When all its threads are there.
    let zero = Instant::now() + Duration::from_millis(20);
    let begin = LoadCommand::Begin { zero };
    handle
        .commands
        .send(begin)
        .await
        .map_err(|_| "the load ended before it began")?;
    let mut counts = Counts::default();
    let mut lag = new_histogram();
    let mut spent = None;
    while let Some(output) = handle.outputs.recv().await {
        match output {
            LoadOutput::Interval(interval) => {
                interval.lag.iter().for_each(|times| times.add_to(&mut lag));
                let routes = interval.routes.iter();
                routes.for_each(|route| counts.add(&route.counts));
            }
            LoadOutput::Draining => spent = Some(before.until(Spent::now())),
            LoadOutput::Lead(_)
            | LoadOutput::Samples(_)
            | LoadOutput::Journeys(_)
            | LoadOutput::Viewings(_)
            | LoadOutput::LateCut { .. }
            | LoadOutput::Finished { .. } => {}
        }
    }
    handle.join().await?;
    let (busy, own) = spent.unwrap_or_default();
    Ok(Seen {
        counts,
        lag_p99_us: lag.value_at_quantile(0.99),
        busy,
        own,
    })
}

fn load(rate: Rate) -> Load {
    Load {
        connections: Some(CONNECTIONS),
        timeout: Duration::from_secs(2),
        ..Load::plain(
            vec![Stage::Hold {
                rate,
                duration: EACH,
                arrivals: Arrivals::Even,
            }],
            vec![Request::plain("all", "GET", Template::parse("/"))],
        )
    }
}

/// A server that answers whatever it is asked, until squall ends.
async fn server() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream) {
    let mut request = [0; 4096];
    if stream.set_nodelay(true).is_err() {
        return;
    }
    while let Ok(1..) = stream.read(&mut request).await {
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

/// Processor time since the machine started, and since squall did.
#[derive(Debug, Clone, Copy)]
struct Spent {
    /// Ticks in which a processor had something to do, and all of them.
    ticks: (u64, u64),
    /// Of squall's.
    own: Duration,
}

impl Spent {
    fn now() -> Self {
        let bytes = files::read(Path::new("/proc/stat"), 1 << 20).unwrap_or_default();
        let own = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            ticks: ticks(&String::from_utf8_lossy(&bytes)),
            own: Duration::try_from(own).unwrap_or_default(),
        }
    }

    /// The share of the time in which processors had something to do, and the
    /// share of that which was squall's.
    #[expect(clippy::cast_precision_loss, reason = "shares")]
    fn until(self, later: Self) -> (f64, f64) {
        let busy = later.ticks.0.saturating_sub(self.ticks.0) as f64;
        let all = later.ticks.1.saturating_sub(self.ticks.1) as f64;
        let own = later.own.saturating_sub(self.own).as_secs_f64();
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        (share(busy, all), share(own * per_second, busy))
    }
}

/// Ticks in which a processor had something to do, and all of them.
fn ticks(stat: &str) -> (u64, u64) {
    let line = stat.lines().next().unwrap_or_default();
    let each: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        // What guests used is a part of what users used.
        .take(8)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    let all: u64 = each.iter().sum();
    // Idle, and idle while the disk is waited for.
    let idle: u64 = each.iter().skip(3).take(2).sum();
    (all - idle, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_first_is_named() {
        let seen = |good, lag_p99_us, busy| Seen {
            counts: Counts {
                scheduled: 1_000,
                good,
                ..Counts::default()
            },
            lag_p99_us,
            busy,
            own: 0.5,
        };
        assert!(seen(999, LAG_MAX_US, 1.0).holds());
        assert!(!seen(998, 10, 0.1).holds());
        assert!(!seen(1_000, LAG_MAX_US + 1, 0.1).holds());
        assert_eq!(seen(0, 0, 0.95).bounded_by(), BoundedBy::Processors);
        assert_eq!(seen(0, LAG_MAX_US + 1, 0.5).bounded_by(), BoundedBy::Lag);
        assert_eq!(seen(0, 0, 0.5).bounded_by(), BoundedBy::Answers);
        let others = Seen {
            own: 0.49,
            ..seen(0, LAG_MAX_US + 1, 0.95)
        };
        assert_eq!(others.bounded_by(), BoundedBy::OtherPrograms);
    }

    /// One run, at a rate that every machine has room for; how late it was is the
    /// machine's.
    #[tokio::test]
    async fn a_run_loses_nothing() {
        let address = server().await.unwrap();
        let seen = one_rate(Rate::per_second(50.0).unwrap(), address).await;
        let seen = seen.unwrap();
        assert_eq!((seen.counts.scheduled, seen.counts.good), (20, 20));
        assert!((0.0..=1.0).contains(&seen.busy));
    }

    #[test]
    fn processors_are_busy_where_they_are_not_idle() {
        let spent = |stat, own| Spent {
            ticks: ticks(stat),
            own: Duration::from_millis(own),
        };
        let before = spent("cpu  10 0 10 70 10 0 0 0 5 5\ncpu0 1 1 1 1\n", 1_000);
        assert_eq!(before.ticks, (20, 100));
        let after = spent("cpu  40 0 20 130 10 0 0 0 35 5\n", 1_100);
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let (busy, own) = before.until(after);
        assert!((busy - 0.4).abs() < 1e-9);
        assert!((own - 0.1 * per_second / 40.0).abs() < 1e-9);
        assert_eq!(after.until(after), (0.0, 0.0));
        assert_eq!(ticks(""), (0, 0));
    }
}
