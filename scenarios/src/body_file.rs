//! Bodies that stand in files beside the scenario.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A body in a file of its own, sent as it is: no placeholder in it means
/// anything.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct BodyFile {
    /// As the scenario writes it, relative to its file.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// What is sent. It is not recorded.
    #[serde(skip)]
    pub content: Arc<[u8]>,
}

impl PartialEq for BodyFile {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.bytes) == (&other.path, other.bytes)
    }
}

impl fmt::Debug for BodyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyFile({}, {} bytes)", self.path, self.bytes)
    }
}
