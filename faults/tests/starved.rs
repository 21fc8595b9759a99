//! Undoing and carrying without a descriptor to spare: load, links and the system
//! under test may have used up all that squall may open. Alone in their
//! executable, whose limit they take away.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

#[path = "it/support/mod.rs"]
mod support;

use std::fs::File;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use squall_faults::{Fault, ProcessFault, ProcessIdentity, Wants};
use squall_scenario::OnProcess;
use support::run::Run;
use support::{connect_through, soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One at a time: the limit is the executable's.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test while no other one does. Its runtime is built inside as well, as
/// that opens descriptors.
fn alone(test: impl Future<Output = ()>) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(test);
}

/// Nothing can be opened, forked or looked at while this lives.
struct Starved(Rlimit);

impl Starved {
    fn begin() -> Self {
        let before = getrlimit(Resource::Nofile);
        let none = Rlimit {
            current: Some(0),
            ..before
        };
        setrlimit(Resource::Nofile, none).unwrap();
        assert!(File::open("/dev/null").is_err(), "there is one left");
        Self(before)
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}

fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.chars().next().unwrap()
}

#[test]
fn a_pause_is_taken_back_and_the_run_ended_without_a_descriptor_left() {
    alone(pause_without_a_descriptor());
}

async fn pause_without_a_descriptor() {
    let run = Run::start().await;
    let script = "(setsid sleep 1000 & echo $!); while :; do sleep 0.05; done";
    let target = run.target("web", script).await;
    until("it is up", || run.log("web").ends_with('\n')).await;
    let stray = run.log("web").trim().parse().unwrap();
    let stray = ProcessIdentity::of(stray).unwrap();
    let fault = Fault::Process(ProcessFault {
        target: target.clone(),
        inject: OnProcess::Pause,
    });
    let mut guard = fault.inject(&run.context()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    assert_eq!([state(target.identity.pid), state(stray.pid)], ['T', 'T']);

    let starved = Starved::begin();
    soon(guard.verify()).await.unwrap();
    soon(guard.remove()).await.unwrap();
    drop(starved);
    for who in [target.identity, stray] {
        assert_ne!(state(who.pid), 'T');
    }

    let starved = Starved::begin();
    let ended = soon(run.guardian.shutdown(Duration::from_millis(50))).await;
    assert!(ended.unwrap().left.is_empty());
    assert_eq!(run.journal.close().unwrap(), 0);
    drop(starved);
    for who in [target.identity, stray, run.guardian.identity()] {
        assert!(!who.is_alive(), "{who:?}");
    }
}

/// Carries a few megabytes from one end to the other.
async fn carry(from: &mut TcpStream, to: &mut TcpStream) {
    let said: Vec<u8> = (0..4_000_000_u32).map(|n| (n / 251 + n) as u8).collect();
    let mut heard = vec![0; said.len()];
    let both = async { tokio::join!(from.write_all(&said), to.read_exact(&mut heard)) };
    let (written, read) = soon(both).await;
    written.and(read.map(drop)).unwrap();
    assert!(heard == said);
}

#[test]
fn bulk_is_copied_while_there_is_no_descriptor_for_a_pipe() {
    alone(copy_without_a_pipe());
}

async fn copy_without_a_pipe() {
    let (link, mut client, mut server) = connect_through().await;
    let starved = Starved::begin();
    carry(&mut client, &mut server).await;
    assert_eq!(link.counters().spliced_bytes, 0);
    drop(starved);
    carry(&mut client, &mut server).await;
    assert!(link.counters().spliced_bytes > 0);
    assert_eq!(link.counters().bytes_to, 8_000_000);
}

#[test]
fn a_link_tells_that_it_had_no_descriptor_and_goes_on_when_there_is_one() {
    alone(dial_without_a_descriptor());
}

async fn dial_without_a_descriptor() {
    let (link, _client, _server) = connect_through().await;
    let before = link.counters();
    assert_eq!(before.wants, Wants::default());
    let caller = tokio::net::TcpSocket::new_v4().unwrap();
    let starved = Starved::begin();
    // In the kernel's queue, from where the link cannot take it.
    let _caller = soon(caller.connect(link.address())).await.unwrap();
    until("it is told", || link.counters().wants.descriptors > 0).await;
    drop(starved);
    until("it is let in", || {
        link.counters().accepted > before.accepted
    })
    .await;
    let wants = link.counters().wants;
    assert_eq!((wants.ports, wants.memory), (0, 0), "{wants:?}");
}
