//! When the messages of streams came, of all arrivals: as many times as there were, from
//! streams that were heard out alone.

use std::time::Duration;

use squall_record::Counts;
use squall_scenario::{AnswerCheck, Request, SeriesCheck, Stay};

use crate::events::{STAY, count, events, over, serves, time, ways};
use crate::grpc::{CALLS, Ran, calls, load, run, run_against};
use crate::sockets::{echo, opens, over_one};

/// Streams that brought a message, that had none to bring, and gaps.
fn heard(ran: &Ran) -> [u64; 3] {
    let of_route = |counts: &Counts| counts.scheduled;
    assert_eq!(ran.counts.iter().map(of_route).sum::<u64>(), CALLS);
    for sample in &ran.samples {
        let parts = [sample.parts.first_message_us, sample.parts.longest_gap_us];
        for us in parts.into_iter().flatten() {
            // A spread knows 1 in 128, and what is upwards of it.
            assert!(
                us <= sample.response_us + sample.response_us / 128 + 1,
                "{sample:?}"
            );
        }
    }
    ran.heard[0]
}

/// Streams of events whose client leaves then, over both versions and framings.
async fn all_bring(path: &str, stay: Stay, check: Option<SeriesCheck>, wanted: [u64; 3]) {
    for (http, path) in ways(path) {
        let request = Request {
            checks: check.map(AnswerCheck::Events).into_iter().collect(),
            ..events(&path, stay)
        };
        let (address, _) = serves(http).await;
        let ran = run_against(address, over(http, vec![request], vec![])).await;
        assert_eq!(heard(&ran), wanted, "{http:?} {path}: {:?}", ran.samples);
    }
}

/// Of three events two lie behind another; silence until the client leaves is a third gap.
#[tokio::test]
async fn events_are_timed_whatever_is_expected_of_them() {
    all_bring("/ends", Stay::default(), None, [CALLS, 0, 2 * CALLS]).await;
    all_bring("/waits", count(2), None, [CALLS, 0, CALLS]).await;
    let none = Some(SeriesCheck::AtMost(0));
    all_bring("/ends", Stay::default(), none, [CALLS, 0, 2 * CALLS]).await;
    all_bring("/waits", time(STAY), None, [CALLS, 0, 3 * CALLS]).await;
}

/// What broke, was refused, or brought nothing for as long as its client stayed has no
/// times: whoever judges has to count it as endless.
#[tokio::test]
async fn what_was_not_heard_out_has_no_times() {
    for path in ["/breaks", "/busy", "/page"] {
        all_bring(path, Stay::default(), None, [0; 3]).await;
    }
    all_bring("/nothing", time(Duration::from_millis(50)), None, [0; 3]).await;
    all_bring("/empty", Stay::default(), None, [0; 3]).await;
}

#[tokio::test]
async fn messages_of_calls_are_timed_where_they_are_a_stream() {
    for (method, wanted) in [
        ("WatchThree", [CALLS, 0, 2 * CALLS]),
        // It ends well, and has nothing to say.
        ("WatchNothing", [0, CALLS, 0]),
        ("WatchDenied", [0; 3]),
        ("WatchCut", [0; 3]),
        ("Play", [0; 3]),
    ] {
        let ran = run(load(vec![calls(method)], vec![])).await;
        assert_eq!(heard(&ran), wanted, "{method}: {:?}", ran.samples);
    }
}

#[tokio::test]
async fn messages_of_sockets_are_timed() {
    let (address, _) = echo();
    let asks = opens("/", &["a", "b"], count(2));
    let ran = run_against(address, over_one(vec![asks], vec![])).await;
    assert_eq!(heard(&ran), [CALLS, 0, CALLS], "{:?}", ran.samples);
}
