//! libFuzzer on `squall_fuzz::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_fuzz::record(data));
