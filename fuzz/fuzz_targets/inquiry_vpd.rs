//! See [`hba_tests::fuzz::inquiry_vpd`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hba_tests::fuzz::inquiry_vpd(data));
