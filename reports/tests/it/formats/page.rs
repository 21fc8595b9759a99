//! The page: nothing of the system becomes markup, and it needs nothing but itself.

use super::*;

const ATTACK: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[2J\u{0}]]>\u{202e}`|";

/// A run whose every free text is an attack.
pub fn hostile() -> Record {
    let mut record = passing();
    record.manifest.scenario.name = format!("name {ATTACK}");
    record.manifest.scenario.about = Some(ATTACK.to_owned());
    record.manifest.scenario_text = format!("# {ATTACK}\nversion: 1");
    record.manifest.rerun = ATTACK.to_owned();
    record.manifest.host = ATTACK.to_owned();
    record.manifest.variant = Some(ATTACK.to_owned());
    record.manifest.scenario.load.requests[1].name = ATTACK.to_owned();
    record.manifest.scenario.slo[0].expect[1] = located(p99_below(Some(ATTACK), 1), 38);
    for interval in &mut record.intervals {
        interval.routes[1].route = ATTACK.to_owned();
        interval.routes[1].counts.status += 1;
        interval.routes[1].counts.scheduled += 1;
    }
    for (index, sample) in record.samples.iter_mut().enumerate() {
        sample.route = ATTACK.to_owned();
        sample.request = ATTACK.to_owned();
        sample.detail = Some(ATTACK.to_owned());
        sample.outcome = if index % 2 == 0 {
            Outcome::Bad(BadKind::Status)
        } else {
            Outcome::Dropped
        };
    }
    let scheduled_now = scheduled(&record.intervals);
    for stamped in &mut record.events {
        match &mut stamped.event {
            RunEvent::LoadFinished { scheduled, .. } => *scheduled = scheduled_now,
            RunEvent::Fault {
                change: FaultChange::Active { evidence },
                targets,
                ..
            } => {
                *evidence = FaultSeen::Words(ATTACK.to_owned());
                targets.push(ATTACK.to_owned());
            }
            RunEvent::Breaker(report) => report.instance = format!("{}{ATTACK}", report.instance),
            _ => {}
        }
    }
    record.events.push(at(
        59.0,
        RunEvent::Note {
            text: ATTACK.to_owned(),
        },
    ));
    record.damage.push(format!("samples.ndjson: {ATTACK}"));
    record
}

#[test]
fn hostile_text_reaches_no_report() {
    let record = hostile();
    let html = render("html", &record);
    for forbidden in ["<script>alert", "<img", "onerror=alert(2)>", "\u{1b}"] {
        assert!(!html.contains(forbidden), "{forbidden} in the page");
    }
    // The page's own script and its numbers, which no text can end.
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script").count(), 2);
    // It is shown, escaped: nothing was silently dropped.
    assert!(html.matches("&lt;script&gt;").count() > 10);
    for name in ["text", "markdown"] {
        let text = render(name, &record);
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\u{0}'),
            "{name}"
        );
        assert!(name == "text" || !text.contains("<script"), "{text}");
    }
    let junit = render("junit", &record);
    assert!(!junit.contains("<script") && !junit.contains('\u{1b}'));
    for name in ["github", "csv", "hgrm"] {
        let text = render(name, &record);
        for acting in ['\u{1b}', '\u{202e}', '\u{0}', '\r'] {
            assert!(!text.contains(acting), "{name}");
        }
    }
}

#[test]
fn only_the_pages_own_script_and_style_are_admitted() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let html = render("html", &hostile());
    let hash = |open: &str, close: &str| {
        let parts: Vec<_> = html.split(open).skip(1).collect();
        assert_eq!(parts.len(), 1, "one {open}");
        let text = parts[0].split_once(close).unwrap().0;
        let digest = sha2::Sha256::digest(text.as_bytes());
        base64::engine::general_purpose::STANDARD.encode(digest)
    };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash("<style>", "</style>"),
        hash("<script>", "</script>")
    );
    let escaped = |text: &str| text.replace('\'', "&#x27;").replace('/', "&#x2f;");
    assert!(html.contains(&escaped(&policy)), "{policy}");
    let numbers = html.split("id=\"seconds\">").nth(1).unwrap();
    let numbers = numbers.split_once("</script>").unwrap().0;
    let numbers: serde_json::Value = serde_json::from_str(numbers).unwrap();
    assert!(numbers["seconds"].as_array().unwrap().len() > 50);
    assert!(!numbers["windows"].as_array().unwrap().is_empty());
}

#[test]
fn the_page_needs_neither_scripts_nor_network_nor_styles() {
    let html = render("html", &failing());
    for forbidden in [
        "<script src",
        "javascript:",
        "http://",
        "https://",
        "<link",
        "@import",
        "style=",
        "<iframe",
        " on",
        "url(//",
    ] {
        let found = html.match_indices(forbidden).find(|(at, _)| {
            let around = &html[*at..(at + 60).min(html.len())];
            // The name space of SVG is no address; " on" is a word in prose.
            !around.starts_with("http://www.w3.org/2000/svg")
                && (forbidden != " on"
                    || around.starts_with(" onclick")
                    || around.starts_with(" onload"))
        });
        assert!(
            found.is_none(),
            "{forbidden}: {}",
            found.map_or("", |(at, _)| &html[at..at + 60])
        );
    }
    assert!(
        html.contains("<html lang=\"en\">")
            && html.contains("prefers-color-scheme:dark")
            && html.contains("@media print")
    );
}

#[test]
fn the_page_is_accessible() {
    let html = render("html", &failing());
    assert_eq!(
        html.matches("<table").count(),
        html.matches("<caption").count() + html.matches("class=\"samples\"").count()
    );
    assert!(html.matches("<th ").count() >= html.matches("scope=").count());
    assert!(!html.contains("<th>"), "every header cell has a scope");
    let charts = html.matches("role=\"img\"").count();
    assert_eq!(charts, 2);
    assert_eq!(html.matches("<title id=").count(), charts);
    assert_eq!(html.matches("<desc id=").count(), charts);
    for wanted in [
        "slow recommendations (25.0s to 50.0s)",
        "catalog-1",
        "down 2.3s",
        "p99 of search &lt; 400ms",
        "&#x2717; failed",
        "squall run streaming-evening.yaml --seed 42",
    ] {
        assert!(
            html.contains(wanted) || html.contains(&wanted.replace("&#x2717;", "\u{2717}")),
            "{wanted}"
        );
    }
}

#[test]
fn a_long_run_with_many_routes_stays_small() {
    let mut record = failing();
    // 600 s, 10 routes: repeat the run and split its routes.
    let base = record.intervals.clone();
    record.intervals.clear();
    for round in 0..5_i64 {
        for interval in &base {
            let mut interval = interval.clone();
            interval.start_us += round * 120 * SECOND;
            interval.end_us += round * 120 * SECOND;
            let twins: Vec<_> = interval
                .routes
                .iter()
                .cloned()
                .map(|mut route| {
                    route.route.push_str(" again");
                    route
                })
                .collect();
            interval.routes.extend(twins);
            record.intervals.push(interval);
        }
    }
    let twins: Vec<_> = record
        .manifest
        .scenario
        .load
        .requests
        .iter()
        .cloned()
        .map(|mut request| {
            request.name.push_str(" again");
            request
        })
        .collect();
    record.manifest.scenario.load.requests.extend(twins);
    let html = render("html", &record);
    assert!(html.len() <= 400_000, "{} bytes", html.len());
}

#[test]
fn links_lead_to_the_run_from_wherever_the_page_is() {
    let record = passing();
    let verdict = judge(&record);
    let links = |files: &RunFiles| {
        let page = format("html").unwrap();
        let page = String::from_utf8(page.render_apart(&record, &verdict, files)).unwrap();
        let links = page.split("<a href=\"").skip(1);
        let links = links.filter_map(|link| link.split_once('"'));
        let links = links.map(|(link, _)| link.to_owned());
        let links: Vec<_> = links.filter(|link| !link.starts_with('#')).collect();
        assert_eq!(
            page.contains("beside this page"),
            *files == RunFiles::Beside
        );
        links
    };
    let beside = links(&RunFiles::Beside);
    assert_eq!(beside.len(), 5);
    assert!(beside.contains(&"events.ndjson".to_owned()));
    for (folder, start) in [
        ("../runs/a b/1", "./../runs/a%20b/1/"),
        ("data:x/\"><b>", "./data%3Ax/%22%3E%3Cb%3E/"),
        ("/runs/100%#?", "/runs/100%25%23%3F/"),
    ] {
        let expected: Vec<_> = beside.iter().map(|name| format!("{start}{name}")).collect();
        // The template escapes slashes of what is no literal.
        let found: Vec<_> = links(&RunFiles::In(folder.into()))
            .iter()
            .map(|link| link.replace("&#x2f;", "/"))
            .collect();
        assert_eq!(found, expected);
    }
    assert!(links(&RunFiles::Unknown).is_empty());
}
