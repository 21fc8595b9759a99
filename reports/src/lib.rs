//! What people and programs read of a run.
//!
//! Every output format renders a record and its verdict; [`compare`] puts two
//! runs side by side, and [`index_page`] lists all of a folder. Nothing here
//! opens a file or a socket, reads a clock or prints.

mod calibration;
pub mod compare;
pub mod format;
mod index;
mod schema;

pub use calibration::calibration_text;
pub use compare::{CompareError, RunComparison, compare};
pub use index::{IndexedRun, index_page};
pub use schema::{PublishedSchema, SCHEMAS};
