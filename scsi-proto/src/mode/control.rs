//! The Control mode page (0Ah). Source: SPC-5 7.5.

use super::page_code;
use crate::wire::{self, BufferTooSmall, Truncated};

/// The Control mode page. Source: SPC-5 7.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlPage {
    /// PS: the page can be saved. Shall be clear in MODE SELECT.
    pub ps: bool,
    /// TST, three bits: 0 one task set for all nexuses, 1 one for each.
    pub tst: u8,
    /// TMF_ONLY: with ACA, only task management gets through.
    pub tmf_only: bool,
    /// DPICZ: disable protection information checks when the protect field is zero.
    pub dpicz: bool,
    /// D_SENSE: sense data in descriptor format.
    pub d_sense: bool,
    /// GLTSD: global logging target save disable.
    pub gltsd: bool,
    /// RLEC: report log exception condition.
    pub rlec: bool,
    /// QUEUE ALGORITHM MODIFIER, four bits: 0 restricted reordering, 1 unrestricted.
    pub queue_algorithm: u8,
    /// NUAR: no unit attention on release.
    pub nuar: bool,
    /// QERR, two bits: what CHECK CONDITION does to other queued commands.
    pub qerr: u8,
    /// RAC: report a check instead of long BUSY.
    pub rac: bool,
    /// UA_INTLCK_CTRL, two bits: how unit attentions are cleared.
    pub ua_interlock: u8,
    /// SWP: software write protect.
    pub swp: bool,
    /// ATO: the application tag belongs to the application client.
    pub ato: bool,
    /// TAS: commands aborted by another nexus end with TASK ABORTED.
    pub tas: bool,
    /// AUTOLOAD MODE, three bits.
    pub autoload: u8,
    /// BUSY TIMEOUT PERIOD in 100 ms; FFFFh is unlimited.
    pub busy_timeout_100ms: u16,
    /// EXTENDED SELF-TEST COMPLETION TIME in seconds.
    pub self_test_s: u16,
}

impl ControlPage {
    /// Length of the page in bytes, header included.
    pub const LEN: usize = 12;

    /// Reads the page, header included. Fields beyond PAGE LENGTH or beyond `bytes` read as zero.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when the byte with D_SENSE (byte 2) is missing or not claimed.
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let end = bytes.get(1).map_or(0, |&length| 2 + usize::from(length));
        let bytes = bytes.get(..end).unwrap_or(bytes);
        wire::require(bytes, 3)?;
        let [code, _, b2, b3, b4, b5, _, _, busy @ .., s0, s1] =
            wire::read_padded::<[u8; Self::LEN]>(bytes);
        Ok(Self {
            ps: code & 0x80 != 0,
            tst: b2 >> 5,
            tmf_only: b2 & 0x10 != 0,
            dpicz: b2 & 0x08 != 0,
            d_sense: b2 & 0x04 != 0,
            gltsd: b2 & 0x02 != 0,
            rlec: b2 & 0x01 != 0,
            queue_algorithm: b3 >> 4,
            nuar: b3 & 0x08 != 0,
            qerr: b3 >> 1 & 3,
            rac: b4 & 0x40 != 0,
            ua_interlock: b4 >> 4 & 3,
            swp: b4 & 0x08 != 0,
            ato: b5 & 0x80 != 0,
            tas: b5 & 0x40 != 0,
            autoload: b5 & 7,
            busy_timeout_100ms: u16::from_be_bytes(busy),
            self_test_s: u16::from_be_bytes([s0, s1]),
        })
    }

    /// Writes 12 bytes. Fields are cut to their width.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let bit = |flag: bool, bit: u8| u8::from(flag) << bit;
        let [t0, t1] = self.busy_timeout_100ms.to_be_bytes();
        let [s0, s1] = self.self_test_s.to_be_bytes();
        let flags2 = (self.tst & 7) << 5
            | bit(self.tmf_only, 4)
            | bit(self.dpicz, 3)
            | bit(self.d_sense, 2)
            | bit(self.gltsd, 1)
            | bit(self.rlec, 0);
        let flags3 = self.queue_algorithm << 4 | bit(self.nuar, 3) | (self.qerr & 3) << 1;
        let flags4 = bit(self.rac, 6) | (self.ua_interlock & 3) << 4 | bit(self.swp, 3);
        let flags5 = bit(self.ato, 7) | bit(self.tas, 6) | self.autoload & 7;
        let code = bit(self.ps, 7) | page_code::CONTROL;
        let length = (Self::LEN - 2) as u8;
        let page = [code, length, flags2, flags3, flags4, flags5, 0, 0, t0, t1, s0, s1];
        wire::write(&page, out)
    }
}
