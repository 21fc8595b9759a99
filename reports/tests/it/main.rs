//! Every report, of runs that never happened and of records from long ago.

mod calibration;
mod compare;
mod damage;
mod effects;
mod foreign;
mod formats;
mod golden;
mod index;
mod load_only;
mod properties;
mod schema;
#[path = "../../record/tests/it/synthetic/mod.rs"]
mod synthetic;
