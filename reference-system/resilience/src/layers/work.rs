//! An async function as the innermost service: what `Command::execute` runs.

use std::future::Future;
use std::task::{Context, Poll};

use tower::Service;

use crate::{Attempt, Call};

/// A service that runs a function once per attempt.
#[derive(Debug)]
pub struct Work<'a, W>(pub &'a W);

impl<W> Clone for Work<'_, W> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<W, Fut, T, E> Service<Call<()>> for Work<'_, W>
where
    W: Fn(Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Error = E;
    type Future = Fut;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<()>) -> Fut {
        (self.0)(call.attempt())
    }
}
