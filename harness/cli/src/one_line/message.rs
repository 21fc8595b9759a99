//! JSON as YAML that says the same, on one line.

use squall_scenario_file::escape;

use super::compose::literal;

/// JSON as a value of a scenario: dollar signs mean nothing in its texts, and numbers
/// stay as they are written. What need not change keeps its place, for messages to
/// point at. `None` where it is no JSON.
pub(super) fn as_yaml(json: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(json).ok()?;
    let mut yaml = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let (between, text) = rest.split_at(start);
        yaml.extend(between.chars().map(on_one_line));
        let (text, behind) = text.split_at(text_length(text)?);
        let said: String = serde_json::from_str(text).ok()?;
        let is_key = behind.trim_start().starts_with(':');
        yaml.push('"');
        // Names of fields draw nothing.
        match is_key {
            true => said.chars().for_each(|c| escape(c, &mut yaml)),
            false => literal(&said).chars().for_each(|c| escape(c, &mut yaml)),
        }
        yaml.push('"');
        rest = behind;
    }
    yaml.extend(rest.chars().map(on_one_line));
    Some(yaml)
}

/// Whitespace between values, which YAML takes for more than that.
const fn on_one_line(character: char) -> char {
    match character {
        '\n' | '\r' | '\t' => ' ',
        other => other,
    }
}

/// How long the text is that starts here, with its quotes.
fn text_length(json: &str) -> Option<usize> {
    let mut escaped = false;
    let end = json.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_yaml_of_the_same_length_where_it_can_be() {
        let plain = r#"{"a":1,"b":[true,null,-1.5E3],"c":"x\n\"y\\"}"#;
        assert_eq!(as_yaml(plain).as_deref(), Some(plain));
        let folded =
            as_yaml("{\n\t\"a\": \"\\/$b \\ud83d\\ude00\", \"$k\" :12345678901234567890 }");
        let said = r#"{  "a": "/$$b \U0001f600", "$k" :12345678901234567890 }"#;
        assert_eq!(folded.as_deref(), Some(said));
        assert_eq!(as_yaml("{\"a\":}"), None);
        assert_eq!(as_yaml("{} x"), None);
    }
}
