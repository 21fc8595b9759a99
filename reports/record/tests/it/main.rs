//! Records as another program writes and reads them.

mod merge;
mod store;
mod synthetic;
