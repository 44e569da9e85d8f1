//! A logical unit as discovery found it, and typed requests to it.
//!
//! A typed request is checked against what is known of the unit before it goes anywhere: its CDB and its transfer length
//! are made from the same two numbers. Raw CDBs need none of this; see [`Request::new`].

use alloc::string::String;
use core::fmt;

use scsi_proto::command::{self, Access, Command as _, Inquiry, TestUnitReady};
use scsi_proto::inquiry::{DeviceType, Version};
use scsi_proto::mode::{CachingPage, ModeParameters, page_code};
use scsi_proto::vpd::Wwn;
use scsi_proto::{AdditionalSense, Cdb, Lba};

use crate::command::BlockSize;
use crate::command::{Cookie, Nexus, Request, Transfer};
use crate::limits::Limits;
use crate::port::TargetKind;

/// What is known of a logical unit.
///
/// A snapshot of what the device said when it was asked. Texts are trimmed; bytes that are not printable show as `.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalUnit {
    /// Where it is.
    pub nexus: Nexus,
    /// What its target is to the controller.
    pub target_kind: TargetKind,
    /// PERIPHERAL DEVICE TYPE.
    pub device_type: DeviceType,
    /// The SPC version that it claims.
    pub version: Version,
    /// T10 VENDOR IDENTIFICATION.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION.
    pub model: String,
    /// PRODUCT REVISION LEVEL.
    pub revision: String,
    /// PRODUCT SERIAL NUMBER, empty when there is none.
    pub serial: String,
    /// The worldwide unique name. Two units with the same one are two paths to one unit.
    pub wwn: Option<Wwn>,
    /// RMB: the medium can be removed.
    pub removable: bool,
    /// Whether it takes commands that access the medium.
    pub readiness: Readiness,
    /// Bytes of one logical block, 0 when unknown.
    pub block_size: BlockSize,
    /// Logical blocks on the medium, 0 when unknown.
    pub blocks: u64,
    /// 2^n logical blocks make one physical block.
    pub physical_block_exponent: u8,
    /// LBPME: the unit takes UNMAP.
    pub provisioning: bool,
    /// WCE of the caching page.
    pub write_cache: WriteCache,
    /// DPOFUA: DPO and FUA are honoured.
    pub dpofua: bool,
    /// WP: the medium is write protected.
    pub write_protected: bool,
}

/// Whether a logical unit accesses its medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// It does.
    Ready,
    /// It says that it does not, and why.
    NotReady(AdditionalSense),
    /// It was not asked: not a block device, or no answer came.
    Unknown,
}

/// Whether writes may end before they are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteCache {
    /// WCE is clear: status comes after the data is non-volatile.
    Off,
    /// WCE is set: a flush is needed.
    On,
    /// The device does not say. Treat it as [`Self::On`].
    Unknown,
}

impl WriteCache {
    /// What the caching page says, if it is there and can be believed: that WCE is clear is not, in a page that claims more
    /// bytes than came.
    pub(crate) fn of_mode(mode: &ModeParameters<'_>) -> Option<Self> {
        let page = mode.page(page_code::CACHING, 0)?;
        match CachingPage::parse(page.bytes).ok()?.wce {
            true => Some(Self::On),
            false => (!page.truncated).then_some(Self::Off),
        }
    }
}

/// Whether a write has to be durable before its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Fua {
    /// It may stay in the cache until the next flush.
    #[default]
    Off,
    /// FUA: these blocks are non-volatile before status. Not a barrier for others.
    On,
}

/// A typed request that cannot be made. The memory is in here.
#[derive(Debug)]
#[must_use = "the memory is in here"]
pub struct AccessError<D> {
    /// Why.
    pub fault: AccessFault,
    /// The memory.
    pub data: D,
}

/// Why a typed request cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessFault {
    /// The capacity of the unit is not known.
    NoCapacity,
    /// The range passes the last block.
    OutOfRange {
        /// The first block.
        lba: Lba,
        /// Number of blocks.
        blocks: u64,
        /// Blocks on the medium.
        capacity: u64,
    },
    /// The bytes do not fit a transfer length of 32 bits.
    TooLong {
        /// Number of blocks.
        blocks: u32,
        /// Bytes of each.
        block_size: BlockSize,
    },
    /// FUA was asked for, and the device does not say DPOFUA. Write and flush instead.
    FuaUnsupported,
    /// Not even one block fits a transfer that always fits.
    BlockTooLong {
        /// Bytes of one block.
        block_size: BlockSize,
        /// [`Limits::transfer_safe`].
        transfer_safe: u32,
    },
}

/// A part of a long access; see [`LogicalUnit::split`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The first block.
    pub lba: Lba,
    /// Number of blocks.
    pub blocks: u32,
    /// Where its data begins in the whole data, in bytes.
    pub offset: u64,
}

/// The pieces of a long access, in order; see [`LogicalUnit::split`].
#[derive(Clone, Debug)]
pub struct Pieces {
    lba: u64,
    left: u64,
    offset: u64,
    /// Blocks of a whole piece.
    step: u32,
    block_size: u32,
}

impl LogicalUnit {
    /// READ(10), or READ(16) where the range needs it.
    ///
    /// Typed requests carry no [`LengthCheck`](crate::command::LengthCheck): CDB and transfer length come from the same
    /// numbers.
    ///
    /// # Errors
    ///
    /// [`AccessError`] with the memory when the range is not on the medium or its bytes need more than 32 bits.
    pub fn read<D>(
        &self,
        lba: Lba,
        blocks: u32,
        data: D,
        cookie: Cookie,
    ) -> Result<Request<D>, AccessError<D>> {
        let access = Access::default();
        let made = self.length(lba, blocks).and_then(|length| {
            let cdb = command::read(lba, blocks, access).map_err(|_| self.beyond(lba, blocks))?;
            Ok((cdb, Transfer::from_device(length)))
        });
        self.request(made, data, cookie)
    }

    /// WRITE(10), or WRITE(16) where the range needs it.
    ///
    /// # Errors
    ///
    /// [`AccessError`] as for [`Self::read`], and when FUA is asked for without [`Self::dpofua`].
    pub fn write<D>(
        &self,
        lba: Lba,
        blocks: u32,
        fua: Fua,
        data: D,
        cookie: Cookie,
    ) -> Result<Request<D>, AccessError<D>> {
        if fua == Fua::On && !self.dpofua {
            return Err(AccessError { fault: AccessFault::FuaUnsupported, data });
        }
        let access = Access { fua: fua == Fua::On, ..Access::default() };
        let made = self.length(lba, blocks).and_then(|length| {
            let cdb = command::write(lba, blocks, access).map_err(|_| self.beyond(lba, blocks))?;
            Ok((cdb, Transfer::to_device(length)))
        });
        self.request(made, data, cookie)
    }

    /// SYNCHRONIZE CACHE(10) over the whole unit, at any capacity. GOOD says that every write which ended before is
    /// non-volatile.
    pub fn flush<D>(&self, data: D, cookie: Cookie) -> Request<D> {
        Request::new(self.nexus, command::flush_all(), Transfer::NONE, data, cookie)
    }

    /// TEST UNIT READY.
    pub fn test_unit_ready<D>(&self, data: D, cookie: Cookie) -> Request<D> {
        Request::new(self.nexus, TestUnitReady::default().cdb(), Transfer::NONE, data, cookie)
    }

    /// INQUIRY for at most `length` bytes of standard data.
    pub fn inquiry<D>(&self, length: u16, data: D, cookie: Cookie) -> Request<D> {
        let cdb = Inquiry { allocation_length: length, ..Inquiry::default() }.cdb();
        Request::new(self.nexus, cdb, Transfer::from_device(length.into()), data, cookie)
    }

    /// Cuts a long access into pieces that fit [`Limits::transfer_safe`], whatever the buffer's alignment.
    ///
    /// # Errors
    ///
    /// [`AccessFault`] when the range is not on the medium, or when one block is longer than such a transfer.
    pub fn split(&self, lba: Lba, blocks: u64, limits: &Limits) -> Result<Pieces, AccessFault> {
        self.check_range(lba, blocks)?;
        let (block_size, transfer_safe) = (self.block_size, limits.transfer_safe());
        match transfer_safe / block_size.0 {
            0 => Err(AccessFault::BlockTooLong { block_size, transfer_safe }),
            step => {
                Ok(Pieces { lba: lba.0, left: blocks, offset: 0, step, block_size: block_size.0 })
            }
        }
    }

    /// Bytes on the medium, `None` when they do not fit 64 bits or the capacity is unknown.
    pub fn bytes(&self) -> Option<u64> {
        self.blocks.checked_mul(self.block_size.0.into()).filter(|&bytes| bytes != 0)
    }

    /// Bytes of `blocks` blocks that lie on the medium.
    fn length(&self, lba: Lba, blocks: u32) -> Result<u32, AccessFault> {
        self.check_range(lba, blocks.into())?;
        let too_long = AccessFault::TooLong { blocks, block_size: self.block_size };
        blocks.checked_mul(self.block_size.0).ok_or(too_long)
    }

    fn check_range(&self, lba: Lba, blocks: u64) -> Result<(), AccessFault> {
        if self.blocks == 0 || self.block_size.0 == 0 {
            return Err(AccessFault::NoCapacity);
        }
        match lba.checked_add(blocks) {
            Some(end) if end.0 <= self.blocks => Ok(()),
            _ => Err(AccessFault::OutOfRange { lba, blocks, capacity: self.blocks }),
        }
    }

    fn beyond(&self, lba: Lba, blocks: u32) -> AccessFault {
        AccessFault::OutOfRange { lba, blocks: blocks.into(), capacity: self.blocks }
    }

    fn request<D>(
        &self,
        made: Result<(Cdb, Transfer), AccessFault>,
        data: D,
        cookie: Cookie,
    ) -> Result<Request<D>, AccessError<D>> {
        match made {
            Ok((cdb, transfer)) => Ok(Request::new(self.nexus, cdb, transfer, data, cookie)),
            Err(fault) => Err(AccessError { fault, data }),
        }
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.left == 0 {
            return None;
        }
        let blocks = u32::try_from(self.left).unwrap_or(u32::MAX).min(self.step);
        let piece = Piece { lba: Lba(self.lba), blocks, offset: self.offset };
        // The whole range was found to lie on the medium; only the byte count of an absurd one can pass 64 bits.
        self.lba += u64::from(blocks);
        self.left -= u64::from(blocks);
        self.offset = self.offset.saturating_add(u64::from(blocks) * u64::from(self.block_size));
        Some(piece)
    }
}

/// One line for a log, as in `0:0:0 QEMU QEMU HARDDISK 2.5+, 131072 blocks of 512 bytes`.
impl fmt::Display for LogicalUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.nexus, self.vendor, self.model, self.revision)?;
        match (self.blocks, self.readiness) {
            (0, Readiness::NotReady(why)) => write!(f, ", {why}"),
            (0, _) => write!(f, ", {}", self.device_type),
            (blocks, _) => write!(f, ", {blocks} blocks of {} bytes", self.block_size.0),
        }
    }
}

impl fmt::Display for AccessFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCapacity => f.write_str("the capacity of the unit is not known"),
            Self::OutOfRange { lba, blocks, capacity } => {
                write!(f, "{blocks} blocks from block {lba} pass the end at block {capacity}")
            }
            Self::TooLong { blocks, block_size } => {
                write!(f, "{blocks} blocks of {} bytes do not fit one transfer", block_size.0)
            }
            Self::FuaUnsupported => f.write_str("the unit does not honour fua"),
            Self::BlockTooLong { block_size, transfer_safe } => write!(
                f,
                "one block of {} bytes exceeds the {transfer_safe} bytes that always fit",
                block_size.0
            ),
        }
    }
}

impl core::error::Error for AccessFault {}

impl<D> fmt::Display for AccessError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl<D: fmt::Debug> core::error::Error for AccessError<D> {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use proptest::prelude::*;
    use scsi_proto::Lun;

    use super::*;
    use crate::command::TargetId;
    use crate::dispatch::length_mismatch;
    use crate::dma::{AddressWidth, DmaWindow};

    fn unit(blocks: u64, block_size: u32, dpofua: bool) -> LogicalUnit {
        LogicalUnit {
            nexus: Nexus::new(TargetId::new(1), Lun::from_number(2)),
            target_kind: TargetKind::Device,
            device_type: DeviceType::DISK,
            version: Version::SPC_4,
            vendor: "T10".into(),
            model: "DISK".into(),
            revision: "1".into(),
            serial: String::new(),
            wwn: None,
            removable: false,
            readiness: Readiness::Ready,
            block_size: BlockSize(block_size),
            blocks,
            physical_block_exponent: 0,
            provisioning: false,
            write_cache: WriteCache::On,
            dpofua,
            write_protected: false,
        }
    }

    const COOKIE: Cookie = Cookie(9);

    #[test]
    fn ranges_are_checked_in_64_bits() {
        let disk = unit(1 << 33, 512, false);
        let last = Lba((1 << 33) - 1);
        let request = disk.read(last, 1, 'd', COOKIE).expect("the last block");
        assert_eq!(request.command.cdb.to_string(), "880000000001ffffffff000000010000");
        assert_eq!(request.command.transfer, Transfer::from_device(512));
        assert_eq!(
            (request.data, request.cookie, request.command.nexus),
            ('d', COOKIE, disk.nexus)
        );
        for (lba, blocks) in
            [(last, 2), (Lba(u64::MAX), 1), (Lba(u64::MAX), u32::MAX), (Lba(1 << 33), 1)]
        {
            let error = disk.read(lba, blocks, 'd', COOKIE).expect_err("beyond the end");
            let capacity = 1 << 33;
            let blocks = blocks.into();
            assert_eq!(error.fault, AccessFault::OutOfRange { lba, blocks, capacity });
            assert_eq!(error.data, 'd', "the memory comes back");
        }
        let short = disk.write(Lba(8), 1, Fua::Off, 'd', COOKIE).expect("on the medium");
        assert_eq!(short.command.cdb.to_string(), "2a000000000800000100");
        assert_eq!(short.command.transfer, Transfer::to_device(512));
    }

    #[test]
    fn lengths_that_need_33_bits_are_refused() {
        let disk = unit(1 << 40, 4096, false);
        assert!(disk.read(Lba(0), 0xf_ffff, (), COOKIE).is_ok());
        let error = disk.read(Lba(0), 0x10_0000, (), COOKIE).expect_err("4 GiB");
        assert_eq!(error.to_string(), "1048576 blocks of 4096 bytes do not fit one transfer");
        let unknown = unit(0, 512, false).read(Lba(0), 0, (), COOKIE).expect_err("no capacity");
        assert_eq!(unknown.fault, AccessFault::NoCapacity);
        assert_eq!(unit(u64::MAX, 512, false).bytes(), None);
    }

    #[test]
    fn fua_needs_dpofua() {
        let error = unit(8, 512, false).write(Lba(0), 1, Fua::On, 'd', COOKIE).expect_err("no FUA");
        assert_eq!((error.fault, error.data), (AccessFault::FuaUnsupported, 'd'));
        let request = unit(8, 512, true).write(Lba(0), 1, Fua::On, 'd', COOKIE).expect("DPOFUA");
        assert_eq!(request.command.cdb.to_string(), "2a080000000000000100");
    }

    #[test]
    fn commands_without_data_have_none() {
        let disk = unit(8, 512, false);
        let flush = disk.flush((), COOKIE).command;
        assert_eq!((flush.cdb, flush.transfer), (command::flush_all(), Transfer::NONE));
        assert_eq!(disk.test_unit_ready((), COOKIE).command.transfer, Transfer::NONE);
        let inquiry = disk.inquiry(96, (), COOKIE).command;
        assert_eq!(inquiry.cdb.to_string(), "120000006000");
        assert_eq!(inquiry.transfer, Transfer::from_device(96));
    }

    const LIMITS: Limits = Limits {
        transfer_max: 64 * 1024,
        elements_max: 17,
        element_max: 4096,
        boundary: 0,
        window: DmaWindow::of_width(AddressWidth::BITS_32),
        page_size: 4096,
        queue_depth: 1,
        vectors: 1,
        cdb_max: 16,
        sense_max: 96,
        targets_max: 8,
    };

    #[test]
    fn b22_split_refuses_what_cannot_be_cut() {
        let large = unit(8, 128 * 1024, false)
            .split(Lba(0), 1, &LIMITS)
            .expect_err("one block is too long");
        let (block_size, transfer_safe) = (BlockSize(128 * 1024), 64 * 1024);
        assert_eq!(large, AccessFault::BlockTooLong { block_size, transfer_safe });
        assert!(unit(8, 512, false).split(Lba(8), 1, &LIMITS).is_err());
        let few = Limits { elements_max: 9, ..LIMITS };
        let pieces = unit(128, 512, false).split(Lba(0), 128, &few);
        let longest = pieces.map(|pieces| pieces.map(|piece| piece.blocks).max());
        assert_eq!(longest, Ok(Some(64)), "eight pages fit nine elements, however they lie");
    }

    proptest! {
        #[test]
        fn b22_pieces_cover_the_range_and_fit(
            lba in 0..u64::MAX / 2,
            blocks in 0..5000u64,
            block_size in prop_oneof![Just(512u32), Just(520), Just(4096), 1..65_537u32],
        ) {
            let disk = unit(lba + blocks + 1, block_size, false);
            let pieces: Vec<_> = disk.split(Lba(lba), blocks, &LIMITS).unwrap().collect();
            let (mut at, mut offset) = (lba, 0);
            for piece in pieces {
                prop_assert_eq!((piece.lba, piece.offset), (Lba(at), offset));
                let request = disk.read(piece.lba, piece.blocks, (), COOKIE).unwrap();
                let transfer = request.command.transfer;
                prop_assert!(transfer.length > 0 && transfer.length <= LIMITS.transfer_safe());
                prop_assert_eq!(length_mismatch(&request.command.cdb, transfer, disk.block_size), None);
                at += u64::from(piece.blocks);
                offset += u64::from(transfer.length);
            }
            prop_assert_eq!(at, lba + blocks);
        }
    }
}
