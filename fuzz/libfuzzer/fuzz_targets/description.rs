//! libFuzzer on `squall_fuzz::description`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_fuzz::description(data));
