//! See [`hba_tests::fuzz::cdb_dispatch`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hba_tests::fuzz::cdb_dispatch(data));
