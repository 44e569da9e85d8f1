//! The cache mode of a unit, and asking for it after something happened that may have changed it.

use scsi_proto::Cdb;
use scsi_proto::command::{Bits, Command as _, ModeSense6};
use scsi_proto::mode::{ModeForm, ModeParameters, page_code};
use scsi_proto::{SenseKey, Status};

use super::judgement::{Cause, Judgement};
use crate::command::{Cookie, Request, Transfer};
use crate::logical_unit::WriteCache;
use crate::name::Nexus;

/// What the device said of its write cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheMode {
    /// WCE.
    pub write_cache: WriteCache,
    /// DPOFUA: FUA is honoured.
    pub dpofua: bool,
    /// Nothing happened since that may have changed it: no mode change (2A/01), no MODE SELECT, no reset, no lost power,
    /// no degraded cache. What is not fresh is not believed.
    pub fresh: bool,
}

impl CacheMode {
    pub(super) const UNKNOWN: Self =
        Self { write_cache: WriteCache::Unknown, dpofua: false, fresh: false };

    /// Whether a write with FUA that ended with GOOD is durable.
    pub const fn trusts_fua(&self) -> bool {
        self.fresh && self.dpofua
    }

    /// Whether every write that ended with GOOD is durable.
    pub const fn is_write_through(&self) -> bool {
        self.fresh && matches!(self.write_cache, WriteCache::Off)
    }
}

/// What MODE SENSE(6) for the caching page told.
///
/// Discovery asks in more ways, for devices that do not take this one: discover the unit again where it ends in
/// [`Self::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheProbe {
    /// For [`Durability::handle_mode`](super::Durability::handle_mode).
    Known {
        /// WCE.
        write_cache: WriteCache,
        /// DPOFUA.
        dpofua: bool,
    },
    /// A unit attention came instead, or the unit was busy: ask again.
    Again,
    /// The device does not say.
    Unknown,
}

impl CacheProbe {
    /// ALLOCATION LENGTH, in bytes.
    pub const LENGTH: u8 = 255;

    /// MODE SENSE(6) for page 08h, without block descriptors.
    pub fn cdb() -> Cdb {
        let page_code = Bits::new(page_code::CACHING.into()).unwrap_or_default();
        let length = Self::LENGTH;
        ModeSense6 { dbd: true, page_code, allocation_length: length, ..ModeSense6::default() }
            .cdb()
    }

    /// The question, with memory for [`Self::LENGTH`] bytes.
    pub fn request<D>(nexus: Nexus, data: D, cookie: Cookie) -> Request<D> {
        let transfer = Transfer::from_device(Self::LENGTH.into());
        Request::new(nexus, Self::cdb(), transfer, data, cookie)
    }

    /// Reads the answer.
    pub fn read(judgement: &Judgement, data: &[u8]) -> Self {
        match judgement {
            Judgement::Done | Judgement::DoneShort { .. } => {
                Self::of(data).unwrap_or(Self::Unknown)
            }
            Judgement::NotDone(
                Cause::Status(Status::BUSY | Status::TASK_SET_FULL) | Cause::Deferred(_),
            ) => Self::Again,
            Judgement::NotDone(Cause::Sense(codes)) if codes.key == SenseKey::UNIT_ATTENTION => {
                Self::Again
            }
            _ => Self::Unknown,
        }
    }

    fn of(data: &[u8]) -> Option<Self> {
        let mode = ModeParameters::parse_sense(data, ModeForm::Six).ok()?;
        let write_cache = WriteCache::of_mode(&mode)?;
        Some(Self::Known { write_cache, dpofua: mode.header.dpofua() })
    }
}
