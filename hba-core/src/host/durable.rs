//! What takes more than one command to be durable: a write that is on the medium, a cache that is switched, a unit that stops.

use alloc::vec::Vec;
use core::fmt;

use scsi_proto::command::{Command as _, ModeSelect6, StartStopUnit};
use scsi_proto::mode::{ModeForm, ModeParameters, page_code};
use scsi_proto::{Cdb, Lba, SenseKey};

use super::{ATTENTIONS_MAX, Answer, Data, Host, HostError, Platform};
use crate::command::{Cookie, Nexus, Request, Transfer};
use crate::dma::RegionBuffer;
use crate::durability::{CacheMode, CacheProbe, Cause, FlushError, Flushed, Judgement};
use crate::logical_unit::{AccessFault, Fua, LogicalUnit, WriteCache};
use crate::port::ControlPort;

/// What has to be durable before a write is sent. FUA alone is no barrier: it says nothing about earlier writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Barrier {
    /// Nothing.
    #[default]
    None,
    /// Every write of the unit that has ended: the write is the commit record of a journal.
    EarlierWrites,
}

/// A durable write that was tried. The memory is home.
#[derive(Debug)]
#[must_use = "the memory is in here, and whether the write is durable"]
pub struct DurableWrite {
    /// The memory.
    pub data: Data,
    /// What makes it durable.
    pub result: Result<DurableBy, DurableError>,
}

/// What makes a write durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurableBy {
    /// FUA, and DPOFUA was set in a mode header that is still to be believed.
    Fua,
    /// WCE is clear, and that is still to be believed.
    WriteThrough,
    /// A flush after it.
    Flush(Flushed),
}

/// Why a write is not known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurableError {
    /// It cannot be made. Nothing was sent.
    Access(AccessFault),
    /// What came before it is not durable. It was not sent.
    Earlier(FlushError),
    /// It did not end well.
    Write(Judgement),
    /// It ended well, and the flush after it did not.
    Flush(FlushError),
}

/// Why a write cache was not switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheSwitchError {
    /// What it holds could not be flushed. It was not switched.
    Flush(FlushError),
    /// The unit does not tell its caching page.
    NoPage,
    /// MODE SELECT did not end well.
    Refused(Judgement),
    /// The unit said that it did, and says that it did not.
    Unchanged(CacheMode),
}

/// Why a unit was not stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopError {
    /// What it has cached could not be flushed. It runs on.
    Flush(FlushError),
    /// START STOP UNIT did not end well.
    Stop(Judgement),
}

impl<P: ControlPort, L: Platform> Host<P, L> {
    /// Writes blocks and makes them durable: with FUA where the unit honours it and that is known for sure, else by a flush.
    /// The unit is asked for its mode first where what is known of it is old. Have no commands outstanding.
    ///
    /// # Errors
    ///
    /// [`HostError`]; what became of the write is in [`DurableWrite::result`].
    pub fn write_durable(
        &mut self,
        unit: &LogicalUnit,
        (lba, blocks): (Lba, u32),
        data: RegionBuffer,
        barrier: Barrier,
    ) -> Result<DurableWrite, HostError> {
        let nexus = unit.nexus;
        if barrier == Barrier::EarlierWrites
            && let Err(error) = self.flush(unit)?
        {
            let result = Err(DurableError::Earlier(error));
            return Ok(DurableWrite { data: Some(data), result });
        }
        let mut mode = self.adapter.control().durability().mode(nexus);
        if !mode.fresh {
            mode = self.refresh_cache_mode(nexus)?;
        }
        let trusted = mode.trusts_fua() && !mode.is_write_through() && unit.dpofua;
        let fua = if trusted { Fua::On } else { Fua::Off };
        let changes = self.adapter.control().durability().mode_changes(nexus);
        let request = match unit.write(lba, blocks, fua, Some(data), Cookie(0)) {
            Ok(request) => request,
            Err(refused) => {
                let result = Err(DurableError::Access(refused.fault));
                return Ok(DurableWrite { data: refused.data, result });
            }
        };
        let cdb = request.command.cdb;
        let answer = self.execute(request)?;
        let judgement = answer.judge(&cdb);
        let data = answer.completion.data;
        if judgement != Judgement::Done {
            return Ok(DurableWrite { data, result: Err(DurableError::Write(judgement)) });
        }
        // What was believed when it was sent has to hold still.
        let same = self.adapter.control().durability().mode_changes(nexus) == changes;
        let result = if same && mode.is_write_through() {
            Ok(DurableBy::WriteThrough)
        } else if same && trusted {
            Ok(DurableBy::Fua)
        } else {
            self.flush(unit)?.map(DurableBy::Flush).map_err(DurableError::Flush)
        };
        Ok(DurableWrite { data, result })
    }

    /// Switches WCE by MODE SELECT, for good with `save`, and reads it back. Before it is switched off everything is flushed:
    /// a disk that cannot write its cache back then has to say so. Have no commands outstanding.
    ///
    /// # Errors
    ///
    /// [`HostError`]; otherwise what became of the switch.
    pub fn switch_write_cache(
        &mut self,
        unit: &LogicalUnit,
        on: bool,
        save: bool,
    ) -> Result<Result<CacheMode, CacheSwitchError>, HostError> {
        if !on && let Err(error) = self.flush(unit)? {
            return Ok(Err(CacheSwitchError::Flush(error)));
        }
        let nexus = unit.nexus;
        let (answer, _) = self.insist(nexus, CacheProbe::cdb(), &[], CacheProbe::LENGTH.into())?;
        let Some(list) = select_list(&data_of(&answer), on) else {
            return Ok(Err(CacheSwitchError::NoPage));
        };
        let parameter_list_length = list.len() as u8;
        let select =
            ModeSelect6 { pf: true, sp: save, parameter_list_length, ..Default::default() };
        let (_, judgement) = self.insist(nexus, select.cdb(), &list, 0)?;
        if judgement != Judgement::Done {
            return Ok(Err(CacheSwitchError::Refused(judgement)));
        }
        let mode = self.refresh_cache_mode(nexus)?;
        let wanted = if on { WriteCache::On } else { WriteCache::Off };
        let switched = mode.fresh && mode.write_cache == wanted;
        Ok(if switched { Ok(mode) } else { Err(CacheSwitchError::Unchanged(mode)) })
    }

    /// Stops a unit: a flush, and START STOP UNIT with NO_FLUSH clear only when that succeeded. A unit that does not stop has
    /// what it had. Have no commands outstanding.
    ///
    /// # Errors
    ///
    /// [`HostError`]; otherwise what became of the stop.
    pub fn stop_unit(
        &mut self,
        unit: &LogicalUnit,
    ) -> Result<Result<Flushed, StopError>, HostError> {
        let flushed = match self.flush(unit)? {
            Ok(flushed) => flushed,
            Err(error) => return Ok(Err(StopError::Flush(error))),
        };
        let (_, judgement) = self.insist(unit.nexus, StartStopUnit::default().cdb(), &[], 0)?;
        let stopped = judgement == Judgement::Done;
        Ok(if stopped { Ok(flushed) } else { Err(StopError::Stop(judgement)) })
    }

    /// Sends a command until no unit attention comes instead, with `out` to the device or `room` bytes from it.
    fn insist(
        &mut self,
        nexus: Nexus,
        cdb: Cdb,
        out: &[u8],
        room: u32,
    ) -> Result<(Answer, Judgement), HostError> {
        let mut tries = 0;
        loop {
            let (transfer, data) = match (out.len(), room) {
                (0, 0) => (Transfer::NONE, None),
                (0, room) => {
                    (Transfer::from_device(room), Some(self.platform.buffer(room as usize)?))
                }
                (len, _) => {
                    let mut buffer = self.platform.buffer(len)?;
                    buffer.write(out);
                    (Transfer::to_device(len as u32), Some(buffer))
                }
            };
            let answer = self.execute(Request::new(nexus, cdb, transfer, data, Cookie(0)))?;
            let judgement = answer.judge(&cdb);
            tries += 1;
            let again = match judgement.cause() {
                Some(Cause::Sense(codes)) => codes.key == SenseKey::UNIT_ATTENTION,
                Some(Cause::Deferred(_)) => true,
                _ => false,
            };
            if !again || tries == ATTENTIONS_MAX {
                return Ok((answer, judgement));
            }
        }
    }
}

fn data_of(answer: &Answer) -> Vec<u8> {
    let mut bytes = alloc::vec![0; answer.completion.transferred as usize];
    if let Some(data) = &answer.completion.data {
        data.read(&mut bytes);
    }
    bytes
}

/// The caching page of MODE SENSE(6) as a list for MODE SELECT(6): nothing but WCE is another. `None` where there is no whole
/// page. The header is reserved but for the length of block descriptors, of which there are none.
fn select_list(sensed: &[u8], on: bool) -> Option<Vec<u8>> {
    const WCE: u8 = 0x04;
    let mode = ModeParameters::parse_sense(sensed, ModeForm::Six).ok()?;
    let page = mode.page(page_code::CACHING, 0).filter(|page| !page.truncated)?;
    let mut list = alloc::vec![0; ModeForm::Six.header_len()];
    list.extend_from_slice(page.bytes);
    // PS is reserved in MODE SELECT.
    list[4] &= 0x7f;
    let flags = list.get_mut(6)?;
    *flags = if on { *flags | WCE } else { *flags & !WCE };
    Some(list)
}

impl fmt::Display for DurableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(fault) => fault.fmt(f),
            Self::Earlier(error) => write!(f, "earlier writes are not durable: {error}"),
            Self::Write(judgement) => write!(f, "the write: {judgement}"),
            Self::Flush(error) => write!(f, "the flush after the write: {error}"),
        }
    }
}

impl core::error::Error for DurableError {}

impl fmt::Display for CacheSwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flush(error) => write!(f, "the write cache stays on: {error}"),
            Self::NoPage => f.write_str("the unit does not tell its caching page"),
            Self::Refused(judgement) => write!(f, "mode select: {judgement}"),
            Self::Unchanged(mode) => write!(f, "after mode select wce is {:?}", mode.write_cache),
        }
    }
}

impl core::error::Error for CacheSwitchError {}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flush(error) => write!(f, "the unit runs on: {error}"),
            Self::Stop(judgement) => write!(f, "start stop unit: {judgement}"),
        }
    }
}

impl core::error::Error for StopError {}
