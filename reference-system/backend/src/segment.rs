//! Video segments: bytes that follow from seed, title and number, with a digest to check them by.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dataset::seed::{mix, sub_seed};
use crate::platform::remote::{RemoteError, Reply};
use crate::platform::reply::Failure;

/// Playing time of a segment.
pub(crate) const SEGMENT_SECONDS: u32 = 4;
/// The digest of a segment, as RFC 9530 defines it.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The bit rates a player can choose from, in kilobits per second, lowest first.
pub(crate) const LADDER_KBPS: [u32; 5] = [235, 750, 1_750, 3_000, 5_800];
/// How far a segment may be from the mean size of its rung, in percent: the bit rate is variable.
const SPREAD_PERCENT: u64 = 20;

/// In which quality, as the query of a segment says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Quality {
    /// One of [`LADDER_KBPS`]; none for a preview, whose size has nothing to do with a bit rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kbps: Option<u32>,
}

impl Quality {
    /// Refuses a bit rate that nobody encoded.
    ///
    /// # Errors
    /// 404, with the rates there are.
    pub(crate) fn check(self) -> Result<(), Failure> {
        if self.kbps.is_none_or(|kbps| LADDER_KBPS.contains(&kbps)) {
            return Ok(());
        }
        let reason = format!("no such bit rate; there are {LADDER_KBPS:?} kbit/s");
        Err(Failure::new(StatusCode::NOT_FOUND, reason))
    }

    /// The query that says the same again, in front of that of a viewer, which has its `?` or is
    /// empty.
    pub(crate) fn query(self, viewer: &str) -> String {
        match self.kbps {
            Some(kbps) => with_kbps(&kbps.to_string(), viewer),
            None => viewer.to_owned(),
        }
    }
}

/// A query with this bit rate, or with the place of one, in front of that of a viewer.
pub(crate) fn with_kbps(kbps: &str, viewer: &str) -> String {
    format!("?kbps={kbps}{}", viewer.replacen('?', "&", 1))
}

/// The least and the most bytes of a segment: of a rung, its bit rate for [`SEGMENT_SECONDS`], more
/// or less; of a preview, a quarter of `preview_max` and all of it.
fn size_range(quality: Quality, preview_max: u64) -> (u64, u64) {
    match quality.kbps {
        Some(kbps) => {
            let mean = u64::from(kbps) * 1_000 / 8 * u64::from(SEGMENT_SECONDS);
            let spread = mean * SPREAD_PERCENT / 100;
            (mean - spread, mean + spread)
        }
        None => (preview_max / 4, preview_max),
    }
}

/// The bytes of segment `n` of a title.
pub(crate) fn bytes(seed: u64, title: u32, n: u32, quality: Quality, preview_max: u64) -> Bytes {
    let identity = (u64::from(title) << 32) | u64::from(n);
    let rung = u64::from(quality.kbps.unwrap_or(0));
    let mut state = mix(sub_seed(seed, "segments") ^ mix(identity) ^ rung);
    let (size_min, size_max) = size_range(quality, preview_max);
    let size = usize::try_from(size_min + state % (size_max - size_min + 1)).unwrap_or(0);
    let mut out = vec![0; size.next_multiple_of(8)];
    for word in out.chunks_exact_mut(8) {
        state = mix(state);
        word.copy_from_slice(&state.to_le_bytes());
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
    use crate::platform::remote::REPLY_BYTES_MAX;
    use http::HeaderMap;
    use std::collections::HashSet;

    const SIZE: u64 = 256 << 10;

    const PREVIEW: Quality = Quality { kbps: None };

    fn rung(kbps: u32) -> Quality {
        Quality { kbps: Some(kbps) }
    }

    #[test]
    fn a_segment_is_always_the_same_and_no_two_are() {
        assert_eq!(bytes(1, 2, 3, PREVIEW, SIZE), bytes(1, 2, 3, PREVIEW, SIZE));
        let all: HashSet<_> = [
            (1, 1, 1, PREVIEW),
            (2, 1, 1, PREVIEW),
            (1, 2, 1, PREVIEW),
            (1, 1, 2, PREVIEW),
            (1, 1, 1, rung(235)),
            (1, 1, 1, rung(750)),
        ]
        .map(|(seed, title, n, quality)| bytes(seed, title, n, quality, SIZE).slice(..64))
        .into();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn sizes_follow_the_bit_rate_and_every_segment_is_a_reply_that_is_taken() {
        for kbps in LADDER_KBPS {
            let sizes = (0..8).map(|n| bytes(1, 7, n, rung(kbps), SIZE).len() as u64);
            let sizes: Vec<u64> = sizes.collect();
            let mean = u64::from(kbps) * 500;
            let fits = |size: &u64| size.abs_diff(mean) * 100 <= mean * SPREAD_PERCENT;
            assert!(sizes.iter().all(fits), "{kbps}: {sizes:?}");
            assert!(sizes.iter().any(|size| *size != sizes[0]), "{kbps}");
            assert!(size_range(rung(kbps), SIZE).1 <= REPLY_BYTES_MAX as u64);
        }
    }

    #[test]
    fn a_quality_stands_in_a_query_in_front_of_the_viewer() {
        assert_eq!(PREVIEW.query(""), "");
        assert_eq!(PREVIEW.query("?profile=3"), "?profile=3");
        assert_eq!(rung(750).query(""), "?kbps=750");
        let both = rung(750).query("?profile=3&device=tv");
        assert_eq!(both, "?kbps=750&profile=3&device=tv");
        assert!(PREVIEW.check().is_ok() && rung(235).check().is_ok());
        assert!(rung(0).check().is_err() && rung(236).check().is_err());
    }

    #[test]
    fn sizes_of_previews_spread_between_a_quarter_and_all() {
        let sizes: Vec<u64> = (0..100)
            .map(|n| bytes(1, 7, n, PREVIEW, SIZE).len() as u64)
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
