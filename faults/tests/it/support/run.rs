//! A run with a guardian as a real process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use squall_faults::guardian::{GuardianClient, SpawnRequest};
use squall_faults::{FaultContext, Journal, Limits, Pauses, ProcessTarget, recover};
use tempfile::TempDir;

use super::{HANG, soon};

pub(crate) const FIXTURE: &str = env!("CARGO_BIN_EXE_squall-faults-fixture");

/// A journal and its guardian, a real process.
pub(crate) struct Run {
    pub(crate) dir: TempDir,
    pub(crate) journal: Arc<Journal>,
    pub(crate) guardian: GuardianClient,
}

impl Run {
    /// Without a namespace, so that processes know the numbers that tests see.
    pub(crate) async fn start() -> Self {
        Self::start_with("off").await
    }

    /// In a PID namespace, where there are any.
    #[allow(dead_code, reason = "for the tests of some executables only")]
    pub(crate) async fn start_in_namespace() -> Self {
        Self::start_with("on").await
    }

    async fn start_with(namespace: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let journal = Arc::new(Journal::create(dir.path(), &unique_run_id()).unwrap());
        let setting = format!("SQUALL_NAMESPACE={namespace}");
        let args = [setting.into(), FIXTURE.into(), "guardian".into()];
        let guardian = GuardianClient::start(Path::new("env"), &args, &journal);
        let guardian = soon(guardian).await.unwrap();
        Self {
            dir,
            journal,
            guardian,
        }
    }

    pub(crate) fn request(&self, key: &str, script: &str) -> SpawnRequest {
        SpawnRequest {
            key: key.to_owned(),
            argv: ["sh", "-c", script].map(str::to_owned).into(),
            env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            cwd: Some(self.dir.path().to_owned()),
            log_path: self.dir.path().join(format!("{key}.log")),
            keep_bytes: 1 << 20,
            laid_over: Vec::new(),
        }
    }

    pub(crate) async fn target(&self, key: &str, script: &str) -> ProcessTarget {
        let spawned = self.guardian.spawn(self.request(key, script));
        let spawned = soon(spawned).await.unwrap();
        ProcessTarget {
            name: spawned.key,
            identity: spawned.identity,
            mark: Some(spawned.mark),
        }
    }

    /// For a fault that may take as long as it likes.
    pub(crate) fn context(&self) -> FaultContext {
        FaultContext {
            fault: "crash".to_owned(),
            injection: 0,
            journal: Arc::clone(&self.journal),
            guardian: Some(self.guardian.clone()),
            pauses: Pauses::default(),
            limits: Limits::default(),
            deadline: HANG,
        }
    }

    /// Ends what `key` was started as; returns once the guardian has told of it.
    pub(crate) async fn end(&self, key: &str) {
        let mut exits = self.guardian.exits();
        let ended = self.guardian.terminate(key, Duration::ZERO);
        soon(ended).await.unwrap();
        soon(exits.recv()).await.unwrap();
    }

    /// Starts `script` and returns once the guardian has told of its end.
    pub(crate) async fn to_its_end(&self, key: &str, script: &str) {
        let mut exits = self.guardian.exits();
        let spawned = self.guardian.spawn(self.request(key, script));
        soon(spawned).await.unwrap();
        while soon(exits.recv()).await.unwrap().key != key {}
    }

    pub(crate) fn log(&self, key: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(format!("{key}.log"))).unwrap_or_default()
    }

    pub(crate) fn log_length(&self, key: &str) -> u64 {
        let log = std::fs::metadata(self.dir.path().join(format!("{key}.log")));
        log.map_or(0, |log| log.len())
    }

    pub(crate) async fn stop(self) {
        let report = self.guardian.shutdown(Duration::from_millis(50));
        assert!(soon(report).await.unwrap().left.is_empty());
        assert!(!self.guardian.identity().is_alive());
        assert_eq!(self.journal.close().unwrap(), 0);
        assert!(recover::list(self.dir.path()).unwrap().is_empty());
    }
}

/// Tests of one executable share its process, and the mark of a run is made of
/// its id and its process: the same id twice would end each other's processes.
fn unique_run_id() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("run-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
