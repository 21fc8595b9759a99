//! Waking up on time: one absolute timer per load thread.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec,
};
use tokio::io::unix::AsyncFd;

/// Sleeps until absolute instants by one `timerfd`, some 30 µs late where a
/// timer wheel of 1 ms is some 800 µs late (measured; see `docs/measurement.md`).
#[derive(Debug)]
pub(crate) struct Pacer {
    timer: AsyncFd<OwnedFd>,
    /// The same moment on both clocks: `Instant` does not show its own.
    anchor: (Instant, Timespec),
}

impl Pacer {
    /// Creates the timer and asks the kernel not to batch this thread's timers.
    ///
    /// # Errors
    /// The kernel refuses a timer (no file descriptors left).
    pub(crate) fn new() -> io::Result<Self> {
        // Best effort: without it timers may be 50 µs late.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let anchor = (
            Instant::now(),
            rustix::time::clock_gettime(ClockId::Monotonic),
        );
        #[expect(
            unsafe_code,
            reason = "tokio's registration of a file descriptor is unsafe"
        )]
        // SAFETY: the `AsyncFd` owns the descriptor, nothing else closes it,
        // and its number does not change while it is owned.
        let timer = unsafe { AsyncFd::register(timer) }?;
        Ok(Self { timer, anchor })
    }

    /// Returns at `due`, or at once when it has passed. Safe to cancel.
    ///
    /// # Errors
    /// The timer cannot be set.
    pub(crate) async fn wait_until(&self, due: Instant) -> io::Result<()> {
        while Instant::now() < due {
            rustix::time::timerfd_settime(
                self.timer.get_ref(),
                TimerfdTimerFlags::ABSTIME,
                &Itimerspec {
                    it_interval: Timespec::default(),
                    it_value: self.on_kernel_clock(due),
                },
            )?;
            // The expiration is not read: setting the timer again takes it away.
            // A wait that was cancelled may have left one behind.
            self.timer.readable().await?.clear_ready();
        }
        Ok(())
    }

    /// Returns at `due`, which must be soon, or at once when it has passed: the
    /// whole thread sleeps, whatever comes meanwhile.
    ///
    /// # Errors
    /// The kernel does not sleep until then.
    pub(crate) fn sleep_through(&self, due: Instant) -> io::Result<()> {
        if Instant::now() >= due {
            return Ok(());
        }
        let until = self.on_kernel_clock(due);
        loop {
            match rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &until) {
                Err(Errno::INTR) => {}
                slept => return Ok(slept?),
            }
        }
    }

    fn on_kernel_clock(&self, due: Instant) -> Timespec {
        let (instant, kernel) = self.anchor;
        let since_anchor = due.saturating_duration_since(instant);
        let total = Duration::new(
            kernel.tv_sec.unsigned_abs(),
            kernel.tv_nsec.unsigned_abs() as u32,
        ) + since_anchor;
        Timespec {
            tv_sec: i64::try_from(total.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(total.subsec_nanos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_never_wakes_early_even_after_a_cancelled_wait() {
        let pacer = Pacer::new().unwrap();
        for step_ms in [1, 3, 7] {
            let soon = Instant::now() + Duration::from_millis(1);
            let _ = tokio::time::timeout(Duration::from_millis(2), pacer.wait_until(soon)).await;
            let cancelled = pacer.wait_until(Instant::now() + Duration::from_millis(2));
            let _ = tokio::time::timeout(Duration::ZERO, cancelled).await;
            let due = Instant::now() + Duration::from_millis(step_ms);
            pacer.wait_until(due).await.unwrap();
            assert!(Instant::now() >= due);
            let due = Instant::now() + Duration::from_millis(step_ms);
            pacer.sleep_through(due).unwrap();
            assert!(Instant::now() >= due);
        }
    }
}
