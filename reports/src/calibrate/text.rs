//! A calibration as plain text.

use super::{Calibration, FALSE_ALARMS_MAX, GateCalibration};
use crate::format::terminal_text;
use crate::quantity::{grouped, percent};

impl Calibration {
    /// The calibration for a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let runs = match self.runs.len() {
            1 => "1 run".to_owned(),
            many => format!("{many} runs"),
        };
        let mut lines = vec![
            format!(
                "False alarms of {} in {runs} without a fault",
                terminal_text(&self.scenario)
            ),
            String::new(),
        ];
        for gate in &self.gates {
            lines.extend(gate.lines());
        }
        if self.gates.is_empty() {
            lines.push("  the scenario has no gates".to_owned());
        }
        let noisy = self.gates.iter().filter(|gate| gate.is_noisy()).count();
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
}

impl GateCalibration {
    fn lines(&self) -> Vec<String> {
        let mark = match (&self.not_applicable, self.is_noisy()) {
            (Some(_), _) => "-    ",
            (None, true) => "NOISY",
            (None, false) => "ok   ",
        };
        let mut lines = vec![format!("{mark}  {}", terminal_text(&self.gate))];
        let mut say = |text: String| lines.push(format!("         {text}"));
        if let Some(why) = &self.not_applicable {
            say(format!("not applicable: {why}"));
            return lines;
        }
        if self.judged == 0 {
            say("never judged".to_owned());
            return lines;
        }
        let mut counted = format!(
            "{} of {} failed: at most {} at 95 %",
            self.failed,
            match self.judged {
                1 => "1 run".to_owned(),
                many => format!("{many} runs"),
            },
            percent(self.fails_at_most)
        );
        if self.inconclusive > 0 {
            counted.push_str(&format!("; {} inconclusive", self.inconclusive));
        }
        say(counted);
        if let Some(resampled) = &self.resampled {
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
}
