//! What the host did against the rules, in words.

use alloc::collections::VecDeque;
use core::fmt;

use hba_core::dma::BusAddr;
use hba_core::register::RegOffset;

use super::registers::FaultCode;
use crate::memory::DmaFault;

/// One breach of a rule that hardware relies on. Most stop the controller; the others are answered with a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A request or an index came before IOC_INIT.
    NotOperational {
        /// The register.
        offset: RegOffset,
    },
    /// Nothing is there, on this part.
    NoRegister {
        /// Where.
        offset: RegOffset,
        /// What was written.
        value: u32,
    },
    /// The high half of a descriptor without a low half before it, or two low halves in a row.
    TornDescriptor {
        /// The half that was written.
        offset: RegOffset,
    },
    /// A request descriptor with a type that the part does not have, or with reserved bits.
    Descriptor {
        /// The descriptor.
        descriptor: u64,
    },
    /// A request descriptor whose type does not fit the function in its frame.
    DescriptorType {
        /// The request.
        smid: u16,
        /// Type of the descriptor.
        kind: u8,
        /// Function of the frame.
        function: u8,
    },
    /// A request descriptor and its frame name different devices.
    DescriptorHandle {
        /// The request.
        smid: u16,
        /// As the descriptor has it.
        descriptor: u16,
        /// As the frame has it.
        frame: u16,
    },
    /// SMID 0, or one beyond all credits.
    Smid {
        /// The request.
        smid: u16,
        /// The largest.
        max: u16,
    },
    /// A SMID was posted again before its reply.
    SmidInUse {
        /// The request.
        smid: u16,
    },
    /// More requests outstanding than there are credits.
    Credits {
        /// The credits.
        credits: u16,
        /// Whether they are those of high-priority requests.
        high_priority: bool,
    },
    /// A vector that IOC_INIT did not set up.
    Vector {
        /// The vector.
        vector: u8,
        /// How many there are.
        vectors: u8,
    },
    /// Memory of which only one upper address half exists lies on both sides of a 4 GiB line.
    Crosses4G {
        /// What lies there.
        what: &'static str,
        /// Its start.
        address: BusAddr,
        /// Its length in bytes.
        len: u64,
    },
    /// A reply post queue of an array has another upper address half than the first of its set of eight.
    SetApart {
        /// Its vector.
        vector: u8,
        /// Its address.
        address: BusAddr,
        /// That of the first of the set.
        first: BusAddr,
    },
    /// An address that is not aligned as it must be.
    Misaligned {
        /// What lies there.
        what: &'static str,
        /// The address.
        address: BusAddr,
        /// The alignment in bytes.
        align: u32,
    },
    /// The controller was sent to memory that it cannot reach.
    Memory {
        /// What was to be there.
        what: &'static str,
        /// What memory said.
        fault: DmaFault,
    },
    /// A reply free index beyond the queue.
    FreeIndex {
        /// The index.
        index: u32,
        /// Entries of the queue.
        depth: u16,
    },
    /// An entry of a reply post queue that was given back is not all ones: in the next round the host would take what is
    /// in it for a new reply.
    NotRestored {
        /// The queue.
        vector: u8,
        /// The entry.
        index: u16,
    },
    /// A reply free index that goes back: handlers of two vectors have overtaken each other. It is not taken.
    FreeIndexBack {
        /// The index.
        index: u32,
    },
    /// A reply frame was given that the controller has already. It is not taken again.
    FrameTwice {
        /// Low half of its address.
        address: u32,
    },
    /// A reply post index beyond the queue, or beyond what was posted.
    PostIndex {
        /// The queue.
        vector: u8,
        /// The index.
        index: u32,
        /// Where the controller posts next.
        posted: u16,
        /// Entries of the queue.
        depth: u16,
    },
    /// A field of IOC_INIT that the part cannot work with.
    Init {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A field of a request that is wrong or reserved.
    Field {
        /// The request.
        smid: u16,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A scatter list that breaks a rule.
    ScatterList {
        /// The request.
        smid: u16,
        /// The rule.
        problem: SglProblem,
    },
}

/// What is wrong with a scatter list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SglProblem {
    /// It ends before the data does.
    TooShort,
    /// The data ends before it does.
    NoEnd,
    /// It runs out of the frame or the chain segment.
    OutOfRoom,
    /// An element of a type that does not belong there.
    ElementType,
    /// An element that does not point to host memory.
    AddressSpace,
    /// An element for the other direction.
    Direction,
    /// Reserved bits.
    Reserved,
    /// An address with bit 63 set.
    Address,
    /// A simple element without data in the middle of the list.
    Empty,
    /// More chain segments than the part follows.
    ChainDepth,
    /// A chain segment that is longer than the part takes, or not whole elements.
    ChainLength,
    /// A chain segment where no memory is.
    ChainMemory,
}

impl Violation {
    /// The fault code that the controller stops with; the numbers are this model's own.
    #[must_use]
    pub const fn code(&self) -> FaultCode {
        FaultCode(match self {
            Self::NotOperational { .. } => 0x5101,
            Self::NoRegister { .. } => 0x5102,
            Self::TornDescriptor { .. } => 0x5103,
            Self::Descriptor { .. } => 0x5104,
            Self::DescriptorType { .. } => 0x5105,
            Self::DescriptorHandle { .. } => 0x5106,
            Self::Smid { .. } => 0x5107,
            Self::SmidInUse { .. } => 0x5108,
            Self::Credits { .. } => 0x5109,
            Self::Vector { .. } => 0x510a,
            Self::Crosses4G { .. } => 0x510b,
            Self::Misaligned { .. } => 0x510c,
            Self::SetApart { .. } => 0x5116,
            Self::Memory { .. } => 0x510d,
            Self::FreeIndex { .. } => 0x510e,
            Self::FrameTwice { .. } => 0x510f,
            Self::PostIndex { .. } => 0x5110,
            Self::FreeIndexBack { .. } => 0x5114,
            Self::NotRestored { .. } => 0x5115,
            Self::Init { .. } => 0x5111,
            Self::Field { .. } => 0x5112,
            Self::ScatterList { .. } => 0x5113,
        })
    }
}

/// The last breaches and how many there were.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    count: u64,
    last: VecDeque<Violation>,
}

impl Violations {
    /// How many are kept; older ones are only counted.
    pub const KEPT: usize = 32;

    /// All breaches so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The last [`KEPT`](Self::KEPT) breaches, oldest first.
    pub fn last(&self) -> impl Iterator<Item = &Violation> {
        self.last.iter()
    }

    pub(super) fn record(&mut self, violation: Violation) {
        self.count += 1;
        if self.last.len() == Self::KEPT {
            self.last.pop_front();
        }
        self.last.push_back(violation);
    }
}

/// One line for each breach that was kept.
impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.last.iter().try_for_each(|violation| writeln!(f, "{violation}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOperational { offset } => {
                write!(f, "register {offset} was written before ioc init")
            }
            Self::NoRegister { offset, value } => {
                write!(f, "{value:#x} was written to {offset}, where the part has no register")
            }
            Self::TornDescriptor { offset } => {
                write!(f, "a half of a request descriptor was written to {offset} out of turn")
            }
            Self::Descriptor { descriptor } => {
                write!(f, "{descriptor:#018x} is no request descriptor of this part")
            }
            Self::DescriptorType { smid, kind, function } => {
                write!(f, "smid {smid}: function {function:#04x} came with descriptor {kind:#04x}")
            }
            Self::DescriptorHandle { smid, descriptor, frame } => write!(
                f,
                "smid {smid}: the descriptor names device {descriptor:#06x}, the frame {frame:#06x}"
            ),
            Self::Smid { smid, max } => write!(f, "smid {smid} is not from 1 to {max}"),
            Self::SmidInUse { smid } => {
                write!(f, "smid {smid} was posted again before its reply")
            }
            Self::Credits { credits, high_priority } => {
                let kind = if *high_priority { "high-priority " } else { "" };
                write!(f, "more {kind}requests are outstanding than the {credits} credits")
            }
            Self::Vector { vector, vectors } => {
                write!(f, "vector {vector} is not one of the {vectors} of ioc init")
            }
            Self::Crosses4G { what, address, len } => {
                write!(f, "{what}, {len} bytes at {address}, crosses a 4 GiB line")
            }
            Self::SetApart { vector, address, first } => write!(
                f,
                "the reply post queue of vector {vector} at {address} is in another 4 GiB than the first of its set of 8, \
                 at {first}"
            ),
            Self::Misaligned { what, address, align } => {
                write!(f, "{what} at {address} is not aligned to {align} bytes")
            }
            Self::Memory { what, fault } => write!(f, "{what}: {fault}"),
            Self::FreeIndex { index, depth } => {
                write!(f, "reply free index {index} is beyond the {depth} entries of the queue")
            }
            Self::NotRestored { vector, index } => {
                write!(
                    f,
                    "entry {index} of the reply post queue of vector {vector} is not all ones"
                )
            }
            Self::FreeIndexBack { index } => write!(f, "reply free index {index} goes back"),
            Self::FrameTwice { address } => {
                write!(f, "the reply frame at {address:#010x} was given twice")
            }
            Self::PostIndex { vector, index, posted, depth } => write!(
                f,
                "reply post index {index} of vector {vector} is beyond {posted}, the next to be \
                 posted of {depth}"
            ),
            Self::Init { field, value } => write!(f, "ioc init: {field} is {value:#x}"),
            Self::Field { smid, field, value } => {
                write!(f, "smid {smid}: {field} is {value:#x}")
            }
            Self::ScatterList { smid, problem } => write!(f, "smid {smid}: {problem}"),
        }
    }
}

impl fmt::Display for SglProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "the scatter list ends before the data",
            Self::NoEnd => "the scatter list goes on after the data",
            Self::OutOfRoom => "the scatter list runs out of its frame or segment",
            Self::ElementType => "the scatter list has an element of a wrong type",
            Self::AddressSpace => "a scatter element does not point to host memory",
            Self::Direction => "a scatter element is for the other direction",
            Self::Reserved => "a scatter element has reserved bits set",
            Self::Address => "a scatter element has address bit 63 set",
            Self::Empty => "a scatter element in the middle of the list is empty",
            Self::ChainDepth => "the scatter list has more chain segments than the part follows",
            Self::ChainLength => "a chain segment has a length that the part does not take",
            Self::ChainMemory => "a chain segment is where the controller reaches no memory",
        })
    }
}
