//! Requests that follow a redirect.

use super::{CompiledRequests, RequestKind};
use crate::journey::Carried;
use crate::redirect::Hop;

impl CompiledRequests {
    /// Appends the request of arrival `number` that follows a redirect.
    pub(crate) fn write_hop(
        &self,
        route: usize,
        number: u64,
        (hop, carried): (&Hop, Option<&Carried>),
        into: &mut Vec<u8>,
    ) {
        let drawn = self.drawn(number, carried);
        let to = (hop.target.as_str(), hop.as_get);
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
