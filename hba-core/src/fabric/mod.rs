//! The fabric between a controller and memory: PCI bridges and what they make of requester IDs.
//!
//! A request for memory carries the requester ID of the function that makes it, and an IOMMU finds the function's mapping by that
//! ID. A bridge on the way may put its own in its place. [`dma_aliases`] says which IDs a function's requests may appear
//! under: all must be mapped, or a controller's first fetch ends in a fault. A host that knows what it has mapped says so in
//! [`HostMapping`], and bring-up refuses to begin where something is missing.

mod alias;
mod fault;
mod mapping;
mod quirks;
mod requester;
pub mod text;
mod topology;

pub use alias::{Alias, AliasRule, Aliases, NoSuchFunction, dma_aliases};
pub use fault::{
    Access, Explanation, Fault, FaultCause, FaultContext, FaultField, FaultRecord, FaultSource,
    FaultUnit, MappedRange, NoFault, RecordError, decode_fault,
};
pub use mapping::{HostMapping, MappedIds, MissingAliases, PreflightError};
pub use quirks::{DevFnSet, PciId, Quirks};
pub use requester::{DevFn, Domain, ParseRequesterIdError, RequesterId};
pub use topology::{BridgeKind, Function, FunctionKind, RootBus, Topology, TopologyError};
