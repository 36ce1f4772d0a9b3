//! libFuzzer's program for [`fuzz::target_login`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::target_login(data));
