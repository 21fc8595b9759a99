//! `/hystrix/utilization.stream`: what is in use now, as Hystrix's `SerialHystrixUtilization`
//! writes it. For autoscalers; it comes as often as `/hystrix.stream` and is a tenth of its size.

use serde_json::{Value, json};

use super::{Pool, by_name};
use crate::snapshot::CommandSnapshot;

/// The one object of a round: calls that run, by command and by pool, and those that wait.
pub fn message(snapshots: &[CommandSnapshot]) -> String {
    json!({
        "type": "HystrixUtilization",
        "commands": by_name(snapshots, |one| json!({ "activeCount": one.active })),
        "threadpools": by_name(snapshots, thread_pool),
    })
    .to_string()
}

fn thread_pool(snapshot: &CommandSnapshot) -> Value {
    let pool = Pool::of(snapshot);
    json!({
        "activeCount": snapshot.active,
        "queueSize": snapshot.waiting,
        "corePoolSize": pool.limit,
        "poolSize": pool.size,
    })
}
