//! One HTTP GET beside the load, of bounded size.

/// Longest body that is read: expositions of large systems have some hundred
/// KiB.
const BODY_MAX: usize = 8 << 20;

/// Most header fields of an answer.
const FIELDS_MAX: usize = 4_096;

/// A client for what is read beside the load: it goes nowhere but where it is
/// sent, and takes for an answer what the load's own client does.
pub(crate) fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .http1_max_headers(FIELDS_MAX)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
}

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
