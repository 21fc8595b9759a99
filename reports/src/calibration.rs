//! A calibration as plain text.

use squall_judge::calibrate::{Calibration, FALSE_ALARMS_MAX, GateCalibration};
use squall_judge::quantity::{grouped, percent};
use squall_record::terminal_text;

/// The calibration for a terminal.
#[must_use]
pub fn calibration_text(calibration: &Calibration) -> String {
    let runs = match calibration.runs.len() {
        1 => "1 run".to_owned(),
        many => format!("{many} runs"),
    };
    let mut lines = vec![
        format!(
            "False alarms of {} in {runs} without a fault",
            terminal_text(&calibration.scenario)
        ),
        String::new(),
    ];
    for gate in &calibration.gates {
        lines.extend(gate_lines(gate));
    }
    if calibration.gates.is_empty() {
        lines.push("  the scenario has no gates".to_owned());
    }
    let noisy = calibration
        .gates
        .iter()
        .filter(|gate| gate.is_noisy())
        .count();
    lines.push(String::new());
    lines.push(match noisy {
        0 => "No gate raised a false alarm.".to_owned(),
        1 => "1 gate raises false alarms: loosen it, or lengthen its window.".to_owned(),
        many => {
            format!("{many} gates raise false alarms: loosen them, or lengthen their windows.")
        }
    });
    lines.join("\n") + "\n"
}

fn gate_lines(gate: &GateCalibration) -> Vec<String> {
    let mark = match (&gate.not_applicable, gate.is_noisy()) {
        (Some(_), _) => "-    ",
        (None, true) => "NOISY",
        (None, false) => "ok   ",
    };
    let mut lines = vec![format!("{mark}  {}", terminal_text(&gate.gate))];
    let mut say = |text: String| lines.push(format!("         {text}"));
    if let Some(why) = &gate.not_applicable {
        say(format!("not applicable: {why}"));
        return lines;
    }
    if gate.judged == 0 {
        say("never judged".to_owned());
        return lines;
    }
    let mut counted = format!(
        "{} of {} failed: at most {} at 95 %",
        gate.failed,
        match gate.judged {
            1 => "1 run".to_owned(),
            many => format!("{many} runs"),
        },
        percent(gate.fails_at_most)
    );
    if gate.inconclusive > 0 {
        counted.push_str(&format!("; {} inconclusive", gate.inconclusive));
    }
    say(counted);
    if let Some(resampled) = &gate.resampled {
        let mut text = format!(
            "of {} windows drawn from {} seconds {} fail",
            grouped(resampled.windows),
            grouped(resampled.pool_s),
            percent(resampled.failed)
        );
        if resampled.inconclusive > 0.0 {
            text.push_str(&format!(
                ", {} are inconclusive",
                percent(resampled.inconclusive)
            ));
        }
        if resampled.failed > FALSE_ALARMS_MAX {
            text.push_str(&format!("; more than {}", percent(FALSE_ALARMS_MAX)));
        }
        say(text);
    }
    lines
}
