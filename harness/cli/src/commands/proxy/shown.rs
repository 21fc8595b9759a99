//! What verbs print, made from the server's answers.

use std::fmt::Write;

use serde_json::Value;
use squall_record::terminal_line;

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("?")
}

fn state(proxy: &Value) -> &'static str {
    match proxy["enabled"] == true {
        true => "enabled",
        false => "disabled",
    }
}

/// A table of all proxies.
pub(super) fn list(proxies: &Value) -> String {
    let none = serde_json::Map::new();
    let proxies = proxies.as_object().unwrap_or(&none);
    if proxies.is_empty() {
        return "no proxies; `squall proxy create` makes one\n".to_owned();
    }
    let heads = ["NAME", "LISTEN", "UPSTREAM", "STATE", "TOXICS"].map(str::to_owned);
    let rows = proxies.iter().map(|(name, proxy)| {
        let toxics = proxy["toxics"].as_array().map_or(0, Vec::len);
        let cells = [
            name,
            text(proxy, "listen"),
            text(proxy, "upstream"),
            state(proxy),
            &toxics.to_string(),
        ];
        cells.map(terminal_line)
    });
    table(std::iter::once(heads).chain(rows).collect())
}

/// A table of live connections.
pub(super) fn connections(live: &Value) -> String {
    let none = Vec::new();
    let live = live.as_array().unwrap_or(&none);
    if live.is_empty() {
        return "no live connections\n".to_owned();
    }
    let heads = ["ID", "PEER", "OPEN FOR", "BYTES TO", "BYTES FROM", "TOXICS"];
    let rows = live.iter().map(|one| {
        let count = |key: &str| one[key].as_u64().unwrap_or_default();
        let open = std::time::Duration::from_millis(count("open_for_ms"));
        let toxics = one["toxics"].as_array().unwrap_or(&none).iter();
        let toxics: Vec<_> = toxics.filter_map(Value::as_str).collect();
        let cells = [
            &count("id").to_string(),
            text(one, "peer"),
            &squall_scenario::format_duration(open),
            &count("bytes_to").to_string(),
            &count("bytes_from").to_string(),
            &toxics.join(" "),
        ];
        cells.map(terminal_line)
    });
    let heads = heads.map(str::to_owned);
    table(std::iter::once(heads).chain(rows).collect())
}

/// Rows under their heads.
fn table<const COLUMNS: usize>(rows: Vec<[String; COLUMNS]>) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        table.push_str(cells.join("  ").trim_end());
        table.push('\n');
    }
    table
}

/// A proxy with its toxics and, where they were counted, what they did.
pub(super) fn inspected(proxy: &Value, counted: &Value) -> String {
    let head = format!(
        "{}: {} -> {}, {}",
        text(proxy, "name"),
        text(proxy, "listen"),
        text(proxy, "upstream"),
        state(proxy)
    );
    let mut page = terminal_line(&head) + "\n";
    if let (Some(open), Some(accepted)) = (counted["open"].as_u64(), counted["accepted"].as_u64()) {
        // Writing to a string never fails.
        let _ = writeln!(page, "{open} connections open of {accepted} accepted");
    }
    let none = Vec::new();
    let toxics = proxy["toxics"].as_array().unwrap_or(&none);
    if toxics.is_empty() {
        page.push_str("no toxics\n");
    }
    for toxic in toxics {
        page = page + "  " + &terminal_line(&self::toxic(toxic));
        let all = counted["toxics"].as_array().unwrap_or(&none);
        if let Some(done) = all.iter().find(|done| done["id"] == toxic["name"]) {
            page += &fired(done);
        }
        page.push('\n');
    }
    page
}

/// A toxic in one line.
pub(super) fn toxic(toxic: &Value) -> String {
    let mut line = format!("{} ({}", text(toxic, "name"), text(toxic, "type"));
    if let Some(attributes) = toxic["attributes"].as_object() {
        for (name, value) in attributes {
            // Writing to a string never fails.
            let _ = write!(line, " {name}={value}");
        }
    }
    let _ = write!(line, ") {}", text(toxic, "stream"));
    if let Some(toxicity) = toxic["toxicity"].as_f64().filter(|share| *share < 1.0) {
        // As single precision, in which it was meant.
        let _ = write!(line, ", toxicity {}", toxicity as f32);
    }
    if let Some(ttl_ms) = toxic["ttl"].as_u64() {
        let ttl = std::time::Duration::from_millis(ttl_ms);
        let _ = write!(line, ", for {}", squall_scenario::format_duration(ttl));
    }
    line
}

/// What a toxic did.
fn fired(done: &Value) -> String {
    let count = |key: &str| done[key].as_u64().unwrap_or_default();
    if count("flows") == 0 {
        return ": has not acted yet".to_owned();
    }
    let kinds = [
        ("chunks", "chunks"),
        ("bytes", "bytes"),
        ("swallowed_bytes", "bytes swallowed"),
        ("ends", "ends"),
        ("closed", "closed"),
        ("reset", "reset"),
    ];
    let kinds = kinds.iter().filter(|(key, _)| count(key) > 0);
    let kinds: Vec<_> = kinds
        .map(|(key, what)| format!("{} {what}", count(key)))
        .collect();
    format!(
        ": acted on {} streams, {}",
        count("flows"),
        kinds.join(", ")
    )
}

/// A proxy that was created.
pub(super) fn created(proxy: &Value) -> String {
    let (name, listen) = (text(proxy, "name"), text(proxy, "listen"));
    format!("{name} listens on {listen}")
}

/// A proxy that was enabled or disabled.
pub(super) fn toggled(proxy: &Value) -> String {
    format!("{} is {}", text(proxy, "name"), state(proxy))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proxy() -> Value {
        json!({
            "name": "redis", "listen": "127.0.0.1:26379", "upstream": "127.0.0.1:6379",
            "enabled": true,
            "toxics": [
                {
                    "name": "slow", "type": "latency", "stream": "downstream", "toxicity": 0.2,
                    "attributes": { "latency": 800, "jitter": 200 }, "ttl": 30000
                },
                {
                    "name": "cut\u{1b}[2J", "type": "timeout", "stream": "upstream", "toxicity": 1,
                    "attributes": { "timeout": 0 }
                }
            ]
        })
    }

    #[test]
    fn proxies_are_listed_in_columns() {
        assert_eq!(
            list(&json!({})),
            "no proxies; `squall proxy create` makes one\n"
        );
        let idle = json!({
            "listen": "127.0.0.1:1", "upstream": "a.example:5432", "enabled": false, "toxics": []
        });
        insta::assert_snapshot!(list(&json!({ "redis": proxy(), "db\nx": idle })), @r"
        NAME      LISTEN           UPSTREAM        STATE     TOXICS
        db\u{a}x  127.0.0.1:1      a.example:5432  disabled  0
        redis     127.0.0.1:26379  127.0.0.1:6379  enabled   2
        ");
    }

    #[test]
    fn a_proxy_is_shown_with_what_its_toxics_did() {
        insta::assert_snapshot!(inspected(&proxy(), &Value::Null), @r"
        redis: 127.0.0.1:26379 -> 127.0.0.1:6379, enabled
          slow (latency jitter=200 latency=800) downstream, toxicity 0.2, for 30s
          cut\u{1b}[2J (timeout timeout=0) upstream
        ");
        let counted = json!({
            "accepted": 7, "open": 2,
            "toxics": [
                { "id": "slow", "flows": 3, "chunks": 12, "bytes": 4096 },
                { "id": "cut\u{1b}[2J", "flows": 0 }
            ]
        });
        insta::assert_snapshot!(inspected(&proxy(), &counted), @r"
        redis: 127.0.0.1:26379 -> 127.0.0.1:6379, enabled
        2 connections open of 7 accepted
          slow (latency jitter=200 latency=800) downstream, toxicity 0.2, for 30s: acted on 3 streams, 12 chunks, 4096 bytes
          cut\u{1b}[2J (timeout timeout=0) upstream: has not acted yet
        ");
    }
}
