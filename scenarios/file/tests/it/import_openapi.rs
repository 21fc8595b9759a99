//! Descriptions of OpenAPI that a scenario is made of: what comes of them is small,
//! sound, and says what the description does.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};
use squall_scenario_file::{Imported, SOURCE_BYTES_MAX, import};

use crate::import::sound;

fn described(description: &Value) -> Imported {
    let imported = import(&description.to_string(), "imported.yaml").unwrap();
    sound(&imported, Path::new(""));
    imported
}

/// A description with this at `components` and one operation.
fn one(operation: &Value, components: &Value) -> Value {
    json!({
        "openapi": "3.1.0",
        "servers": [{ "url": "http://api.test" }],
        "components": components,
        "paths": { "/a": { "post": operation } },
    })
}

fn body(schema: &Value) -> Value {
    json!({ "requestBody": { "content": { "application/json": { "schema": schema } } } })
}

#[test]
fn schemas_that_lead_to_each_other_in_many_ways_stay_small() {
    let mut schemas = json!({});
    for level in 0..8 {
        let next = json!({ "$ref": format!("#/components/schemas/L{}", (level + 1) % 8) });
        let properties: serde_json::Map<_, _> = (0..12)
            .map(|number| (format!("p{number}"), next.clone()))
            .collect();
        let ways = json!([{ "properties": properties }, next]);
        schemas[format!("L{level}")] = json!({ "allOf": ways });
    }
    let operation = body(&json!({ "$ref": "#/components/schemas/L0" }));
    let mut description = one(&operation, &json!({ "schemas": schemas }));
    for number in 0..100 {
        description["paths"][format!("/b{number}")] = json!({ "post": operation });
    }
    let imported = described(&description);
    assert!(imported.text.len() as u64 <= SOURCE_BYTES_MAX);
    let said = imported.left_out.join("\n");
    assert!(said.contains("too many values"), "{said}");
}

#[test]
fn a_large_example_is_told_rather_than_written_a_hundred_times() {
    let example: Vec<u32> = (0..5_000).collect();
    let text = "x".repeat(1 << 20);
    for example in [json!(example), json!({ "text": text })] {
        let operation = json!({
            "requestBody": { "content": { "application/json": { "example": example } } },
        });
        let imported = described(&one(&operation, &json!({})));
        assert!(imported.text.len() < 10_000);
        let said = imported.left_out.join("\n");
        assert!(said.contains("too many values"), "{said}");
    }
}

#[test]
fn what_is_too_large_for_one_scenario_is_refused_in_words() {
    let mut description = one(&json!({}), &json!({}));
    for number in 0..499 {
        let path = format!("/{number}{}", "x".repeat(4_000));
        description["paths"][path] = json!({ "get": {} });
    }
    let why = import(&description.to_string(), "x.yaml").unwrap_err();
    assert!(why.to_string().contains("larger than 1024 KiB"), "{why}");
}

#[test]
fn headers_that_say_what_stands_elsewhere_are_ignored() {
    let parameter = |name: &str, place: &str| json!({ "name": name, "in": place, "required": true, "schema": { "type": "string" } });
    let operation = json!({
        "parameters": [
            parameter("Accept", "header"),
            parameter("Content-Type", "header"),
            parameter("AUTHORIZATION", "header"),
            parameter("X-Kind", "header"),
        ],
    });
    let text = described(&one(&operation, &json!({}))).text;
    assert!(text.contains("x-kind: "), "{text}");
    for ignored in ["accept", "content-type", "authorization:"] {
        assert!(!text.to_ascii_lowercase().contains(ignored), "{text}");
    }
}

#[test]
fn each_key_has_its_own_name_and_stands_there_once() {
    let key = |name: &str, place: &str| json!({ "type": "apiKey", "name": name, "in": place });
    let schemes = json!({ "securitySchemes": {
        "shop": key("x-key", "header"),
        "again": key("X-Key", "header"),
        "one": key("one", "cookie"),
        "two": key("two", "cookie"),
        "query": key("key", "query"),
    } });
    let all = json!([{ "shop": [], "again": [], "one": [], "two": [], "query": [] }]);
    let imported = described(&one(&json!({ "security": all }), &schemes));
    let text = &imported.text;
    assert_eq!(text.matches("x-key:").count(), 1, "{text}");
    assert!(text.contains("cookie: one=${ONE}; two=${TWO}"), "{text}");
    assert!(text.contains("?key=${QUERY}"), "{text}");
    // The one that the other replaced is not asked for.
    let names: Vec<_> = imported
        .secrets
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["ONE", "QUERY", "SHOP", "TWO"]);
}

#[test]
fn words_of_digits_stay_words() {
    let schema = json!({ "type": "object", "properties": {
        "size": { "type": "string", "enum": ["38", "40"] },
        "only": { "type": "string", "enum": ["7"] },
        "count": { "type": "integer", "enum": [1, 2] },
        "zip": { "type": "string", "example": 1234 },
    } });
    let text = described(&one(&body(&schema), &json!({}))).text;
    for line in [
        "size: \"$size\"\n",
        "only: \"7\"\n",
        "count: $count\n",
        "zip: \"1234\"\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn variables_of_a_server_have_their_usual_values() {
    let mut description = one(&json!({}), &json!({}));
    description["servers"] = json!([{
        "url": "https://{region}.api.test:{port}/{version}",
        "variables": {
            "region": { "default": "eu" },
            "port": { "default": "8443", "enum": ["8443"] },
            "version": { "default": "v2" },
        },
    }]);
    let text = described(&description).text;
    assert!(
        text.contains("target: https://eu.api.test:8443\n"),
        "{text}"
    );
    assert!(text.contains("send: POST /v2/a\n"), "{text}");
    // Without one the path holds all the same.
    description["servers"] = json!([{ "url": "https://{tenant}.api.test/v3" }]);
    let imported = described(&description);
    assert!(imported.text.contains("send: POST /v3/a\n"));
    assert!(imported.left_out[0].contains("where the service is"));
    description["servers"] = json!([{ "url": "https://me:sesame@api.test/v3" }]);
    let imported = described(&description);
    assert!(!imported.text.contains("sesame"), "{}", imported.text);
    assert!(imported.left_out[0].contains("who asks"));
}

/// Asserts what is written for a field of a schema.
fn field_is(schema: &Value, line: &str) {
    let schema = json!({ "type": "object", "properties": { "field": schema } });
    let text = described(&one(&body(&schema), &json!({}))).text;
    assert!(text.contains(line), "{line} in {text}");
}

#[test]
fn whole_numbers_that_are_made_up_fit_their_schema() {
    let whole = |bounds: Value| {
        let mut schema = json!({ "type": "integer" });
        let all = bounds.as_object().unwrap().clone();
        schema.as_object_mut().unwrap().extend(all);
        schema
    };
    for (schema, line) in [
        (
            whole(json!({ "minimum": -10, "maximum": -1 })),
            "field: -1\n",
        ),
        (whole(json!({ "maximum": 0 })), "field: 0\n"),
        (
            whole(json!({ "minimum": -10, "maximum": 5 })),
            "{ from: 1, to: 5 }",
        ),
        (
            whole(json!({ "minimum": 0, "maximum": 5 })),
            "{ from: 0, to: 5 }",
        ),
        (whole(json!({ "minimum": -10 })), "{ from: 1, to: 100 }"),
        (
            whole(json!({ "minimum": 7.5, "maximum": 9.0 })),
            "{ from: 8, to: 9 }",
        ),
        (
            whole(json!({ "exclusiveMinimum": 7, "exclusiveMaximum": 10 })),
            "{ from: 8, to: 9 }",
        ),
        (
            whole(json!({ "minimum": 7, "exclusiveMinimum": true, "maximum": 9 })),
            "{ from: 8, to: 9 }",
        ),
        (
            whole(json!({ "minimum": 7, "multipleOf": 5 })),
            "field: 10\n",
        ),
    ] {
        field_is(&schema, line);
    }
}

#[test]
fn other_values_that_are_made_up_fit_their_schema() {
    for (schema, line) in [
        (
            json!({ "type": "number", "minimum": 10, "maximum": 20 }),
            "field: 15.0\n",
        ),
        (
            json!({ "type": "number", "minimum": 1, "multipleOf": 1 }),
            "field: 2.0\n",
        ),
        (
            json!({ "type": "number", "minimum": 0.01, "multipleOf": 0.01 }),
            "field: 1.5\n",
        ),
        (
            json!({ "type": "number", "exclusiveMinimum": 1.5 }),
            "field: 2.5\n",
        ),
        (
            json!({ "type": "number", "maximum": -2.5 }),
            "field: -3.5\n",
        ),
        (
            json!({ "type": "boolean", "enum": [false] }),
            "field: false\n",
        ),
        (
            json!({ "type": "string", "maxLength": 2 }),
            "field: \"fi\"\n",
        ),
        (
            json!({ "type": "string", "minLength": 7 }),
            "field: \"fieldfi\"\n",
        ),
    ] {
        field_is(&schema, line);
    }
}

#[test]
fn parameters_have_values_of_their_types() {
    let components = json!({ "schemas": { "Id": { "type": "integer", "maximum": 9 } } });
    let id = json!({ "$ref": "#/components/schemas/Id" });
    for (schema, query) in [
        (json!({ "type": "boolean" }), "?f=true\n"),
        (json!({ "type": "number" }), "?f=1.5\n"),
        (json!({ "type": "integer", "maximum": -4 }), "?f=-4\n"),
        (
            json!({ "type": "array", "items": { "type": "boolean" } }),
            "?f=true\n",
        ),
        (json!({ "type": "array", "items": id }), "?f=$f\n"),
        (json!({ "allOf": [id] }), "?f=$f\n"),
        (json!({ "type": "boolean", "example": false }), "?f=false\n"),
        (
            json!({ "type": "array", "items": {}, "example": ["a b", "c"] }),
            "?f=a%20b\n",
        ),
        (json!({ "type": "object" }), "?f=f\n"),
    ] {
        let parameter = json!({ "name": "f", "in": "query", "required": true, "schema": schema });
        let operation = json!({ "parameters": [parameter] });
        let text = described(&one(&operation, &components)).text;
        assert!(text.contains(query), "{query} in {text}");
    }
}

#[test]
fn fields_of_a_form_that_are_no_texts_are_several_or_told() {
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let map = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let schema = json!({ "type": "object", "properties": { "tags": list, "deep": map } });
    for media in ["application/x-www-form-urlencoded", "multipart/form-data"] {
        let content = json!({ media: { "schema": schema } });
        let operation = json!({ "requestBody": { "content": content } });
        let imported = described(&one(&operation, &json!({})));
        let text = &imported.text;
        assert!(text.contains("tags: tags\n"), "{text}");
        let said = imported.left_out.join("\n");
        assert!(said.contains("the field `deep`"), "{said}");
    }
}

#[test]
fn many_words_of_an_enum_are_not_all_taken() {
    let words: Vec<String> = (0..5_000).map(|number| format!("word-{number}")).collect();
    let mut expected = String::new();
    write!(expected, "word-199").unwrap();
    let schema = json!({ "type": "object", "properties": { "w": { "enum": words } } });
    let text = described(&one(&body(&schema), &json!({}))).text;
    assert!(text.contains(&expected) && !text.contains("word-200"));
}
