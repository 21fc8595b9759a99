//! Tokens that protect what squall serves where other machines can reach it.

use std::path::Path;

use hyper::header::HeaderValue;
use squall_record::store::files;

/// Shortest token that protects an address others can reach.
const TOKEN_MIN: usize = 16;
/// A longer file holds something else.
const TOKEN_FILE_BYTES_MAX: u64 = 64 << 10;

/// Reads the token that is the first line of a file.
pub fn read(path: &Path) -> Result<String, String> {
    let bytes = files::read_named(path, TOKEN_FILE_BYTES_MAX)
        .map_err(|e| format!("{}: {e}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let token = text.lines().next().unwrap_or_default().trim();
    if token.len() < TOKEN_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "{}: its first line must be a token of at least {TOKEN_MIN} visible ASCII characters, \
             for instance from `openssl rand -hex 32`",
            path.display()
        ));
    }
    Ok(token.to_owned())
}

/// Whether an `Authorization` header has the token. Looks at every byte, so that
/// the time taken says nothing about it.
pub fn is_authorized(given: Option<&HeaderValue>, token: &str) -> bool {
    let given = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let Some(given) = given.filter(|given| given.len() == token.len()) else {
        return false;
    };
    let differing = given
        .iter()
        .zip(token.bytes())
        .fold(0, |sum, (a, b)| sum | (a ^ b));
    differing == 0
}
