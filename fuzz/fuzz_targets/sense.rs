//! See [`hba_tests::fuzz::sense`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hba_tests::fuzz::sense(data));
