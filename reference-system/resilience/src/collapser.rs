//! The collapser: calls for one thing each, made at about the same time, become one call for many.

mod batch;
mod error;
mod lead;
mod metrics;
mod properties;
mod scope;

use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Sleep;
use tower::Service;

pub use self::batch::{Batch, BatchFn};
pub use self::error::CollapseError;
use self::lead::Lead;
use self::metrics::CollapserMetrics;
pub use self::metrics::{BATCH_SIZE_PERCENTILES, BatchSizes, CollapserCounts, CollapserSnapshot};
pub use self::properties::CollapserProperties;
use self::scope::{Place, Scope, Terms};
use crate::{Call, CallOptions, Command, PropertiesError, RequestContext};

/// Numbers collapsers, so that a request context tells them apart.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// What a caller is answered.
pub type Answer<A, B> = Result<<B as Batch<A>>::Response, CollapseError<<B as Batch<A>>::Error>>;

/// Gathers single arguments for `timer_delay_ms` and has a [`Batch`] answer them together, through
/// all layers of a command. Hystrix's `HystrixCollapser`; cloning shares it.
///
/// - A batch goes when its first argument has waited for the delay, or at once when it is full, so
///   nobody waits longer than the delay and the execution, nor past its own deadline.
/// - Callers with the same argument share one place and one answer.
/// - A caller that is dropped before its batch goes takes its argument along; a batch that
///   everybody has left is dropped.
/// - Each batch has a task of its own from its first argument to its last answer; between batches
///   there is none. Calls need a tokio runtime.
///
/// Which calls may meet is said where they are made: [`submit`](Self::submit) is for arguments that
/// mean the same whoever asks (Hystrix's scope GLOBAL), [`submit_in`](Self::submit_in) keeps to
/// those of one request (scope REQUEST), and remembers their answers as long as it.
pub struct Collapser<A, B: Batch<A>>(Arc<Inner<A, B>>);

struct Inner<A, B: Batch<A>> {
    id: u64,
    view: Arc<View>,
    command: Command,
    batch: B,
    global: Arc<Scope<A, Answer<A, B>>>,
}

/// What a registry shows of a collapser, whatever its types.
pub(crate) struct View {
    name: Arc<str>,
    command: Command,
    properties: ArcSwap<CollapserProperties>,
    metrics: CollapserMetrics,
}

impl<A, B: Batch<A>> Clone for Collapser<A, B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A, B: Batch<A>> std::fmt::Debug for Collapser<A, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collapser")
            .field("name", &self.0.view.name)
            .field("command", &self.0.command)
            .finish_non_exhaustive()
    }
}

impl<A, B> Collapser<A, B>
where
    A: Hash + Eq + Clone + Send + Sync + 'static,
    B: Batch<A>,
{
    /// A collapser whose batches run as `command`. [`Registry::show_collapser`] lists it.
    ///
    /// [`Registry::show_collapser`]: crate::Registry::show_collapser
    ///
    /// # Errors
    /// The properties contradict themselves.
    pub fn new(
        name: &str,
        command: Command,
        properties: CollapserProperties,
        batch: B,
    ) -> Result<Self, PropertiesError> {
        properties.validate()?;
        Ok(Self(Arc::new(Inner {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            view: Arc::new(View {
                name: Arc::from(name),
                metrics: CollapserMetrics::new(&properties, command.now()),
                properties: ArcSwap::from_pointee(properties),
                command: command.clone(),
            }),
            command,
            batch,
            global: Arc::new(Scope::new(0)),
        })))
    }

    /// Asks for `argument`, in one batch with whoever else asks in these moments. Answers are not
    /// remembered once the batch has gone.
    pub fn submit(&self, options: impl Into<CallOptions>, argument: A) -> Submission<A, B> {
        self.enter(None, options.into(), argument)
    }

    /// Asks for `argument`, in one batch with calls of the same request only. With
    /// `request_cache_enabled` the request remembers the answer, errors and all, and gives it to
    /// whoever asks later; of each collapser it remembers as many as it remembers of all commands.
    pub fn submit_in(
        &self,
        context: &RequestContext,
        options: impl Into<CallOptions>,
        argument: A,
    ) -> Submission<A, B> {
        self.enter(Some(context), options.into(), argument)
    }

    /// Has the request forget the answer to `argument`, which the caller has just changed. Who
    /// waits for it already still gets it, but nobody who comes after this.
    pub fn clear(&self, context: &RequestContext, argument: &A) {
        if let Some(scope) = self.scope_in(context) {
            scope.forget(argument);
        }
    }

    /// Replaces the settings of the running collapser. Batches that are open keep theirs.
    ///
    /// # Errors
    /// The settings contradict themselves, or would change the shape of the rolling windows.
    pub fn set_properties(&self, properties: CollapserProperties) -> Result<(), PropertiesError> {
        properties.validate()?;
        if !properties.same_windows(&self.0.view.properties.load()) {
            return Err(PropertiesError::WindowsFixed);
        }
        self.0.view.set_properties(properties);
        Ok(())
    }

    /// The collapser's name, for dashboards.
    pub fn name(&self) -> &str {
        &self.0.view.name
    }

    /// The command its batches run as.
    pub fn command(&self) -> &Command {
        &self.0.command
    }

    /// Everything a dashboard shows, at this instant.
    pub fn snapshot(&self) -> CollapserSnapshot {
        self.0.view.snapshot()
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.0.view.clone()
    }

    fn scope_in(&self, context: &RequestContext) -> Option<Arc<Scope<A, Answer<A, B>>>> {
        context.companion(self.0.id, || Scope::new(context.max_entries()))
    }

    fn enter(
        &self,
        context: Option<&RequestContext>,
        options: CallOptions,
        argument: A,
    ) -> Submission<A, B> {
        let command = &self.0.command;
        let ends = command.properties().execution_timeout_enabled;
        let after = options.deadline.remaining(command.now());
        if ends && after.is_zero() {
            return Submission(Stage::Refused);
        }
        let properties = self.0.view.properties.load();
        // An id belongs to one collapser, and so to one type.
        let scope = context.map_or(Some(self.0.global.clone()), |context| {
            self.scope_in(context)
        });
        let scope = scope.unwrap_or_else(|| self.0.global.clone());
        let terms = Terms {
            max: properties.max_requests_in_batch,
            remember: context.is_some() && properties.request_cache_enabled,
        };
        let delay = Duration::from_millis(properties.timer_delay_ms);
        let joined = scope.join(argument, options, terms);
        if let Some(opened) = joined.opened {
            let run = Lead::new(self.0.clone(), scope, opened).run(tokio::time::sleep(delay));
            match context {
                Some(context) => drop(tokio::spawn(context.clone().scope(run))),
                None => drop(tokio::spawn(run)),
            }
        }
        if joined.shared {
            self.0.view.metrics.record_shared(command.now());
        }
        Submission(Stage::Waiting {
            place: joined.place,
            limit: ends.then(|| (Box::pin(tokio::time::sleep(after)), after)),
        })
    }
}

impl View {
    pub(crate) fn properties(&self) -> CollapserProperties {
        (**self.properties.load()).clone()
    }

    /// Settings that were checked, with the windows it has.
    pub(crate) fn set_properties(&self, properties: CollapserProperties) {
        self.properties.store(Arc::new(properties));
    }

    pub(crate) fn snapshot(&self) -> CollapserSnapshot {
        let (rolling, totals, batch_size) = self.metrics.read(self.command.now());
        CollapserSnapshot {
            name: self.name.clone(),
            unix_ms: self.command.clock().unix_ms(),
            rolling,
            totals,
            batch_size,
            properties: self.properties.load_full(),
        }
    }
}

/// An argument on its way through a batch. Dropping it gives it up.
#[must_use = "an argument whose answer nobody waits for is given up"]
pub struct Submission<A, B>(Stage<A, Answer<A, B>>)
where
    A: Hash + Eq + Clone,
    B: Batch<A>;

enum Stage<A: Hash + Eq + Clone, O: Clone> {
    /// The deadline had passed before.
    Refused,
    Waiting {
        place: Place<A, O>,
        /// The caller's own deadline.
        limit: Option<(Pin<Box<Sleep>>, Duration)>,
    },
}

/// Nothing in it is pinned but in boxes.
impl<A: Hash + Eq + Clone, B: Batch<A>> Unpin for Submission<A, B> {}

impl<A, B> Future for Submission<A, B>
where
    A: Hash + Eq + Clone,
    B: Batch<A>,
{
    type Output = Answer<A, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (place, limit) = match &mut self.0 {
            Stage::Refused => return Poll::Ready(Err(CollapseError::DeadlineExpired)),
            Stage::Waiting { place, limit } => (place, limit),
        };
        if let Poll::Ready(answer) = place.poll(cx) {
            return Poll::Ready(answer);
        }
        let Some((sleep, after)) = limit else {
            return Poll::Pending;
        };
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(CollapseError::Timeout { after: *after }))
    }
}

/// As a service, it answers each call for its own argument; see [`Collapser::submit`].
impl<A, B> Service<Call<A>> for Collapser<A, B>
where
    A: Hash + Eq + Clone + Send + Sync + 'static,
    B: Batch<A>,
{
    type Response = B::Response;
    type Error = CollapseError<B::Error>;
    type Future = Submission<A, B>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<A>) -> Self::Future {
        self.submit(call.options, call.request)
    }
}
