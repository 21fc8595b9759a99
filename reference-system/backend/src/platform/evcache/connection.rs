//! Connections to cache nodes: one conversation at a time on each, idle ones kept for the next.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::{Reach, Wire};
use crate::stores::cache::codec::{
    BadReply, ValueStep, parse_stored, parse_value, write_get, write_set,
};

/// Idle connections kept to one node.
const IDLE_MAX: usize = 16;

/// Why a node gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    /// The connection could not be made or broke.
    #[error("{0}")]
    Connection(#[from] io::Error),
    /// The node answered something else than it should.
    #[error("{0}")]
    Reply(#[from] BadReply),
    /// The node did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The node has been failing and is left alone for a while.
    #[error("blacked out")]
    BlackedOut,
}

/// An entry to write.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its key.
    pub(crate) key: String,
    /// How long it stays, in seconds.
    pub(crate) ttl_seconds: u32,
    /// Its value.
    pub(crate) value: Bytes,
}

/// Idle connections by node, and how new ones are made.
pub(crate) struct Pool {
    reach: Reach,
    idle: Mutex<HashMap<SocketAddr, Vec<Box<dyn Wire>>>>,
}

impl Pool {
    /// One without connections.
    pub(crate) fn new(reach: Reach) -> Self {
        Self {
            reach,
            idle: Mutex::default(),
        }
    }

    /// The values a node has of these keys.
    pub(crate) async fn get(
        &self,
        node: SocketAddr,
        keys: &[&str],
    ) -> Result<Vec<(Bytes, Bytes)>, NodeError> {
        let mut request = Vec::new();
        write_get(&mut request, keys);
        self.converse(node, &request, ValuesReader::default()).await
    }

    /// Writes entries to a node.
    pub(crate) async fn set(&self, node: SocketAddr, entries: &[&Entry]) -> Result<(), NodeError> {
        let mut request = Vec::new();
        for entry in entries {
            write_set(&mut request, &entry.key, entry.ttl_seconds, &entry.value);
        }
        let reader = StoredReader {
            waiting: entries.len(),
        };
        self.converse(node, &request, reader).await
    }

    /// Sends a request and reads its reply. A connection goes back to the pool only after a whole
    /// reply; dropped halfway, by a timeout or an error, it is closed and never used again.
    async fn converse<R: ReplyReader>(
        &self,
        node: SocketAddr,
        request: &[u8],
        reader: R,
    ) -> Result<R::Output, NodeError> {
        if let Some(mut stream) = self.take(node) {
            if let Ok(output) = talk(&mut stream, request, reader.clone()).await {
                self.put(node, stream);
                return Ok(output);
            }
            // The node may have been restarted since: its old connections are worthless, and one
            // fresh one tells whether it is there.
            self.forget(node);
        }
        let mut stream = self.reach.connect(node).await?;
        let output = talk(&mut stream, request, reader).await?;
        self.put(node, stream);
        Ok(output)
    }

    fn take(&self, node: SocketAddr) -> Option<Box<dyn Wire>> {
        self.idle().get_mut(&node)?.pop()
    }

    fn put(&self, node: SocketAddr, stream: Box<dyn Wire>) {
        let mut idle = self.idle();
        let kept = idle.entry(node).or_default();
        if kept.len() < IDLE_MAX {
            kept.push(stream);
        }
    }

    fn forget(&self, node: SocketAddr) {
        self.idle().remove(&node);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Vec<Box<dyn Wire>>>> {
        // The map is whole after every change; a panic elsewhere cannot have broken it.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Recognizes the end of a reply.
trait ReplyReader: Clone {
    type Output;

    /// Takes what it can from the input; the result once the reply is whole.
    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Self::Output>, BadReply>;
}

#[derive(Clone, Default)]
struct ValuesReader {
    values: Vec<(Bytes, Bytes)>,
}

impl ReplyReader for ValuesReader {
    type Output = Vec<(Bytes, Bytes)>;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Self::Output>, BadReply> {
        loop {
            match parse_value(input)? {
                ValueStep::Partial => return Ok(None),
                ValueStep::Value { key, value, used } => {
                    input.advance(used);
                    self.values.push((key, value));
                }
                ValueStep::End(used) => {
                    input.advance(used);
                    return Ok(Some(std::mem::take(&mut self.values)));
                }
            }
        }
    }
}

#[derive(Clone)]
struct StoredReader {
    waiting: usize,
}

impl ReplyReader for StoredReader {
    type Output = ();

    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<()>, BadReply> {
        while self.waiting > 0 {
            let Some(used) = parse_stored(input)? else {
                return Ok(None);
            };
            input.advance(used);
            self.waiting -= 1;
        }
        Ok(Some(()))
    }
}

async fn talk<R: ReplyReader>(
    stream: &mut Box<dyn Wire>,
    request: &[u8],
    mut reader: R,
) -> Result<R::Output, NodeError> {
    stream.write_all(request).await?;
    // What is encrypted may wait for more.
    stream.flush().await?;
    let mut input = BytesMut::with_capacity(4 << 10);
    loop {
        if let Some(output) = reader.advance(&mut input)? {
            if input.is_empty() {
                return Ok(output);
            }
            // More than was asked for: the conversation is out of step.
            return Err(BadReply(input.escape_ascii().take(64).map(char::from).collect()).into());
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}
