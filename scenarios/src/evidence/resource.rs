//! What was seen of a fault on what a target has.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ProcessSeen;
use crate::inject::OnResource;
use crate::units::{ByteCount, format_duration};

/// A target that is kept short of something, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSeen {
    /// Whose it is, and how many of its processes were seen.
    pub process: ProcessSeen,
    /// What is done.
    pub fault: OnResource,
    /// What was counted, if anything was.
    pub measured: Option<Measured>,
}

/// Part of the time: a process that waits for less than that beside what it waited for
/// before was not kept waiting, for everybody who is woken waits for a moment.
const WAITED_FOR: u64 = 100;

/// Part of a limit of memory that it may be short by: others come and go.
const SHORT_BY: u64 = 50;

/// What was counted of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measured {
    /// Descriptors that the process with most of them has open.
    Descriptors {
        /// How many.
        open: u64,
    },
    /// What processes had of the processor, in microseconds, and how the kernel
    /// held them back.
    Processor {
        /// What they used, all together.
        used_us: u64,
        /// In this time.
        over_us: u64,
        /// Periods of their quota in which they wanted to run.
        periods: u64,
        /// Those of them in which they were held back.
        held: u64,
        /// For how long, added up over processors.
        held_us: u64,
    },
    /// Bytes of memory that processes have, and how they came to their limit.
    Memory {
        /// What they had before.
        before: u64,
        /// What they took since.
        taken: u64,
        /// How often they wanted more than the limit.
        reached: u64,
        /// How many the kernel ended for it.
        killed: u64,
    },
    /// Bytes of a file system.
    Disk {
        /// Those that squall took.
        filled: u64,
        /// Those that are free.
        free: u64,
    },
    /// How processes stood still, in microseconds.
    Frozen {
        /// For how long.
        over_us: u64,
        /// What they had of the processor in that time.
        used_us: u64,
    },
    /// What work of squall's took of the processor, in microseconds, and how long
    /// others waited for it.
    Burn {
        /// What it took.
        used_us: u64,
        /// In this time.
        over_us: u64,
        /// How long threads of the target waited for a processor, added up; nothing
        /// where the kernel does not count that.
        waited_us: Option<u64>,
        /// How long they would have waited in this time as they had right before it;
        /// nothing where nobody counted that.
        #[serde(default)]
        as_before_us: Option<u64>,
        /// How many threads did it, where the target may run on fewer processors than
        /// were asked for.
        #[serde(default)]
        capped: Option<u32>,
        /// Whether it was in the cgroup of the target.
        inside: bool,
    },
    /// Bytes of the memory that a target may have: those of the least limit.
    Pressure {
        /// Those that squall holds.
        held: u64,
        /// Those that are in use by all.
        used: u64,
        /// Those that were to be in use.
        wanted: u64,
        /// All there are.
        limit: u64,
        /// Whether squall holds them in the cgroup of the target.
        inside: bool,
    },
}

impl Measured {
    /// Whether it shows that somebody wanted more than there was.
    #[must_use]
    pub const fn was_met(&self) -> bool {
        match self {
            Self::Descriptors { .. } | Self::Disk { .. } | Self::Frozen { .. } => true,
            Self::Processor { held, .. } => *held > 0,
            Self::Memory {
                reached, killed, ..
            } => *reached > 0 || *killed > 0,
            Self::Burn {
                used_us,
                over_us,
                waited_us,
                as_before_us,
                ..
            } => match (waited_us, as_before_us) {
                (Some(0), _) => false,
                (Some(waited), Some(before)) => {
                    *waited >= before.saturating_add(*over_us / WAITED_FOR)
                }
                (Some(waited), None) => *waited >= *over_us / WAITED_FOR,
                (None, _) => *used_us > 0,
            },
            Self::Pressure {
                held,
                used,
                wanted,
                limit,
                ..
            } => *held > 0 && used.saturating_add(*limit / SHORT_BY) >= *wanted,
        }
    }
}

impl Measured {
    /// What a process of squall's own has taken.
    fn by_a_rival(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |inside| if inside { "in" } else { "beside" };
        match *self {
            Self::Pressure {
                held,
                used,
                wanted,
                limit,
                inside,
            } => {
                let place = place(inside);
                let [used, wanted] = [used, wanted].map(|part| percent(part, limit));
                let (held, limit) = (ByteCount(held), ByteCount(limit));
                write!(
                    f,
                    "; squall held {held} {place} its cgroup, {used:.1}% of {limit} were in use \
                     of {wanted:.1}% wanted"
                )
            }
            Self::Burn {
                used_us,
                over_us,
                waited_us,
                as_before_us,
                capped,
                inside,
            } => {
                let (place, percent) = (place(inside), percent(used_us, over_us));
                write!(f, "; squall's work {place} its cgroup")?;
                if let Some(most) = capped {
                    write!(f, ", its threads capped at {most} by where it may run,")?;
                }
                write!(f, " took {percent:.1}% of a processor")?;
                let time = |us: u64| format_duration(Duration::from_millis(us / 1000));
                if let Some(waited) = waited_us {
                    write!(f, ", it waited {} for one", time(waited))?;
                }
                if let Some(before) = as_before_us {
                    write!(
                        f,
                        ", where it would have been {} as right before",
                        time(before)
                    )?;
                }
                Ok(())
            }
            Self::Descriptors { .. }
            | Self::Processor { .. }
            | Self::Memory { .. }
            | Self::Disk { .. }
            | Self::Frozen { .. } => Ok(()),
        }
    }
}

impl ResourceSeen {
    /// That it is in force.
    pub(super) fn in_force(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, fault, .. } = self;
        write!(f, "{} is in force on {process}", fault.in_words())?;
        self.counted(f)
    }

    /// That it is not in force any more.
    pub(super) fn put_back(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, fault, .. } = self;
        let words = fault.in_words();
        if process.processes == 0 {
            let ProcessSeen { name, pid, .. } = process;
            write!(f, "{name} (pid {pid}) ended under {words}")?;
            return self.told_after_the_end(f);
        }
        write!(f, "{words} was taken off {process}")?;
        self.counted(f)
    }

    /// That it is over, and another fault of its kind is not.
    pub(super) fn stays_short(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, fault, .. } = self;
        let ProcessSeen { name, pid, .. } = process;
        let words = fault.in_words();
        write!(
            f,
            "{words} is over, but {name} (pid {pid}) stays short by another fault"
        )
    }

    /// What somebody came to his end by.
    fn told_after_the_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.measured {
            Some(Measured::Memory { .. }) => self.counted(f),
            Some(
                Measured::Descriptors { .. }
                | Measured::Processor { .. }
                | Measured::Disk { .. }
                | Measured::Frozen { .. }
                | Measured::Burn { .. }
                | Measured::Pressure { .. },
            )
            | None => Ok(()),
        }
    }

    /// That another fault of its kind leaves less.
    pub(super) fn outdone(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, fault, .. } = self;
        let words = fault.in_words();
        write!(
            f,
            "{words} is asked of {process}, but another fault leaves less"
        )
    }

    fn counted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.measured {
            // Nobody has wanted to run so far.
            None | Some(Measured::Processor { periods: 0, .. }) => Ok(()),
            Some(Measured::Descriptors { open }) => {
                write!(f, "; {open} descriptors are open in the fullest")
            }
            Some(Measured::Memory {
                before,
                taken,
                reached,
                killed,
            }) => {
                let (before, taken) = (ByteCount(before), ByteCount(taken));
                write!(
                    f,
                    "; {taken} were taken beside {before} from before, it came to the limit \
                     {reached} times, the kernel ended {killed}"
                )
            }
            Some(Measured::Disk { filled, free }) => {
                let (filled, free) = (ByteCount(filled), ByteCount(free));
                write!(f, "; {filled} are taken, {free} are free")
            }
            Some(Measured::Frozen { over_us, used_us }) => {
                let stood = format_duration(Duration::from_millis(over_us / 1000));
                let percent = percent(used_us, over_us);
                write!(
                    f,
                    "; it stood still for {stood}, with {percent:.1}% of a processor"
                )
            }
            Some(measured @ (Measured::Pressure { .. } | Measured::Burn { .. })) => {
                measured.by_a_rival(f)
            }
            Some(Measured::Processor {
                used_us,
                over_us,
                periods,
                held,
                held_us,
            }) => {
                let percent = percent(used_us, over_us);
                let held_for = Duration::from_millis(held_us / 1000);
                let held_for = format_duration(held_for);
                write!(
                    f,
                    "; it had {percent:.1}% of a processor, held back in {held} of {periods} \
                     periods, {held_for} in all"
                )
            }
        }
    }
}

/// A part in percent of the whole.
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use crate::evidence::Sighting;
    use crate::inject::{Cpu, CpuBurn, Freeze, Limit, Memory, MemoryPressure};
    use crate::units::Share;

    use super::*;

    #[test]
    fn starvation_is_said_with_what_was_left_to_run_with() {
        let measured = Measured::Processor {
            used_us: 2_000_000,
            over_us: 10_000_000,
            periods: 100,
            held: 97,
            held_us: 7_654_321,
        };
        let seen = ResourceSeen {
            process: ProcessSeen {
                name: "edge-0".to_owned(),
                pid: 7,
                processes: 1,
            },
            fault: OnResource::Cpu(Cpu {
                share: Share::new(0.2).unwrap(),
            }),
            measured: Some(measured),
        };
        assert_eq!(
            Sighting::PutBack(seen).to_string(),
            "cpu 20% was taken off edge-0 (pid 7, 1 process); it had 20.0% of a processor, \
             held back in 97 of 100 periods, 7s654ms in all"
        );
        assert!(measured.was_met());
    }

    #[test]
    fn a_burn_is_met_by_who_waits_for_it_and_not_for_a_moment() {
        let burn = |waited_us, as_before_us, capped| Measured::Burn {
            used_us: 9_000_000,
            over_us: 10_000_000,
            waited_us,
            as_before_us,
            capped,
            inside: true,
        };
        let seen = ResourceSeen {
            process: ProcessSeen {
                name: "edge-0".to_owned(),
                pid: 7,
                processes: 1,
            },
            fault: OnResource::CpuBurn(CpuBurn { cores: Some(2) }),
            measured: Some(burn(Some(4_321_987), Some(250_000), Some(1))),
        };
        assert_eq!(
            Sighting::Short(seen).to_string(),
            "cpu_burn 2 cores is in force on edge-0 (pid 7, 1 process); squall's work in its \
             cgroup, its threads capped at 1 by where it may run, took 90.0% of a processor, it \
             waited 4s321ms for one, where it would have been 250ms as right before"
        );
        for (waited, before, met) in [
            (Some(0), None, false),
            (Some(0), Some(0), false),
            (Some(99_999), Some(0), false),
            (Some(100_000), Some(0), true),
            (Some(100_000), None, true),
            // It has waited for others all the time.
            (Some(5_099_999), Some(5_000_000), false),
            (Some(5_100_000), Some(5_000_000), true),
            (Some(u64::MAX), Some(u64::MAX), true),
        ] {
            assert_eq!(burn(waited, before, None).was_met(), met, "{waited:?}");
        }
        assert!(burn(None, None, None).was_met(), "nobody counts that");
    }

    #[test]
    fn pressure_is_met_where_as_much_is_in_use_as_was_wanted() {
        let pressure = |held, used| Measured::Pressure {
            held,
            used,
            wanted: 90 << 20,
            limit: 100 << 20,
            inside: true,
        };
        let seen = ResourceSeen {
            process: ProcessSeen {
                name: "edge-0".to_owned(),
                pid: 7,
                processes: 1,
            },
            fault: OnResource::MemoryPressure(MemoryPressure {
                up_to: Share::new(0.9).unwrap(),
                leave: ByteCount(16 << 20),
            }),
            measured: Some(pressure(30 << 20, 89 << 20)),
        };
        assert_eq!(
            Sighting::Short(seen).to_string(),
            "memory_pressure up to 90% is in force on edge-0 (pid 7, 1 process); squall held \
             30MiB in its cgroup, 89.0% of 100MiB were in use of 90.0% wanted"
        );
        assert!(pressure(1, 88 << 20).was_met());
        assert!(!pressure(1, 87 << 20).was_met());
        assert!(!pressure(0, 99 << 20).was_met(), "others did that");
    }

    #[test]
    fn a_freeze_says_for_how_long() {
        let seen = ResourceSeen {
            process: ProcessSeen {
                name: "edge-0".to_owned(),
                pid: 7,
                processes: 2,
            },
            fault: OnResource::Freeze(Freeze {}),
            measured: Some(Measured::Frozen {
                over_us: 3_000_000,
                used_us: 0,
            }),
        };
        assert_eq!(
            Sighting::PutBack(seen).to_string(),
            "freeze was taken off edge-0 (pid 7, 2 processes); it stood still for 3s, with \
             0.0% of a processor"
        );
    }

    #[test]
    fn whom_the_kernel_ended_at_a_limit_of_memory_is_said() {
        let seen = |processes, killed| ResourceSeen {
            process: ProcessSeen {
                name: "edge-0".to_owned(),
                pid: 7,
                processes,
            },
            fault: OnResource::Memory(Memory {
                limit: ByteCount(64 << 20),
            }),
            measured: Some(Measured::Memory {
                before: 2 << 20,
                taken: 62 << 20,
                reached: 9,
                killed,
            }),
        };
        assert_eq!(
            Sighting::PutBack(seen(0, 1)).to_string(),
            "edge-0 (pid 7) ended under memory to 64MiB; 62MiB were taken beside 2MiB from \
             before, it came to the limit 9 times, the kernel ended 1"
        );
        assert!(seen(1, 0).measured.unwrap().was_met());
    }

    #[test]
    fn a_lowered_limit_is_said_with_what_is_open() {
        let seen = |processes| ResourceSeen {
            process: ProcessSeen {
                name: "edge-0".to_owned(),
                pid: 7,
                processes,
            },
            fault: OnResource::Limit(Limit {
                files: Some(64),
                ..Limit::default()
            }),
            measured: Some(Measured::Descriptors { open: 31 }),
        };
        let said = |sighting: Sighting| sighting.to_string();
        assert_eq!(
            said(Sighting::Short(seen(2))),
            "limit files to 64 is in force on edge-0 (pid 7, 2 processes); \
             31 descriptors are open in the fullest"
        );
        assert_eq!(
            said(Sighting::PutBack(seen(1))),
            "limit files to 64 was taken off edge-0 (pid 7, 1 process); \
             31 descriptors are open in the fullest"
        );
        assert_eq!(
            said(Sighting::PutBack(seen(0))),
            "edge-0 (pid 7) ended under limit files to 64"
        );
        assert_eq!(
            said(Sighting::StaysShort(seen(1))),
            "limit files to 64 is over, but edge-0 (pid 7) stays short by another fault"
        );
        assert_eq!(
            said(Sighting::Outdone(seen(1))),
            "limit files to 64 is asked of edge-0 (pid 7, 1 process), but another fault leaves less"
        );
    }
}
