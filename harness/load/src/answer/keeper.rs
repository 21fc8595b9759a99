//! What is kept of an answer for checks that look into it.

use httparse::Header;
use sha2::{Digest as _, Sha256};

/// Most bytes of a body that are kept for checks, of every request in flight.
pub const KEPT_BODY_BYTES_MAX: usize = 1 << 20;

/// What is looked at in an answer, besides the fields of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looks {
    /// Its body.
    pub body: bool,
    /// The digest of its body.
    pub digest: bool,
}

/// What is kept of an answer for those who look into it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Names and values of the header fields, as they came.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body, or what of it there was room for; empty where nobody looks at it.
    pub body: Vec<u8>,
    /// Whether the body was longer than [`KEPT_BODY_BYTES_MAX`].
    pub cut: bool,
    /// SHA-256 of the body, where somebody looks at it.
    pub sha256: Option<[u8; 32]>,
}

/// Keeps an answer as it is read.
#[derive(Debug)]
pub(super) struct Keeper {
    looks: Looks,
    kept: Kept,
    digest: Sha256,
}

impl Keeper {
    pub(super) fn new(looks: Looks) -> Self {
        Self {
            looks,
            kept: Kept::default(),
            digest: Sha256::new(),
        }
    }

    /// The last head counts: interim answers come before it.
    pub(super) fn head(&mut self, fields: &[Header<'_>]) {
        let each = fields.iter();
        self.kept.fields = each
            .map(|field| (field.name.to_owned(), field.value.to_vec()))
            .collect();
    }

    pub(super) fn take(&mut self, data: &[u8]) {
        if self.looks.digest {
            self.digest.update(data);
        }
        if self.looks.body {
            let room = KEPT_BODY_BYTES_MAX - self.kept.body.len();
            self.kept.cut |= data.len() > room;
            self.kept
                .body
                .extend_from_slice(&data[..data.len().min(room)]);
        }
    }

    pub(super) fn kept(self) -> Kept {
        Kept {
            sha256: self.looks.digest.then(|| self.digest.finalize().into()),
            ..self.kept
        }
    }
}
