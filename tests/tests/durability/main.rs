//! What a flush promises and what is lost, on both controllers: p01 to p16, and what else speaks of cached writes.

/// Tells each story on `sim:direct` and on the SAS1068.
macro_rules! told_on_both {
    ($($story:ident: $disk:expr;)+) => {
        mod on_direct {
            use super::*;
            $(#[test] fn $story() { super::$story(&mut hba_tests::scene::direct(&$disk)); })+
        }
        mod on_sas1068 {
            use super::*;
            $(#[test] fn $story() { super::$story(&mut hba_tests::scene::sas1068(&$disk)); })+
        }
    };
}

mod caches;
mod durable_writes;
mod flushes;
mod leaving;
mod media;
mod power;

use hba_tests::scene::usual_disk;
use sim_backend::disk::DiskConfig;

fn write_through() -> DiskConfig {
    DiskConfig { write_cache: false, ..usual_disk() }
}
