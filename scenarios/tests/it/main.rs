//! The vocabulary from outside.

mod secrets;
