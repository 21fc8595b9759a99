//! libFuzzer on `squall_fuzz::guardian_protocol`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_fuzz::guardian_protocol(data));
