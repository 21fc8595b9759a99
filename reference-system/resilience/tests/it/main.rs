//! The library from outside.

mod command;
mod stream;
