//! What a request asks for and cannot be sent, found before anything is.

use std::fmt;

use crate::http::{Misfit, header_misfit, path_misfit};
use crate::load::DataSource;
use crate::request::{Auth, Request};
use crate::request_text::{BodyPiece, RequestText, Unsendable};

/// Which part of a request a problem lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestPart {
    /// Its path and query.
    Target,
    /// The header of this name.
    Header(String),
    /// Who asks.
    Auth,
    /// Its body.
    Body,
}

impl fmt::Display for RequestPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target => f.write_str("the path"),
            Self::Header(name) => write!(f, "the header `{name}`"),
            Self::Auth => f.write_str("`auth`"),
            Self::Body => f.write_str("the body"),
        }
    }
}

/// Something that a request of a scenario asks for and that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestProblem {
    /// The text of the scenario itself.
    Text {
        /// Which part.
        part: RequestPart,
        /// Why it cannot be sent.
        why: Unsendable,
    },
    /// A value of the data.
    Value {
        /// The part it would stand in.
        part: RequestPart,
        /// The placeholder, which is the name of the data.
        name: String,
        /// Its place in the list that is picked from.
        index: usize,
        /// The value.
        value: String,
        /// Why it cannot be sent.
        why: Unsendable,
    },
}

impl Request {
    /// Everything in this request that cannot be sent, over *all* values of
    /// `data` and not only those that some seed draws. Numbers always can.
    #[must_use]
    pub fn problems(&self, data: &[(String, DataSource)]) -> Vec<RequestProblem> {
        let mut problems = self.text_problems();
        for (part, text) in self.texts() {
            for (name, slot) in text.values() {
                let source = data.iter().find(|(known, _)| known == name);
                let Some(choices) = source.and_then(|(_, source)| source.choices()) else {
                    continue;
                };
                let refused = choices.iter().enumerate().filter_map(|(index, value)| {
                    let why = slot.write(value, &mut String::new()).err()?;
                    Some(RequestProblem::Value {
                        part: part.clone(),
                        name: name.to_owned(),
                        index,
                        value: value.clone(),
                        why,
                    })
                });
                problems.extend(refused);
            }
        }
        problems
    }

    /// Everything in it that values may stand in, checks left out.
    #[must_use]
    pub fn texts(&self) -> Vec<(RequestPart, RequestText)> {
        let headers = self.headers.iter().map(|(name, value)| {
            let part = RequestPart::Header(name.clone());
            (part, RequestText::header(value))
        });
        let target = (RequestPart::Target, self.target_text());
        let auth = self.auth_text().map(|text| (RequestPart::Auth, text));
        let body = self
            .body_pieces()
            .into_iter()
            .filter_map(|piece| match piece {
                BodyPiece::Bytes(_) => None,
                BodyPiece::Text(text) => Some((RequestPart::Body, text)),
            });
        let messages = self.message_texts().into_iter();
        let body = body.chain(messages.map(|text| (RequestPart::Body, text)));
        let head = std::iter::once(target).chain(headers).chain(auth);
        head.chain(body).collect()
    }

    /// What the scenario's own text asks for and HTTP cannot carry.
    fn text_problems(&self) -> Vec<RequestProblem> {
        let path = path_misfit(self.path.source()).map(|misfit| (RequestPart::Target, misfit));
        let headers = self.headers.iter().filter_map(|(name, value)| {
            let misfit = header_misfit(name, value.source())?;
            Some((RequestPart::Header(name.clone()), misfit))
        });
        let token = match &self.auth {
            Some(Auth::Bearer(token)) => header_misfit("", token.source()),
            Some(Auth::Basic { .. }) | None => None,
        };
        let token = token.map(|misfit| (RequestPart::Auth, misfit));
        let found = path.into_iter().chain(headers).chain(token);
        let text = |(part, misfit): (_, Misfit)| RequestProblem::Text {
            part,
            why: Unsendable(misfit.label),
        };
        found.map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_text::NOT_JSON;
    use crate::template::Template;

    #[test]
    fn a_request_is_checked_over_all_of_its_data() {
        let request = Request {
            headers: vec![("x-v".into(), Template::parse("$v"))],
            body: Some(Template::parse(r#"{"v":$v,"n":$n}"#)),
            ..Request::plain("a", "POST", Template::parse("/$v#top"))
        };
        let data = [
            (
                "v".to_owned(),
                DataSource::Pick(vec!["1".into(), "a\nb".into()]),
            ),
            ("n".to_owned(), DataSource::Count { from: 1 }),
        ];
        let problems = request.problems(&data);
        let one_line = Unsendable("a header is one line");
        let fragment = Unsendable("a fragment is never sent");
        let value = |part, why| RequestProblem::Value {
            part,
            name: "v".into(),
            index: 1,
            value: "a\nb".into(),
            why,
        };
        assert_eq!(
            problems,
            [
                RequestProblem::Text {
                    part: RequestPart::Target,
                    why: fragment
                },
                value(RequestPart::Header("x-v".into()), one_line),
                value(RequestPart::Body, NOT_JSON),
            ]
        );
    }
}
