//! Runs the real binary in a world of its own: its own state, cache and output
//! folders, a deadline for everything, and a look at what it leaves behind.

pub(crate) mod chromium;
mod processes;
pub(crate) mod pty;
mod running;
pub(crate) mod tmux;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) use processes::{Listener, Process, listeners, still_listening};
pub(crate) use running::{Ended, Running};
use tempfile::TempDir;

/// Longer than anything may hang, on a machine that does much else; never a
/// measure of speed.
pub(crate) const HANG: Duration = Duration::from_secs(120);

/// Folders of one test. Every process that squall starts in it inherits the
/// name of its state folder, so all of them can be found, and no others.
pub(crate) struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        for folder in ["state", "cache", "out", "work"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        Self { dir }
    }

    /// Where squall is called, and where scenarios lie.
    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Where runs go.
    pub(crate) fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// Where undo journals lie.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        entries(&self.dir.path().join("state/squall/undo"))
    }

    /// Writes a file next to the scenarios and returns its name.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        std::fs::write(self.work().join(name), contents).unwrap();
        name.to_owned()
    }

    /// A browser that writes the page it shows into the file `shown`.
    pub(crate) fn browser(&self) -> String {
        let shown = self.work().join("shown");
        let script = format!("echo \"$1\" > {0}.part; mv {0}.part {0}", shown.display());
        let name = self.write("browser.sh", script);
        format!("sh {}", self.work().join(name).display())
    }

    /// Every run directory, oldest first.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let scenarios = entries(&self.out());
        scenarios.iter().flat_map(|dir| entries(dir)).collect()
    }

    /// The only run directory.
    pub(crate) fn run(&self) -> PathBuf {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "exactly one run: {runs:?}");
        runs[0].clone()
    }

    /// squall with these arguments, in this world.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command.args(args);
        self.place(command)
    }

    /// The same, called by another program: `sh -c 'ulimit …; exec "$0" "$@"'`.
    pub(crate) fn command_by(&self, caller: &[&OsStr], args: &[&str]) -> Command {
        let mut command = Command::new(caller[0]);
        command
            .args(&caller[1..])
            .arg(env!("CARGO_BIN_EXE_squall"))
            .args(args);
        self.place(command)
    }

    /// Another program, in this world.
    pub(crate) fn program(&self, name: &str) -> Command {
        self.place(Command::new(name))
    }

    fn place(&self, mut command: Command) -> Command {
        command
            .current_dir(self.work())
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .env("XDG_CACHE_HOME", self.dir.path().join("cache"))
            .env("SQUALL_OUT", self.out())
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("COLUMNS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts squall.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, args: &[A]) -> Running {
        Running::start(self.command(args))
    }

    /// Runs squall to its end.
    pub(crate) fn squall<A: AsRef<OsStr>>(&self, args: &[A]) -> Ended {
        self.start(args).end()
    }

    /// Every live process of this world: squall, its guardian, the system
    /// under test and whatever that started.
    pub(crate) fn processes(&self) -> Vec<Process> {
        processes::marked(&self.mark())
    }

    /// What these processes listen on.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        processes::listeners(&self.processes())
    }

    /// Fails unless nothing of this world is alive, now.
    pub(crate) fn assert_empty(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "processes are left: {left:#?}");
    }

    /// Waits until no process and none of `listeners` is left; how long that
    /// took.
    pub(crate) fn wait_until_empty(&self, listeners: &[Listener], within: Duration) -> Duration {
        let start = Instant::now();
        loop {
            let left = self.processes();
            let heard = still_listening(listeners);
            if left.is_empty() && heard.is_empty() {
                return start.elapsed();
            }
            assert!(
                start.elapsed() < within,
                "after {within:?} there is still {left:#?}, listening: {heard:?}"
            );
            pause();
        }
    }

    fn mark(&self) -> Vec<u8> {
        let mut mark = b"XDG_STATE_HOME=".to_vec();
        mark.extend(self.dir.path().join("state").as_os_str().as_encoded_bytes());
        mark
    }
}

impl Drop for Sandbox {
    /// A test that failed must not leave what it found.
    fn drop(&mut self) {
        for process in self.processes() {
            process.kill();
        }
    }
}

/// Lets other threads run while something outside is waited for.
pub(crate) fn pause() {
    std::thread::park_timeout(Duration::from_millis(10));
}

/// Waits for something outside.
pub(crate) fn wait_until(what: &str, is_it: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_it() {
        assert!(start.elapsed() < HANG, "no {what}");
        pause();
    }
}

/// Whether tests may start programs in Python.
pub(crate) fn has_python() -> bool {
    let mut python = Command::new("python3");
    python.arg("--version").stdin(Stdio::null());
    python.output().is_ok_and(|output| output.status.success())
}

/// Past the capture of the test harness: nobody shall take it for a pass.
pub(crate) fn skip(why: &str) {
    let skipped = format!("skipped: {why}\n");
    std::io::Write::write_all(&mut std::io::stderr(), skipped.as_bytes()).unwrap();
}

/// The script of the documentation that plays a shop and its prices.
pub(crate) fn shop_script() -> String {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/own-service/shop.py");
    shop.canonicalize().unwrap().display().to_string()
}

/// Paths in a folder, sorted; none when it does not exist.
pub(crate) fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = found.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The verdict of a run directory.
pub(crate) fn verdict(run: &Path) -> squall_judge::Verdict {
    let text = std::fs::read_to_string(run.join("verdict.json")).expect("the run was judged");
    serde_json::from_str(&text).unwrap()
}

/// A scenario whose system is one server of squall's own that answers
/// `GET /health` at once. It brings a daemonised process with it, as services
/// do. `rest` follows at the top level.
pub(crate) fn one_server(rest: &str) -> String {
    format!(
        r#"version: 1
name: small
seed: 5
target: api
processes:
  api:
    command: [sh, -c, '(sleep 600 &); exec "$$0" "$$@"', $squall, reference, serve, discovery,
              --instance, $self.name, --listen, "127.0.0.1:$self.port", --data-dir, $run.dir/$self.name]
    ready: {{ http: /health }}
    restart: {{ after: 100ms }}
    inbound_link: true
    stop: {{ grace: 1s }}
{rest}"#
    )
}
