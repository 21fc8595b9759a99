//! libFuzzer on `squall_fuzz::socket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_fuzz::socket(data));
