//! The bodies of the fuzz targets: functions that take any bytes and panic where the code is wrong.
//!
//! `fuzz/` wraps each in a target for libFuzzer; `tests/corpora.rs` replays the committed inputs on any toolchain.

mod dispatch;
mod protocol;
mod reference;

pub use dispatch::cdb_dispatch;
pub use protocol::{cdb_parse, inquiry_vpd, mode_pages, sense};

/// A body: any bytes in, a panic where something is wrong.
pub type Body = fn(&[u8]);

/// Every body under the name of its target.
pub const BODIES: [(&str, Body); 5] = [
    ("cdb_parse", cdb_parse),
    ("sense", sense),
    ("inquiry_vpd", inquiry_vpd),
    ("mode_pages", mode_pages),
    ("cdb_dispatch", cdb_dispatch),
];
