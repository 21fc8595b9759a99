//! libFuzzer on `squall_fuzz::hystrix_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_fuzz::hystrix_stream(data));
