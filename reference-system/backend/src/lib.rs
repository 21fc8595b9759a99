//! A streaming service in miniature: gateway, recommendations, catalog, playback, CDN edges and
//! origin, a replicated cache, a wide-column store and discovery.
//!
//! Each instance is one process that [`serve`] runs. Every remote call goes through
//! `squall-resilience`; [`dependencies()`] lists them all. What can be weakened to see the
//! protection missing is a [`Settings`] switch.

mod dataset;
mod dependencies;
mod platform;
mod segment;
mod serve;
mod service;
mod services;
mod settings;
mod stores;

pub use dependencies::{
    Criticality, Dependency, Flaw, REQUEST_BUDGET_MS, RetryClass, dependencies, lint,
};
pub use platform::discovery::place::Place;
pub use serve::serve;
pub use service::{ServeError, ServiceConfig, ServiceKind, UnknownService};
pub use settings::{ByteSize, SettingError, SettingKey, Settings, Switch};

#[cfg(test)]
mod tests;
