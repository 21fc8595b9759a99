//! A terminal that a test can press keys on and read.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::{HANG, Sandbox, pause};

/// Servers of one test program have names of their own.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A tmux server with one session; ended when dropped.
pub(crate) struct Tmux {
    server: String,
}

impl Tmux {
    /// A terminal of 120 by 34 with a shell in the sandbox's world; `None`
    /// where there is no tmux.
    pub(crate) fn start(sandbox: &Sandbox) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs tmux\n").unwrap();
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let tmux = Self {
            server: format!("squall-test-{}-{number}", std::process::id()),
        };
        let mut command = Command::new("tmux");
        let mut squall = "env".to_owned();
        // The world of the sandbox is for squall alone: the shell is no part
        // of what squall may leave behind.
        for (name, value) in sandbox.command::<&str>(&[]).get_envs() {
            let name = name.to_str().unwrap();
            let value = value.map(|value| value.to_str().unwrap());
            match value {
                Some(value) if name.starts_with("XDG_") || name == "SQUALL_OUT" => {
                    squall.push_str(&format!(" {name}={value}"));
                }
                Some(value) => drop(command.env(name, value)),
                None => drop(command.env_remove(name)),
            }
        }
        squall.push_str(&format!(" {}", env!("CARGO_BIN_EXE_squall")));
        let shell = "PS1='$ ' exec sh";
        command
            .current_dir(sandbox.work())
            .env("SQUALL", squall)
            .env("HOME", sandbox.work())
            .env("BROWSER", sandbox.browser())
            .env_remove("CI")
            .env_remove("ENV")
            .env_remove("TMUX")
            .args(["-L", &tmux.server, "-f", "/dev/null"])
            .args(["new-session", "-d", "-x", "120", "-y", "34", shell]);
        assert!(command.status().unwrap().success());
        Some(tmux)
    }

    /// Tells the server something; fails unless it does it.
    pub(crate) fn tell(&self, words: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.server]).args(words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        output
    }

    /// Opens another window with a shell; it becomes the present one.
    pub(crate) fn window(&self) {
        self.tell(&["new-window", "PS1='$ ' exec sh"]);
    }

    /// Goes to a window, counted from 0.
    pub(crate) fn show(&self, window: u32) {
        self.tell(&["select-window", "-t", &format!(":{window}")]);
    }

    /// Presses keys by their names in tmux: `x`, `Enter`, `C-c`.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tell(&[&["send-keys"], keys].concat());
    }

    /// Types a command line and Enter.
    pub(crate) fn enter(&self, line: &str) {
        self.tell(&["send-keys", "-l", line]);
        self.press(&["Enter"]);
    }

    /// Changes the size of the terminal.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tell(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// What is on the screen, with what was scrolled away above it.
    pub(crate) fn screen(&self) -> String {
        let output = self.tell(&["capture-pane", "-p", "-S", "-500"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A figure of tmux about the terminal: `alternate_on`, `cursor_flag`.
    pub(crate) fn figure(&self, name: &str) -> String {
        let output = self.tell(&["display-message", "-p", &format!("#{{{name}}}")]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until the screen holds these words, and returns it.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        self.wait_until(words, |screen| screen.contains(words))
    }

    /// Waits until the screen is as it should be, and returns it.
    pub(crate) fn wait_until(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if is_it(&screen) {
                return screen;
            }
            assert!(start.elapsed() < HANG, "no {what:?} on\n{screen}");
            pause();
        }
    }

    /// Fails unless the terminal is as a shell needs it: main screen, a
    /// cursor, whole lines, an echo.
    pub(crate) fn assert_sane(&self) {
        assert_eq!(self.figure("alternate_on"), "0", "the main screen is back");
        assert_eq!(self.figure("cursor_flag"), "1", "the cursor is back");
        self.enter("stty -a; echo told=$?");
        let told = self.wait_for("told=0");
        let told = &told[told.rfind("speed ").unwrap()..];
        for flag in ["icanon", "echo", "isig"] {
            let set = told.split_whitespace().any(|word| word == flag);
            assert!(set, "no {flag} in\n{told}");
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        let _ = command.args(["-L", &self.server, "kill-server"]).output();
    }
}
