//! Switching from outside: whoever started the service sets faults on a Unix
//! socket, and what was set there ends with the connection.
//!
//! A line is a question: `set SEED POINT=PLAN`, `clear POINT` or `reports`. The
//! answer is `report CALLS STRUCK POINT=PLAN` for each fault there is something to
//! say of, and then `ok`, or `error: ` and why.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::faults::{Faults, Held};
use crate::injected::Report;
use crate::plan::Plan;

/// Where the path of the socket stands.
const VARIABLE: &str = "SQUALL_FAULTS_SOCKET";
/// Who may switch at the same time. Each has a connection.
const CONNECTIONS_MAX: usize = 64;
/// Longest question, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// How long nobody is let in after nobody could be.
const AFTER_ERROR: Duration = Duration::from_millis(100);

impl Faults {
    /// Lets whoever started this service switch its faults, if the environment says
    /// where: `SQUALL_FAULTS_SOCKET` is the path of a socket to make. Says whether it
    /// does. Call it once, on the runtime that serves.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn listen_from_env(&self) -> io::Result<bool> {
        match std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => self.listen(Path::new(&path)).map(|()| true),
            None => Ok(false),
        }
    }

    /// Makes a socket on which faults are switched until the runtime ends. Only this
    /// user may connect. What is set on a connection is taken away when that ends,
    /// however it ends. A socket that is there already is replaced.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn listen(&self, path: &Path) -> io::Result<()> {
        let listener = bind(path)?;
        let faults = self.clone();
        tokio::spawn(async move {
            let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        // Beyond that nobody is answered.
                        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                            continue;
                        };
                        let faults = faults.clone();
                        tokio::spawn(async move {
                            // An end is an end, whatever brought it about.
                            let _ = serve(&faults, stream).await;
                            drop(place);
                        });
                    }
                    Err(_no_descriptor) => tokio::time::sleep(AFTER_ERROR).await,
                }
            }
        });
        Ok(())
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        // Anything else is not ours to remove: it cannot be bound then.
        Ok(_) | Err(_) => {}
    }
    let (_folder, short) = within_bounds(path)?;
    let listener = std::os::unix::net::UnixListener::bind(short)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// The path by way of its open folder: that of a socket has at most 107 bytes.
fn within_bounds(path: &Path) -> io::Result<(File, PathBuf)> {
    let nameless = || io::Error::new(io::ErrorKind::InvalidInput, "the socket has no name");
    let (folder, name) = path.parent().zip(path.file_name()).ok_or_else(nameless)?;
    let here = Path::new(".");
    let named = Some(folder).filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(named.unwrap_or(here))?;
    let short = format!("/proc/self/fd/{}", folder.as_raw_fd());
    Ok((folder, Path::new(&short).join(name)))
}

/// Answers until the other side goes away. What it has set goes with it.
async fn serve(faults: &Faults, stream: UnixStream) -> io::Result<()> {
    let (reads, mut writes) = stream.into_split();
    let mut reads = BufReader::new(reads);
    let mut held: Vec<Held> = Vec::new();
    loop {
        let mut line = String::new();
        let mut bounded = (&mut reads).take(LINE_BYTES_MAX);
        bounded.read_line(&mut line).await?;
        let Some(question) = line.strip_suffix('\n') else {
            return Ok(());
        };
        let answer = answer(faults, &mut held, question);
        writes.write_all(answer.as_bytes()).await?;
    }
}

fn answer(faults: &Faults, held: &mut Vec<Held>, question: &str) -> String {
    let answered = match question.split_once(' ') {
        Some(("set", what)) => set(faults, what).map(|fault| {
            held.push(fault);
            Vec::new()
        }),
        Some(("clear", point)) => {
            let at = held.iter().position(|fault| fault.point() == point);
            let fault = at.map(|at| held.swap_remove(at));
            let not_set = || format!("`{point}` was not set on this connection");
            fault.map(|fault| vec![fault.release()]).ok_or_else(not_set)
        }
        None if question == "reports" => Ok(faults.reports()),
        Some(_) | None => Err("write `set SEED POINT=PLAN`, `clear POINT` or `reports`".to_owned()),
    };
    match answered {
        Ok(reports) => reports.iter().map(line).collect::<String>() + "ok\n",
        // One line, whatever was quoted.
        Err(why) => format!("error: {}\n", why.replace(char::is_control, " ")),
    }
}

fn line(report: &Report) -> String {
    let Report {
        point,
        plan,
        calls,
        struck,
    } = report;
    format!("report {calls} {struck} {point}={plan}\n")
}

/// `SEED POINT=PLAN`
fn set(faults: &Faults, what: &str) -> Result<Held, String> {
    let parts = what
        .split_once(' ')
        .and_then(|(seed, rest)| Some((seed.parse().ok()?, rest.split_once('=')?)));
    let Some((seed, (point, plan))) = parts else {
        return Err("write `set SEED POINT=PLAN`".to_owned());
    };
    let plan: Plan = plan.parse().map_err(|error| format!("{error}"))?;
    let taken = || format!("`{point}` has a fault already; a point has one at a time");
    faults.hold(point, plan, seed).ok_or_else(taken)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// A service with a socket that has a long path, and its folder.
    fn service() -> (Faults, tempfile::TempDir, PathBuf) {
        let faults = Faults::new(1);
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("faults");
        faults.listen(&path).unwrap();
        (faults, dir, path)
    }

    async fn connect(path: &Path) -> BufReader<UnixStream> {
        let (_folder, short) = within_bounds(path).unwrap();
        BufReader::new(UnixStream::connect(short).await.unwrap())
    }

    /// What a question is answered with.
    async fn ask(stream: &mut BufReader<UnixStream>, question: &str) -> String {
        let question = format!("{question}\n");
        stream.write_all(question.as_bytes()).await.unwrap();
        let mut said = String::new();
        loop {
            let start = said.len();
            let read = stream.read_line(&mut said);
            timeout(Duration::from_secs(60), read)
                .await
                .unwrap()
                .unwrap();
            if said[start..].starts_with("ok") || said[start..].starts_with("error") {
                return said;
            }
        }
    }

    /// Waits until nothing is set.
    async fn idle(faults: &Faults) {
        let idle = async {
            while !faults.reports().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), idle).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_set_on_a_connection_lives_as_long_as_that() {
        let (faults, _dir, path) = service();
        let mut one = connect(&path).await;
        assert_eq!(ask(&mut one, "set 7 here=50% error(a=b (c))").await, "ok\n");
        let mut struck = 0;
        for _ in 0..100 {
            struck += u64::from(faults.at("here").await.is_err());
        }
        assert!((20..80).contains(&struck), "{struck}");
        let told = ask(&mut one, "reports").await;
        let line = format!("report 100 {struck} here=50% error(a=b (c))\nok\n");
        assert_eq!(told, line);
        // Another one may look, and not take it away or put its own there.
        let mut other = connect(&path).await;
        assert_eq!(ask(&mut other, "reports").await, line);
        assert!(ask(&mut other, "clear here").await.contains("was not set"));
        let taken = ask(&mut other, "set 7 here=hang").await;
        assert!(taken.contains("has a fault already"), "{taken}");
        assert_eq!(ask(&mut other, "set 7 there=hang").await, "ok\n");
        assert_eq!(ask(&mut one, "clear here").await, line);
        assert!(faults.at("here").await.is_ok());
        // Whoever hangs goes on when the one who wanted it is gone.
        let hangs = faults.at("there");
        tokio::pin!(hangs);
        assert!(timeout(Duration::from_millis(1), &mut hangs).await.is_err());
        drop(other);
        let goes_on = timeout(Duration::from_secs(60), hangs).await;
        assert!(goes_on.unwrap().is_ok());
        idle(&faults).await;
    }

    #[tokio::test]
    async fn the_seed_that_is_given_decides_who_is_struck() {
        let (faults, _dir, path) = service();
        let mut one = connect(&path).await;
        let mut runs = Vec::new();
        for seed in [7, 7, 8] {
            let set = format!("set {seed} here=50% drop");
            assert_eq!(ask(&mut one, &set).await, "ok\n");
            let mut struck = Vec::new();
            for _ in 0..64 {
                struck.push(faults.at("here").await.is_err());
            }
            runs.push(struck);
            ask(&mut one, "clear here").await;
        }
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0], runs[2]);
    }

    #[tokio::test]
    async fn what_the_service_itself_sets_meanwhile_stays() {
        let (faults, _dir, path) = service();
        let mut one = connect(&path).await;
        ask(&mut one, "set 7 here=hang").await;
        faults.set("here", Plan::drop());
        assert!(
            ask(&mut one, "clear here")
                .await
                .starts_with("report 0 0 here=hang")
        );
        assert!(faults.at("here").await.is_err());
    }

    #[tokio::test]
    async fn questions_that_are_none_are_told_so_and_endless_ones_are_not_read() {
        let (faults, _dir, path) = service();
        let mut one = connect(&path).await;
        for (question, says) in [
            ("", "write `set"),
            ("explode", "write `set"),
            ("set here=hang", "write `set SEED"),
            ("set -1 here=hang", "write `set SEED"),
            ("set 7 here", "write `set SEED"),
            ("set 7 here=melt\tdown", "`melt down` is nothing"),
            ("clear here", "was not set"),
        ] {
            let said = ask(&mut one, question).await;
            assert!(said.starts_with("error: ") && said.contains(says), "{said}");
        }
        let mut endless = connect(&path).await;
        ask(&mut endless, "set 7 here=hang").await;
        // It is closed in the middle: the rest may not be taken any more.
        let long = vec![b'x'; 128 << 10];
        let _ = endless.write_all(&long).await;
        idle(&faults).await;
    }

    #[tokio::test]
    async fn only_a_socket_is_replaced_and_only_this_user_let_in() {
        let (_faults, dir, path) = service();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Faults::new(2).listen(&path).unwrap();
        connect(&path).await;
        let file = dir.path().join("file");
        std::fs::write(&file, "mine").unwrap();
        Faults::new(3).listen(&file).unwrap_err();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        Faults::new(3).listen(Path::new("/")).unwrap_err();
    }
}
