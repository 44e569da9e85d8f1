//! Forged replies: whatever the controller posts, nothing of it is used unchecked.

use hba_core::command::Failure;
use hba_core::dma::{BusAddr, Coherent, DmaRegion};
use hba_core::name::Vector;
use hba_core::port::{
    BadReply, ControlPort, Delivery, Disowned, Generation, Misrouted, PortEvent, QueuePort, Reply,
    Tag, Transferred, Unclaimed, WireTag,
};
use hba_core::register::{RegOffset, Registers};
use hba_core::time::Instant;
use zerocopy::FromZeros;

use super::config::{Facts, Mpi2Config, Plan};
use super::control::Mpi2;
use super::note::{self, Note};
use super::queue::{ENTRY, Mpi2Queue, QueueMemory};
use super::replies::ReplyWindow;
use super::sgl::FRAME;
use crate::reply::REPLY_FRAME;
use crate::sense::SENSE_STRIDE;
use crate::status::{NONSENSE, SUCCESS};
use crate::wire::mpi2::{IocCapabilities2, IocFactsReply2};

const REPLIES: u64 = 0x20_0000;
/// What the reply frames hold, by number.
const UNDERRUN: u32 = 0;
const LENGTH_HUGE: u32 = 1;
const LENGTH_ZERO: u32 = 2;
const EVENT: u32 = 3;
const SENSE_HUGE: u32 = 4;
const NOTE: u32 = 5;
const CONTRADICTION: u32 = 6;

fn facts() -> IocFactsReply2 {
    IocFactsReply2 {
        msg_version: 0x0205.into(),
        request_credit: 200.into(),
        high_priority_credit: 8.into(),
        max_reply_post_queue_depth: 1024.into(),
        ioc_request_frame_size: 32.into(),
        reply_frame_size: 32,
        max_msix_vectors: 4,
        max_dev_handle: 64.into(),
        ioc_capabilities: IocCapabilities2::MSI_X_INDEX.0.into(),
        ..IocFactsReply2::new_zeroed()
    }
}

fn plan() -> Plan {
    let config = Mpi2Config { vectors: 4, whole_descriptors: true, ..Mpi2Config::default() };
    Plan::new(&config, Facts::check(&facts()).expect("good facts"))
}

/// Word 0: length, function. Word 3: status, state, IOC status.
fn frame(head: u32, status: u32, count: u32, sense: u32) -> [u32; 7] {
    [head, 0, 0, status, 0, count, sense]
}

/// Queue 1 of four, with the frames above.
fn queue(plan: &Plan) -> Mpi2Queue {
    let len = usize::from(plan.limits.queue_depth) * SENSE_STRIDE;
    queue_with(plan, DmaRegion::detached(len, BusAddr::new(0x50_0000)))
}

fn queue_with(plan: &Plan, sense: DmaRegion) -> Mpi2Queue {
    let region = |len, bus| DmaRegion::detached(len, BusAddr::new(bus));
    let depth = usize::from(plan.limits.queue_depth);
    let mut frames = region(usize::from(plan.replies) * REPLY_FRAME, REPLIES);
    let contents = [
        frame(0x000d_0000, 0x0045_0000, 100, 0),
        frame(0x00ff_0000, 0x0045_0000, 7, 0),
        frame(0x0000_0000, 0x0000_0000, 0, 0),
        frame(0x0708_0000, 0, 0, 0),
        frame(0x000d_0000, 0x0045_0102, 0, u32::MAX),
        frame(0xff08_0000, 0, 0, 0),
        frame(0x000d_0000, 0x0000_0c00, 512, 0),
    ];
    for (at, words) in contents.into_iter().enumerate() {
        frames.write_words(at * REPLY_FRAME, words);
    }
    let memory = QueueMemory {
        post: region(usize::from(plan.post_depth) * ENTRY, 0x10_0000),
        frames: region(depth * FRAME, 0x30_0000),
        chains: region(depth * plan.chains.bytes(), 0x40_0000),
        sense,
        replies: ReplyWindow::new(frames.into_view(), plan.replies),
    };
    Mpi2Queue::new(Coherent, 1, plan, memory)
}

/// What the controller posts: type, SMID, second word.
fn served(descriptors: &[(u32, u16, u32)]) -> (Mpi2Queue, Vec<Reply>) {
    let mut queue = queue(&plan());
    for (at, (kind, smid, high)) in descriptors.iter().enumerate() {
        queue.forge(at, [kind | u32::from(*smid) << 16, *high]);
    }
    let replies = drain(&mut queue);
    (queue, replies)
}

/// Every reply until the queue is empty, notes apart.
fn drain(queue: &mut Mpi2Queue) -> Vec<Reply> {
    let mut replies = Vec::new();
    for _ in 0..10_000 {
        match queue.next_reply() {
            Reply::Empty => return replies,
            // As the core does with a name that it has no slot for.
            Reply::Success(name) if name.tag.0 >= plan().limits.queue_depth => {
                if let Disowned::Bad(bad) = queue.disown(name, Unclaimed::NoSlot) {
                    replies.push(Reply::Bad(bad));
                }
            }
            reply => replies.push(reply),
        }
    }
    panic!("no end of replies");
}

/// Whether the last word to Control is that the controller has lost its mind.
fn is_distrusted(queue: &Mpi2Queue) -> bool {
    Note::of(queue.message()) == Some(Note::Distrust)
}

fn address(frame: u32) -> u32 {
    REPLIES as u32 + frame * REPLY_FRAME as u32
}

fn name(tag: u16) -> WireTag {
    WireTag { tag: Tag(tag), generation: Generation(0) }
}

fn base() -> u16 {
    plan().base(1)
}

#[test]
fn f026_tag_zero_mpi2() {
    let (queue, replies) = served(&[(0, 0, 0)]);
    assert_eq!(replies[0], Reply::Bad(BadReply::UnknownTag { raw: 0 }));
    assert!(is_distrusted(&queue));
}

#[test]
fn f027_tag_above_max_mpi2() {
    for smid in [201, 0x7fff, 0xffff] {
        let (queue, replies) = served(&[(0, smid, 0)]);
        assert_eq!(replies[0], Reply::Bad(BadReply::UnknownTag { raw: smid.into() }));
        assert!(is_distrusted(&queue));
    }
}

#[test]
fn f034_wrong_queue_mpi2() {
    // Another queue's command is not ours to end: Control takes the news there.
    let (queue, replies) = served(&[(0, base() - 1, 0), (0, base(), 0)]);
    assert_eq!(replies, [Reply::Success(name(0)), Reply::Message]);
    let smid = u32::from(base()) - 1;
    assert_eq!(Note::of(queue.message()), Some(Note::Misrouted(0, &[smid])));

    let mut queue = crate::mpi2::tests::queue(&plan());
    queue.forge(0, [1 | smid << 16, address(UNDERRUN)]);
    assert_eq!(queue.next_reply(), Reply::Message);
    let Some(Note::MisroutedReply(0, named, reply)) = Note::of(queue.message()) else {
        panic!("{:?}", queue.message())
    };
    assert_eq!((u32::from(named), reply[3], reply[5]), (smid, 0x0045_0000, 100));
    assert_eq!(queue.next_reply(), Reply::Message, "the frame");
    assert_eq!(queue.next_reply(), Reply::Empty);

    // Where the reply belongs it ends the command after everything that came by itself.
    queue.deliver(Tag(3), &NONSENSE);
    queue.forge(1, [u32::from(base()) << 16, 0]);
    assert_eq!(drain(&mut queue), [Reply::Success(name(0)), Reply::Detail(name(3))]);
    assert_eq!(*queue.detail(), NONSENSE);
}

#[test]
fn f035_internal_tag_as_io_mpi2() {
    let internal = 1 + plan().commands();
    let (queue, replies) = served(&[(0, internal, 0)]);
    assert_eq!(replies[0], Reply::Bad(BadReply::UnknownTag { raw: internal.into() }));
    assert!(is_distrusted(&queue));
    let (queue, replies) = served(&[(1, internal, address(UNDERRUN))]);
    assert_eq!(replies[0], Reply::Bad(BadReply::Function { function: 0 }));
    assert!(is_distrusted(&queue));
}

#[test]
fn f036_hipri_tag_as_io_mpi2() {
    let task = 1 + plan().commands() + 5;
    let (queue, replies) = served(&[(0, task, 0)]);
    assert_eq!(replies[0], Reply::Bad(BadReply::UnknownTag { raw: task.into() }));
    assert!(is_distrusted(&queue));
}

#[test]
fn f037_unknown_type_mpi2() {
    let (queue, replies) = served(&[(3, base(), 0); 15]);
    assert!(replies.iter().all(|r| *r == Reply::Bad(BadReply::Function { function: 3 })));
    assert!(!is_distrusted(&queue), "fifteen are borne");
    let (queue, _) = served(&[(3, base(), 0); 16]);
    assert!(is_distrusted(&queue));
}

#[test]
fn f038_half_written_mpi2() {
    let mut queue = queue(&plan());
    queue.forge(0, [u32::from(base()) << 16, u32::MAX]);
    assert_eq!(drain(&mut queue), []);
    queue.forge(0, [u32::MAX, 0]);
    assert_eq!(drain(&mut queue), []);
    queue.forge(0, [u32::from(base()) << 16, 0]);
    assert_eq!(drain(&mut queue), [Reply::Success(name(0))]);
}

#[test]
fn f042_stale_wrap_mpi2() {
    let plan = plan();
    let mut queue = queue(&plan);
    for lap in 0..3 {
        for at in 0..usize::from(plan.post_depth) {
            queue.forge(at, [u32::from(base()) << 16, 0]);
            assert_eq!(drain(&mut queue), [Reply::Success(name(0))], "lap {lap}");
        }
    }
    assert_eq!(drain(&mut queue), [], "entries of the last lap are erased");
}

#[test]
fn f045_skip_entry_mpi2() {
    let mut queue = queue(&plan());
    queue.forge(1, [u32::from(base()) << 16, 0]);
    assert_eq!(drain(&mut queue), [], "the hole blocks");
}

#[test]
fn f050_addr_outside_pool_mpi2() {
    let end = address(plan().replies.into());
    for forged in [0, 0x80, address(0) - 128, end, 0xffff_ff80] {
        let (queue, replies) = served(&[(1, base(), forged)]);
        assert_eq!(replies[0], Reply::Detail(name(0)), "the tag is trusted, the frame is not");
        assert_eq!(queue.detail().delivery, Delivery::Failed(Failure::BadReply));
        assert_eq!(replies[1], Reply::Bad(BadReply::FrameAddress { raw: forged }));
        assert!(is_distrusted(&queue));
    }
}

#[test]
fn f051_addr_misaligned_mpi2() {
    let (queue, replies) = served(&[(1, base(), address(0) + 4)]);
    assert_eq!(replies[0], Reply::Detail(name(0)));
    assert_eq!(replies[1], Reply::Bad(BadReply::FrameAddress { raw: address(0) + 4 }));
    assert_eq!(replies.len(), 3, "no frame is given back, only the distrust is told");
    assert!(is_distrusted(&queue));
}

#[test]
fn f053_addr_twice_mpi2() {
    let twice = [(1, base(), address(UNDERRUN)), (1, base() + 1, address(UNDERRUN))];
    let (queue, replies) = served(&twice);
    assert_eq!(replies[..2], [Reply::Detail(name(0)), Reply::Detail(name(1))]);
    assert_eq!(queue.detail().delivery, Delivery::Failed(Failure::BadReply));
    assert_eq!(replies[2], Reply::Bad(BadReply::FrameNotOwned { raw: address(UNDERRUN) }));
    assert_eq!(replies[3..], [Reply::Message, Reply::Message], "one frame, then the distrust");
    assert!(is_distrusted(&queue));
}

#[test]
fn f054_msglen_huge_mpi2() {
    let (queue, replies) = served(&[(1, base(), address(LENGTH_HUGE))]);
    assert_eq!(replies[0], Reply::Detail(name(0)));
    assert_eq!(queue.detail().transferred, Transferred::Bytes(7));
}

#[test]
fn f055_msglen_zero_mpi2() {
    let (queue, replies) = served(&[(1, base(), address(LENGTH_ZERO))]);
    assert_eq!(replies[0], Reply::Detail(name(0)));
    assert_eq!(queue.detail().delivery, Delivery::Failed(Failure::BadReply));
    assert_eq!(replies[1], Reply::Bad(BadReply::MessageLength { words: 0 }));
}

#[test]
fn f056_function_mismatch_mpi2() {
    let (queue, replies) = served(&[(1, base(), address(EVENT))]);
    assert_eq!(replies[0], Reply::Detail(name(0)));
    assert_eq!(queue.detail().delivery, Delivery::Failed(Failure::BadReply));
    assert_eq!(replies[1], Reply::Bad(BadReply::Function { function: 7 }));
    assert!(is_distrusted(&queue));
}

#[test]
fn f058_sense_count_huge_mpi2() {
    let (queue, _) = served(&[(1, base(), address(SENSE_HUGE))]);
    assert_eq!(queue.detail().sense_len, 96);
}

#[test]
fn f067_status_contradiction_mpi2() {
    let (queue, _) = served(&[(1, base(), address(CONTRADICTION))]);
    assert_eq!(queue.detail().delivery, Delivery::Failed(Failure::Aborted), "the worst wins");
}

#[test]
fn a_reply_that_looks_like_a_note_of_ours_is_none() {
    let (queue, replies) = served(&[(1, 0, address(NOTE))]);
    assert_eq!(replies[0], Reply::Bad(BadReply::Function { function: note::NOTE }));
    assert!(is_distrusted(&queue));
}

/// Whatever lies in the sense buffers when a queue starts, after a reset or before all, is told as nobody's sense data.
#[test]
fn f058_sense_buffers_are_empty_from_a_restart_on_mpi2() {
    let plan = plan();
    let mut sense = DmaRegion::detached(
        usize::from(plan.limits.queue_depth) * SENSE_STRIDE,
        BusAddr::new(0x50_0000),
    );
    let len = sense.len();
    sense.fill(0, len, 0xaa);
    let mut queue = queue_with(&plan, sense);
    queue.restart();
    for tag in [0, plan.limits.queue_depth - 1] {
        let mut told = [0x55; SENSE_STRIDE];
        queue.read_sense(Tag(tag), &mut told);
        assert_eq!(told, [0; SENSE_STRIDE]);
    }
}

/// Two frames of those that all four queues share, and something else is always posted behind them.
#[test]
fn a_queue_that_never_runs_dry_gives_reply_frames_back() {
    let plan = Plan { replies: 16, ..plan() };
    let mut queue = queue(&plan);
    queue.forge(0, [1 | u32::from(base()) << 16, address(UNDERRUN)]);
    queue.forge(1, [1 | u32::from(base() + 1) << 16, address(CONTRADICTION)]);
    (2..20).for_each(|at| queue.forge(at, [u32::from(base() + 2) << 16, 0]));
    let replies: Vec<_> = (0..4).map(|_| queue.next_reply()).collect();
    let told = [0, 1].map(|tag| Reply::Detail(name(tag)));
    assert_eq!(replies, [told[0], told[1], Reply::Message, Reply::Success(name(2))]);
    let frames = [UNDERRUN, CONTRADICTION];
    assert_eq!(Note::of(queue.message()), Some(Note::Spent(0, &frames)));
}

#[test]
fn an_event_goes_to_control_and_its_frame_after_it() {
    let (queue, replies) = served(&[(1, 0, address(EVENT))]);
    assert_eq!(replies, [Reply::Message, Reply::Message]);
    assert_eq!(Note::of(queue.message()), Some(Note::Spent(0, &[EVENT])));
}

/// Registers that nobody reads.
struct Nothing;

impl Registers for Nothing {
    fn read32(&mut self, _: RegOffset) -> u32 {
        0
    }

    fn write32(&mut self, _: RegOffset, _: u32) {}

    fn write64(&mut self, _: RegOffset, _: u64) {}
}

/// Control with its memory, for four vectors.
fn control() -> Mpi2 {
    let config = Mpi2Config { vectors: 4, whole_descriptors: true, ..Mpi2Config::default() };
    let mut port = Mpi2::new(config);
    port.plan = Some(plan());
    let regions = port.memory_plan().regions.into_iter().zip(1..);
    let regions = regions.map(|(r, at)| DmaRegion::detached(r.len, BusAddr::new(at << 24)));
    assert_eq!(port.provide_memory(regions.collect()).expect("as planned").len(), 4);
    port
}

/// What a queue was told of another's command goes there, and not across a reset.
#[test]
fn f034_wrong_queue_goes_home_mpi2() {
    let mut port = control();
    let depth = plan().limits.queue_depth;
    let smids = [1, depth, depth + 1, 4 * depth, 4 * depth + 1, 0];
    let note = note::misrouted(0, smids.into_iter());
    port.handle_message(&note, Instant::ZERO, &mut Nothing);
    let homes: Vec<_> = core::iter::from_fn(|| port.poll_event()).collect();
    let places = [(0, 0), (0, depth - 1), (1, 0), (3, depth - 1)];
    let expected = places.map(|(vector, tag)| {
        let (vector, tag) = (Vector(vector), Tag(tag));
        PortEvent::Misrouted(Misrouted { vector, tag, detail: SUCCESS })
    });
    assert_eq!(homes, expected, "and none for SMIDs that no queue has");
    port.memory.as_mut().expect("provided").free.begin_epoch();
    port.handle_message(&note, Instant::ZERO, &mut Nothing);
    assert_eq!(port.poll_event(), None, "the reset has ended them");
}

/// The event of a topology list that states `stated` entries and has two, for the handles 9 and 10, which came.
fn topology(stated: u8) -> Vec<u8> {
    let head: [u32; 7] = [0x070c_0005, 0, 0, 0, 0, 0x1c, 0];
    let mut bytes: Vec<u8> = head.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut data = [0; 20];
    data[8] = stated;
    for (entry, handle) in data[12..].chunks_exact_mut(4).zip([9, 10]) {
        entry.copy_from_slice(&[handle, 0, 0x0b, 1]);
    }
    bytes.extend(data);
    bytes
}

/// What a list says that did not fit its frame is not to be had: only a look at everything finds those devices.
#[test]
fn a_topology_list_that_is_cut_off_leads_to_a_look_at_all_devices() {
    for (stated, cut) in [(2, false), (3, true), (255, true)] {
        let mut port = Mpi2::new(Mpi2Config::default());
        port.plan = Some(plan());
        let handled = port.handle_event(&topology(stated));
        assert_eq!(handled.is_err(), cut, "{stated}: {handled:?}");
        assert_eq!(port.resurvey, cut, "{stated} entries");
        assert_eq!([port.arrivals.pop(), port.arrivals.pop()], [Some(10), Some(9)], "both");
        assert!(!port.events.iter().any(|event| matches!(event, PortEvent::Distrust(_))));
    }
}

#[test]
fn facts_that_cannot_be_worked_with_are_refused() {
    assert!(Facts::check(&facts()).is_ok());
    let forged: [fn(&mut IocFactsReply2); 6] = [
        |f| f.msg_version = 0x0105.into(),
        |f| f.request_credit = 9.into(),
        |f| f.high_priority_credit = 0.into(),
        |f| f.max_reply_post_queue_depth = 63.into(),
        |f| f.ioc_request_frame_size = 31.into(),
        |f| f.reply_frame_size = 33,
    ];
    for (at, forge) in forged.into_iter().enumerate() {
        let mut facts = facts();
        forge(&mut facts);
        assert!(Facts::check(&facts).is_err(), "forged fact {at}");
    }
}

#[test]
fn whatever_the_credits_nothing_overflows_a_post_queue() {
    for credits in [10, 11, 25, 100, 1000, 10_000, u16::MAX] {
        for post in [64, 80, 128, 1024, 4096, u16::MAX] {
            for vectors in [1, 2, 5, 16] {
                let reply = IocFactsReply2 {
                    request_credit: credits.into(),
                    max_reply_post_queue_depth: post.into(),
                    max_msix_vectors: vectors,
                    ..facts()
                };
                let config = Mpi2Config { vectors, whole_descriptors: true, ..Default::default() };
                let plan = Plan::new(&config, Facts::check(&reply).expect("good facts"));
                let out = plan.limits.queue_depth + 9 + plan.replies;
                assert!(out < plan.post_depth, "{plan:?}");
                assert!(plan.post_depth <= post && plan.post_depth.is_multiple_of(16));
                assert!(plan.replies < plan.free_depth() && plan.replies > 0);
                let requests = u32::from(plan.limits.queue_depth) * u32::from(plan.limits.vectors);
                assert!(requests + 9 <= u32::from(credits), "{requests} of {credits}");
            }
        }
    }
}
