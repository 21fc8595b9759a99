//! `answer`: a request is answered in the target's place.

use std::time::Instant;

use bytes::Bytes;
use squall_scenario::inject::Answer;

use super::seam::{HttpEvent, HttpFate, HttpFault};

/// Answers, and the target never sees the request.
pub(super) struct Answered(pub(super) Answer);

impl HttpFault for Answered {
    fn on(&mut self, event: HttpEvent<'_>, _now: Instant) -> HttpFate {
        match event {
            HttpEvent::RequestHead(_) => HttpFate::Answer(self.0.clone()),
            HttpEvent::ResponseHead(_) | HttpEvent::BodyChunk { .. } | HttpEvent::End { .. } => {
                HttpFate::Pass
            }
        }
    }
}

/// The bytes of an answer to a request with `method`; `last` when the connection
/// ends behind it.
pub(super) fn written(answer: &Answer, method: &str, last: bool) -> Bytes {
    let Answer {
        status,
        headers,
        body,
    } = answer;
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason(*status));
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let bodiless = matches!(status, 204 | 304);
    if !bodiless {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    if last {
        text.push_str("connection: close\r\n");
    }
    text.push_str("\r\n");
    if !bodiless && method != "HEAD" {
        text.push_str(body);
    }
    text.into()
}

/// What people are used to read behind a status; it means nothing.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_body_that_its_status_and_the_method_allow() {
        let answer = |status| Answer {
            status,
            headers: vec![("retry-after".to_owned(), "2".to_owned())],
            body: "closed".to_owned(),
        };
        assert_eq!(
            written(&answer(503), "GET", false),
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 6\r\n\r\nclosed"
        );
        assert_eq!(
            written(&answer(599), "HEAD", true),
            "HTTP/1.1 599 \r\nretry-after: 2\r\ncontent-length: 6\r\nconnection: close\r\n\r\n"
        );
        let none = written(&answer(204), "GET", false);
        assert_eq!(none, "HTTP/1.1 204 No Content\r\nretry-after: 2\r\n\r\n");
    }
}
