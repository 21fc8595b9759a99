//! What measurements happen on: a server of its own behind two links, one for
//! the fault and one beside it.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_scenario::{OnBytes, Share};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::{Measured, NotMeasured};
use crate::guardian::GuardianClient;
use crate::process::Pauses;
use crate::resource::Limits;
use crate::{Fault, FaultContext, FaultGuard, Journal, LinkLimit, Proxy, ProxyConfig, ToxicFault};

/// A measurement under way.
pub(super) type Taking<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Measured>, NotMeasured>> + Send + 'a>>;

/// How long effects and their undo may take.
const EFFECT_WITHIN: Duration = Duration::from_secs(5);
/// How long nothing has to come before it counts as not coming.
const SILENCE: Duration = Duration::from_millis(50);
/// The largest message.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// A server with two links before it.
pub(super) struct Pair {
    /// The link that has the fault.
    pub(super) link: Proxy,
    /// The same without one.
    pub(super) beside: Proxy,
    /// Ends with the pair, also where a measurement took too long.
    server: AbortOnDropHandle<()>,
}

impl Pair {
    /// Before a server that does `serve` on every connection.
    pub(super) async fn start<S>(serve: fn(TcpStream) -> S) -> io::Result<Self>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let upstream = listener.local_addr()?;
        let link = |name: &str| {
            Proxy::start(ProxyConfig {
                name: name.to_owned(),
                listen: ([127, 0, 0, 1], 0).into(),
                upstream,
                seed: 1,
                listening: true,
                limit: LinkLimit::default(),
            })
        };
        Ok(Self {
            link: link("measured")?,
            beside: link("beside")?,
            server: AbortOnDropHandle::new(tokio::spawn(serve_all(listener, serve))),
        })
    }

    pub(super) async fn clear(self) {
        self.link.shutdown().await;
        self.beside.shutdown().await;
        self.server.abort();
    }
}

pub(super) struct Stage {
    /// Before a server that sends everything back.
    pub(super) echo: Pair,
    context: FaultContext,
    guardian: Vec<OsString>,
}

impl Stage {
    pub(super) async fn set_up(journal: Arc<Journal>, guardian: &[OsString]) -> io::Result<Self> {
        Ok(Self {
            echo: Pair::start(echo).await?,
            context: FaultContext {
                fault: "measured".to_owned(),
                injection: 0,
                journal,
                guardian: None,
                pauses: Pauses::default(),
                limits: Limits::default(),
                deadline: EFFECT_WITHIN,
            },
            guardian: guardian.to_vec(),
        })
    }

    /// The same run with a guardian, for faults that need one. Whoever asks for it
    /// shuts it down.
    pub(super) async fn guarded(&self) -> Result<(FaultContext, GuardianClient), NotMeasured> {
        let missing = || NotMeasured::Missing("no guardian can be started".to_owned());
        let (program, args) = self.guardian.split_first().ok_or_else(missing)?;
        let journal = &self.context.journal;
        let guardian = GuardianClient::start(Path::new(program), args, journal).await;
        let guardian = guardian.map_err(crate::FaultError::from)?;
        let context = FaultContext {
            guardian: Some(guardian.clone()),
            ..self.context.clone()
        };
        Ok((context, guardian))
    }

    pub(super) const fn context(&self) -> &FaultContext {
        &self.context
    }

    /// Puts a fault on the link, and only there.
    pub(super) async fn inject(&self, inject: OnBytes) -> Result<FaultGuard, NotMeasured> {
        self.inject_on(inject, Share::WHOLE).await
    }

    /// The same, on a share of its connections.
    pub(super) async fn inject_on(
        &self,
        inject: OnBytes,
        share: Share,
    ) -> Result<FaultGuard, NotMeasured> {
        let fault = Fault::Toxic(ToxicFault {
            proxies: vec![self.echo.link.clone()],
            inject,
            share,
        });
        Ok(fault.inject(&self.context).await?)
    }

    pub(super) async fn clear(self) {
        self.echo.clear().await;
    }
}

/// Serves every connection until it is dropped.
async fn serve_all<S>(listener: TcpListener, serve: fn(TcpStream) -> S)
where
    S: Future<Output = ()> + Send + 'static,
{
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream));
        while connections.try_join_next().is_some() {}
    }
}

/// Sends everything back.
pub(super) async fn echo(mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    // A reset is what some faults are for.
    if tokio::io::copy(&mut read, &mut write).await.is_ok() {
        let _ = write.shutdown().await;
    }
}

/// A connection through a link.
pub(super) struct Caller(TcpStream);

impl Caller {
    pub(super) async fn connect(link: &Proxy) -> io::Result<Self> {
        let stream = TcpStream::connect(link.address()).await?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a byte and waits for it.
    pub(super) async fn round_trip(&mut self) -> io::Result<Duration> {
        let sent = Instant::now();
        self.0.write_all(b"x").await?;
        self.0.read_exact(&mut [0]).await?;
        Ok(sent.elapsed())
    }

    /// Sends a byte and waits for nothing.
    pub(super) async fn send(&mut self) -> io::Result<()> {
        self.0.write_all(b"x").await
    }

    /// Sends bytes and takes in what comes back until that fails.
    pub(super) async fn sends_without_end(&mut self) -> io::Error {
        let (mut read, mut write) = self.0.split();
        let send = async {
            let block = vec![b'x'; MESSAGE_BYTES_MAX];
            loop {
                if let Err(error) = write.write_all(&block).await {
                    return error;
                }
            }
        };
        let receive = async {
            let mut block = vec![0; MESSAGE_BYTES_MAX];
            loop {
                match read.read(&mut block).await {
                    Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
        };
        tokio::select! {
            error = send => error,
            error = receive => error,
        }
    }

    /// Whether a byte that is sent does not come back.
    pub(super) async fn hears_nothing(&mut self) -> bool {
        let answered = tokio::time::timeout(SILENCE, self.round_trip());
        answered.await.is_err()
    }

    /// Whether the connection is reset when a byte is sent.
    pub(super) async fn is_reset(&mut self) -> bool {
        let reset = |error: io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        self.round_trip().await.is_err_and(reset)
    }

    /// Sends a byte and waits until the connection is closed, however that is said.
    pub(super) async fn closed_after(&mut self) -> io::Result<Duration> {
        let sent = Instant::now();
        self.0.write_all(b"x").await?;
        self.until_closed().await?;
        Ok(sent.elapsed())
    }

    /// Sends `bytes` and takes in what comes back before the connection is closed, or
    /// before as much has come; in the pieces in which it was read.
    pub(super) async fn pieces_of(&mut self, bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let (mut read, mut write) = self.0.split();
        let send = async {
            // A connection that is closed under it is what some faults are for.
            let _ = write.write_all(bytes).await;
        };
        let receive = async {
            let (mut pieces, mut left) = (Vec::new(), bytes.len());
            while left > 0 {
                let mut piece = vec![0; left];
                match read.read(&mut piece).await {
                    Ok(0) => break,
                    Ok(got) => {
                        piece.truncate(got);
                        left -= got;
                        pieces.push(piece);
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(pieces)
        };
        let ((), pieces) = tokio::join!(send, receive);
        pieces
    }

    async fn until_closed(&mut self) -> io::Result<()> {
        loop {
            match self.0.read(&mut [0; 64]).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes its own side and waits for the other's.
    pub(super) async fn close(&mut self) -> io::Result<Duration> {
        let closed = Instant::now();
        self.0.shutdown().await?;
        while self.0.read(&mut [0; 64]).await? > 0 {}
        Ok(closed.elapsed())
    }

    /// Sends so many bytes and waits for all of them.
    pub(super) async fn echoed(&mut self, bytes: usize) -> io::Result<Duration> {
        let (mut read, mut write) = self.0.split();
        let begun = Instant::now();
        let send = async {
            let block = vec![b'x'; MESSAGE_BYTES_MAX];
            let mut left = bytes;
            while left > 0 {
                let now = left.min(block.len());
                write.write_all(&block[..now]).await?;
                left -= now;
            }
            Ok(())
        };
        let receive = async {
            let mut block = vec![0; MESSAGE_BYTES_MAX];
            let mut left = bytes;
            while left > 0 {
                match read.read(&mut block).await? {
                    0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                    got => left = left.saturating_sub(got),
                }
            }
            Ok(())
        };
        tokio::try_join!(send, receive)?;
        Ok(begun.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As on a measurement that takes too long.
    #[tokio::test]
    async fn the_server_ends_with_a_stage_that_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::create(dir.path(), "measured").unwrap();
        let stage = Stage::set_up(Arc::new(journal), &[]).await.unwrap();
        let server = stage.echo.server.abort_handle();
        drop(stage);
        let ended = async {
            while !server.is_finished() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ended)
            .await
            .unwrap();
    }
}
