//! `hgrm`: the percentile distribution of each window, in the text form of
//! HdrHistogram.

use hdrhistogram::Histogram;
use squall_judge::verdict::{Verdict, WindowStats};
use squall_record::histogram::{rank, value_at_rank};
use squall_record::{Record, terminal_text};

use super::distribution::gather;
use super::rendering::Format;

/// Points of the curve for each halving of the distance to 100 %.
const TICKS_PER_HALF: f64 = 5.0;

/// One section per window; values in milliseconds.
#[derive(Debug)]
pub(super) struct Hgrm;

impl Format for Hgrm {
    fn name(&self) -> &'static str {
        "hgrm"
    }

    fn file_name(&self) -> &'static str {
        "percentiles.hgrm"
    }

    fn about(&self) -> &'static str {
        "percentile distribution of each window, for HdrHistogram's plotters; failures are infinitely slow"
    }

    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8> {
        let sections = verdict.windows.iter();
        let sections: Vec<_> = sections.map(|window| section(record, window)).collect();
        sections.join("\n").into_bytes()
    }
}

fn section(record: &Record, window: &WindowStats) -> String {
    let settled = window.all.counts.settled();
    let good = window.all.counts.good;
    let mut text = format!("#[Window = {}]\n", terminal_text(&window.name));
    let histogram = gather(&record.intervals, &window.ranges);
    match settled {
        0 => text.push_str("#[Nothing settled in this window]\n"),
        _ if histogram.len() == good => {
            text.push_str("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
            curve(&histogram, settled, &mut text);
            let mean_ms = histogram.mean() / 1e3;
            let max_ms = histogram.max() as f64 / 1e3;
            text.push_str(&format!(
                "#[Mean    = {mean_ms:12.3}, StdDeviation   = {:12.3}]\n",
                histogram.stdev() / 1e3
            ));
            text.push_str(&format!(
                "#[Max     = {max_ms:12.3}, Total count    = {settled:12}]\n"
            ));
        }
        _ => text.push_str("#[The record is damaged: response times are missing]\n"),
    }
    if good < settled {
        text.push_str(&format!(
            "#[Failed  = {:12}, infinitely slow: the curve ends where they begin; mean and max are of good answers]\n",
            settled - good
        ));
    }
    text
}

/// Lines up to the first failure. The levels are those of HdrHistogram: the
/// step halves whenever the distance to 100 % has.
fn curve(histogram: &Histogram<u64>, settled: u64, text: &mut String) {
    let mut q = 0.0_f64;
    loop {
        let at = rank(q, settled);
        let Some(us) = value_at_rank(histogram, at) else {
            return;
        };
        let value_ms = us as f64 / 1e3;
        if at == settled {
            text.push_str(&format!("{value_ms:12.3} {:14.12} {at:10}\n", 1.0));
            return;
        }
        let inverse = 1.0 / (1.0 - q);
        text.push_str(&format!(
            "{value_ms:12.3} {q:14.12} {at:10} {inverse:14.2}\n"
        ));
        let half = 2_f64.powf(inverse.log2().floor() + 1.0);
        q += 1.0 / (TICKS_PER_HALF * half);
    }
}
