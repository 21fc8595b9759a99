//! What a link could not do for want of something that is squall's own, and not its
//! target's: a descriptor, a local port or memory for a socket.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// How often a link went without, by what it had none of. Counts only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Wants {
    /// No file descriptor was left to squall or to the machine.
    pub descriptors: u64,
    /// No local port was left towards the target.
    pub ports: u64,
    /// The machine had no memory for a socket.
    pub memory: u64,
}

/// The running totals behind [`Wants`].
#[derive(Debug, Default)]
pub(crate) struct WantTotals {
    descriptors: AtomicU64,
    ports: AtomicU64,
    memory: AtomicU64,
}

impl WantTotals {
    /// Counts an error that says so; any other is about the target.
    pub(crate) fn count(&self, error: &io::Error) {
        if let Some(counter) = self.of(error) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether an error says so.
    pub(crate) fn explain(&self, error: &io::Error) -> bool {
        self.of(error).is_some()
    }

    fn of(&self, error: &io::Error) -> Option<&AtomicU64> {
        use rustix::io::Errno;
        match Errno::from_io_error(error)? {
            Errno::MFILE | Errno::NFILE => Some(&self.descriptors),
            Errno::ADDRNOTAVAIL => Some(&self.ports),
            Errno::NOBUFS | Errno::NOMEM => Some(&self.memory),
            _ => None,
        }
    }

    pub(crate) fn snapshot(&self) -> Wants {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Wants {
            descriptors: get(&self.descriptors),
            ports: get(&self.ports),
            memory: get(&self.memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_this_machine_lacks_is_told_from_what_the_target_does() {
        let totals = WantTotals::default();
        let ours = [
            Errno::MFILE,
            Errno::NFILE,
            Errno::ADDRNOTAVAIL,
            Errno::NOBUFS,
            Errno::NOMEM,
        ];
        let theirs = [Errno::CONNREFUSED, Errno::TIMEDOUT, Errno::HOSTUNREACH];
        let all = ours.into_iter().chain(theirs).map(io::Error::from);
        // As of a dial that took too long.
        for error in all.chain([io::ErrorKind::TimedOut.into()]) {
            totals.count(&error);
            let is_ours = ours
                .iter()
                .any(|errno| Some(errno.raw_os_error()) == error.raw_os_error());
            assert_eq!(totals.explain(&error), is_ours, "{error}");
        }
        let expected = Wants {
            descriptors: 2,
            ports: 1,
            memory: 2,
        };
        assert_eq!(totals.snapshot(), expected);
    }
}
