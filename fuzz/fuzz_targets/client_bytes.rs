//! libFuzzer's program for [`fuzz::client_bytes`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::client_bytes(data));
