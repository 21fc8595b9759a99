//! Environment values in a file: `${NAME}`, `${NAME:-default}`, `${NAME:?why}`.

use std::ops::Range;

use squall_scenario::{Secrets, quoted};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::yaml::{Node, NodeKind, Resolved};

/// Replaces environment placeholders in every plain scalar of the tree.
pub(crate) fn resolve(
    node: &mut Node,
    env: &dyn Fn(&str) -> Option<String>,
    secrets: &mut Secrets,
    findings: &mut Vec<Diagnostic>,
) {
    match &mut node.kind {
        NodeKind::List(items) => {
            for item in items {
                resolve(item, env, secrets, findings);
            }
        }
        NodeKind::Map(entries) => {
            for entry in entries {
                resolve(&mut entry.value, env, secrets, findings);
            }
        }
        NodeKind::Scalar(scalar) if scalar.text.contains("${") => {
            if !scalar.plain {
                findings.extend(quoted_placeholder(node));
                return;
            }
            resolve_scalar(node, env, secrets, findings);
        }
        NodeKind::Scalar(_) => {}
    }
}

fn quoted_placeholder(node: &Node) -> Option<Diagnostic> {
    let text = &node.scalar()?.text;
    let (range, placeholder) = placeholders(text).next()?;
    placeholder.ok()?;
    let shown = quoted(&text[range.clone()]);
    Some(
        Diagnostic::warning(
            codes::QUOTED_ENV,
            format!("{shown} is not replaced in quotes"),
        )
        .at(node.part(range), "stays as it is")
        .help("write the value without quotes, on a line of its own"),
    )
}

fn resolve_scalar(
    node: &mut Node,
    env: &dyn Fn(&str) -> Option<String>,
    secrets: &mut Secrets,
    findings: &mut Vec<Diagnostic>,
) {
    let Some(source) = node.scalar().map(|scalar| scalar.text.clone()) else {
        return;
    };
    let (mut text, mut shown, mut template) = (String::new(), String::new(), String::new());
    let mut done = 0;
    for (range, placeholder) in placeholders(&source) {
        let literal = &source[done..range.start];
        let place = node.part(range.clone());
        let written = &source[range.clone()];
        done = range.end;
        let (value, visible) = match placeholder {
            Err(why) => {
                findings.push(
                    Diagnostic::error(
                        codes::BAD_ENV,
                        format!("{} is not complete", quoted(written)),
                    )
                    .at(place, why)
                    .help("write `${NAME}`, `${NAME:-default}` or `${NAME:?why it is needed}`"),
                );
                (String::new(), written.to_owned())
            }
            Ok(Placeholder { name, rest }) => match (env(name), rest) {
                (Some(value), _) => {
                    secrets.add(name, &value);
                    (value, format!("${{{name}}}"))
                }
                (None, Rest::Default(default)) => (default.to_owned(), default.to_owned()),
                (None, rest) => {
                    findings.push(not_set(name, rest).at(place, ""));
                    (String::new(), written.to_owned())
                }
            },
        };
        for (out, value) in [
            (&mut text, value.as_str()),
            (&mut shown, visible.as_str()),
            (&mut template, value.replace('$', "$$").as_str()),
        ] {
            out.push_str(literal);
            out.push_str(value);
        }
    }
    for out in [&mut text, &mut shown, &mut template] {
        out.push_str(&source[done..]);
    }
    if let NodeKind::Scalar(scalar) = &mut node.kind {
        scalar.text = text;
        scalar.verbatim_at = None;
        scalar.resolved = Some(Resolved { shown, template });
    }
}

fn not_set(name: &str, rest: Rest<'_>) -> Diagnostic {
    let diagnostic = Diagnostic::error(codes::ENV_NOT_SET, format!("${{{name}}} is not set"));
    let diagnostic = match rest {
        Rest::Reason(why) => diagnostic.note(format!("the file says: {}", quoted(why))),
        _ => diagnostic,
    };
    diagnostic.help(format!(
        "export {name}, or give a default: `${{{name}:-none}}`"
    ))
}

struct Placeholder<'t> {
    name: &'t str,
    rest: Rest<'t>,
}

enum Rest<'t> {
    Nothing,
    Default(&'t str),
    Reason(&'t str),
}

/// All `${…}` of a text with their places; `$$` is a dollar sign and starts
/// none.
fn placeholders(
    text: &str,
) -> impl Iterator<Item = (Range<usize>, Result<Placeholder<'_>, &'static str>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += text[at..].find('$')?;
            let rest = &text[at + 1..];
            if rest.starts_with('$') {
                at += 2;
            } else if rest.starts_with('{') {
                let start = at;
                let end = rest.find('}').map(|end| start + 1 + end + 1);
                at = end.unwrap_or(text.len());
                let inner = end.map(|end| &text[start + 2..end - 1]);
                return Some((start..at, inner.map_or(Err("never closed"), placeholder)));
            } else {
                at += 1;
            }
        }
    })
}

fn placeholder(inner: &str) -> Result<Placeholder<'_>, &'static str> {
    let length = inner
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(inner.len());
    let (name, rest) = inner.split_at(length);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("needs the name of an environment variable");
    }
    let rest = if rest.is_empty() {
        Rest::Nothing
    } else if let Some(default) = rest.strip_prefix(":-") {
        Rest::Default(default)
    } else if let Some(why) = rest.strip_prefix(":?") {
        Rest::Reason(why)
    } else {
        return Err("only `:-` or `:?` may follow the name");
    };
    Ok(Placeholder { name, rest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn resolved(text: &str) -> (Node, Secrets, Vec<&'static str>) {
        let mut findings = Vec::new();
        let mut node = crate::yaml::parse(&Source::new("x", text), 0, &mut findings).unwrap();
        let mut secrets = Secrets::default();
        let env = |name: &str| (name == "TOKEN").then(|| "pa$word".to_owned());
        resolve(&mut node, &env, &mut secrets, &mut findings);
        (node, secrets, findings.iter().map(|f| f.code).collect())
    }

    #[test]
    fn values_are_put_in_and_kept_out_of_sight() {
        let (node, secrets, codes) = resolved("a: Bearer ${TOKEN} $$${TOKEN}\n");
        assert!(codes.is_empty(), "{codes:?}");
        let scalar = node.get("a").unwrap().scalar().unwrap();
        assert_eq!(scalar.text, "Bearer pa$word $$pa$word");
        assert_eq!(scalar.shown(), "Bearer ${TOKEN} $$${TOKEN}");
        let template = &scalar.resolved.as_ref().unwrap().template;
        assert_eq!(template, "Bearer pa$$word $$pa$$word");
        assert_eq!(secrets.redact("it was pa$word"), "it was ${TOKEN}");
    }

    #[test]
    fn defaults_are_no_secrets() {
        let (node, secrets, codes) = resolved("a: ${OTHER:-5}\n");
        assert!(codes.is_empty() && secrets.is_empty());
        assert_eq!(node.get("a").unwrap().scalar().unwrap().shown(), "5");
    }

    #[test]
    fn mistakes_are_found() {
        assert_eq!(resolved("a: ${OTHER}\n").2, ["S0401"]);
        assert_eq!(resolved("a: ${OTHER:?ask}\n").2, ["S0401"]);
        assert_eq!(resolved("a: ${OTHER\n").2, ["S0402"]);
        assert_eq!(resolved("a: ${9}\n").2, ["S0402"]);
        assert_eq!(resolved("a: ${A-b}\n").2, ["S0402"]);
        assert_eq!(resolved("a: '${TOKEN}'\n").2, ["S0403"]);
        assert!(resolved("a: $${TOKEN}\n").2.is_empty());
    }
}
