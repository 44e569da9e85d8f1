//! Request descriptors: posted by register, checked, and fetched in turn.

use alloc::collections::VecDeque;

use hba_core::register::RegOffset;

use super::codes::{IocStatus, function};
use super::init::{Init, one_half};
use super::layout::{RequestHeader, view};
use super::personality::{Facts, MpiVersion, capability};
use super::registers::{
    ATOMIC_REQUEST_POST, IocState, REQUEST_POST_HIGH, REQUEST_POST_LOW, request_type,
};
use super::violation::Violation;
use super::{Mpi2Controller, Route, Via};

/// Bits 4:1 of the first byte are the type; the others are reserved.
const TYPE_MASK: u8 = 0x1e;

/// A request descriptor. Source: measured layouts, `MPI2_DEFAULT_REQUEST_DESCRIPTOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Descriptor {
    flags: u8,
    vector: u8,
    smid: u16,
    lmid: u16,
    /// The device of a SCSI IO; reserved otherwise. An atomic descriptor has none.
    handle: Option<u16>,
}

impl Descriptor {
    const fn new(word: u64) -> Self {
        let bytes = word.to_le_bytes();
        Self {
            flags: bytes[0],
            vector: bytes[1],
            smid: u16::from_le_bytes([bytes[2], bytes[3]]),
            lmid: u16::from_le_bytes([bytes[4], bytes[5]]),
            handle: Some(u16::from_le_bytes([bytes[6], bytes[7]])),
        }
    }

    const fn atomic(word: u32) -> Self {
        Self { handle: None, ..Self::new(word as u64) }
    }

    const fn kind(self) -> u8 {
        self.flags & TYPE_MASK
    }

    const fn is_scsi_io(self) -> bool {
        matches!(self.kind(), request_type::SCSI_IO | request_type::FAST_PATH)
    }

    fn word(self) -> u64 {
        let [smid_0, smid_1] = self.smid.to_le_bytes();
        let [lmid_0, lmid_1] = self.lmid.to_le_bytes();
        let [handle_0, handle_1] = self.handle.unwrap_or(0).to_le_bytes();
        let bytes = [self.flags, self.vector, smid_0, smid_1, lmid_0, lmid_1, handle_0, handle_1];
        u64::from_le_bytes(bytes)
    }

    /// Whether this part knows the type, and all other bits are 0.
    fn is_known(self, facts: &Facts) -> bool {
        let known = match self.kind() {
            request_type::SCSI_IO | request_type::HIGH_PRIORITY | request_type::DEFAULT => true,
            request_type::FAST_PATH => facts.version >= MpiVersion::V2_5,
            _ => false,
        };
        let reserved = if self.is_scsi_io() { 0 } else { self.handle.unwrap_or(0) };
        known && self.flags & !TYPE_MASK == 0 && self.lmid == 0 && reserved == 0
    }
}

/// How a SMID is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Free,
    Normal,
    HighPriority,
}

/// Requests that were posted, and the SMIDs that are out.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    /// The low half of a descriptor whose high half has not come.
    low: Option<u32>,
    normal: VecDeque<Descriptor>,
    urgent: VecDeque<Descriptor>,
    uses: Vec<Use>,
    out: u16,
    out_urgent: u16,
}

impl Requests {
    pub(super) fn new(facts: &Facts) -> Self {
        let smids = usize::from(facts.request_credit) + usize::from(facts.high_priority_credit) + 1;
        Self {
            low: None,
            normal: VecDeque::new(),
            urgent: VecDeque::new(),
            uses: vec![Use::Free; smids],
            out: 0,
            out_urgent: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.low = None;
        self.normal.clear();
        self.urgent.clear();
        self.uses.fill(Use::Free);
        (self.out, self.out_urgent) = (0, 0);
    }

    /// The largest SMID.
    fn max(&self) -> u16 {
        (self.uses.len() - 1) as u16
    }

    /// The reply to a request is out: its SMID may be used again.
    pub(super) fn release(&mut self, smid: u16) {
        let Some(entry) = self.uses.get_mut(usize::from(smid)) else { return };
        match core::mem::replace(entry, Use::Free) {
            Use::Free => {}
            Use::Normal => self.out -= 1,
            Use::HighPriority => self.out_urgent -= 1,
        }
    }

    /// Requests without a reply.
    pub(super) const fn outstanding(&self) -> usize {
        self.out as usize + self.out_urgent as usize
    }

    fn take(&mut self, smid: u16, urgent: bool, facts: &Facts) -> Result<(), Violation> {
        let bad = Violation::Smid { smid, max: self.max() };
        let entry = self.uses.get_mut(usize::from(smid)).filter(|_| smid != 0).ok_or(bad)?;
        if *entry != Use::Free {
            return Err(Violation::SmidInUse { smid });
        }
        let (out, credits, kind) = if urgent {
            (&mut self.out_urgent, facts.high_priority_credit, Use::HighPriority)
        } else {
            (&mut self.out, facts.request_credit, Use::Normal)
        };
        if *out >= credits {
            return Err(Violation::Credits { credits, high_priority: urgent });
        }
        *out += 1;
        *entry = kind;
        Ok(())
    }
}

/// A request on its way through the controller.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) route: Route,
    /// The bytes of the frame that the controller has fetched.
    pub(super) frame: Vec<u8>,
}

impl Mpi2Controller {
    /// The low half of a descriptor.
    pub(super) fn post_low(&mut self, value: u32) {
        if self.requests.low.replace(value).is_some() {
            self.fault(Violation::TornDescriptor { offset: REQUEST_POST_LOW });
        }
    }

    /// The high half of a descriptor.
    pub(super) fn post_high(&mut self, value: u32) {
        match self.requests.low.take() {
            Some(low) => {
                let word = u64::from(value) << 32 | u64::from(low);
                self.post(Descriptor::new(word), REQUEST_POST_HIGH);
            }
            None => self.fault(Violation::TornDescriptor { offset: REQUEST_POST_HIGH }),
        }
    }

    /// A whole descriptor in 32 bits.
    pub(super) fn post_atomic(&mut self, value: u32) {
        if self.personality.facts.can(capability::ATOMIC_REQUEST) {
            self.post(Descriptor::atomic(value), ATOMIC_REQUEST_POST);
        } else {
            self.note(Violation::NoRegister { offset: ATOMIC_REQUEST_POST, value });
        }
    }

    fn post(&mut self, descriptor: Descriptor, offset: RegOffset) {
        match self.state {
            IocState::Operational => {}
            IocState::Ready => return self.fault(Violation::NotOperational { offset }),
            // Nobody is there to see it.
            IocState::Reset | IocState::Fault(_) | IocState::CoreDump(_) => return,
        }
        let urgent = descriptor.kind() == request_type::HIGH_PRIORITY;
        match self.check_descriptor(descriptor, urgent) {
            Ok(()) if urgent => self.requests.urgent.push_back(descriptor),
            Ok(()) => self.requests.normal.push_back(descriptor),
            Err(violation) => self.fault(violation),
        }
    }

    fn check_descriptor(&mut self, descriptor: Descriptor, urgent: bool) -> Result<(), Violation> {
        let facts = &self.personality.facts;
        if !descriptor.is_known(facts) {
            return Err(Violation::Descriptor { descriptor: descriptor.word() });
        }
        let vectors = self.init.as_ref().map_or(1, Init::vectors);
        if facts.can(capability::MSI_X_INDEX) && descriptor.vector >= vectors {
            return Err(Violation::Vector { vector: descriptor.vector, vectors });
        }
        self.requests.take(descriptor.smid, urgent, facts)
    }

    /// Fetches and handles one request.
    pub(super) fn fetch_request(&mut self) -> bool {
        if self.state != IocState::Operational {
            return false;
        }
        let urgent = self.requests.urgent.pop_front();
        let Some(descriptor) = urgent.or_else(|| self.requests.normal.pop_front()) else {
            return false;
        };
        match self.fetch(descriptor) {
            Ok(request) => self.handle(descriptor.kind(), request),
            Err(violation) => self.fault(violation),
        }
        true
    }

    fn fetch(&self, descriptor: Descriptor) -> Result<Request, Violation> {
        let Some(init) = &self.init else {
            return Err(Violation::NotOperational { offset: REQUEST_POST_HIGH });
        };
        let Descriptor { smid, vector, .. } = descriptor;
        // All frames have the upper address half of the first: one adder, 32 bits.
        let from_base = u64::from(smid) * u64::from(init.frame_len);
        let what = "the request frame pool";
        one_half(what, init.frame_base, from_base + u64::from(init.frame_len))?;
        let at = init.frame_base.offset(from_base);
        let len = u32::from(self.personality.facts.request_frame_size) * 4;
        let mut frame = vec![0; len.min(init.frame_len) as usize];
        let fetched = self.memory.read(at, &mut frame);
        fetched.map_err(|fault| Violation::Memory { what: "a request frame", fault })?;
        let chooses = self.personality.facts.can(capability::MSI_X_INDEX);
        let vector = if chooses { vector } else { 0 };
        let request = Request { route: Route { smid, vector }, frame };
        check_type(descriptor, &request)?;
        Ok(request)
    }

    fn handle(&mut self, kind: u8, request: Request) {
        let header: RequestHeader = view(&request.frame);
        let via = Via::Queue(request.route);
        match (kind, header.function) {
            (request_type::HIGH_PRIORITY, function::SCSI_TASK_MGMT) => {
                self.handle_task_mgmt(&request.frame, request.route);
            }
            (_, function::SCSI_IO) => {
                self.begin_scsi_io(request, kind == request_type::FAST_PATH);
            }
            // Task management that waits its turn behind the commands that it is for.
            (_, function::SCSI_TASK_MGMT) => {
                self.note(Violation::DescriptorType {
                    smid: request.route.smid,
                    kind,
                    function: header.function,
                });
                self.refuse(&request.frame, IocStatus::INVALID_FUNCTION, via);
            }
            _ => self.handle_message(&request.frame, via),
        }
    }
}

/// What hardware takes from the descriptor has to be what the frame says.
fn check_type(descriptor: Descriptor, request: &Request) -> Result<(), Violation> {
    let header: RequestHeader = view(&request.frame);
    let (smid, kind, function) = (descriptor.smid, descriptor.kind(), header.function);
    let fits = match kind {
        request_type::HIGH_PRIORITY => function == function::SCSI_TASK_MGMT,
        request_type::DEFAULT => true,
        _ => function == function::SCSI_IO,
    };
    if !fits {
        return Err(Violation::DescriptorType { smid, kind, function });
    }
    let in_frame = u16::from_le_bytes(header.specific);
    match descriptor.handle.filter(|_| descriptor.is_scsi_io()) {
        Some(handle) if handle != in_frame => {
            Err(Violation::DescriptorHandle { smid, descriptor: handle, frame: in_frame })
        }
        _ => Ok(()),
    }
}
