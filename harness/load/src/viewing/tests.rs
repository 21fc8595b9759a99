//! What is noted of viewers, second by second, against what a player says that each saw.

use proptest::prelude::*;
use squall_record::ViewingSecond;

use super::*;

/// Whole milliseconds, so that no part of a microsecond is lost between two seconds.
fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One viewer: when it asks for the manifest, and how long that takes; how long each
/// segment takes and how many bytes it has, if it comes; how long it stays.
#[derive(Debug, Clone)]
struct Play {
    pressed_ms: u64,
    manifest_ms: u64,
    segments: Vec<(u64, Option<u64>)>,
    stay_ms: u64,
}

fn play() -> impl Strategy<Value = Play> {
    let bytes = prop_oneof![3 => (1..400_000_u64).prop_map(Some), 1 => Just(None)];
    let segments = prop::collection::vec((0..3_000_u64, bytes), 1..6);
    (0..5_000_u64, 0..2_000_u64, segments, 0..9_000_u64).prop_map(
        |(pressed_ms, manifest_ms, segments, stay_ms)| Play {
            pressed_ms,
            manifest_ms,
            segments,
            stay_ms,
        },
    )
}

/// What became of a viewer.
#[derive(Debug, PartialEq)]
enum Became {
    Seen,
    Never,
    Unfinished,
}

/// Plays on until the viewer leaves or the load ends; what it saw, as a player of its own
/// has it that is told the same.
fn watch(play: &Play, end: Instant, of: &mut Viewings, origin: Instant) -> (Viewing, Became) {
    let text = r#"{ "segment_seconds": 1, "segment_count": 5, "ladder_kbps": [300, 900],
                    "watch_path": "/{n}/{kbps}" }"#;
    let manifest = Manifest::read(text.as_bytes()).unwrap();
    let watching = Watching {
        buffer: ms(2_500),
        stay: ms(play.stay_ms),
    };
    let pressed = origin + ms(play.pressed_ms);
    let mut now = pressed + ms(play.manifest_ms);
    asked(pressed, Some(Notes { of, origin }));
    let mut player = Player::new(watching, manifest.clone(), now - pressed);
    let mut viewer = Viewer::new(watching, manifest, pressed, now);
    let mut network = play.segments.iter().cycle();
    let left = loop {
        let next = player.next(now - pressed);
        match viewer.then(now, Some(Notes { of, origin })) {
            Then::Fetch => {
                assert!(matches!(next, Next::Fetch(_)));
                let (took_ms, bytes) = *network.next().unwrap();
                if now + ms(took_ms) >= end {
                    break false;
                }
                now += ms(took_ms);
                match bytes {
                    Some(bytes) => player.came(now - pressed, bytes),
                    None => player.failed(now - pressed),
                }
                viewer.received(bytes);
                viewer.settled(now, bytes.is_some(), Some(Notes { of, origin }));
            }
            Then::Wait(until) if until >= end => break false,
            Then::Wait(until) => now = until,
            Then::Over { seen } => {
                if !seen {
                    viewer.saw_nothing(Some(Notes { of, origin }));
                }
                break true;
            }
        }
    };
    let over = matches!(player.next(now.max(end) - pressed), Next::Over(_)) || left;
    if !left {
        viewer.cut_short(end, Some(Notes { of, origin }));
    }
    let saw = player.viewing();
    let became = match (saw.started, over) {
        (true, _) => Became::Seen,
        (false, true) => Became::Never,
        (false, false) => Became::Unfinished,
    };
    (saw, became)
}

proptest! {
    /// Nothing is forgotten and nothing counted twice, whoever leaves or is cut short.
    #[test]
    fn the_seconds_are_what_all_viewers_saw(
        plays in prop::collection::vec(play(), 1..5),
        end_ms in 7_000..15_000_u64,
    ) {
        let origin = Instant::now();
        let end = origin + ms(end_ms);
        let mut of = Viewings::new("watch/title");
        let mut expected = ViewingSecond::default();
        let mut first_frames = 0;
        for play in &plays {
            let (saw, became) = watch(play, end, &mut of, origin);
            let us = |time: Duration| u64::try_from(time.as_micros()).unwrap();
            expected.played_us += us(saw.played);
            expected.stalls += u64::from(saw.stalls);
            expected.segments += u64::from(saw.segments);
            expected.kbps_sum += saw.kbps_sum;
            expected.switches += u64::from(saw.switches);
            match became {
                Became::Seen => {
                    first_frames += 1;
                    expected.stalled_us += us(saw.stalled);
                }
                Became::Never => {
                    expected.never += 1;
                    expected.stalled_us += us(saw.waited);
                }
                Became::Unfinished => expected.unfinished += 1,
            }
        }
        let mut all = ViewingSecond::default();
        of.seconds.iter().for_each(|second| all.add(second));
        prop_assert_eq!(all.viewers(), plays.len() as u64);
        let frames = std::mem::take(&mut all.first_frames);
        prop_assert_eq!(frames.iter().map(|(_, viewers)| viewers).sum::<u64>(), first_frames);
        prop_assert_eq!(&all, &expected, "{:#?}", of);
        for second in &of.seconds {
            let seen_us = second.played_us + second.stalled_us;
            prop_assert!(seen_us <= plays.len() as u64 * 1_000_000, "{:?}", second);
        }
    }

    /// A lead is played as the load is, and nothing of it is noted.
    #[test]
    fn who_is_not_noted_does_the_same(play in play()) {
        let origin = Instant::now();
        let pressed = origin + ms(play.pressed_ms);
        let now = pressed + ms(play.manifest_ms);
        let text = r#"{ "segment_seconds": 1, "segment_count": 5, "ladder_kbps": [300, 900],
                        "watch_path": "/{n}/{kbps}" }"#;
        let manifest = Manifest::read(text.as_bytes()).unwrap();
        let watching = Watching { buffer: ms(2_500), stay: ms(play.stay_ms) };
        let mut of = Viewings::new("watch/title");
        let mut noted = Viewer::new(watching, manifest.clone(), pressed, now);
        let mut silent = Viewer::new(watching, manifest, pressed, now);
        let mut at = now;
        for (took_ms, bytes) in &play.segments {
            let then = noted.then(at, Some(Notes { of: &mut of, origin }));
            prop_assert_eq!(then, silent.then(at, None));
            match then {
                Then::Over { .. } => break,
                Then::Wait(until) => at = until,
                Then::Fetch => {
                    at += ms(*took_ms);
                    noted.received(*bytes);
                    silent.received(*bytes);
                    noted.settled(at, bytes.is_some(), Some(Notes { of: &mut of, origin }));
                    silent.settled(at, bytes.is_some(), None);
                }
            }
            prop_assert_eq!(noted.noted, silent.noted);
        }
    }
}

#[test]
fn a_signature_in_the_path_of_a_segment_is_not_told() {
    let told = |path| {
        Segment {
            path,
            licence: None,
        }
        .told()
    };
    assert_eq!(told("/1/300"), "GET /1/300");
    assert_eq!(told("/1/300?token=abc"), "GET /1/300?…");
}
