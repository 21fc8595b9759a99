//! Which instances the attempts of one call have gone to.

use std::sync::{Arc, Mutex, PoisonError};

/// What the attempts of one call know of each other: the instances they went to, so that no
/// further attempt goes there while there is another. Clones share it.
///
/// [`Retry`](crate::layers::Retry) and [`Hedge`](crate::layers::Hedge) begin one for calls they may
/// try again; others carry nothing and cost nothing.
#[derive(Debug, Clone, Default)]
pub struct Tried(Option<Arc<Mutex<Vec<u64>>>>);

impl Tried {
    /// One that remembers. It is for a call that is tried again by something that is not a layer
    /// of this crate.
    pub fn recording() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether it remembers.
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Begins to remember, unless it does.
    pub(crate) fn record(&mut self) {
        if self.0.is_none() {
            *self = Self::recording();
        }
    }

    /// Chooses by the instances tried so far, and remembers the one `choose` gives the number of.
    /// Two attempts of one call that choose at once do so one after the other.
    pub(crate) fn choose<T>(
        &self,
        choose: impl FnOnce(&[u64]) -> Option<T>,
        number: impl FnOnce(&T) -> u64,
    ) -> Option<T> {
        let Some(tried) = &self.0 else {
            return choose(&[]);
        };
        // The list is whole after every change; a panic elsewhere cannot have broken it.
        let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen = choose(&tried)?;
        let number = number(&chosen);
        if !tried.contains(&number) {
            tried.push(number);
        }
        Some(chosen)
    }
}
