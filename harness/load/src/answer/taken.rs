//! What was taken of a part of a body.

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes, from its front.
    pub(crate) bytes: usize,
    /// How many of them are the body's, and not how it is framed.
    pub(crate) body: usize,
    /// Whether the client waits for no more.
    pub(crate) enough: bool,
}

impl Taken {
    /// All of it, and more may come.
    pub(crate) const fn all(bytes: usize) -> Self {
        Self {
            bytes,
            body: bytes,
            enough: false,
        }
    }
}
