//! Extended INQUIRY Data (86h), the cache bits. Source: SPC-5 7.7.

use super::{PageCode, VpdPage};
use crate::wire::BufferTooSmall;

/// The bits of Extended INQUIRY Data that say what a cache can do.
///
/// `v_sup` clear does not mean that there is no volatile cache: devices exist that clear it with
/// WCE set. WCE alone decides whether writes need a flush. Source: SPC-5 7.7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtendedInquiry {
    /// SPT, three bits: supported protection types.
    pub spt: u8,
    /// SIMPSUP: SIMPLE task attribute supported.
    pub simple_supported: bool,
    /// ORDSUP: ORDERED task attribute supported.
    pub ordered_supported: bool,
    /// HEADSUP: HEAD OF QUEUE task attribute supported.
    pub head_supported: bool,
    /// WU_SUP: WRITE UNCORRECTABLE supported.
    pub wu_sup: bool,
    /// NV_SUP: a non-volatile cache.
    pub nv_sup: bool,
    /// V_SUP: a volatile cache.
    pub v_sup: bool,
}

impl ExtendedInquiry {
    /// Length of the page in bytes, header included.
    pub const LEN: usize = 64;

    /// Reads the body of `page`; what is missing reads as zero.
    #[must_use = "the data is the only result"]
    pub fn parse(page: &VpdPage<'_>) -> Self {
        let byte = |index: usize| page.body.get(index).copied().unwrap_or(0);
        let (b4, b5, b6) = (byte(0), byte(1), byte(2));
        Self {
            spt: b4 >> 3 & 7,
            head_supported: b5 & 0x04 != 0,
            ordered_supported: b5 & 0x02 != 0,
            simple_supported: b5 & 0x01 != 0,
            wu_sup: b6 & 0x08 != 0,
            nv_sup: b6 & 0x02 != 0,
            v_sup: b6 & 0x01 != 0,
        }
    }

    /// Writes the page, 64 bytes.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let bit = |flag: bool, bit: u8| u8::from(flag) << bit;
        let mut body = [0; Self::LEN - VpdPage::HEADER_LEN];
        body[0] = (self.spt & 7) << 3;
        body[1] = bit(self.head_supported, 2)
            | bit(self.ordered_supported, 1)
            | bit(self.simple_supported, 0);
        body[2] = bit(self.wu_sup, 3) | bit(self.nv_sup, 1) | bit(self.v_sup, 0);
        super::emit(PageCode::EXTENDED_INQUIRY, &body, out)
    }
}
