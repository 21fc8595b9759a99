//! The library from outside; and the parts of it that work without a lock, in every order in which
//! threads can meet there.

mod balance_calls;
#[expect(dead_code, reason = "two of its threads need not all of it")]
#[path = "../../src/bulkhead.rs"]
mod bulkhead;
mod bulkhead_orders;
mod by_hand;
mod cluster;
mod collapser;
mod command;
#[path = "../../src/breaker/due.rs"]
mod due;
mod dynamic;
mod failsafe;
mod hedging;
#[path = "../../src/promise.rs"]
mod promise;
mod request_cache;
#[path = "../../src/shared.rs"]
mod shared;
mod shared_orders;
mod sibling_streams;
mod single_flight;
mod stale_cache;
mod stream;
mod sync;
#[path = "../../src/breaker/window.rs"]
mod window;
mod window_orders;
