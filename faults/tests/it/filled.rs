//! A full disk: a small file system of its own, filled down to its floor and given
//! back, also by a squall that was killed.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

use crate::support::run::{FIXTURE, Run};
use crate::support::{skip, soon, until};
use squall_faults::{
    Fault, FaultContext, FaultError, FaultGuard, Journal, ProcessIdentity, ProcessTarget,
    ResourceFault,
};
use squall_scenario::inject::Disk;
use squall_scenario::{ByteCount, Measured, OnResource, Sighting};

const MIB: u64 = 1 << 20;

/// A file system of 16 MiB, as long as this is there.
struct Small(TempDir);

impl Small {
    /// `None`, and a word on it, where nothing can be mounted.
    fn mounted() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (source, kind) = ("squall-test", "tmpfs");
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        match mount(source, dir.path(), kind, flags, Some(c"size=16m")) {
            Ok(()) => Some(Self(dir)),
            Err(error) => {
                skip(format_args!("a mount: {error}"));
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn free(&self) -> u64 {
        let all = rustix::fs::statvfs(self.path()).unwrap();
        all.f_bavail * all.f_frsize
    }

    /// Waits until so much is free: what another test starts has files open for a
    /// moment that were written here.
    async fn has(&self, free: u64) {
        until("so much is free", || self.free() == free).await;
    }

    fn takes(&self, bytes: u64) -> bool {
        let file = self.path().join("written");
        let written = std::fs::write(&file, vec![1; usize::try_from(bytes).unwrap()]);
        std::fs::remove_file(&file).unwrap();
        written.is_ok()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        unmount(self.path(), UnmountFlags::DETACH).unwrap();
    }
}

/// A process that works in a folder, and ends with this.
struct Writer(Child);

impl Writer {
    fn in_folder(folder: &Path) -> Self {
        let mut sleep = Command::new("sleep");
        let child = sleep.arg("1000").current_dir(folder).spawn();
        Self(child.unwrap())
    }

    fn target(&self) -> ProcessTarget {
        ProcessTarget {
            name: "web".to_owned(),
            identity: ProcessIdentity::of(self.0.id()).unwrap(),
            mark: None,
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Refused where it was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn fill(
    target: &ProcessTarget,
    folder: impl Into<PathBuf>,
    leave: u64,
    context: &FaultContext,
) -> Result<FaultGuard, FaultError> {
    let fill = folder.into().to_str().unwrap().to_owned();
    let leave = ByteCount(leave);
    let fault = Fault::Resource(ResourceFault {
        target: target.clone(),
        inject: OnResource::Disk(Disk { fill, leave }),
    });
    soon(fault.inject(context)).await
}

#[tokio::test]
async fn a_disk_is_filled_down_to_its_floor_and_given_back() {
    let Some(small) = Small::mounted() else {
        return;
    };
    let run = Run::start().await;
    let writer = Writer::in_folder(small.path());
    let before = small.free();
    for (folder, leave) in [(small.path().to_owned(), MIB), (".".into(), 0)] {
        small.has(before).await;
        let guard = fill(&writer.target(), folder, leave, &run.context()).await;
        let mut guard = guard.unwrap();
        assert_eq!(small.free(), leave, "down to it and not below");
        assert!(!small.takes(leave + MIB));
        small.has(leave).await;
        // No name in it, nothing that could be left.
        assert_eq!(std::fs::read_dir(small.path()).unwrap().count(), 0);
        let evidence = soon(guard.verify()).await.unwrap();
        let [Sighting::Short(seen)] = evidence.seen.as_slice() else {
            panic!("{evidence}");
        };
        let filled = before - leave;
        let measured = Measured::Disk {
            filled,
            free: leave,
        };
        assert_eq!(seen.measured, Some(measured), "{evidence}");

        let removed = soon(guard.remove()).await.unwrap();
        assert!(matches!(removed.seen.as_slice(), [Sighting::PutBack(_)]));
        assert_eq!(small.free(), before);
        assert!(small.takes(2 * MIB));
        // Nothing is left to do, and nothing is done.
        assert_eq!(soon(guard.remove()).await.unwrap(), removed);
    }
    run.stop().await;
}

#[tokio::test]
async fn what_others_give_back_is_taken_and_what_they_need_is_not_held_twice() {
    let Some(small) = Small::mounted() else {
        return;
    };
    let run = Run::start().await;
    let writer = Writer::in_folder(small.path());
    let file = small.path().join("large");
    std::fs::write(&file, vec![1; 4 << 20]).unwrap();
    let context = run.context();
    let mut guard = fill(&writer.target(), ".", 0, &context).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    small.has(4 * MIB).await;
    soon(guard.verify()).await.unwrap();
    assert_eq!(small.free(), 0, "taken as well");
    // There is nothing for another one.
    let second = fill(&writer.target(), ".", 0, &context).await.unwrap_err();
    assert!(matches!(second, FaultError::NotFilled { .. }), "{second}");
    drop(guard.remove().await.unwrap());
    // Two share it, and each gives back its own.
    let mut high = fill(&writer.target(), ".", 8 * MIB, &context)
        .await
        .unwrap();
    let mut low = fill(&writer.target(), ".", MIB, &context).await.unwrap();
    soon(high.remove()).await.unwrap();
    assert_eq!(small.free(), 9 * MIB);
    // A guard that is dropped gives back what it can.
    soon(low.verify()).await.unwrap();
    assert_eq!(small.free(), MIB);
    soon(low.remove()).await.unwrap();
    drop(fill(&writer.target(), ".", MIB, &context).await.unwrap());
    small.has(16 * MIB).await;
    run.stop().await;
}

#[tokio::test]
async fn where_squall_and_the_machine_write_enough_is_left() {
    let run = Run::start().await;
    let writer = Writer::in_folder(run.dir.path());
    for folder in ["/", "."] {
        let refused = fill(&writer.target(), folder, MIB, &run.context()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("at least 64MiB have to be left"),
            "{refused}"
        );
    }
    let missing = fill(&writer.target(), "not/there", 0, &run.context()).await;
    let missing = missing.unwrap_err().to_string();
    assert!(missing.contains("No such file or directory"), "{missing}");
    run.stop().await;
}

#[tokio::test]
async fn a_target_that_is_gone_has_no_folder_and_one_that_ends_frees_nothing() {
    let Some(small) = Small::mounted() else {
        return;
    };
    let run = Run::start().await;
    let mut writer = Writer::in_folder(small.path());
    let target = writer.target();
    let mut guard = fill(&target, ".", 0, &run.context()).await.unwrap();
    writer.0.kill().unwrap();
    writer.0.wait().unwrap();
    // Whoever is started in its place finds the disk full.
    soon(guard.verify()).await.unwrap();
    assert_eq!(small.free(), 0);
    soon(guard.remove()).await.unwrap();
    assert_eq!(small.free(), 16 * MIB);
    let gone = fill(&target, small.path(), 0, &run.context()).await;
    assert!(matches!(gone, Err(FaultError::ProcessGone { .. })));
    run.stop().await;
}

/// In another root the same link is another folder.
#[tokio::test]
async fn a_link_of_a_target_in_a_root_of_its_own_leads_nowhere_else() {
    let Some(small) = Small::mounted() else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(small.path(), &link).unwrap();
    let jail = Jail::of_the_root();
    let mut sleep = Command::new("chroot");
    let sleep = sleep.arg(jail.0.path()).args(["sleep", "1000"]);
    let writer = Writer(sleep.spawn().unwrap());
    let root = format!("/proc/{}/root", writer.0.id());
    let is_in = || std::fs::read_link(&root).is_ok_and(|root| root == jail.0.path());
    until("it is in its root", is_in).await;

    let run = Run::start().await;
    let refused = fill(&writer.target(), &link, MIB, &run.context()).await;
    let refused = refused.unwrap_err().to_string();
    assert_eq!(small.free(), 16 * MIB, "{refused}");
    run.stop().await;
}

/// The root file system once more, without what is mounted below it.
struct Jail(TempDir);

impl Jail {
    fn of_the_root() -> Self {
        let dir = TempDir::new().unwrap();
        rustix::mount::mount_bind("/", dir.path()).unwrap();
        Self(dir)
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        unmount(self.0.path(), UnmountFlags::DETACH).unwrap();
    }
}

fn recorded_in(folder: &Path, journals: &TempDir, run: &Run) -> FaultContext {
    let journal = Journal::create(journals.path(), "recorded").unwrap();
    FaultContext {
        journal: Arc::new(journal.for_run_in(folder.to_owned())),
        ..run.context()
    }
}

/// One that has mounted a file system of its own, which nobody else sees.
#[tokio::test]
async fn a_disk_that_only_the_target_has_is_full_for_the_target_alone() {
    let run = Run::start().await;
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mut own = Command::new("unshare");
    let script = "mount -t tmpfs -o size=8m none data && echo && exec sleep 1000";
    own.args(["-rm", "sh", "-c", script])
        .current_dir(dir.path());
    let mut own = Writer(own.stdout(Stdio::piped()).spawn().unwrap());
    let mut said = [0];
    let mut told = own.0.stdout.take().unwrap();
    if std::io::Read::read(&mut told, &mut said).unwrap() == 0 {
        return skip("mounts in a user namespace (unshare)");
    }
    let seen = PathBuf::from(format!("/proc/{}/root", own.0.id()));
    let free = |folder: &Path| {
        let all = rustix::fs::statvfs(folder).unwrap();
        all.f_bfree * all.f_frsize
    };
    let inside = seen.join(data.strip_prefix("/").unwrap());
    assert_eq!(free(&inside), 8 * MIB);
    let mut guard = fill(&own.target(), "data", 0, &run.context())
        .await
        .unwrap();
    assert_eq!(free(&inside), 0);
    std::fs::write(data.join("outside"), vec![1; 1 << 20]).unwrap();
    soon(guard.remove()).await.unwrap();
    assert_eq!(free(&inside), 8 * MIB);
    run.stop().await;
}

#[tokio::test]
async fn where_the_record_of_the_run_is_enough_is_left() {
    let Some(small) = Small::mounted() else {
        return;
    };
    let run = Run::start().await;
    let writer = Writer::in_folder(small.path());
    let journals = TempDir::new().unwrap();
    let context = recorded_in(small.path(), &journals, &run);
    let refused = fill(&writer.target(), ".", MIB, &context)
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the file system of . was not filled: the record of the run is there, so at least \
         64MiB have to be left"
    );
    // Whole blocks are taken, so that no more is than may be.
    let guard = fill(&writer.target(), ".", MIB + 1, &run.context()).await;
    let mut guard = guard.unwrap();
    assert_eq!(small.free(), MIB + 4096);
    soon(guard.remove()).await.unwrap();
    run.stop().await;
}

/// An overlay is a device of its own, and has its space from another.
#[tokio::test]
async fn a_disk_that_another_one_has_its_space_from_is_not_filled() {
    let Some(small) = Small::mounted() else {
        return;
    };
    let folder = |name: &str| {
        let folder = small.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder.display().to_string()
    };
    let (lower, upper, work) = (folder("lower"), folder("upper"), folder("work"));
    let over = TempDir::new().unwrap();
    let layers = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let layers = std::ffi::CString::new(layers).unwrap();
    let flags = MountFlags::empty();
    if let Err(error) = mount("squall-test", over.path(), "overlay", flags, Some(&*layers)) {
        skip(format_args!("an overlay: {error}"));
        return;
    }
    let over = Jail(over);
    let run = Run::start().await;
    let writer = Writer::in_folder(small.path());
    let journals = TempDir::new().unwrap();
    let context = recorded_in(over.0.path(), &journals, &run);
    let refused = fill(&writer.target(), ".", 0, &context).await.unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("has its space from it (the record of the run is there)"),
        "{refused}"
    );
    small.has(16 * MIB).await;
    run.stop().await;
}

/// Nobody has to undo it: the kernel does, with the last who has the file open.
#[tokio::test]
async fn the_disk_is_free_again_when_squall_and_its_guardian_are_killed() {
    let Some(small) = Small::mounted() else {
        return;
    };
    for company in ["alone", "together"] {
        let dir = TempDir::new().unwrap();
        let writer = Writer::in_folder(small.path());
        let status = Command::new(FIXTURE)
            .arg("squall")
            .arg(dir.path())
            .args(["verified", company, "disk", &writer.0.id().to_string()])
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(9));
        small.has(16 * MIB).await;
        let standing = || squall_faults::recover::run(dir.path()).unwrap().is_clean();
        until("nothing is left", standing).await;
    }
}
