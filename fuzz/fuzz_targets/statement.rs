//! libFuzzer's program for [`fuzz::statement`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::statement(data));
