//! Digests of files beside the scenario: they stand in records for what is in them.

use sha2::{Digest as _, Sha256};

/// SHA-256 (FIPS 180-4) in hexadecimal digits.
pub(crate) fn sha256(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_has_a_digest() {
        assert_eq!(sha256(b"abc")[..16], *"ba7816bf8f01cfea");
    }
}
