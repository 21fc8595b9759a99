//! Records as another program writes and reads them.

mod store;
mod synthetic;
