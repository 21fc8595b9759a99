//! `squall load --find-limit`: which rates are tried, and what they say together.

mod search;
mod table;

pub use search::{Search, Step};
pub use table::{Figure, Tried, json, sentence, text};
