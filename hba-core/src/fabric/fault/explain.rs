//! A fault in words, with what is known of the controller that it befell.

use core::fmt;

use super::{Fault, FaultCause, FaultSource};
use crate::dma::BusAddr;
use crate::fabric::{Alias, AliasRule, Aliases, HostMapping};

/// What is known of the controller and its memory when a fault is looked at. All of it may be left out.
#[derive(Clone, Copy, Debug)]
pub struct FaultContext<'a> {
    /// The controller's requester IDs and which of them are mapped.
    pub mapping: &'a HostMapping,
    /// The memory that is mapped for the controller.
    pub memory: &'a [MappedRange<'a>],
}

/// Memory that is mapped for a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedRange<'a> {
    /// What it is for.
    pub name: &'a str,
    /// Its first byte as the controller sees it.
    pub first: BusAddr,
    /// Bytes.
    pub len: u64,
}

impl MappedRange<'_> {
    /// Whether `address` lies in it.
    pub const fn contains(&self, address: BusAddr) -> bool {
        address.raw().wrapping_sub(self.first.raw()) < self.len
    }
}

impl Fault {
    /// The fault in a sentence, and what to do about it.
    pub const fn explain<'a>(&'a self, context: &'a FaultContext<'a>) -> Explanation<'a> {
        Explanation { fault: self, context }
    }
}

/// A fault in words: displayed, a sentence that says what happened and what is to blame.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'a> {
    fault: &'a Fault,
    context: &'a FaultContext<'a>,
}

impl Explanation<'_> {
    /// The mapped memory that the address lies in.
    pub fn range(&self) -> Option<&MappedRange<'_>> {
        let address = self.fault.address?;
        self.context.memory.iter().find(|range| range.contains(address))
    }

    /// What to do about it: one sentence.
    pub const fn advice(&self) -> &'static str {
        match self.fault.cause {
            FaultCause::NoTable | FaultCause::UnknownRequester => {
                "map the memory for every requester ID of the controller (`hba doctor` lists them); where the host cannot, \
                 take a card without a bridge that takes ownership, or pass the IOMMU by"
            }
            FaultCause::NotMapped | FaultCause::NoAccess => {
                "map the memory before the controller is given its address, for the direction of the transfer, and keep it mapped \
                 until the command has come home"
            }
            FaultCause::Denied => {
                "map the memory for the direction of the transfer: a read command writes to memory, a write command reads it"
            }
            FaultCause::AboveWidth => {
                "take the addresses from the mapper of the PCI device itself; a mapping call without a mapper returns physical \
                 addresses"
            }
            FaultCause::BadTable | FaultCause::UnreadableTable => {
                "look for a defect of the host's IOMMU driver or of its memory: the tables are the host's"
            }
            FaultCause::Interrupt => {
                "give the controller the message address and data that the host assigned, and no other"
            }
            FaultCause::Forbidden => {
                "look whether the device uses address translation services that the host has not enabled"
            }
            FaultCause::Aborted | FaultCause::TimedOut => {
                "look for the first error that was recorded: this is often the consequence of another"
            }
            FaultCause::Other => "consult the unit's manual",
        }
    }

    /// An alias that a bridge makes, one that is not mapped before any other.
    fn bridge_alias(&self) -> Option<Alias> {
        let mapping = self.context.mapping;
        let mut made = mapping.aliases().into_iter().flat_map(Aliases::iter).filter(|alias| {
            !matches!(alias.rule, AliasRule::OwnId | AliasRule::DmaDevice | AliasRule::DeviceQuirk)
        });
        made.find(|alias| mapping.mapped().contains(alias.id) != Some(true))
    }

    fn write_what(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = self.fault.access;
        match (self.fault.cause, self.fault.source) {
            (FaultCause::NoTable, FaultSource::Stream(stream)) => {
                write!(f, "no translation table for stream {stream}")
            }
            (FaultCause::NoTable, FaultSource::Requester(id)) => {
                write!(f, "no translation table for requester ID {id}")
            }
            (FaultCause::NoTable, FaultSource::Unknown) => f.write_str("no translation table"),
            (FaultCause::UnknownRequester, _) => {
                f.write_str("the root port has no stream for the requester ID")
            }
            (FaultCause::NotMapped, _) => f.write_str("nothing is mapped at the address"),
            (FaultCause::Denied, _) => match access {
                Some(access) => write!(f, "a {access} of memory that is mapped, but not for it"),
                None => f.write_str("an access to memory that is mapped, but not for it"),
            },
            (FaultCause::NoAccess, _) => match access {
                Some(access) => write!(f, "nothing is mapped at the address for a {access}"),
                None => f.write_str("nothing is mapped at the address for this access"),
            },
            (FaultCause::AboveWidth, _) => match self.fault.address {
                Some(address) => {
                    write!(f, "a request at {address}, above the width that is translated")
                }
                None => f.write_str("a request above 32 bits"),
            },
            _ => f.write_str(self.fault.reason),
        }
    }

    fn write_blame(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault.cause {
            FaultCause::NoTable | FaultCause::UnknownRequester => self.write_requester(f),
            FaultCause::NotMapped | FaultCause::NoAccess | FaultCause::Denied => self.write_address(f),
            FaultCause::AboveWidth => f.write_str(
                ": the controller was given an address that no mapper made, most likely a physical one",
            ),
            FaultCause::BadTable | FaultCause::UnreadableTable => {
                f.write_str(": the translation tables are at fault, not the request")
            }
            FaultCause::Interrupt => f.write_str(": an interrupt message, not a data transfer"),
            _ => Ok(()),
        }
    }

    /// The request's name is to blame: no address was looked at.
    fn write_requester(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.fault.source, self.bridge_alias()) {
            (FaultSource::Requester(id), _) if self.is_foreign() => {
                write!(f, ": {id} is no requester ID of this controller")?;
            }
            (FaultSource::Requester(id), Some(alias)) if alias.id.raw() == id.raw() => {
                f.write_str(": the bridge's requester ID is not mapped")?;
            }
            (FaultSource::Requester(_), _) => f.write_str(": this requester ID is not mapped")?,
            (_, Some(_)) => f.write_str(": the bridge's requester ID is not mapped")?,
            (FaultSource::Stream(0), None) => f.write_str(
                ": requester IDs that the root port does not know end there, most often that of a bridge",
            )?,
            (_, None) => f.write_str(": the requester ID that it carries is not mapped")?,
        }
        match (self.fault.address, self.range()) {
            (Some(_), Some(_)) => f.write_str("; the address itself is fine"),
            (Some(address), None) if !self.context.memory.is_empty() => {
                write!(f, "; {address} is not among the mapped memory either")
            }
            (Some(_), None) => f.write_str("; the address was not looked at"),
            (None, _) => Ok(()),
        }
    }

    /// A requester ID is known, the controller's are, and it is none of them. Records do not name the domain.
    fn is_foreign(&self) -> bool {
        let FaultSource::Requester(id) = self.fault.source else { return false };
        self.context
            .mapping
            .aliases()
            .is_some_and(|aliases| aliases.iter().all(|alias| alias.id.raw() != id.raw()))
    }

    fn write_address(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(address) = self.fault.address else { return Ok(()) };
        match self.range() {
            Some(range) => write!(
                f,
                ": {address} lies in the {}, which are mapped otherwise, not yet, or no longer",
                range.name
            ),
            None if address.high() != 0 && address.raw().is_multiple_of(4096) => {
                write!(f, ": {address} looks like a physical address that no mapper made")
            }
            None => write!(f, ": {address}"),
        }
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_what(f)?;
        self.write_blame(f)
    }
}
