//! Faults inside processes, against the fault layer itself: what squall asks for is
//! what the layer understands.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use squall_fault_layer::Faults;
use squall_faults::{
    CallsFault, Fault, FaultContext, FaultError, FaultGuard, Inside, Journal, Limits, Pauses,
};
use squall_scenario::inject::{CallsDone, InProcess, InsideDoes};
use squall_scenario::{Evidence, EvidenceLevel, Share, Sighting};
use tokio::runtime::Runtime;

use crate::support::{HANG, soon, until};

/// A point that services of tests have.
const POINT: &str = "store.write";

/// Services with a fault layer, each on a runtime of its own that can end.
struct Scene {
    dir: tempfile::TempDir,
    journal: Arc<Journal>,
    services: Vec<(Faults, Option<Runtime>)>,
}

impl Scene {
    fn new(services: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let service = |n: usize| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(1).enable_all().build().unwrap();
            let faults = Faults::new(1);
            let entered = runtime.enter();
            faults
                .listen(&dir.path().join(format!("shop-{n}")))
                .unwrap();
            drop(entered);
            (faults, Some(runtime))
        };
        let services = (0..services).map(service).collect();
        let journal = Arc::new(Journal::create(dir.path(), "run").unwrap());
        Self {
            dir,
            journal,
            services,
        }
    }

    fn inside(&self, n: usize) -> Inside {
        let name = format!("shop-{n}");
        let socket = self.dir.path().join(&name);
        Inside { name, socket }
    }

    async fn inject(
        &self,
        processes: Vec<Inside>,
        fault: InProcess,
    ) -> Result<FaultGuard, FaultError> {
        let context = FaultContext {
            fault: "inside".to_owned(),
            injection: 0,
            journal: Arc::clone(&self.journal),
            guardian: None,
            pauses: Pauses::default(),
            limits: Limits::default(),
            deadline: HANG / 2,
        };
        let calls = CallsFault {
            processes,
            inject: fault,
            seed: 7,
        };
        soon(Fault::Calls(calls).inject(&context)).await
    }

    /// The process ends: its sockets are closed.
    fn end(&mut self, n: usize) {
        let runtime = self.services[n].1.take();
        runtime.unwrap().shutdown_background();
    }

    async fn nothing_is_set(&self) {
        for (faults, _) in &self.services {
            until("the fault goes", || faults.reports().is_empty()).await;
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for (_, runtime) in &mut self.services {
            if let Some(runtime) = runtime.take() {
                runtime.shutdown_background();
            }
        }
    }
}

fn fault(does: InsideDoes) -> InProcess {
    InProcess {
        point: POINT.to_owned(),
        does,
        share: Share::WHOLE,
    }
}

fn done(evidence: &Evidence) -> CallsDone {
    match evidence.seen.as_slice() {
        [Sighting::OnCalls(seen) | Sighting::OffCalls(seen)] => seen.done,
        seen => panic!("{seen:?}"),
    }
}

#[tokio::test]
async fn each_action_is_set_counted_and_taken_away() {
    let scene = Scene::new(2);
    let late = InsideDoes::Delay {
        by: Duration::from_millis(20),
        jitter: Duration::from_micros(1),
    };
    let error = |text: &str| InsideDoes::Error(text.to_owned());
    for does in [
        late,
        error("a=b; (c"),
        error(""),
        InsideDoes::Hang,
        InsideDoes::Drop,
    ] {
        let both = vec![scene.inside(0), scene.inside(1)];
        let mut guard = scene.inject(both, fault(does.clone())).await.unwrap();
        let seen = soon(guard.verify()).await.unwrap();
        assert_eq!(seen.level, EvidenceLevel::Acted, "{does:?}");
        let faults = scene.services[1].0.clone();
        let call = tokio::spawn(async move { faults.at(POINT).await });
        let struck = || scene.services[1].0.reports()[0].struck == 1;
        until("the call is struck", struck).await;
        let seen = soon(guard.verify()).await.unwrap();
        assert_eq!(seen.level, EvidenceLevel::Felt, "{does:?}");
        let removed = soon(guard.remove()).await.unwrap();
        let expected = CallsDone {
            calls: 1,
            struck: 1,
        };
        assert_eq!((done(&seen), done(&removed)), (expected, expected));
        // Removed twice, it says the same.
        assert_eq!(soon(guard.remove()).await.unwrap(), removed);
        scene.nothing_is_set().await;
        // What hung goes on.
        let came_of_it = soon(call).await.unwrap().map_err(|fault| fault.to_string());
        let failed = came_of_it.is_err();
        let fails = matches!(does, InsideDoes::Error(_) | InsideDoes::Drop);
        assert_eq!(failed, fails, "{does:?}: {came_of_it:?}");
    }
}

#[tokio::test]
async fn a_share_is_one_of_calls_and_the_seed_decides() {
    let scene = Scene::new(1);
    let mut runs = Vec::new();
    for _ in 0..2 {
        let half = InProcess {
            share: Share::new(0.5).unwrap(),
            ..fault(InsideDoes::Drop)
        };
        let mut guard = scene.inject(vec![scene.inside(0)], half).await.unwrap();
        let mut struck = Vec::new();
        for _ in 0..100 {
            struck.push(scene.services[0].0.at(POINT).await.is_err());
        }
        runs.push(struck);
        let done = done(&soon(guard.remove()).await.unwrap());
        assert!(
            done.calls == 100 && (20..80).contains(&done.struck),
            "{done:?}"
        );
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn it_is_set_in_all_processes_or_in_none() {
    let scene = Scene::new(1);
    let (here, nowhere) = (scene.inside(0), scene.inside(7));
    let refused = scene
        .inject(vec![here, nowhere], fault(InsideDoes::Hang))
        .await;
    let why = refused.unwrap_err().to_string();
    assert!(
        why.starts_with("shop-7: it lets nobody switch its faults"),
        "{why}"
    );
    scene.nothing_is_set().await;
}

#[tokio::test]
async fn a_point_has_one_fault_at_a_time() {
    let scene = Scene::new(1);
    let here = || vec![scene.inside(0)];
    let mut first = scene.inject(here(), fault(InsideDoes::Drop)).await.unwrap();
    let why = scene
        .inject(here(), fault(InsideDoes::Hang))
        .await
        .unwrap_err();
    assert!(why.to_string().contains("has a fault already"), "{why}");
    assert!(scene.services[0].0.at(POINT).await.is_err());
    soon(first.remove()).await.unwrap();
    let mut second = scene.inject(here(), fault(InsideDoes::Hang)).await.unwrap();
    soon(second.remove()).await.unwrap();
}

#[tokio::test]
async fn a_process_that_ends_takes_it_along() {
    let mut scene = Scene::new(2);
    let both = vec![scene.inside(0), scene.inside(1)];
    let mut guard = scene.inject(both, fault(InsideDoes::Drop)).await.unwrap();
    assert!(scene.services[0].0.at(POINT).await.is_err());
    soon(guard.verify()).await.unwrap();
    scene.end(0);
    // What its runtime had open is closed a moment later.
    let lost = soon(async {
        loop {
            match guard.verify().await {
                Ok(_) => tokio::task::yield_now().await,
                Err(lost) => return lost.to_string(),
            }
        }
    })
    .await;
    assert!(lost.starts_with("shop-0: its switch is gone"), "{lost}");
    // Asked again it still is.
    assert!(soon(guard.verify()).await.is_err());
    let removed = soon(guard.remove()).await.unwrap();
    // What it had done is still known.
    assert_eq!(
        done(&removed),
        CallsDone {
            calls: 1,
            struck: 1
        }
    );
    assert!(scene.services[1].0.reports().is_empty());
}

#[tokio::test]
async fn whoever_lets_go_of_it_ends_it() {
    let scene = Scene::new(1);
    let guard = scene
        .inject(vec![scene.inside(0)], fault(InsideDoes::Hang))
        .await;
    let guard = guard.unwrap();
    assert_eq!(scene.services[0].0.reports().len(), 1);
    drop(guard);
    scene.nothing_is_set().await;
}

#[tokio::test]
async fn what_a_process_takes_away_itself_is_not_in_force_any_more() {
    let scene = Scene::new(1);
    let guard = scene
        .inject(vec![scene.inside(0)], fault(InsideDoes::Hang))
        .await;
    let mut guard = guard.unwrap();
    scene.services[0].0.clear_all();
    let lost = soon(guard.verify()).await.unwrap_err().to_string();
    assert!(lost.contains("has taken it away"), "{lost}");
    soon(guard.remove()).await.unwrap();
}

/// One that lets people connect and says nothing.
#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_not_waited_for_for_ever() {
    let scene = Scene::new(0);
    let socket: PathBuf = scene.dir.path().join("shop-0");
    let _silent = std::os::unix::net::UnixListener::bind(socket).unwrap();
    let refused = scene.inject(vec![scene.inside(0)], fault(InsideDoes::Hang));
    let why = refused.await.unwrap_err().to_string();
    assert_eq!(why, "shop-0: its fault layer does not answer");
}
