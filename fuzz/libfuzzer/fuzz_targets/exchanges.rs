//! libFuzzer on `squall_fuzz::exchanges`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_fuzz::exchanges(data));
