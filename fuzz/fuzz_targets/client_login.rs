//! libFuzzer's program for [`fuzz::client_login`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::client_login(data));
