//! See [`hba_tests::fuzz::mode_pages`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hba_tests::fuzz::mode_pages(data));
