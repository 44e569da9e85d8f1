//! An application's memory, lent to a device for a while.
#![expect(unsafe_code, reason = "only a platform can promise that memory is wired and mapped")]

use alloc::vec::Vec;
use core::fmt;
use core::mem::ManuallyDrop;

use scsi_proto::{Cdb, Direction};

use super::{AddressFault, DataBuffer, Segment};
use crate::command::{Cookie, Nexus, Request, Transfer};

/// Which way bytes may move through a mapping. An IOMMU that can tell reads from writes enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapDirection {
    /// The device reads the memory: data-out.
    ToDevice,
    /// The device writes the memory: data-in.
    FromDevice,
    /// Either.
    Both,
}

impl MapDirection {
    /// Whether the device may read the memory.
    pub const fn device_reads(self) -> bool {
        matches!(self, Self::ToDevice | Self::Both)
    }

    /// Whether the device may write the memory.
    pub const fn device_writes(self) -> bool {
        matches!(self, Self::FromDevice | Self::Both)
    }

    /// Whether a data phase in `direction` may use the memory.
    pub const fn permits(self, direction: Direction) -> bool {
        match direction {
            Direction::None => true,
            Direction::ToDevice => self.device_reads(),
            Direction::FromDevice => self.device_writes(),
        }
    }
}

impl fmt::Display for MapDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToDevice => "to the device",
            Self::FromDevice => "from the device",
            Self::Both => "both ways",
        })
    }
}

/// How a device reaches an application's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// At its own place: no byte is copied.
    ZeroCopy,
    /// By way of a copy that the platform made, because the memory itself was out of the device's reach.
    Bounced {
        /// The first address of the memory that the device could not be given.
        reason: AddressFault,
    },
}

/// Names one mapping of one mapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingId {
    /// Which mapper made it: different for each in a program.
    pub mapper: u64,
    /// Which of its mappings, never used twice.
    pub serial: u64,
}

/// An application's memory while it is wired and mapped for a device.
///
/// [`DmaMapper::prepare`] makes it and [`DmaMapper::complete`] consumes it. In between it is the data of any number of
/// commands, one after the other: a queue owns it from submit to completion, so that it cannot be completed while a
/// command uses it. The memory is inside: it can be neither freed nor touched before `complete` gives it back.
///
/// A value that is dropped leaks both memory and mapping, as the device may still use them; the mapper goes on counting it
/// as outstanding.
///
/// Memory cannot be taken back while a queue has it:
///
/// ```compile_fail,E0382
/// use hba_core::dma::{DmaMapper, Mapped};
/// use hba_core::{command::Request, port::QueuePort, queue::IoQueue, time::Instant};
///
/// fn early<P: QueuePort, M: DmaMapper>(
///     queue: &mut IoQueue<P, Mapped<M::Memory>>,
///     mapper: &mut M,
///     request: Request<Mapped<M::Memory>>,
/// ) {
///     let _ = queue.submit(request, Instant::ZERO);
///     let _ = mapper.complete(request.data); // the queue has it
/// }
/// ```
///
/// Nor twice:
///
/// ```compile_fail,E0382
/// # use hba_core::dma::{DmaMapper, Mapped};
/// fn twice<M: DmaMapper>(mapper: &mut M, mapped: Mapped<M::Memory>) {
///     let _ = mapper.complete(mapped);
///     let _ = mapper.complete(mapped);
/// }
/// ```
///
/// Nor can the application release what it gave to `prepare`:
///
/// ```compile_fail,E0382
/// # use hba_core::dma::{DmaMapper, MapDirection};
/// fn release<M: DmaMapper>(mapper: &mut M, memory: M::Memory) {
///     let mapped = mapper.prepare(memory, MapDirection::Both);
///     drop(memory);
/// }
/// ```
#[must_use = "memory and mapping are leaked unless this is completed"]
pub struct Mapped<M> {
    memory: ManuallyDrop<M>,
    segments: Vec<Segment>,
    len: u32,
    direction: MapDirection,
    route: Route,
    id: MappingId,
}

impl<M> Mapped<M> {
    /// Memory of `len` bytes that the platform has made ready, as `segments` in transfer order. Neighbours are joined here,
    /// once.
    ///
    /// # Errors
    ///
    /// The memory, when the segments do not describe exactly `len` bytes: a list that was cut off, or that says more than
    /// there is, never reaches a device.
    ///
    /// # Safety
    ///
    /// Every byte of every segment is `memory`'s, or a copy's that belongs to this mapping alone. It is wired, and mapped
    /// for the device in `direction`, until [`Self::into_memory`] is called for it. Nothing else touches it until then.
    pub unsafe fn new(
        memory: M,
        len: u32,
        segments: Vec<Segment>,
        direction: MapDirection,
        route: Route,
        id: MappingId,
    ) -> Result<Self, PrepareRefused<M>> {
        let described = segments.iter().map(|segment| u64::from(segment.len)).sum();
        if described != u64::from(len) {
            let reason = PrepareError::IncompleteList { described, len };
            return Err(PrepareRefused { memory, reason });
        }
        let segments = joined(segments);
        Ok(Self { memory: ManuallyDrop::new(memory), segments, len, direction, route, id })
    }

    /// The memory, for the platform that has unmapped it.
    ///
    /// # Safety
    ///
    /// The device can no longer reach the memory by this mapping.
    pub unsafe fn into_memory(self) -> M {
        ManuallyDrop::into_inner(self.memory)
    }

    /// The memory as the platform knows it, which stays where it is.
    ///
    /// # Safety
    ///
    /// The caller is the platform that made the mapping, and does nothing that unmaps or frees the memory.
    pub unsafe fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }

    /// Bytes.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the memory was prepared for.
    pub const fn direction(&self) -> MapDirection {
        self.direction
    }

    /// Whether the device reaches the memory itself or a copy.
    pub const fn route(&self) -> Route {
        self.route
    }

    /// The name of the mapping.
    pub const fn id(&self) -> MappingId {
        self.id
    }

    /// A request over this memory: [`Request::new`] with the transfer checked against the mapping.
    ///
    /// # Errors
    ///
    /// [`NotPrepared`] with the memory, when the transfer goes the other way or is longer.
    pub fn request(
        self,
        nexus: Nexus,
        cdb: Cdb,
        transfer: Transfer,
        cookie: Cookie,
    ) -> Result<Request<Self>, NotPrepared<M>> {
        let direction = transfer.wire_direction();
        let reason = if !self.direction.permits(direction) {
            Unfit::Direction { prepared: self.direction, wanted: direction }
        } else if transfer.length > self.len {
            Unfit::Length { prepared: self.len, wanted: transfer.length }
        } else {
            return Ok(Request::new(nexus, cdb, transfer, self, cookie));
        };
        Err(NotPrepared { mapped: self, reason })
    }
}

impl<M> fmt::Debug for Mapped<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, direction, segments, .. } = self;
        write!(f, "Mapped({len} bytes {direction} in {} segments)", segments.len())
    }
}

// SAFETY: what `new` was promised, until `into_memory`; a value that is dropped leaks its memory and keeps the mapping.
unsafe impl<M> DataBuffer for Mapped<M> {
    #[inline]
    fn segments(&self) -> &[Segment] {
        &self.segments
    }

    #[inline]
    fn is_joined(&self) -> bool {
        true
    }
}

/// The segments without empty ones, neighbours joined. Together they have less than 4 GiB.
fn joined(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.retain(|segment| segment.len != 0);
    segments.dedup_by(|next, last| {
        let continues = last.addr.raw().checked_add(u64::from(last.len)) == Some(next.addr.raw());
        if continues {
            last.len += next.len;
        }
        continues
    });
    segments
}

/// What lends an application's memory to a device: the rules of Apple's TN2090, as types.
///
/// * **Physical is not bus.** A [`BusAddr`](super::BusAddr) comes out of `prepare` and from nowhere else.
/// * **Wired.** `prepare` wires the memory, `complete` unwires it.
/// * **Direction.** Stated to `prepare`; [`Mapped::request`] refuses another one, an IOMMU faults it.
/// * **Lifetime.** The mapping begins with `prepare` and ends with `complete`, which needs the [`Mapped`] that a queue owns
///   while a command uses it. A queue gives it back when the adapter returned the command or was stopped.
///
/// A host that maps once keeps the [`Mapped`] for many commands: the core looks at nothing but its segments. Between two
/// commands it reads and writes the memory by [`read`](Self::read) and [`write`](Self::write), which also keep a copy in step.
pub trait DmaMapper {
    /// An application's memory.
    type Memory;

    /// Wires and maps `memory` so that the device reaches it in `direction`.
    ///
    /// Where the device cannot reach it, the mapping may go by way of a copy. That is never silent: [`Mapped::route`] tells it
    /// and [`counters`](Self::counters) count it.
    ///
    /// # Errors
    ///
    /// [`PrepareRefused`] with the memory; nothing is mapped or wired then.
    fn prepare(
        &mut self,
        memory: Self::Memory,
        direction: MapDirection,
    ) -> Result<Mapped<Self::Memory>, PrepareRefused<Self::Memory>>;

    /// Unmaps and unwires the memory, copies what the device wrote where it wrote to a copy, and gives the memory back.
    ///
    /// # Errors
    ///
    /// The mapping, if this mapper did not make it.
    fn complete(
        &mut self,
        mapped: Mapped<Self::Memory>,
    ) -> Result<Self::Memory, Mapped<Self::Memory>>;

    /// Copies bytes out of mapped memory that no command uses, from `offset` on: what the device wrote is seen.
    ///
    /// # Panics
    ///
    /// If the range lies outside of the memory, or the mapping is another mapper's.
    fn read(&mut self, mapped: &mut Mapped<Self::Memory>, offset: usize, into: &mut [u8]);

    /// Copies bytes into mapped memory that no command uses, from `offset` on: the device will see them.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    fn write(&mut self, mapped: &mut Mapped<Self::Memory>, offset: usize, from: &[u8]);

    /// What was done so far.
    fn counters(&self) -> MapperCounters;
}

/// What a mapper did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapperCounters {
    /// Mappings made.
    pub prepared: u64,
    /// Mappings ended.
    pub completed: u64,
    /// Mappings refused.
    pub refused: u64,
    /// Mappings made by way of a copy.
    pub bounced: u64,
    /// Bytes copied for them, both ways.
    pub bounced_bytes: u64,
}

impl MapperCounters {
    /// Mappings that live, those that were dropped and never completed included.
    pub const fn outstanding(&self) -> u64 {
        self.prepared - self.completed
    }
}

impl fmt::Display for MapperCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prepared, refused, bounced, bounced_bytes, .. } = self;
        write!(
            f,
            "{prepared} mappings, {} outstanding, {refused} refused; {bounced} by way of a copy, {bounced_bytes} bytes copied",
            self.outstanding()
        )
    }
}

/// Memory that was not prepared, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareRefused<M> {
    /// The memory as it was given.
    pub memory: M,
    /// Why.
    pub reason: PrepareError,
}

/// Why memory cannot be lent to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrepareError {
    /// A mapping has at least one byte and fewer than 2^32.
    Length {
        /// Bytes asked for.
        len: u64,
    },
    /// No more memory may be wired.
    Wire {
        /// Bytes to be wired.
        len: u64,
        /// Bytes that may still be wired.
        left: u64,
    },
    /// The IOMMU has no addresses left.
    NoAddresses {
        /// Bytes to be mapped.
        len: u64,
    },
    /// The device does not reach the memory, and copies are not permitted.
    OutOfReach(AddressFault),
    /// The device does not reach the memory, and there is no room for a copy.
    NoBounceMemory {
        /// What the device cannot be given.
        fault: AddressFault,
        /// Bytes of the copy.
        len: u32,
    },
    /// The scatter list does not describe the memory.
    IncompleteList {
        /// Bytes that it describes.
        described: u64,
        /// Bytes of the memory.
        len: u32,
    },
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { len } => write!(f, "{len} bytes cannot be mapped: 1 to 4294967295 can"),
            Self::Wire { len, left } => {
                write!(f, "{len} bytes cannot be wired, {left} more bytes may be")
            }
            Self::NoAddresses { len } => {
                write!(f, "the iommu has no addresses left for {len} bytes")
            }
            Self::OutOfReach(fault) => write!(f, "{fault}, and copies are not permitted"),
            Self::NoBounceMemory { fault, len } => {
                write!(f, "{fault}, and there is no memory for a copy of {len} bytes")
            }
            Self::IncompleteList { described, len } => {
                write!(f, "the scatter list describes {described} bytes of {len}")
            }
        }
    }
}

impl core::error::Error for PrepareError {}

/// Mapped memory that a transfer does not fit.
#[derive(Debug)]
pub struct NotPrepared<M> {
    /// The memory, mapped as before.
    pub mapped: Mapped<M>,
    /// Why.
    pub reason: Unfit,
}

/// Why a transfer does not fit a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// It moves bytes in a direction that the memory was not prepared for.
    Direction {
        /// What it was prepared for.
        prepared: MapDirection,
        /// What the transfer does.
        wanted: Direction,
    },
    /// It is longer than the memory.
    Length {
        /// Bytes of the memory.
        prepared: u32,
        /// Bytes of the transfer.
        wanted: u32,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direction { prepared, wanted } => {
                let wanted = match wanted {
                    Direction::None => "none",
                    Direction::ToDevice => "to the device",
                    Direction::FromDevice => "from the device",
                };
                write!(f, "the memory was prepared {prepared}, the transfer goes {wanted}")
            }
            Self::Length { prepared, wanted } => {
                write!(f, "{prepared} bytes of memory were prepared, the transfer has {wanted}")
            }
        }
    }
}

impl core::error::Error for Unfit {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::BusAddr;
    use crate::name::TargetId;
    use alloc::string::ToString;
    use alloc::vec;
    use scsi_proto::Lun;

    fn mapped(len: u32, direction: MapDirection) -> Result<Mapped<&'static str>, PrepareError> {
        let segments = vec![Segment::new(BusAddr::new(0x1000), 512); 2];
        let id = MappingId { mapper: 0, serial: 0 };
        // SAFETY: no device exists.
        let made = unsafe { Mapped::new("memory", len, segments, direction, Route::ZeroCopy, id) };
        made.map_err(|refused| refused.reason)
    }

    fn request(
        mapped: Mapped<&'static str>,
        transfer: Transfer,
    ) -> Result<Request<Mapped<&'static str>>, Unfit> {
        let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
        let cdb = Cdb::new(&[0x28; 10]).expect("ten bytes");
        mapped.request(nexus, cdb, transfer, Cookie(1)).map_err(|refused| refused.reason)
    }

    #[test]
    fn tn2090_a_truncated_list_makes_no_mapping() {
        let error = mapped(1025, MapDirection::Both).expect_err("one byte is not described");
        assert_eq!(error.to_string(), "the scatter list describes 1024 bytes of 1025");
        assert!(mapped(1023, MapDirection::Both).is_err(), "nor one that says more");
        assert_eq!(mapped(1024, MapDirection::Both).expect("whole").segments().len(), 2);
    }

    #[test]
    fn a_mapping_joins_neighbours_and_leaves_empty_segments_out() {
        let at = |addr, len| Segment::new(BusAddr::new(addr), len);
        let given = vec![
            at(0x1000, 512),
            at(0x1200, 0),
            at(0x1200, 512),
            at(0x1000, 512),
            at(0x9000, 0),
            at(0x1200, 512),
            at(0x1400, 1),
        ];
        let id = MappingId { mapper: 0, serial: 0 };
        // SAFETY: no device exists.
        let made = unsafe { Mapped::new((), 2049, given, MapDirection::Both, Route::ZeroCopy, id) };
        let mapped = made.expect("whole");
        assert_eq!(mapped.segments(), [at(0x1000, 1024), at(0x1000, 1025)]);
        assert!(mapped.is_joined());
    }

    #[test]
    fn tn2090_a_transfer_must_go_the_way_that_was_prepared() {
        use MapDirection::{Both, FromDevice, ToDevice};
        let (read, write) = (Transfer::from_device(1024), Transfer::to_device(1024));
        for (direction, transfer, fits) in [
            (ToDevice, write, true),
            (ToDevice, read, false),
            (FromDevice, read, true),
            (FromDevice, write, false),
            (Both, read, true),
            (Both, write, true),
            (ToDevice, Transfer::from_device(0), true),
            (Both, Transfer::to_device(1025), false),
        ] {
            let made = request(mapped(1024, direction).expect("whole"), transfer);
            assert_eq!(made.is_ok(), fits, "{direction:?} {transfer:?}");
        }
        let error =
            request(mapped(1024, ToDevice).expect("whole"), read).expect_err("the other way");
        assert_eq!(
            error.to_string(),
            "the memory was prepared to the device, the transfer goes from the device"
        );
    }
}
