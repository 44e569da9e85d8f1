//! IOC_INIT: the numbers and the memory that the host lends, checked before any of it is used.

use hba_core::dma::BusAddr;
use zerocopy::IntoBytes;

use super::codes::IocStatus;
use super::layout::{DefaultReply, IocInit, view};
use super::personality::{Facts, capability};
use super::queues::{FreeQueue, PostQueue};
use super::registers::IocState;
use super::violation::Violation;
use super::{Mpi2Controller, Via};

/// MsgFlags: the post queue address leads to an array of addresses.
const RDPQ_ARRAY_MODE: u8 = 0x01;
/// ConfigurationFlags: the host wants the core dump state.
const COREDUMP_ENABLE: u16 = 0x0002;
/// Bytes of an entry of that array.
const RDPQ_ENTRY: u64 = 16;
/// Reply post queues of an array that share an upper address half: 0 to 7, 8 to 15. Source: what Linux's `mpt3sas` keeps to since
/// 2020, for this generation and, with 16, for the next.
const RDPQ_SET: u64 = 8;
/// Alignment of pools and queues, in bytes.
const POOL_ALIGN: u32 = 16;
/// Entries of queues come in multiples of this.
const DEPTH_UNIT: u16 = 16;
/// The fewest dwords of a request frame: a SCSI IO with one element.
const FRAME_DWORDS_MIN: u16 = 28;

/// What the host said with IOC_INIT.
#[derive(Clone, Debug)]
pub(super) struct Init {
    /// Bytes from one request frame to the next.
    pub(super) frame_len: u32,
    pub(super) frame_base: BusAddr,
    /// High half of all sense buffer addresses.
    pub(super) sense_high: u32,
    /// High half of all reply frame addresses.
    pub(super) reply_high: u32,
    /// Whether a fault comes with a core dump.
    pub(super) coredump: bool,
    /// Whether an array says where the post queues are.
    pub(super) apart: bool,
    pub(super) posts: Vec<PostQueue>,
    pub(super) free: FreeQueue,
}

impl Init {
    /// Reply post queues.
    pub(super) fn vectors(&self) -> u8 {
        self.posts.len() as u8
    }
}

impl Mpi2Controller {
    pub(super) fn handle_ioc_init(&mut self, message: &[u8], via: Via) {
        let request: IocInit = view(message);
        let mut status = IocStatus::SUCCESS;
        if self.state != IocState::Ready || via != Via::Doorbell {
            status = IocStatus::INVALID_STATE;
        } else {
            match self.check_init(&request) {
                Ok(init) => {
                    self.init = Some(init);
                    self.who_init = request.who_init;
                    self.requests.clear();
                    self.state = IocState::Operational;
                }
                Err(violation) => {
                    self.note(violation);
                    status = IocStatus::INVALID_FIELD;
                }
            }
        }
        let reply = DefaultReply {
            specific: [request.who_init, 0],
            msg_length: (size_of::<DefaultReply>() / 4) as u8,
            function: request.function,
            msg_flags: request.msg_flags,
            ioc_status: status.0.into(),
            ..DefaultReply::default()
        };
        self.reply_bytes(via, reply.as_bytes());
    }

    fn check_init(&self, request: &IocInit) -> Result<Init, Violation> {
        check_fields(request, &self.personality.facts)?;
        let frame_base = request.system_request_frame_base.get();
        aligned("the request frame pool", frame_base)?;
        Ok(Init {
            frame_len: u32::from(request.system_request_frame_size.get()) * 4,
            frame_base: BusAddr::new(frame_base),
            sense_high: request.sense_buffer_high.get(),
            reply_high: request.system_reply_high.get(),
            coredump: request.configuration_flags.get() & COREDUMP_ENABLE != 0
                && self.personality.facts.can(capability::COREDUMP),
            apart: request.msg_flags & RDPQ_ARRAY_MODE != 0,
            posts: self.post_queues(request)?,
            free: free_queue(request)?,
        })
    }

    /// The reply post queues: one after the other, or where an array says.
    fn post_queues(&self, request: &IocInit) -> Result<Vec<PostQueue>, Violation> {
        let vectors = u64::from(request.host_msix_vectors.max(1));
        let depth = request.reply_post_queue_depth.get();
        let len = u64::from(depth) * PostQueue::ENTRY;
        let base = request.reply_post_queue.get();
        if request.msg_flags & RDPQ_ARRAY_MODE == 0 {
            pool("the reply post queues", base, len * vectors)?;
            let bases = (0..vectors).map(|vector| BusAddr::new(base + vector * len));
            return Ok(bases.map(|base| PostQueue::new(base, depth)).collect());
        }
        pool("the array of reply post queues", base, vectors * RDPQ_ENTRY)?;
        let address = |vector| {
            let entry = BusAddr::new(base + vector * RDPQ_ENTRY);
            let what = "the array of reply post queues";
            self.memory.read_u64(entry).map_err(|fault| Violation::Memory { what, fault })
        };
        let queue = |vector| {
            let base = BusAddr::new(address(vector)?);
            pool("a reply post queue", base.raw(), len)?;
            let first = BusAddr::new(address(vector / RDPQ_SET * RDPQ_SET)?);
            if base.high() != first.high() {
                return Err(Violation::SetApart { vector: vector as u8, address: base, first });
            }
            Ok(PostQueue::new(base, depth))
        };
        (0..vectors).map(queue).collect()
    }
}

fn free_queue(request: &IocInit) -> Result<FreeQueue, Violation> {
    let (base, depth) = (request.reply_free_queue.get(), request.reply_free_queue_depth.get());
    pool("the reply free queue", base, u64::from(depth) * FreeQueue::ENTRY)?;
    Ok(FreeQueue::new(BusAddr::new(base), depth))
}

/// The fields that are numbers.
fn check_fields(request: &IocInit, facts: &Facts) -> Result<(), Violation> {
    let refuse = |field, value: u64| Err(Violation::Init { field, value });
    let reserved = [
        u64::from(request.reserved_1),
        request.chain_offset.into(),
        request.reserved_2.get().into(),
        request.reserved_3.into(),
        request.vp_id.into(),
        request.vf_id.into(),
        request.reserved_4.get().into(),
        request.reserved_5.get().into(),
        request.reserved_8.get().into(),
    ];
    if let Some(value) = reserved.into_iter().find(|value| *value != 0) {
        return refuse("a reserved field", value);
    }
    let rdpq = facts.can(capability::RDPQ_ARRAY);
    let flags = request.msg_flags & !if rdpq { RDPQ_ARRAY_MODE } else { 0 };
    let version = request.msg_version.get();
    let frame = request.system_request_frame_size.get();
    let post = request.reply_post_queue_depth.get();
    let free = request.reply_free_queue_depth.get();
    let vectors = request.host_msix_vectors;
    match request.who_init {
        1..=5 => {}
        who => return refuse("who init", who.into()),
    }
    if version >> 8 != facts.version.number() >> 8 {
        return refuse("the message version", version.into());
    }
    if flags != 0 {
        return refuse("an unknown message flag", flags.into());
    }
    if vectors > facts.max_msix_vectors {
        return refuse("the number of vectors", vectors.into());
    }
    if frame < FRAME_DWORDS_MIN || !frame.is_multiple_of(4) {
        return refuse("the request frame size", frame.into());
    }
    // Linux has a reply free queue whose depth is no multiple of 16, and parts take it.
    let posts_fit = post != 0 && post <= facts.max_reply_post_queue_depth;
    if !posts_fit || !post.is_multiple_of(DEPTH_UNIT) {
        return refuse("the reply post queue depth", post.into());
    }
    if free < DEPTH_UNIT {
        return refuse("the reply free queue depth", free.into());
    }
    Ok(())
}

/// Checks memory of which only one upper address half is kept.
fn pool(what: &'static str, address: u64, len: u64) -> Result<(), Violation> {
    aligned(what, address)?;
    one_half(what, BusAddr::new(address), len)
}

fn aligned(what: &'static str, address: u64) -> Result<(), Violation> {
    if address.is_multiple_of(POOL_ALIGN.into()) {
        return Ok(());
    }
    Err(Violation::Misaligned { what, address: BusAddr::new(address), align: POOL_ALIGN })
}

/// Checks that all of `len` bytes have the same upper address half.
pub(super) fn one_half(what: &'static str, address: BusAddr, len: u64) -> Result<(), Violation> {
    let last = address.raw().checked_add(len.saturating_sub(1));
    if last.is_some_and(|last| last >> 32 == address.raw() >> 32) {
        return Ok(());
    }
    Err(Violation::Crosses4G { what, address, len })
}
