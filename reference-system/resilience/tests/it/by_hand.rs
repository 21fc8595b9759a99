//! Futures that a test polls itself, and turns for tasks while no time passes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets tasks go on while no time passes.
pub(crate) async fn let_others_run() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}
