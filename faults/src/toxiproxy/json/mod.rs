//! JSON as Go's `encoding/json` reads and writes it: Toxiproxy's clients were
//! written against its quirks, and its errors are part of the answers.
//!
//! Only the first value of a body is read and whatever follows is nobody's
//! business; keys match whatever their case; a key that is there twice counts
//! where it stands last; unknown keys are skipped; `null` leaves what was there.

mod decode;
mod raw;
mod scan;
mod write;

pub(super) use decode::{Mismatch, Place};
pub(super) use raw::{Raw, first_value};
pub(super) use write::{push_f32, push_text};

#[cfg(test)]
mod tests;
