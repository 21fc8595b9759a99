//! What a fault changed, in every report.

use squall_judge::judge;
use squall_reports::format;

use crate::synthetic::cycles::{run, slower};

#[test]
fn every_report_shows_what_the_fault_changed() {
    let record = run(3, 5, &slower);
    let verdict = judge(&record);
    let render = |name: &str| {
        let bytes = format::format(name).unwrap().render(&record, &verdict);
        String::from_utf8(bytes).unwrap()
    };
    let text = render("text");
    let section = text.split("What the fault changed").nth(1).unwrap();
    insta::assert_snapshot!(section.split("Windows").next().unwrap());
    for report in ["markdown", "html", "junit"] {
        let shown = render(report);
        for part in ["worse with the fault", "0.031", "the same in every cycle"] {
            assert!(shown.contains(part), "{report} lacks {part}");
        }
    }
    let json: serde_json::Value = serde_json::from_str(&render("json")).unwrap();
    assert!(json.to_string().contains("\"smallest_p\":0.03125"));
}
