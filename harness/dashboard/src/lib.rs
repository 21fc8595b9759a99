//! The dashboard: a full-screen terminal view of a run.
//!
//! It is a reader. The [`model`] is a fold of the run's events and gauges;
//! [`update`](update::update) is the only thing that changes it, and is pure;
//! [`view`](view::view) draws it, one file per panel. What a key does stands in
//! one table, [`keys`]. Nothing here is in the path of a request: a terminal
//! that stalls stalls a thread that nobody waits for.

pub mod axis;
pub mod browser;
pub mod keys;
pub mod model;
pub mod panels;
pub mod pen;
pub mod pointer;
pub mod replay;
pub mod screen;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod view;
pub mod views;

#[cfg(test)]
mod tests;
