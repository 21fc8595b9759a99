//! libFuzzer on `squall_fuzz::scenario_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_fuzz::scenario_file(data));
