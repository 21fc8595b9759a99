//! The same names with nothing behind them: a build without the feature `active`.

use std::marker::PhantomData;

use tower_layer::Layer;

use crate::call::Blind;
use crate::injected::{Injected, Report};
use crate::plan::Plan;
use crate::text::PlanError;

/// The faults of a service, compiled out: nothing is ever set, nothing strikes.
/// Takes no room.
#[derive(Debug, Clone, Default)]
pub struct Faults;

impl Faults {
    /// Whether faults were compiled in (feature `active`).
    pub const ACTIVE: bool = false;

    /// None.
    #[must_use]
    pub const fn new(_seed: u64) -> Self {
        Self
    }

    /// None, whatever `text` says.
    ///
    /// # Errors
    /// Never.
    pub const fn parse(_seed: u64, _text: &str) -> Result<Self, PlanError> {
        Ok(Self)
    }

    /// None: the environment is not read.
    ///
    /// # Errors
    /// Never.
    pub const fn from_env() -> Result<Self, PlanError> {
        Ok(Self)
    }

    /// Nobody can switch what is not there.
    ///
    /// # Errors
    /// Never.
    pub const fn listen_from_env(&self) -> std::io::Result<bool> {
        Ok(false)
    }

    /// Does nothing.
    pub fn set(&self, _point: &str, _plan: Plan) {}

    /// There is nothing to take away.
    pub const fn clear(&self, _point: &str) -> Option<Report> {
        None
    }

    /// There is nothing to take away.
    pub const fn clear_all(&self) -> Vec<Report> {
        Vec::new()
    }

    /// There is nothing to tell.
    #[must_use]
    pub const fn reports(&self) -> Vec<Report> {
        Vec::new()
    }

    /// Returns at once.
    ///
    /// # Errors
    /// Never.
    #[expect(clippy::unused_async, reason = "it waits where faults are compiled in")]
    pub async fn at(&self, _point: &str) -> Result<(), Injected> {
        Ok(())
    }
}

/// A layer that puts nothing around a service: [`Layer::layer`] gives it back as
/// it is.
#[derive(Debug, Clone)]
pub struct FaultLayer<A, R = Blind>(PhantomData<fn() -> (A, R)>);

impl<A> FaultLayer<A> {
    /// Puts nothing around a service.
    pub fn new<Answer>(_faults: &Faults, _point: &str, _answer: A) -> Self
    where
        A: Fn(Injected) -> Answer,
    {
        Self(PhantomData)
    }
}

impl<A, R> FaultLayer<A, R> {
    /// Reads nothing.
    #[must_use]
    pub fn reading<Other>(self, _reads: Other) -> FaultLayer<A, Other> {
        FaultLayer(PhantomData)
    }
}

impl<S, A, R> Layer<S> for FaultLayer<A, R> {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}
