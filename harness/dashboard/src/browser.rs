//! Opening a page in the user's browser, without ever waiting for it.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What is asked to open a page where `$BROWSER` names nothing.
const OPENER: &str = "xdg-open";
/// Words of browsers that may wait to be read.
const TOLD_MAX: usize = 4;

/// Opens pages, and tells when that failed later.
#[derive(Debug)]
pub struct Browser {
    tell: SyncSender<String>,
    told: Receiver<String>,
}

impl Default for Browser {
    fn default() -> Self {
        let (tell, told) = sync_channel(TOLD_MAX);
        Self { tell, told }
    }
}

impl Browser {
    /// Opens `page` with the first program there is of `$BROWSER`, a list with
    /// colons, and `xdg-open`; `variable` reads the environment. What came of
    /// it, in words: where there is no such program, the place of the page.
    pub fn open(&self, page: &Path, variable: impl Fn(&str) -> Option<OsString>) -> String {
        let place = page.display();
        if !page.exists() {
            return format!("there is no report yet; it will be {place}");
        }
        let folders = variable("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
        let named = variable("BROWSER").unwrap_or_default();
        let named = named.to_string_lossy().into_owned();
        for words in named.split(':').chain([OPENER]) {
            let Some(mut command) = command(words, page, &folders) else {
                continue;
            };
            if let Ok(child) = command.spawn() {
                let program = command.get_program().to_string_lossy().into_owned();
                return match self.reap(child, program.clone(), page) {
                    Ok(()) => format!("opened with {program}: {place}"),
                    Err(error) => format!("opened with {program} ({error}): {place}"),
                };
            }
        }
        format!("no browser found ($BROWSER, {OPENER}); the report is {place}")
    }

    /// What a browser ended with, where it could not open its page.
    pub fn told(&self) -> Option<String> {
        self.told.try_recv().ok()
    }

    /// A thread waits for the child, so that it leaves no zombie.
    fn reap(&self, mut child: Child, program: String, page: &Path) -> std::io::Result<()> {
        let tell = self.tell.clone();
        let page = page.to_owned();
        let thread = std::thread::Builder::new().name("squall-browser".to_owned());
        let waits = thread.spawn(move || {
            if let Ok(status) = child.wait()
                && !status.success()
            {
                let place = page.display();
                // Nobody reads it any more where this fails.
                let _ = tell.try_send(format!("{program}: {status}; the report is {place}"));
            }
        });
        waits.map(drop)
    }
}

/// `words` with the page where `%s` stands, else at its end; `None` where there
/// is no such program. It gets nothing of the terminal, neither its streams nor
/// the signals of its keys.
fn command(words: &str, page: &Path, folders: &[PathBuf]) -> Option<Command> {
    let mut words = words.split_whitespace();
    let mut command = Command::new(program(words.next()?, folders)?);
    let mut placed = false;
    for word in words {
        if word.contains("%s") {
            placed = true;
            command.arg(word.replace("%s", &page.to_string_lossy()));
        } else {
            command.arg(word);
        }
    }
    if !placed {
        command.arg(page);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    Some(command)
}

/// The file of a program, given by its path or found in `folders`.
fn program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let runs = |file: &PathBuf| {
        std::fs::metadata(file)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(runs);
    }
    folders.iter().map(|folder| folder.join(name)).find(runs)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, Instant};

    use super::*;

    /// Longer than anything may hang.
    const HANG: Duration = Duration::from_secs(60);

    fn wait_until(what: &str, mut is_it: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_it() {
            assert!(start.elapsed() < HANG, "no {what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_first_browser_there_is_gets_the_page() {
        let folder = tempfile::TempDir::new().unwrap();
        let page = folder.path().join("report.html");
        std::fs::write(&page, "").unwrap();
        let seen = folder.path().join("seen");
        // Read by a shell rather than executed: a file that another thread has
        // just written cannot always be.
        let script = format!("echo \"$@\" > {0}.part; mv {0}.part {0}", seen.display());
        std::fs::write(folder.path().join("reader"), script).unwrap();
        let reader = folder.path().join("reader").display().to_string();
        let environment = |name: &str| match name {
            "PATH" => std::env::var_os("PATH"),
            "BROWSER" => Some(format!("not-there:sh {reader} --new %s --quiet").into()),
            _ => None,
        };
        let told = Browser::default().open(&page, environment);
        assert!(told.starts_with("opened with"), "{told}");
        wait_until("page", || seen.exists());
        let arguments = std::fs::read_to_string(seen).unwrap();
        assert_eq!(arguments, format!("--new {} --quiet\n", page.display()));
    }

    #[test]
    fn without_a_browser_the_place_of_the_page_is_told() {
        let folder = tempfile::TempDir::new().unwrap();
        let page = folder.path().join("report.html");
        let nothing = |_: &str| None;
        let told = Browser::default().open(&page, nothing);
        assert!(told.contains("there is no report yet"), "{told}");
        std::fs::write(&page, "").unwrap();
        let told = Browser::default().open(&page, nothing);
        assert!(told.contains("no browser found"), "{told}");
        assert!(told.ends_with("report.html"), "{told}");
    }

    #[test]
    fn a_browser_that_fails_is_told_of_and_leaves_no_zombie() {
        let folder = tempfile::TempDir::new().unwrap();
        let page = folder.path().join("report.html");
        std::fs::write(&page, "").unwrap();
        let fails = program("false", &[PathBuf::from("/bin"), PathBuf::from("/usr/bin")]);
        symlink(fails.unwrap(), folder.path().join(OPENER)).unwrap();
        let browser = Browser::default();
        let path = |name: &str| (name == "PATH").then(|| folder.path().as_os_str().to_owned());
        browser.open(&page, path);
        let mut told = None;
        wait_until("word of it", || {
            told = browser.told();
            told.is_some()
        });
        let told = told.unwrap();
        assert!(
            told.contains("exit status: 1") && told.contains("report.html"),
            "{told}"
        );
    }
}
