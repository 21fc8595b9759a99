//! Requests whose paths come from answers: those that follow a redirect, and segments.

use super::compiled::Elsewhere;
use super::{CompiledRequests, RequestKind};
use crate::journey::Carried;
use crate::redirect::Hop;
use crate::viewing::Segment;

impl CompiledRequests {
    /// Appends the request of arrival `number` that follows a redirect; behind a segment,
    /// with what is shown for that.
    pub(crate) fn write_hop(
        &self,
        route: usize,
        number: u64,
        (hop, licence, carried): (&Hop, Option<&str>, Option<&Carried>),
        into: &mut Vec<u8>,
    ) {
        let drawn = self.drawn(number, carried);
        let to = Elsewhere {
            target: &hop.target,
            as_get: hop.as_get,
            bearer: licence,
        };
        self.routes[route].write_to(drawn, to, into);
    }

    /// Appends the request for a segment that arrival `number` plays.
    pub(crate) fn write_segment(
        &self,
        route: usize,
        number: u64,
        (segment, carried): (Segment<'_>, Option<&Carried>),
        into: &mut Vec<u8>,
    ) {
        let drawn = self.drawn(number, carried);
        let to = Elsewhere {
            target: segment.path,
            as_get: true,
            bearer: segment.licence,
        };
        self.routes[route].write_to(drawn, to, into);
    }

    /// How the answer to a request that follows a redirect is read.
    pub(crate) fn kind_of_hop(&self, route: usize, hop: &Hop) -> RequestKind {
        match hop.as_get {
            true => self.routes[route].kind_of_get(),
            false => self.routes[route].kind,
        }
    }
}
