//! A streaming service in miniature: gateway, recommendations, catalog, playback, CDN edges and
//! origin, a replicated cache, a wide-column store and discovery.
//!
//! Each instance is one process that [`serve`] runs. Every remote call goes through
//! `squall-resilience`; [`dependencies()`] lists them all. What can be weakened to see the
//! protection missing is a [`Settings`] switch.

mod cache;
mod carried;
mod catalog;
mod clock;
mod dataset;
mod dependencies;
mod discovery;
mod edge;
mod evcache;
mod gateway;
mod host;
mod metrics;
mod origin;
mod playback;
mod read_through;
mod recommendations;
mod remote;
mod reply;
mod segment;
mod serve;
mod service;
mod settings;
mod store;

pub use dependencies::{
    Criticality, Dependency, Flaw, REQUEST_BUDGET_MS, RetryClass, dependencies, lint,
};
pub use discovery::place::Place;
pub use serve::serve;
pub use service::{ServeError, ServiceConfig, ServiceKind, UnknownService};
pub use settings::{ByteSize, SettingError, SettingKey, Settings, Switch};

#[cfg(test)]
mod tests;
