//! Memory that a device can reach: addresses, regions, buffers, scatter lists.
//!
//! This is the module of the crate that contains `unsafe`: memory that a device may write at any moment is reached
//! through raw volatile words in `region`, and the two promises that only a platform can make (a region's address, a
//! buffer's lifetime) are unsafe to give.

mod address;
mod buffer;
mod mapper;
mod plain;
mod region;
mod scatter;

pub use address::{AddressFault, AddressWidth, BusAddr, DmaWindow, FaultKind, Segment};
pub use buffer::{DataBuffer, NoData, RegionBuffer};
pub use mapper::{
    DmaMapper, MapDirection, Mapped, MapperCounters, MappingId, NotPrepared, PrepareError,
    PrepareRefused, Route, Unfit,
};
pub use plain::PlainWalk;
pub use region::{Coherent, DmaRecords, DmaRegion, DmaSync, DmaView, PairMut, RecordMut, RunMut};
pub use scatter::{Elements, ScatterError, SegmentLimits};
