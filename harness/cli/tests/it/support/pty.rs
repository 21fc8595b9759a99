//! A terminal whose every byte a test sees.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::pty::{self, OpenptFlags};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::{HANG, pause};

/// A terminal with a program on it, all of whose output is read.
pub(crate) struct Pty {
    master: File,
    written: Arc<Mutex<Vec<u8>>>,
    child: Child,
}

impl Pty {
    /// Starts a program whose terminal is a new one of 120 by 34; its standard
    /// output too, unless it goes elsewhere.
    pub(crate) fn start(program: &mut Command, output: Option<Stdio>) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = pty::openpt(flags).unwrap();
        pty::grantpt(&master).unwrap();
        pty::unlockpt(&master).unwrap();
        let name = pty::ptsname(&master, Vec::new()).unwrap();
        let master = File::from(master);
        resize(&master, 120, 34);
        let open = || {
            let mut options = File::options();
            let slave = options.read(true).write(true);
            Stdio::from(slave.open(name.to_str().unwrap()).unwrap())
        };
        // A terminal has to be the controlling one to be drawn on.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(program.get_program());
        command.args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("TERM", "xterm-256color").env_remove("CI");
        command.stdin(open()).stderr(open());
        command.stdout(output.unwrap_or_else(open));
        let child = command.spawn().unwrap();
        // Its terminals are closed here, so that the last one there is ends the
        // reading.
        drop(command);
        let written = Arc::new(Mutex::new(Vec::new()));
        let (kept, mut from) = (Arc::clone(&written), master.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error: nobody holds the other end any more.
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                kept.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        Self {
            master,
            written,
            child,
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        resize(&self.master, columns, rows);
    }

    /// All that was written on it so far.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// Waits until these words were written after the first `from` bytes of
    /// what was.
    pub(crate) fn wait_for(&self, from: usize, words: &str) -> String {
        let start = Instant::now();
        loop {
            let written = self.written();
            if written.get(from..).is_some_and(|new| new.contains(words)) {
                return written;
            }
            assert!(start.elapsed() < HANG, "no {words:?} in\n{written:?}");
            pause();
        }
    }

    /// Whether it takes whole lines, shows what is typed, and makes signals of
    /// keys, as a shell needs it.
    pub(crate) fn is_sane(&self) -> bool {
        let modes = tcgetattr(&self.master).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits for the end of the program; its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < HANG, "it hangs:\n{:?}", self.written());
            pause();
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(master: &File, columns: u16, rows: u16) {
    let size = Winsize {
        ws_col: columns,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).unwrap();
}
