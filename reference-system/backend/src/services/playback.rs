//! Playback: what it takes to start a title, and where the viewer stopped.
//!
//! No instance remembers anything: licence and session are signed tokens, bookmarks are rows in
//! the store, so any instance can go on where another has died.

pub(crate) mod licence;
mod resume;
mod steering;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Extension, Path, State};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use squall_fault_layer::fault_point;
use squall_resilience::{Command, Deadline};
use tokio::sync::Semaphore;

use self::licence::{Licences, Viewer};
use crate::dataset::model::Profile;
use crate::platform::clock;
use crate::platform::host::Host;
use crate::platform::remote::{Ask, Remote, RemoteError, Reply};
use crate::platform::reply::{Degraded, Failure};
use crate::platform::token::{Expiring, Signer};
use crate::segment::{LADDER_KBPS, SEGMENT_SECONDS, with_kbps};
use crate::service::{ServeError, ServiceKind};
use crate::services::catalog::{Record, Titles, titles_path};
use crate::stores::wide_column::client::StoreClient;
use crate::stores::wide_column::table::Table;

/// How long a session holds.
const SESSION_SECONDS: u64 = 12 * 60 * 60;
/// Edges named in a manifest.
const EDGES: usize = 3;
/// Segments whose addresses are spelt out; the rest follow the template.
const FIRST_SEGMENTS: u32 = 10;
/// History rows being written at a time.
const WRITES_MAX: usize = 64;

/// `POST /start`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRequest {
    /// What to play.
    pub(crate) title: u32,
    /// Who plays; none for a preview.
    pub(crate) viewer: Option<Profile>,
    /// On which device, if the player says so.
    pub(crate) device: Option<String>,
}

/// What a player needs to play a title.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    title: u32,
    name: String,
    session: String,
    licence: String,
    runtime_seconds: u32,
    segment_seconds: u32,
    segment_count: u32,
    ladder_kbps: [u32; 5],
    /// Where this viewer stopped the last time; 0 for somebody who begins, or has seen it all.
    resume_seconds: u32,
    /// Where the gateway has segment `{n}` at `{kbps}`.
    watch_path: String,
    edges: Vec<SocketAddr>,
    segment_path: String,
    segments: Vec<String>,
}

/// Everything about a playback that a heartbeat needs.
#[derive(Debug, Serialize, Deserialize)]
struct Session {
    title: u32,
    profile: Option<u32>,
    runtime_seconds: u32,
    expires_unix_seconds: u64,
}

impl Expiring for Session {
    fn expires_unix_seconds(&self) -> u64 {
        self.expires_unix_seconds
    }
}

/// `POST /heartbeat/{session}` and `POST /stop/{session}`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    position_seconds: u32,
}

struct Playback {
    host: Arc<Host>,
    catalog: Remote,
    drm: Command,
    store: StoreClient,
    licences: Licences,
    sessions: Signer,
    writes: Arc<Semaphore>,
}

/// The routes of playback.
///
/// # Errors
/// A client or a key cannot be set up.
pub(crate) fn routes(host: &Arc<Host>) -> Result<Router, ServeError> {
    let playback = Arc::new(Playback {
        catalog: Remote::new(host, "catalog")?,
        drm: host.command("drm")?.0,
        store: StoreClient::new(host)?,
        licences: Licences::new(host.config.seed)?,
        sessions: Signer::new(host.config.seed, "session")?,
        writes: Arc::new(Semaphore::new(WRITES_MAX)),
        host: Arc::clone(host),
    });
    Ok(Router::new()
        .route("/start", post(start))
        .route("/heartbeat/{session}", post(heartbeat))
        .route("/stop/{session}", post(stop))
        .with_state(playback))
}

async fn start(
    State(playback): State<Arc<Playback>>,
    Extension(deadline): Extension<Deadline>,
    Json(request): Json<StartRequest>,
) -> Result<impl IntoResponse, Failure> {
    let mut degraded = Degraded::default();
    let profile = request.viewer.as_ref().map(|viewer| viewer.id);
    let (record, resume_seconds) = tokio::join!(
        playback.record(request.title, deadline),
        playback.resume_seconds(request.title, profile, deadline, &mut degraded),
    );
    let record = record?;
    permit(&record, request.viewer.as_ref())?;
    let viewer = Viewer {
        profile: request.viewer.map(|viewer| viewer.id),
        device: request.device,
    };
    let licence = playback.licence(request.title, &viewer, deadline).await?;
    let manifest = playback.manifest(record, &viewer, licence, resume_seconds)?;
    playback.note_start(request.title, viewer.profile);
    Ok((degraded.headers(), Json(manifest)))
}

/// Whether this viewer may see this title: not a question that has a fallback.
fn permit(record: &Record, viewer: Option<&Profile>) -> Result<(), Failure> {
    let Some(viewer) = viewer else { return Ok(()) };
    if !record.is_available_in(&viewer.country) {
        return Err(Failure::new(
            StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
            format!("not licensed in {}", viewer.country),
        ));
    }
    if record.title.maturity_age > viewer.maturity_age_max {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "not suitable for this profile",
        ));
    }
    Ok(())
}

impl Playback {
    async fn record(&self, title: u32, deadline: Deadline) -> Result<Record, Failure> {
        let ask = Ask::get(titles_path(&[title]));
        let titles: Titles = self
            .catalog
            .ask(&ask, deadline, Reply::json)
            .await
            .map_err(|error| Failure::of("catalog", &error))?;
        titles
            .records
            .into_iter()
            .next()
            .ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "no such title"))
    }

    /// A licence, or no playback: the one dependency that nothing may replace.
    async fn licence(
        &self,
        title: u32,
        viewer: &Viewer,
        deadline: Deadline,
    ) -> Result<String, Failure> {
        let work = async |_| {
            fault_point!(self.host.faults, "playback.licence")
                .map_err(|fault| RemoteError::Garbled(fault.to_string()))?;
            let now = clock::unix_seconds();
            Ok::<_, RemoteError>(self.licences.issue(title, viewer.clone(), now))
        };
        self.drm
            .execute(deadline, work)
            .await
            .map_err(|error| Failure::of("drm", &error))
    }

    fn manifest(
        &self,
        record: Record,
        viewer: &Viewer,
        licence: String,
        resume_seconds: u32,
    ) -> Result<Manifest, Failure> {
        let title = record.title;
        let edges: Vec<SocketAddr> = steering::rank(
            title.id,
            self.host.directory.instances(ServiceKind::Edge.name()),
        )
        .into_iter()
        .take(EDGES)
        .map(|edge| edge.address)
        .collect();
        let Some(best) = edges.first() else {
            return Err(Failure::unavailable("no edge is known"));
        };
        let expires_unix_seconds = clock::unix_seconds() + SESSION_SECONDS;
        let session = Session {
            title: title.id,
            profile: viewer.profile,
            runtime_seconds: title.runtime_seconds,
            expires_unix_seconds,
        };
        let query = viewer.query();
        let segment_count = title.runtime_seconds.div_ceil(SEGMENT_SECONDS);
        Ok(Manifest {
            title: title.id,
            session: self.sessions.sign(&session),
            licence,
            runtime_seconds: title.runtime_seconds,
            segment_seconds: SEGMENT_SECONDS,
            segment_count,
            ladder_kbps: LADDER_KBPS,
            // A bookmark is of a title as it was; this one may have become shorter.
            resume_seconds: resume::point(resume_seconds, title.runtime_seconds),
            watch_path: format!("/watch/{}/{{n}}{}", title.id, with_kbps("{kbps}", &query)),
            segment_path: format!("/segment/{{title}}/{{n}}{query}"),
            segments: (0..segment_count.min(FIRST_SEGMENTS))
                .map(|n| format!("http://{best}/segment/{}/{n}{query}", title.id))
                .collect(),
            edges,
            name: title.name,
        })
    }

    fn session(&self, token: &str) -> Result<Session, Failure> {
        self.sessions
            .verify(token, clock::unix_seconds())
            .map_err(|error| Failure::new(StatusCode::UNAUTHORIZED, error.to_string()))
    }

    /// Puts the title into the viewer's history. Nobody waits for it: a play matters more than its
    /// record.
    fn note_start(self: &Arc<Self>, title: u32, profile: Option<u32>) {
        let (Some(profile), Ok(slot)) = (profile, Arc::clone(&self.writes).try_acquire_owned())
        else {
            return;
        };
        let playback = Arc::clone(self);
        tokio::spawn(async move {
            let _slot = slot;
            let deadline = playback.host.own_deadline(Instant::now());
            // Counting down, so that the newest row is the first of the partition.
            let newest_first = format!("{:020}", u64::MAX - clock::unix_micros());
            let value = serde_json::json!({ "title": title });
            let write = playback.store.write(
                Table::History,
                profile.to_string(),
                newest_first,
                &value,
                deadline,
            );
            if write.await.is_err() {
                playback.host.metrics.count("history_rows_lost");
            }
        });
    }
}

/// Notes where the viewer is. A bookmark that cannot be written is lost, and said to be; the
/// player goes on.
async fn heartbeat(
    State(playback): State<Arc<Playback>>,
    Extension(deadline): Extension<Deadline>,
    Path(token): Path<String>,
    Json(position): Json<Position>,
) -> Result<impl IntoResponse, Failure> {
    let session = playback.session(&token)?;
    let headers = playback
        .keep(&session, position.position_seconds, deadline)
        .await;
    Ok((headers, Json(position)))
}

/// Notes where the viewer left, and says where the title will go on. A session that was stopped
/// may be stopped again: nobody remembers that it was.
async fn stop(
    State(playback): State<Arc<Playback>>,
    Extension(deadline): Extension<Deadline>,
    Path(token): Path<String>,
    Json(position): Json<Position>,
) -> Result<impl IntoResponse, Failure> {
    let session = playback.session(&token)?;
    let resume_seconds = resume::point(position.position_seconds, session.runtime_seconds);
    let headers = playback.keep(&session, resume_seconds, deadline).await;
    let stopped = serde_json::json!({ "resume_seconds": resume_seconds });
    Ok((headers, Json(stopped)))
}
