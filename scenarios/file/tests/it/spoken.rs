//! What squall says of a value is what a file may say: times, rates, sizes and
//! shares are read back as they are printed, and a number alone is none of them.

use std::time::Duration;

use proptest::prelude::*;
use squall_scenario::inject::Inject;
use squall_scenario::{ByteCount, Rate, Scenario, Stage, format_duration};
use squall_scenario_file::{ParseOptions, Source, parse_scenario};

/// A scenario in which every kind of value stands once.
fn text(length: &str, rate: &str, bytes: &str, delay: &str) -> String {
    format!(
        "version: 1
name: spoken
target: http://127.0.0.1:1
links: {{ api: {{ to: '127.0.0.1:2' }} }}
load:
  shape: [ {{ hold: {{ rate: {rate}, for: {length} }} }}, {{ hold: {{ rate: 9/s, for: 9m }} }} ]
  requests: [ GET / ]
faults:
  - {{ name: late, at: 1s, inject: {{ delay: {{ by: {delay} }} }}, into: api, for: 1s }}
  - {{ name: narrow, at: 3s, inject: {{ bandwidth: {{ rate: {bytes}/s }} }}, into: api, for: 1s }}
slo: [ {{ during: whole run, expect: [ success >= 9% ] }} ]
"
    )
}

/// The scenario, or the codes of what is wrong with it.
fn parse(text: &str) -> Result<Scenario, String> {
    let nothing = |_: &str| None;
    let checked = parse_scenario(
        &Source::new("spoken.yaml", text),
        &ParseOptions::new(&nothing),
    );
    let said = checked.render(false);
    checked.value.ok_or(said)
}

/// Times as people and programs come to have them.
fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1..86_400_u64).prop_map(Duration::from_secs),
        (1..10_000_000_u64).prop_map(Duration::from_millis),
        (1..1_000_000_000_000_u64).prop_map(Duration::from_nanos),
    ]
}

proptest! {
    #[test]
    fn values_are_read_as_they_are_said(
        length in (1..3_600_000_000_u64).prop_map(Duration::from_micros),
        per_second in prop_oneof![0.0..1_000.0_f64, (0..1_000_u32).prop_map(f64::from)],
        bytes in prop_oneof![1..1_u64 << 40, (1..1_u64 << 20).prop_map(|kib| kib << 10)],
        delay in time(),
    ) {
        let rate = Rate::per_second(per_second).expect("a rate");
        let said = [
            format_duration(length),
            rate.to_string(),
            ByteCount(bytes).to_string(),
            format_duration(delay),
        ];
        let text = text(&said[0], &said[1], &said[2], &said[3]);
        let scenario = match parse(&text) {
            Ok(scenario) => scenario,
            Err(said) => return Err(TestCaseError::fail(said)),
        };
        let Stage::Hold { rate: read, duration, .. } = scenario.load.shape[0] else {
            return Err(TestCaseError::fail("no hold"));
        };
        prop_assert_eq!((read, duration), (rate, length), "{:?}", said);
        let told: Vec<_> = scenario.faults.iter().map(|fault| fault.inject.to_string()).collect();
        let on_bytes = |at: usize| matches!(scenario.faults[at].inject, Inject::Bytes(_));
        prop_assert!(on_bytes(0) && on_bytes(1));
        prop_assert!(told[0].contains(&said[3]), "{told:?}, {said:?}");
        prop_assert!(told[1].contains(&format!("{}/s", said[2])), "{told:?}, {said:?}");
    }

    /// A number alone could be seconds or milliseconds, bits or bytes.
    #[test]
    fn a_bare_number_is_refused_with_its_place(number in 1..100_000_u32, at in 0..4_usize) {
        let bare = number.to_string();
        let mut said = ["10s", "5/s", "1KiB", "1ms"].map(str::to_owned);
        // Where the file adds `/s`, a number without a size is left.
        said[at] = bare.clone();
        let wrong = parse(&text(&said[0], &said[1], &said[2], &said[3]));
        let Err(wrong) = wrong else {
            return Err(TestCaseError::fail(format!("{said:?} is accepted")));
        };
        prop_assert!(wrong.contains("S0110") || wrong.contains("S0111"), "{wrong}");
        prop_assert!(wrong.contains(&bare), "{wrong}");
    }
}
