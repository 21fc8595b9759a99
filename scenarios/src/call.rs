//! Calls of gRPC: which method is called, and how its messages are written. Sending
//! and `check` use the same functions, so what is found sound can be sent.

use std::io;

use prost_reflect::prost::Message as _;
use prost_reflect::{
    DynamicMessage, MessageDescriptor, MethodDescriptor, ReflectMessage as _, Value,
};
use serde::{Deserialize, Serialize};

use crate::description::Description;
use crate::inject::GrpcStatus;

/// What stands in front of a message: whether it is compressed, and its length
/// (gRPC over HTTP/2, "Length-Prefixed-Message").
pub const MESSAGE_PREFIX_BYTES: usize = 5;

/// How deep messages may stand in each other, those that are held as any type included.
const NESTED_MAX: usize = 100;

/// The status of a call that went well.
pub const GRPC_OK: u16 = 0;

/// A call of a method that is sent one message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What the file says that describes the method.
    pub proto: Description,
    /// SHA-256 of the descriptor set, in hexadecimal digits: it stands for the file and all
    /// that it imports. Empty in records of versions that did not keep it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Full name of the service, a slash, and the method.
    pub method: String,
    /// Whether it may be called again where no answer came, by the word of the file
    /// (`idempotency_level`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// Whether it answers with a stream of messages, and not with one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub streams: bool,
}

impl Call {
    /// How its messages are written.
    ///
    /// # Errors
    /// The file does not have the method; in words.
    pub fn messages(&self) -> Result<Messages, String> {
        let method = self.proto.method(&self.method);
        let method = method.ok_or_else(|| format!("no method is called `{}`", self.method))?;
        Ok(Messages::of(&method))
    }
}

/// The messages of a method. Those of one reading of a file are equal where their types
/// are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    asks: MessageDescriptor,
    answers: MessageDescriptor,
}

impl Messages {
    /// Those of a method.
    #[must_use]
    pub fn of(method: &MethodDescriptor) -> Self {
        Self::between(method.input(), method.output())
    }

    /// Those of a method that is sent one type and answers with the other.
    #[must_use]
    pub const fn between(asks: MessageDescriptor, answers: MessageDescriptor) -> Self {
        Self { asks, answers }
    }

    /// Appends the message that `json` says, with its prefix. Names of fields are
    /// those of the file or their names in JSON (ProtoJSON).
    ///
    /// # Errors
    /// It is no such message; in words. Nothing is appended then.
    pub fn write(&self, json: &str, into: &mut Vec<u8>) -> Result<(), String> {
        let mut text = serde_json::Deserializer::from_str(json);
        let read = DynamicMessage::deserialize(self.asks.clone(), &mut text);
        let message = read.and_then(|message| text.end().map(|()| message));
        let message = message.map_err(|error| without_place(&error))?;
        let length = message.encoded_len();
        let prefix = u32::try_from(length).map_err(|_| "it is larger than 4 GiB".to_owned())?;
        into.reserve(MESSAGE_PREFIX_BYTES + length);
        into.push(0);
        into.extend_from_slice(&prefix.to_be_bytes());
        message.encode(into).map_err(|error| error.to_string())
    }

    /// The JSON of a message that was answered, without its prefix: fields by their
    /// names in JSON, without those that have their default; `None` where that has more
    /// than so many bytes.
    ///
    /// # Errors
    /// It is no such message; in words.
    pub fn json(&self, answer: &[u8], most: usize) -> Result<Option<Vec<u8>>, String> {
        let mut json = Bounded::new(most);
        self.write_json(answer, &mut json)?;
        Ok(json.whole())
    }

    /// Appends the JSON of an answer.
    fn write_json(&self, answer: &[u8], into: &mut Bounded) -> Result<(), String> {
        let name = self.answers.full_name();
        let read = DynamicMessage::decode(self.answers.clone(), answer);
        let message = read.map_err(|error| format!("what came is no {name}: {error}"))?;
        if is_deeper(&message, NESTED_MAX) {
            return Err(format!(
                "what came nests more than {NESTED_MAX} messages in each other"
            ));
        }
        match serde_json::to_writer(&mut *into, &message) {
            Err(error) if !into.is_over => Err(format!("a {name} is no JSON: {error}")),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Bytes up to a number of them.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    /// Whether there were more.
    is_over: bool,
}

impl Bounded {
    const fn new(most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            is_over: false,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.is_over |= bytes.len() > self.most - self.bytes.len();
        if !self.is_over {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// All of it, where there was not more.
    fn whole(self) -> Option<Vec<u8>> {
        Some(self.bytes).filter(|_| !self.is_over)
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        match self.is_over {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Messages {
    /// The JSON of a stream of messages, each with its prefix: a list; `None` where that
    /// has more than so many bytes.
    ///
    /// # Errors
    /// One of them is no such message; in words.
    pub fn json_of_stream(
        &self,
        mut answers: &[u8],
        most: usize,
    ) -> Result<Option<Vec<u8>>, String> {
        let mut list = Bounded::new(most);
        list.push(b"[");
        while !list.is_over
            && let Some((prefix, rest)) = answers.split_at_checked(MESSAGE_PREFIX_BYTES)
        {
            let length = prefix[1..].iter();
            let length = length.fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
            let Some((message, rest)) = rest.split_at_checked(length) else {
                break;
            };
            if list.bytes.len() > 1 {
                list.push(b",");
            }
            self.write_json(message, &mut list)?;
            answers = rest;
        }
        list.push(b"]");
        Ok(list.whole())
    }
}

/// Whether messages stand in each other deeper than this. What an `Any` holds is read on
/// its own, so that nothing else bounds how deep that goes.
fn is_deeper(message: &DynamicMessage, than: usize) -> bool {
    let Some(than) = than.checked_sub(1) else {
        return true;
    };
    let fields = message.fields().map(|(_, value)| value);
    let extensions = message.extensions().map(|(_, value)| value);
    let is_held_deeper = || held(message).is_some_and(|held| is_deeper(&held, than));
    let mut values = fields.chain(extensions);
    values.any(|value| is_value_deeper(value, than)) || is_held_deeper()
}

fn is_value_deeper(value: &Value, than: usize) -> bool {
    match value {
        Value::Message(message) => is_deeper(message, than),
        Value::List(items) => items.iter().any(|item| is_value_deeper(item, than)),
        Value::Map(entries) => entries.values().any(|item| is_value_deeper(item, than)),
        _ => false,
    }
}

/// The message that a `google.protobuf.Any` holds.
fn held(any: &DynamicMessage) -> Option<DynamicMessage> {
    let descriptor = any.descriptor();
    if descriptor.full_name() != "google.protobuf.Any" {
        return None;
    }
    let url = any.get_field_by_number(1)?;
    let (_, name) = url.as_str()?.rsplit_once('/')?;
    let of = descriptor.parent_pool().get_message_by_name(name)?;
    let bytes = any.get_field_by_number(2)?;
    DynamicMessage::decode(of, bytes.as_bytes()?.clone()).ok()
}

/// What is wrong, without a line and a column of a text that nobody has written so.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The name of a status, as gRPC has it; its number where it has no name.
#[must_use]
pub fn grpc_status_name(code: u16) -> String {
    if code == GRPC_OK {
        return "OK".to_owned();
    }
    let mut all = GrpcStatus::ALL.into_iter();
    let known = all.find(|status| u16::from(status.code()) == code);
    known.map_or_else(|| format!("status {code}"), GrpcStatus::name)
}

/// The code of a status by its name, in capitals or not.
#[must_use]
pub fn grpc_status(name: &str) -> Option<u16> {
    if name.eq_ignore_ascii_case("ok") {
        return Some(GRPC_OK);
    }
    let mut all = GrpcStatus::ALL.into_iter();
    let known = all.find(|status| status.word().eq_ignore_ascii_case(name));
    known.map(|status| u16::from(status.code()))
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;

    #[test]
    fn messages_of_any_type_are_not_read_deeper_than_the_stack() {
        let any = DescriptorPool::global().get_message_by_name("google.protobuf.Any");
        let any = any.unwrap();
        let messages = Messages::between(any.clone(), any.clone());
        let nested = |depth: usize| {
            let (url, value) = (any.get_field(1).unwrap(), any.get_field(2).unwrap());
            let names = std::iter::once("Duration").chain(std::iter::repeat("Any"));
            names.take(depth).fold(Vec::new(), |inner, name| {
                let mut outer = DynamicMessage::new(any.clone());
                let name = format!("type.googleapis.com/google.protobuf.{name}");
                outer.set_field(&url, Value::String(name));
                outer.set_field(&value, Value::Bytes(inner.into()));
                outer.encode_to_vec()
            })
        };
        assert!(
            messages.json(&nested(50), 1 << 20).is_ok(),
            "{:?}",
            messages.json(&nested(50), 1 << 20)
        );
        let said = messages.json(&nested(5_000), 1 << 20).unwrap_err();
        assert!(said.contains("more than 100"), "{said}");
    }

    #[test]
    fn json_of_answers_is_bounded() {
        let text = DescriptorPool::global().get_message_by_name("google.protobuf.StringValue");
        let text = text.unwrap();
        let messages = Messages::between(text.clone(), text);
        // `StringValue { value: "a" }`, of which JSON is `"a"`.
        let message = b"\x0a\x01a";
        let json = |most| messages.json(message, most).unwrap();
        assert_eq!(json(3).as_deref(), Some(&b"\"a\""[..]));
        assert_eq!(json(2), None);
        let framed = [&[0, 0, 0, 0, 3][..], message].concat();
        let list = |count, most| {
            let list = messages.json_of_stream(&framed.repeat(count), most);
            list.unwrap()
        };
        assert_eq!(list(2, 9).as_deref(), Some(&b"[\"a\",\"a\"]"[..]));
        for most in 0..9 {
            assert_eq!(list(2, most), None, "{most}");
        }
        assert_eq!(list(100_000, 1 << 10), None);
        assert_eq!(list(0, 2).as_deref(), Some(&b"[]"[..]));
        // What is none is refused, as far as it was looked at.
        let broken = [&framed[..], &[0, 0, 0, 0, 1, 0xff]].concat();
        assert!(messages.json_of_stream(&broken, 100).is_err());
    }

    #[test]
    fn statuses_have_their_names() {
        for code in 0..=16 {
            let name = grpc_status_name(code);
            assert_eq!(grpc_status(&name), Some(code), "{name}");
            assert_eq!(grpc_status(&name.to_lowercase()), Some(code));
        }
        assert_eq!(grpc_status_name(17), "status 17");
        assert_eq!(grpc_status("NOTFOUND"), None);
    }
}
