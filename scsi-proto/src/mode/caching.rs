//! The Caching mode page (08h). Source: SBC-4 6.5.

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::page_code;
use crate::wire::{self, BufferTooSmall, Truncated};

/// SYNC_PROG: what a SYNCHRONIZE CACHE that runs in the background does to other commands.
/// Source: SBC-4 6.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SyncProgress {
    /// 00b: no effect, and no progress is told.
    #[default]
    None,
    /// 01b: no effect; REQUEST SENSE tells the progress.
    Pollable,
    /// 10b: medium access ends with NOT READY; REQUEST SENSE tells the progress.
    NotReady,
    /// 11b: reserved.
    Reserved,
}

/// The Caching mode page.
///
/// Fields are named as in the standard. To change a bit on a device, parse the page as received,
/// change it, clear `ps` and emit it: the page keeps the length that the device uses.
/// Source: SBC-4 6.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachingPage {
    /// PS: the page can be saved. Shall be clear in MODE SELECT.
    pub ps: bool,
    /// PAGE LENGTH: bytes after byte 1; 18 since SCSI-3, 10 in SCSI-2.
    pub page_length: u8,
    /// IC: the device uses SIZE and the segment fields to control caching.
    pub ic: bool,
    /// ABPF: abort pre-fetch.
    pub abpf: bool,
    /// CAP: caching analysis permitted.
    pub cap: bool,
    /// DISC: continue pre-fetch across discontinuities.
    pub disc: bool,
    /// SIZE: segment size, not number of segments, is used.
    pub size: bool,
    /// WCE: status may come before the data is non-volatile. Writes need a flush.
    pub wce: bool,
    /// MF: multiplication factor.
    pub mf: bool,
    /// RCD: read cache disable.
    pub rcd: bool,
    /// DEMAND READ RETENTION PRIORITY (7:4) and WRITE RETENTION PRIORITY (3:0).
    pub retention_priorities: u8,
    /// DISABLE PRE-FETCH TRANSFER LENGTH in blocks.
    pub disable_prefetch: u16,
    /// MINIMUM PRE-FETCH in blocks.
    pub prefetch_min: u16,
    /// MAXIMUM PRE-FETCH in blocks.
    pub prefetch_max: u16,
    /// MAXIMUM PRE-FETCH CEILING in blocks.
    pub prefetch_ceiling: u16,
    /// FSW: force sequential write.
    pub fsw: bool,
    /// LBCSS: the segment size is in blocks, not bytes.
    pub lbcss: bool,
    /// DRA: disable read-ahead.
    pub dra: bool,
    /// SYNC_PROG.
    pub sync_progress: SyncProgress,
    /// NV_DIS: the non-volatile cache is disabled; what was non-volatile is now volatile.
    pub nv_dis: bool,
    /// NUMBER OF CACHE SEGMENTS.
    pub segments: u8,
    /// CACHE SEGMENT SIZE, in bytes or blocks as LBCSS says.
    pub segment_size: u16,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Wire {
    /// PS (7), SPF (6) and PAGE CODE.
    page_code: u8,
    page_length: u8,
    /// IC, ABPF, CAP, DISC, SIZE, WCE, MF, RCD from bit 7 down.
    flags: u8,
    retention_priorities: u8,
    disable_prefetch: U16,
    prefetch_min: U16,
    prefetch_max: U16,
    prefetch_ceiling: U16,
    /// FSW, LBCSS, DRA, two vendor bits, SYNC_PROG (2:1), NV_DIS.
    flags12: u8,
    segments: u8,
    segment_size: U16,
    reserved: [u8; 4],
}

const _: () = assert!(size_of::<Wire>() == CachingPage::LEN);

impl CachingPage {
    /// Length of the page since SCSI-3, in bytes, header included.
    pub const LEN: usize = 20;

    /// A page with `wce` and all else zero.
    #[must_use = "the page is the only result"]
    pub fn new(wce: bool) -> Self {
        let page_length = (Self::LEN - 2) as u8;
        Self { page_length, wce, ..Self::from_wire(&Wire::new_zeroed()) }
    }

    /// Reads the page, header included. Fields beyond PAGE LENGTH or beyond `bytes` read as zero.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when the byte with WCE (byte 2) is missing or not claimed.
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let end = bytes.get(1).map_or(0, |&length| 2 + usize::from(length));
        let bytes = bytes.get(..end).unwrap_or(bytes);
        wire::require(bytes, 3)?;
        Ok(Self::from_wire(&wire::read_padded(bytes)))
    }

    /// Writes 2 + `page_length` bytes, zeros beyond byte 19, and tells how many.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        wire::write_sized(&self.to_wire(), 2 + usize::from(self.page_length), out)
    }

    fn from_wire(wire: &Wire) -> Self {
        let flag = |bit: u8| wire.flags >> bit & 1 != 0;
        let flag12 = |bit: u8| wire.flags12 >> bit & 1 != 0;
        Self {
            ps: wire.page_code & 0x80 != 0,
            page_length: wire.page_length,
            ic: flag(7),
            abpf: flag(6),
            cap: flag(5),
            disc: flag(4),
            size: flag(3),
            wce: flag(2),
            mf: flag(1),
            rcd: flag(0),
            retention_priorities: wire.retention_priorities,
            disable_prefetch: wire.disable_prefetch.get(),
            prefetch_min: wire.prefetch_min.get(),
            prefetch_max: wire.prefetch_max.get(),
            prefetch_ceiling: wire.prefetch_ceiling.get(),
            fsw: flag12(7),
            lbcss: flag12(6),
            dra: flag12(5),
            sync_progress: match wire.flags12 >> 1 & 3 {
                0 => SyncProgress::None,
                1 => SyncProgress::Pollable,
                2 => SyncProgress::NotReady,
                _ => SyncProgress::Reserved,
            },
            nv_dis: flag12(0),
            segments: wire.segments,
            segment_size: wire.segment_size.get(),
        }
    }

    fn to_wire(self) -> Wire {
        let flags =
            [self.ic, self.abpf, self.cap, self.disc, self.size, self.wce, self.mf, self.rcd];
        let bit = |flag: bool, bit: u8| u8::from(flag) << bit;
        Wire {
            page_code: bit(self.ps, 7) | page_code::CACHING,
            page_length: self.page_length,
            flags: flags.iter().fold(0, |bits, &flag| bits << 1 | u8::from(flag)),
            retention_priorities: self.retention_priorities,
            disable_prefetch: self.disable_prefetch.into(),
            prefetch_min: self.prefetch_min.into(),
            prefetch_max: self.prefetch_max.into(),
            prefetch_ceiling: self.prefetch_ceiling.into(),
            flags12: bit(self.fsw, 7)
                | bit(self.lbcss, 6)
                | bit(self.dra, 5)
                | (self.sync_progress as u8) << 1
                | bit(self.nv_dis, 0),
            segments: self.segments,
            segment_size: self.segment_size.into(),
            reserved: [0; 4],
        }
    }
}
