//! What a collapser runs: one call for many arguments.

use std::future::Future;

use crate::{Attempt, Classify};

/// Answers many arguments at once.
pub trait Batch<A>: Send + Sync + 'static {
    /// What one argument is answered. Callers with the same argument share it.
    type Response: Clone + Send + 'static;
    /// Why an argument, or the whole batch, has no answer.
    type Error: Classify + Clone + Send + 'static;

    /// Answers `arguments`, which are all different, in the order in which they were asked; the
    /// answers may have any order. Arguments it leaves out are
    /// [`Unanswered`](super::CollapseError::Unanswered); answers nobody asked for, and second
    /// answers, are dropped.
    ///
    /// # Errors
    /// The batch failed as a whole: every caller is told.
    fn run(
        &self,
        arguments: Vec<A>,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Answers<A, Self::Response, Self::Error>, Self::Error>> + Send;

    /// Cuts a batch into several that run at the same time and fail apart, such as one per server
    /// that has the data. Arguments it leaves out are unanswered.
    fn shards(&self, arguments: Vec<A>) -> Vec<Vec<A>> {
        vec![arguments]
    }
}

/// Arguments with their answers.
pub(crate) type Answers<A, T, E> = Vec<(A, Result<T, E>)>;

/// A function of arguments and attempt as a [`Batch`] of one shard. It gives pairs of argument and
/// `Result`, such as a `HashMap` of them.
#[derive(Debug, Clone, Copy)]
pub struct BatchFn<F>(pub F);

impl<F, Fut, A, I, T, E> Batch<A> for BatchFn<F>
where
    F: Fn(Vec<A>, Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<I, E>> + Send,
    I: IntoIterator<Item = (A, Result<T, E>)>,
    T: Clone + Send + 'static,
    E: Classify + Clone + Send + 'static,
{
    type Response = T;
    type Error = E;

    fn run(
        &self,
        arguments: Vec<A>,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Answers<A, T, E>, E>> + Send {
        let answers = (self.0)(arguments, attempt);
        async move { Ok(answers.await?.into_iter().collect()) }
    }
}
