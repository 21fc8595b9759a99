//! When an answer came, by the kernel's word: it stamps what it receives
//! (`SO_TIMESTAMPNS`, socket(7)), so that an answer that lay in the socket while
//! this process was busy, asleep or stopped is not called late.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Room for the kernel's stamp beside what is read.
const CONTROL_BYTES: usize = 64;
/// The most that two readings of two clocks may be apart.
const CLOCKS_APART: Duration = Duration::from_micros(20);
/// How often both clocks are read until nothing comes between.
const TRIES: u32 = 4;

/// Asks the kernel to stamp what this socket receives; whether it will.
pub(super) fn ask(socket: &impl AsFd) -> bool {
    setsockopt(&socket.as_fd(), sockopt::ReceiveTimestampns, &true).is_ok()
}

/// Where stamps are read to: made once, used for every read.
#[derive(Debug)]
pub(super) struct Stamps {
    /// Of the heap, whose memory is aligned for what the kernel writes.
    control: Box<[u8]>,
}

impl Stamps {
    pub(super) fn new() -> Self {
        Self {
            control: vec![0; CONTROL_BYTES].into(),
        }
    }

    /// Reads once; how much, and when the last of it came, by the wall clock.
    ///
    /// # Errors
    /// What recvmsg(2) says.
    pub(super) fn receive(
        &mut self,
        socket: &impl AsFd,
        buffer: &mut [u8],
    ) -> io::Result<(usize, Option<Duration>)> {
        let fd = socket.as_fd().as_raw_fd();
        let mut parts = [IoSliceMut::new(buffer)];
        let control = Some(&mut *self.control);
        let got = recvmsg::<()>(fd, &mut parts, control, MsgFlags::empty())?;
        let stamp = got.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampns(stamp) => since_epoch(stamp),
                _ => None,
            })
        });
        Ok((got.bytes, stamp))
    }
}

/// When that was which the wall clock showed at `stamp`; not before `sent`, when
/// the request went out. `None` where somebody has set the clock in between.
pub(super) fn came_at(stamp: Duration, sent: Instant) -> Option<Instant> {
    let (now, wall) = both_clocks();
    came_by(stamp, (now, wall), sent)
}

fn came_by(stamp: Duration, (now, wall): (Instant, Duration), sent: Instant) -> Option<Instant> {
    let age = wall.checked_sub(stamp)?;
    let came = now.checked_sub(age)?;
    (came + CLOCKS_APART >= sent).then(|| came.max(sent))
}

/// The same moment on both clocks. One that was interrupted between the two, by
/// which it would be wrong, is tried again.
fn both_clocks() -> (Instant, Duration) {
    let mut before = Instant::now();
    for _ in 0..TRIES {
        let wall = wall_clock();
        let after = Instant::now();
        if after.saturating_duration_since(before) < CLOCKS_APART {
            return (after, wall);
        }
        before = after;
    }
    (before, wall_clock())
}

/// Time since 1970, by the clock that the kernel stamps with.
fn wall_clock() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Realtime);
    Duration::new(tv_sec.unsigned_abs(), tv_nsec.unsigned_abs() as u32)
}

fn since_epoch(stamp: TimeSpec) -> Option<Duration> {
    let seconds = u64::try_from(stamp.tv_sec()).ok()?;
    let nanos = u32::try_from(stamp.tv_nsec()).ok()?;
    (seconds > 0).then(|| Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_lay_in_the_socket_came_when_it_came() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (here, _) = listener.accept().unwrap();
        assert!(ask(&here), "every Linux stamps");
        let mut stamps = Stamps::new();
        let mut buffer = [0; 16];
        // The kernel begins to stamp some time after the first socket asks.
        for tries in 0.. {
            let sent = Instant::now();
            there.write_all(b"answer").unwrap();
            here.peek(&mut [0; 1]).unwrap();
            let lies_there = Instant::now();
            while lies_there.elapsed() < Duration::from_millis(30) {
                std::thread::yield_now();
            }
            let (length, stamp) = stamps.receive(&here, &mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"answer");
            let Some(stamp) = stamp else {
                assert!(tries < 1_000, "nothing is stamped");
                continue;
            };
            let came = came_at(stamp, sent).unwrap();
            assert!(sent <= came, "not before it was sent");
            // Two clocks are read one after the other.
            let latest = lies_there + Duration::from_millis(20);
            assert!(came < latest, "not when it was read");
            break;
        }
    }

    #[test]
    fn a_clock_that_somebody_set_is_not_believed() {
        let wall = Duration::from_secs(1_000_000);
        let sent = Instant::now();
        let now = sent + Duration::from_secs(2);
        let by = |stamp| came_by(stamp, (now, wall), sent);
        let second = Duration::from_secs(1);
        assert_eq!(by(wall - second), Some(sent + second));
        assert_eq!(by(wall), Some(now));
        let hardly = Duration::from_micros(10);
        assert_eq!(by(wall - second * 2 - hardly), Some(sent), "two clocks");
        assert_eq!(by(wall + second), None, "set back");
        assert_eq!(by(wall - second * 3), None, "set forward");
    }
}
