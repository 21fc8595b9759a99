//! One HTTP GET beside the load, of bounded size.

/// Longest body that is read: expositions of large systems have some hundred
/// KiB.
const BODY_MAX: usize = 8 << 20;

/// What a GET gave.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Whether the answer says where its body ends. One that ends with its
    /// connection may be a part of what was meant.
    pub(crate) has_end: bool,
}

/// The answer to a GET. Callers set the deadline.
///
/// # Errors
/// There was no whole answer; in words.
pub(crate) async fn answer(client: &reqwest::Client, url: &str) -> Result<Answer, String> {
    let sent = client.get(url).send().await;
    let mut response = sent.map_err(|error| root_cause(&error))?;
    let status = response.status().as_u16();
    let headers = response.headers();
    let has_end =
        headers.contains_key("content-length") || headers.contains_key("transfer-encoding");
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| root_cause(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_MAX {
            return Err(format!("the answer is longer than {BODY_MAX} bytes"));
        }
    }
    Ok(Answer {
        status,
        body,
        has_end,
    })
}

/// What is behind an error, without the layers around it.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
