//! libFuzzer on `squall_fuzz::events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_fuzz::events(data));
