//! The library from outside; and the parts of it that work without a lock, in every order in which
//! threads can meet there.

mod command;
mod stream;
mod sync;
#[path = "../../src/breaker/window.rs"]
mod window;
mod window_orders;
