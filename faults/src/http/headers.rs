//! `set_headers` and `remove_headers`: a head is changed.

use std::time::Instant;

use squall_scenario::inject::Message;

use super::head::{Head, HeadEdit};
use super::seam::{HttpEvent, HttpFate, HttpFault};

/// Makes an edit, unless it changes nothing.
pub(super) struct Edited {
    pub(super) message: Message,
    pub(super) edit: HeadEdit,
}

impl Edited {
    fn head(&self, of: Message, head: &Head) -> HttpFate {
        let is_there = |name: &String| head.values(name).next().is_some();
        let changes = match &self.edit {
            HeadEdit::Set(_) => true,
            HeadEdit::Remove(names) => names.iter().any(is_there),
        };
        if of == self.message && changes {
            return HttpFate::EditHead(self.edit.clone());
        }
        HttpFate::Pass
    }
}

impl HttpFault for Edited {
    fn on(&mut self, event: HttpEvent<'_>, _now: Instant) -> HttpFate {
        match event {
            HttpEvent::RequestHead(head) => self.head(Message::Request, head),
            HttpEvent::ResponseHead(head) => self.head(Message::Answer, head),
            HttpEvent::BodyChunk { .. } | HttpEvent::End { .. } => HttpFate::Pass,
        }
    }
}
