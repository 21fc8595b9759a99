//! Lifetimes that the kernel keeps: what the guardian starts ends with it,
//! whatever ends the guardian.
//!
//! Where one is asked for, the system under test lives in a PID namespace. Its
//! first process belongs to the guardian and ends with it, and with that one the
//! kernel ends everything else: grandchildren, daemons, processes in sessions of
//! their own. The guardian itself stays outside, so that the numbers it and
//! squall use are those that people see. Elsewhere a parent-death signal ends
//! what the guardian started itself.

use std::ffi::{CString, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getegid, geteuid, getpid, getppid, kill_process,
    set_parent_process_death_signal, setrlimit, test_kill_process, wait,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use super::protocol::LaidOver;
use crate::wait::pause;

/// The argument of the first process of a namespace.
pub(super) const INIT: &str = "--init";
/// The argument of a process that finds out whether a namespace may be had.
pub(super) const PROBE: &str = "--probe-namespace";
/// Says `on` where the kernel is to end the system under test, which then does
/// not see the numbers of the outside.
const SETTING: &str = "SQUALL_NAMESPACE";
/// How often the first process looks for children to reap.
const REAP_EVERY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// How long a namespace may take to be gone.
const END_WITHIN: Duration = Duration::from_secs(2);

/// The namespace of everything that the guardian starts from now on.
pub(super) struct Namespace {
    init: Pid,
    /// Its other end is the standard input of the first process.
    _lifeline: OwnedFd,
}

impl Namespace {
    /// Makes a namespace; `None`, and the reason in the log, where there is none
    /// to be had or none is wanted. Needs a process with one thread; all others
    /// that it will ever have are started by `threads`.
    pub(super) fn enter(
        own: &[OsString],
        threads: impl FnOnce() -> io::Result<()>,
    ) -> Option<Self> {
        if std::env::var_os(SETTING).is_none_or(|setting| setting != "on") {
            return None;
        }
        // A user namespace cannot be left again, so a process that may be thrown
        // away goes first.
        let allowed = if geteuid().is_root() {
            Ok(())
        } else {
            probe(own)
        };
        match allowed.and_then(|()| Self::make(own, threads)) {
            Ok(namespace) => Some(namespace),
            Err(error) => {
                tracing::info!(%error, "no PID namespace: only what the guardian starts itself ends with it");
                None
            }
        }
    }

    fn make(own: &[OsString], threads: impl FnOnce() -> io::Result<()>) -> io::Result<Self> {
        let outside = fs::File::open("/proc/self/ns/pid")?;
        // Asked before: in a new user namespace nobody has a name at first.
        let (user, group) = (geteuid(), getegid());
        if !user.is_root() {
            leave(UnshareFlags::NEWUSER)?;
            let (user, group) = (user.as_raw(), group.as_raw());
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
        }
        threads()?;
        leave(UnshareFlags::NEWPID)?;
        let made = first_process(own);
        if made.is_err() {
            // What is started next must not become the first process.
            let kind = Some(LinkNameSpaceType::ProcessID);
            move_into_link_name_space(outside.as_fd(), kind)?;
        }
        made
    }

    /// The first process, which is none of the system under test.
    pub(super) fn init(&self) -> u32 {
        self.init.as_raw_nonzero().get().cast_unsigned()
    }

    /// Ends everything in the namespace at once. It is gone when its first
    /// process is, which the kernel keeps until all others were reaped: `reap`
    /// does that.
    pub(super) fn end(&self, mut reap: impl FnMut()) {
        // One that is gone has ended everything already.
        let _ = kill_process(self.init, Signal::KILL);
        let start = Instant::now();
        reap();
        while test_kill_process(self.init).is_ok() && start.elapsed() < END_WITHIN {
            pause(Duration::from_millis(1));
            reap();
        }
    }
}

/// Whether another process can make a namespace and end it again.
pub(super) fn probe(own: &[OsString]) -> io::Result<()> {
    let probed = Command::new(std::env::current_exe()?)
        .args(own)
        .arg(PROBE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    match probed.success() {
        true => Ok(()),
        false => Err(io::Error::other("this user may not make one")),
    }
}

/// [`PROBE`].
pub(super) fn try_out(own: &[OsString]) -> io::Result<()> {
    let reap = || while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {};
    Namespace::make(own, || Ok(())).map(|namespace| namespace.end(reap))
}

fn first_process(own: &[OsString]) -> io::Result<Namespace> {
    let (stdin, lifeline) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(own)
        .arg(INIT)
        // It is none of the run's processes.
        .env_clear()
        .envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)))
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    bind(&mut command, true, None, &[])?;
    let pid = command.spawn()?.id().cast_signed();
    Ok(Namespace {
        init: Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?,
        _lifeline: lifeline,
    })
}

/// [`INIT`]: reaps orphans until the guardian is gone. The kernel keeps signals
/// of the namespace's own processes from it.
pub(super) fn reap_until_the_guardian_ends() -> io::Result<()> {
    let mut stdin = io::stdin();
    loop {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        if matches!(poll(&mut fds, Some(&REAP_EVERY)), Ok(ready) if ready > 0)
            && stdin.read(&mut [0])? == 0
        {
            return Ok(());
        }
    }
}

/// Binds what `command` starts to the life of this process: in a namespace with
/// a view of its own on `/proc`, and with the limit of descriptors that it would
/// have without a guardian. It finds files laid over others.
///
/// # Errors
/// The name of a file is none.
#[expect(
    unsafe_code,
    reason = "what happens between fork and exec can be said in no other way"
)]
pub(super) fn bind(
    command: &mut Command,
    in_namespace: bool,
    descriptors: Option<Rlimit>,
    laid_over: &[LaidOver],
) -> io::Result<()> {
    let guardian = getpid();
    let overlays = Overlays::of(laid_over)?;
    let prepare = move || {
        if in_namespace || !overlays.is_empty() {
            own_mounts()?;
            overlays.mount()?;
        }
        if in_namespace {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount(c"proc", c"/proc", c"proc", flags, None)?;
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have died before that. In a namespace, where a parent outside
        // has no number, the first process has ended then.
        if getppid().is_some_and(|parent| parent != guardian) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if let Some(limit) = descriptors {
            setrlimit(Resource::Nofile, limit)?;
        }
        Ok(())
    };
    // SAFETY: `prepare` makes system calls and nothing else: it takes no lock and
    // allocates nothing.
    unsafe { command.pre_exec(prepare) };
    Ok(())
}

/// Files to lay over others, with names that the kernel takes as they are.
struct Overlays(Vec<(CString, CString)>);

impl Overlays {
    fn of(laid_over: &[LaidOver]) -> io::Result<Self> {
        let name = |path: &Path| CString::new(path.as_os_str().as_bytes());
        let pairs = laid_over.iter().map(|laid| {
            let pair = (name(&laid.file)?, name(&laid.over)?);
            Ok(pair)
        });
        pairs.collect::<io::Result<_>>().map(Self)
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes system calls and nothing else.
    fn mount(&self) -> io::Result<()> {
        for (file, over) in &self.0 {
            mount_bind(file.as_c_str(), over.as_c_str())?;
        }
        Ok(())
    }
}

/// From now on this thread has mounts of its own, which nobody else sees.
fn own_mounts() -> io::Result<()> {
    leave(UnshareFlags::NEWNS)?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    Ok(mount_change(c"/", private)?)
}

/// Gives this thread mounts of its own, and lays files over others in them. Only
/// for a thread that ends: it does not get back.
///
/// # Errors
/// The kernel's answer, with what was being done.
pub(crate) fn lay_over_here(files: &[LaidOver]) -> io::Result<()> {
    let told =
        |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
    own_mounts().map_err(|error| told("a mount namespace", error))?;
    for laid in files {
        let one = Overlays::of(std::slice::from_ref(laid))?;
        let over = laid.over.display();
        one.mount()
            .map_err(|error| told(&format!("a file laid over {over}"), error))?;
    }
    Ok(())
}

#[expect(
    unsafe_code,
    reason = "leaving the table of descriptors would be unsafe; this never does"
)]
fn leave(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: `FILES` is not among the flags.
    unsafe { unshare_unsafe(flags) }.map_err(io::Error::from)
}
