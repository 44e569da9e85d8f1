//! See [`hba_tests::fuzz::cdb_parse`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hba_tests::fuzz::cdb_parse(data));
