//! Video segments: bytes that follow from seed, title and number, with a digest to check them by.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use crate::dataset::seed::{mix, sub_seed};
use crate::remote::{RemoteError, Reply};

/// Playing time of a segment.
pub(crate) const SEGMENT_SECONDS: u32 = 4;
/// The digest of a segment, as RFC 9530 defines it.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The bytes of segment `n` of a title: between a quarter of `size_max` and all of it.
pub(crate) fn bytes(seed: u64, title: u32, n: u32, size_max: u64) -> Bytes {
    let identity = (u64::from(title) << 32) | u64::from(n);
    let mut state = mix(sub_seed(seed, "segments") ^ mix(identity));
    let size_min = size_max / 4;
    let size = usize::try_from(size_min + state % (size_max - size_min + 1)).unwrap_or(0);
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        state = mix(state);
        out.extend(state.to_le_bytes());
    }
    out.truncate(size);
    out.into()
}

/// The header value that goes with these bytes.
pub(crate) fn digest(bytes: &[u8]) -> Option<HeaderValue> {
    let encoded = STANDARD.encode(Sha256::digest(bytes));
    HeaderValue::from_str(&format!("sha-256=:{encoded}:")).ok()
}

/// Hands a reply on if its body is what its digest says.
///
/// # Errors
/// The digest is missing or another.
pub(crate) fn intact(reply: Reply) -> Result<Reply, RemoteError> {
    if reply.headers.get(CONTENT_DIGEST) == digest(&reply.body).as_ref() {
        Ok(reply)
    } else {
        Err(RemoteError::Garbled(
            "the segment is not what its digest says".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use std::collections::HashSet;

    const SIZE: u64 = 256 << 10;

    #[test]
    fn a_segment_is_always_the_same_and_no_two_are() {
        assert_eq!(bytes(1, 2, 3, SIZE), bytes(1, 2, 3, SIZE));
        let all: HashSet<_> = [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)]
            .map(|(seed, title, n)| bytes(seed, title, n, SIZE))
            .into();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn sizes_spread_between_a_quarter_and_all() {
        let sizes: Vec<u64> = (0..100)
            .map(|n| bytes(1, 7, n, SIZE).len() as u64)
            .collect();
        assert!(sizes.iter().all(|size| (SIZE / 4..=SIZE).contains(size)));
        assert!(sizes.iter().any(|size| *size < SIZE / 2));
        assert!(sizes.iter().any(|size| *size > SIZE / 2));
    }

    #[test]
    fn damage_is_noticed() {
        let reply = |body: &'static [u8], digest_of: &[u8]| Reply {
            headers: HeaderMap::from_iter([(CONTENT_DIGEST, digest(digest_of).unwrap())]),
            body: Bytes::from_static(body),
        };
        assert!(intact(reply(b"abc", b"abc")).is_ok());
        assert!(intact(reply(b"abd", b"abc")).is_err());
        assert!(
            intact(Reply {
                headers: HeaderMap::new(),
                body: Bytes::new()
            })
            .is_err()
        );
    }
}
