//! How a body of parts (RFC 7578) is put together.

use std::sync::Arc;

use crate::request::{Multipart, Part, PartContent};
use crate::request_text::{BodyPiece, RequestText};

impl Multipart {
    /// The body in pieces.
    pub(crate) fn pieces(&self) -> Vec<BodyPiece> {
        let own = |text: String| BodyPiece::Bytes(text.into_bytes().into());
        let mut pieces = Vec::new();
        let mut before = String::new();
        for part in &self.parts {
            pieces.push(own(format!(
                "{before}--{}\r\n{}\r\n",
                self.boundary,
                part.head()
            )));
            pieces.push(match &part.content {
                PartContent::Text(text) => BodyPiece::Text(RequestText::plain(text)),
                PartContent::File(file) => BodyPiece::Bytes(Arc::clone(&file.content)),
            });
            before = "\r\n".to_owned();
        }
        pieces.push(own(format!("{before}--{}--\r\n", self.boundary)));
        pieces
    }
}

impl Part {
    /// The lines before its content.
    fn head(&self) -> String {
        let mut head = "content-disposition: form-data; name=\"".to_owned();
        push_quoted(&self.name, &mut head);
        if let Some(filename) = &self.filename {
            head.push_str("\"; filename=\"");
            push_quoted(filename, &mut head);
        }
        head.push_str("\"\r\n");
        if let Some(media) = &self.media {
            head.push_str(&format!("content-type: {media}\r\n"));
        }
        head
    }
}

/// A name in quotes, as browsers write it in a body of parts.
fn push_quoted(name: &str, into: &mut String) {
    for character in name.chars() {
        match character {
            '"' => into.push_str("%22"),
            '\r' => into.push_str("%0D"),
            '\n' => into.push_str("%0A"),
            other => into.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body_file::BodyFile;
    use crate::request::Request;
    use crate::template::Template;

    #[test]
    fn parts_stand_between_boundaries() {
        let text = Part {
            name: "the \"title\"".to_owned(),
            filename: None,
            media: None,
            content: PartContent::Text(Template::parse("<$word>")),
        };
        let file = Part {
            name: "photo".to_owned(),
            filename: Some("cat.jpg".to_owned()),
            media: Some("image/jpeg".to_owned()),
            content: PartContent::File(BodyFile {
                content: Arc::from(&b"\xff\r\n$word"[..]),
                ..BodyFile::default()
            }),
        };
        let request = Request {
            multipart: Some(Multipart {
                boundary: "edge".to_owned(),
                parts: vec![text, file],
            }),
            ..Request::plain("upload", "POST", Template::parse("/"))
        };
        let mut body = Vec::new();
        for piece in request.body_pieces() {
            match piece {
                BodyPiece::Bytes(bytes) => body.extend_from_slice(&bytes),
                BodyPiece::Text(text) => {
                    let text = text.render(|_| Some("a\"b".into())).unwrap();
                    body.extend_from_slice(text.as_bytes());
                }
            }
        }
        let expected = b"--edge\r\n\
            content-disposition: form-data; name=\"the %22title%22\"\r\n\r\n<a\"b>\r\n\
            --edge\r\n\
            content-disposition: form-data; name=\"photo\"; filename=\"cat.jpg\"\r\n\
            content-type: image/jpeg\r\n\r\n\xff\r\n$word\r\n\
            --edge--\r\n";
        assert_eq!(
            body.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }
}
