//! The player in made-up networks, on made-up time.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use squall_scenario::Watching;

use super::{Fetch, Manifest, Next, Player, Viewing};

const LADDER: [u32; 5] = [235, 750, 1_750, 3_000, 5_800];

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn manifest(segments: u32) -> Manifest {
    let text = json!({ "segment_seconds": 4, "segment_count": segments, "ladder_kbps": LADDER,
                       "watch_path": "/{n}/{kbps}" });
    Manifest::read(text.to_string().as_bytes()).unwrap()
}

fn watching(buffer_s: f64, stay_s: f64) -> Watching {
    Watching {
        buffer: secs(buffer_s),
        stay: secs(stay_s),
    }
}

/// What becomes of a segment that is asked for: its bytes and how long it takes,
/// or how long it takes to fail.
type Network<'a> = &'a dyn Fn(Fetch, Duration) -> Result<(u64, Duration), Duration>;

/// Plays to the end, and checks on the way what always holds.
fn play(watching: Watching, segments: u32, network: Network) -> (Viewing, Vec<Fetch>) {
    let mut player = Player::new(watching, manifest(segments), secs(0.2));
    let mut now = secs(0.2);
    let mut asked = Vec::new();
    // A step is a segment or a wait; nobody needs so many.
    for _ in 0..100_000 {
        match player.next(now) {
            Next::Over(viewing) => return (viewing, asked),
            Next::Wait(until) => {
                assert!(until > now, "a wait that is over: {player:?}");
                now = until;
            }
            Next::Fetch(fetch) => {
                asked.push(fetch);
                assert!(matches!(player.next(now), Next::Wait(until) if until == watching.stay));
                match network(fetch, now) {
                    Ok((bytes, took)) => {
                        now += took;
                        player.came(now, bytes);
                    }
                    Err(took) => {
                        now += took;
                        player.failed(now);
                    }
                }
            }
        }
        let most = watching.buffer.max(secs(8.0));
        assert!(player.buffered <= most, "{player:?}");
    }
    panic!("the player never ends: {player:?}");
}

/// A network of a constant throughput, and segments of a constant bit rate.
fn constant(kbps: f64) -> impl Fn(Fetch, Duration) -> Result<(u64, Duration), Duration> {
    move |fetch, _| {
        let bytes = u64::from(fetch.kbps) * 500;
        Ok((bytes, secs(bytes as f64 * 8.0 / 1_000.0 / kbps)))
    }
}

#[test]
fn a_fast_network_is_climbed_and_never_stalls() {
    let (viewing, asked) = play(watching(8.0, 60.0), 900, &constant(50_000.0));
    assert_eq!(asked[0].kbps, 235, "nothing is known of the network yet");
    assert_eq!(asked.last().unwrap().kbps, 5_800);
    let numbers: Vec<u32> = asked.iter().map(|fetch| fetch.number).collect();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u32));
    assert_eq!((viewing.stalls, viewing.stalled), (0, Duration::ZERO));
    // 235 kbit/s for 4 s are 117.5 kB: 19 ms.
    let first = viewing.time_to_first_frame().unwrap();
    assert!((secs(0.218)..secs(0.220)).contains(&first), "{first:?}");
    assert!(viewing.mean_kbps().unwrap() > 4_500.0);
    assert!((1..=4).contains(&viewing.switches), "{viewing:?}");
    assert_eq!(viewing.rebuffer_ratio(), Some(0.0));
}

#[test]
fn a_network_below_the_lowest_rate_stalls_by_as_much_as_it_lacks() {
    // 4 s of picture take 8 s to come.
    let (viewing, asked) = play(watching(8.0, 100.0), 900, &constant(117.5));
    assert!(asked.iter().all(|fetch| fetch.kbps == 235));
    assert_eq!(viewing.switches, 0);
    let ratio = viewing.rebuffer_ratio().unwrap();
    assert!((0.45..0.55).contains(&ratio), "{ratio}");
    assert_eq!(viewing.waited, secs(8.2));
}

#[test]
fn an_outage_drains_the_buffer_stalls_and_comes_back_lower() {
    let good = constant(50_000.0);
    let outage = |fetch: Fetch, now: Duration| {
        if (secs(20.0)..secs(40.0)).contains(&now) {
            Err(secs(0.5))
        } else {
            good(fetch, now)
        }
    };
    let (viewing, asked) = play(watching(8.0, 60.0), 900, &outage);
    // Asked every 1.5 s, with at most 8 s to play on.
    assert!((12..=14).contains(&viewing.failures), "{viewing:?}");
    assert_eq!(viewing.stalls, 1);
    assert!(
        (secs(11.0)..secs(18.0)).contains(&viewing.stalled),
        "{viewing:?}"
    );
    let failed = asked
        .windows(2)
        .filter(|pair| pair[0].number == pair[1].number);
    assert!(failed.clone().count() > 10);
    assert!(failed.map(|pair| pair[1].kbps).all(|kbps| kbps == 235));
}

#[test]
fn who_sees_nothing_has_no_first_frame_and_waited_all_the_time() {
    let (viewing, _) = play(watching(8.0, 30.0), 900, &|_, _| Err(secs(2.0)));
    assert_eq!(viewing.time_to_first_frame(), None);
    assert_eq!(viewing.waited, secs(30.0));
    assert_eq!(
        (viewing.rebuffer_ratio(), viewing.mean_kbps()),
        (Some(1.0), None)
    );
    let never = Player::without_manifest(secs(5.0));
    assert_eq!(
        (never.rebuffer_ratio(), never.time_to_first_frame()),
        (Some(1.0), None)
    );
    assert_eq!(
        Viewing::default().rebuffer_ratio(),
        None,
        "nobody is no good viewer"
    );
}

#[test]
fn a_title_that_ends_ends_the_play() {
    let (viewing, asked) = play(watching(8.0, 600.0), 3, &constant(50_000.0));
    assert_eq!((asked.len(), viewing.played), (3, secs(12.0)));
    assert_eq!(viewing.stalled, Duration::ZERO);
    assert!(viewing.wall() < secs(13.0));
}

#[test]
fn what_comes_too_late_or_unasked_changes_nothing() {
    let mut player = Player::new(watching(8.0, 10.0), manifest(9), secs(0.0));
    player.came(secs(1.0), 1_000);
    player.failed(secs(1.0));
    assert_eq!(player.viewing().segments, 0);
    assert!(matches!(player.next(secs(1.0)), Next::Fetch(_)));
    player.came(secs(11.0), 117_500);
    let Next::Over(viewing) = player.next(secs(11.0)) else {
        panic!("the viewer has left");
    };
    assert_eq!((viewing.segments, viewing.waited), (0, secs(10.0)));
    // Time does not go back.
    assert_eq!(player.next(secs(2.0)), Next::Over(viewing));
}

/// A segment out of a cache takes no time, which says nothing of the network.
#[test]
fn what_a_cache_has_is_no_sign_of_a_fast_network() {
    let mut rates = Vec::new();
    for bytes in [None, Some(10_000_000)] {
        let mut player = Player::new(watching(60.0, 600.0), manifest(99), secs(0.0));
        for _ in 0..9 {
            assert!(matches!(player.next(secs(1.0)), Next::Fetch(_)));
            player.came(secs(1.0), bytes);
        }
        match player.next(secs(1.0)) {
            Next::Fetch(fetch) => rates.push(fetch.kbps),
            next => panic!("{next:?}"),
        }
    }
    assert!(rates[0] < rates[1], "{rates:?}");
    assert_eq!(rates[0], LADDER[0]);
}

#[derive(Debug, Clone, Copy)]
struct Weather {
    kbps: f64,
    latency_s: f64,
    fails: bool,
}

fn weather() -> impl Strategy<Value = Weather> {
    (1.0..5.0_f64, 0.0..2.0_f64, prop::bool::weighted(0.2)).prop_map(|(power, latency_s, fails)| {
        Weather {
            kbps: 10_f64.powf(power),
            latency_s,
            fails,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the network does, the times add up to how long it took, the picture
    /// never plays what has not come, and it ends.
    #[test]
    fn the_times_add_up_in_any_network(
        weather in prop::collection::vec(weather(), 1..40),
        buffer_s in 0.0..40.0_f64,
        stay_s in 0.0..120.0_f64,
        segments in 1..60_u32,
    ) {
        let network = |fetch: Fetch, now: Duration| {
            let today = weather[now.as_secs() as usize / 4 % weather.len()];
            let bytes = u64::from(fetch.kbps) * 500;
            let took = secs(today.latency_s + bytes as f64 * 8.0 / 1_000.0 / today.kbps);
            if today.fails { Err(secs(today.latency_s)) } else { Ok((bytes, took)) }
        };
        let stay = secs(stay_s);
        let (viewing, asked) = play(watching(buffer_s, stay_s), segments, &network);
        let came = secs(4.0) * viewing.segments;
        prop_assert!(viewing.played <= came);
        prop_assert!(viewing.wall() <= stay);
        // It ends early only when all has been seen.
        let seen = viewing.segments == segments && viewing.played == came;
        prop_assert!(viewing.wall() == stay || seen, "{viewing:?}");
        prop_assert_eq!(viewing.started, viewing.segments > 0);
        prop_assert!(viewing.switches < viewing.segments.max(1));
        prop_assert!(asked.len() as u32 <= viewing.segments + viewing.failures + 1);
        if let Some(kbps) = viewing.mean_kbps() {
            prop_assert!((235.0..=5_800.0).contains(&kbps));
        }
    }

    /// In a network of constant throughput, more of it never means more time without a
    /// picture, nor more stalls of a title that is watched to its end.
    #[test]
    fn more_throughput_never_means_more_rebuffering(
        kbps in 20.0..20_000.0_f64,
        factor in 1.0..10.0_f64,
        buffer_s in 4.0..40.0_f64,
    ) {
        let (slow, fast) = (constant(kbps), constant(kbps * factor));
        let seen = |network: Network| play(watching(buffer_s, 90.0), 900, network).0;
        let (less, more) = (seen(&slow), seen(&fast));
        // A nanosecond for each time that is rounded.
        let rounding = Duration::from_micros(1);
        prop_assert!(more.waited + more.stalled <= less.waited + less.stalled + rounding);
        let to_the_end = |network: Network| play(watching(buffer_s, 1e6), 12, network).0;
        let (less, more) = (to_the_end(&slow), to_the_end(&fast));
        prop_assert!(more.stalled <= less.stalled + rounding, "{less:?} {more:?}");
        prop_assert!(more.rebuffer_ratio() <= less.rebuffer_ratio().map(|ratio| ratio + 1e-6));
    }
}
