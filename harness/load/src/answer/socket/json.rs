//! The messages of a socket as the JSON that checks look into.

use serde_json::Value;

use super::frames::{Frames, Part};
use crate::json::is_json;

/// The messages in frames as they came, as a list: those that are JSON as they came,
/// others as a text. What did not come whole is left out.
pub(crate) fn json_of_messages(mut frames: &[u8]) -> Vec<u8> {
    let mut reader = Frames::default();
    let mut list = String::from("[");
    let mut message = Vec::new();
    while let Ok(Some(part)) = reader.next(&mut frames) {
        match part {
            Part::Payload(payload) => message.extend_from_slice(payload),
            Part::Message => {
                if list.len() > 1 {
                    list.push(',');
                }
                push(&std::mem::take(&mut message), &mut list);
            }
            Part::Head { .. } | Part::Ping(_) | Part::Pong | Part::Close(_) => {}
        }
    }
    list.push(']');
    list.into_bytes()
}

fn push(message: &[u8], list: &mut String) {
    let text = String::from_utf8_lossy(message);
    match is_json(&text) {
        true => list.push_str(&text),
        false => list.push_str(&Value::from(text).to_string()),
    }
}
