//! SCSI IO: data, scatter lists, status and counts.

use super::*;
use crate::mpi1::registers::{DOORBELL, FaultCode};
use crate::mpi1::{IocState, IocStatus};
use crate::schedule::{CompletionOrder, Schedule};

const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 36, 0];
const READ: [u8; 10] = [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0];
const WRITE: [u8; 10] = [0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0];

fn both() -> [Host; 2] {
    [Host::started(Personality::hardware()), Host::started(Personality::qemu())]
}

#[test]
fn inquiry_with_a_64_bit_element() {
    for mut host in both() {
        let data = host.machine.memory().allocate(36, 8).unwrap();
        let sgl = [SGE_IN | 1 << 25 | 36, data.bus().low(), data.bus().high()];
        host.post_io(0, 0x1234_5678 & 0x1fff_ffff, &INQUIRY, 36, &sgl);
        assert_eq!(host.drain_one(), Reply::Context(0x1234_5678));
        let mut bytes = [0; 12];
        data.read_bytes(8, &mut bytes);
        assert_eq!(&bytes, b"SIM     DISK");
    }
}

#[test]
fn data_goes_out_and_comes_back_through_chains() {
    for personality in [Personality::hardware(), Personality::qemu()] {
        let mut host = Host::new(personality, 0x9000_0000);
        host.start();
        host.post_test(0, 0);
        assert_eq!(host.drain().len(), 1, "takes the unit attention of QEMU's reset");
        let mut data = host.machine.memory().allocate(512, 8).unwrap();
        data.write_bytes(0, &[7; 256]);
        data.write_bytes(256, &[9; 256]);
        let mut chain = host.machine.memory().allocate(32, 8).unwrap();
        let bus = data.bus().low();
        let list = |flags: u32| {
            [flags | 200, bus + 100, flags & 0x0400_0000 | 0xd100_0000 | 212, bus + 300]
        };
        for (cdb, flags) in [(WRITE, 0x1400_0000), (READ, 0x1000_0000_u32)] {
            chain.write_words(0, list(flags));
            let first = flags | 0x8000_0000 | 100;
            // The chain element is at dword 14 of the frame: 16 bytes at the chain buffer.
            let sgl = [first, bus, 0x3000_0010, chain.bus().low()];
            let mut words = host.io(0, 0x55, &cdb, 512, &sgl);
            words[0] |= 14 << 16;
            host.post(&words);
            assert_eq!(host.drain_one(), Reply::Context(0x55));
            if cdb == WRITE {
                data.fill(0, 512, 0);
            }
        }
        let mut back = [0; 512];
        data.read_bytes(0, &mut back);
        assert_eq!(back[..100], [7; 100]);
        assert_eq!(back[256..], [9; 256]);
    }
}

#[test]
fn underrun_overrun_and_bad_lists() {
    for mut host in both() {
        let data = host.machine.memory().allocate(600, 8).unwrap();
        assert_eq!(data.bus().high(), 0x12);
        let wide = |len: u32| [SGE_IN | 1 << 25 | len, data.bus().low(), data.bus().high()];
        host.post_io(0, 1, &INQUIRY, 100, &wide(100));
        let reply = host.drain_one();
        assert_eq!((reply.ioc_status(), reply.scsi()), (0x0045, (0, 0)));
        assert_eq!(reply.frame()[5], 36, "transfer count");

        host.post_io(0, 2, &READ, 100, &wide(100));
        let reply = host.drain_one();
        assert_eq!(reply.ioc_status(), 0x0044);

        host.post_io(0, 3, &READ, 512, &wide(511));
        let reply = host.drain_one();
        assert_eq!((reply.ioc_status(), reply.scsi()), (0x0003, (0, 4)), "the list is too short");
        assert_eq!(reply.context(), 3);
    }
}

#[test]
fn qemu_refuses_what_does_not_fit_the_cdb_unexecuted() {
    let mut host = Host::started(Personality::qemu());
    let data = host.machine.memory().buffer(512).unwrap().into_region();
    let sgl = [SGE_OUT | 1 << 25 | 512, data.bus().low(), data.bus().high()];
    host.post_io(0, 1, &READ, 512, &sgl);
    let reply = host.drain_one();
    assert_eq!((reply.ioc_status(), reply.scsi()), (0x0044, (0, 4)), "wrong direction");
    host.post_io(0, 2, &[0; 6], 0, &[0, 0]);
    assert_eq!(host.drain_one().ioc_status(), 0x0003, "an all-zero element");
    host.post_test(0, 3);
    assert_eq!(host.drain_one(), Reply::Context(3), "a zero-length one with end bits is fine");
    host.post_test(0, 0x7000_0004);
    assert_eq!(host.drain_one(), Reply::Context(0x7000_0004), "bits 30:29 are kept");
}

#[test]
fn check_condition_brings_sense() {
    for (mut host, qemu) in both().into_iter().zip([false, true]) {
        host.post_io(1, 9, &[0x55; 10], 0, &[SGE_IN, 0]);
        let reply = host.drain_one();
        assert_eq!(reply.ioc_status(), if qemu { 0x0045 } else { 0 });
        assert_eq!(reply.scsi(), (2, 1));
        assert_eq!(reply.frame()[5..7], [0, 18], "transfer count, sense count");
        let mut sense = [0; 18];
        host.sense.read_bytes(0, &mut sense);
        assert_eq!(sense, super::sense(5, 0x20));
    }
}

#[test]
fn a_short_sense_buffer_is_not_overrun() {
    for (mut host, count) in both().into_iter().zip([8, 18]) {
        host.sense.fill(0, 64, 0xee);
        let mut words = host.io(0, 9, &[0x55; 10], 0, &[SGE_IN, 0]);
        words[1] = 8 << 8 | 10;
        host.post(&words);
        assert_eq!(host.drain_one().frame()[6], count, "QEMU reports what there was");
        assert_eq!(host.sense.read_u32(8), 0xeeee_eeee);
    }
}

#[test]
fn addresses_that_lead_nowhere() {
    for mut host in both() {
        host.post_test(5, 1);
        assert_eq!(host.drain_one().ioc_status(), 0x0043, "nothing in slot 5");
        host.post_test(8, 2);
        assert_eq!(host.drain_one().ioc_status(), 0x0042);
        host.post_test(1 << 8, 3);
        assert_eq!(host.drain_one().ioc_status(), 0x0041);
        let mut words = host.io(0, 4, &[0; 6], 0, &[SGE_IN, 0]);
        words[3] = 7 << 8;
        host.post(&words);
        assert_eq!(host.drain_one().scsi(), (2, 1), "the target answers for a missing unit");
    }
}

#[test]
fn unmapped_memory_is_an_error_of_its_own_on_hardware() {
    let [mut hardware, mut qemu] = both();
    let sgl = [SGE_IN | 36, 0x1000];
    hardware.post_io(0, 1, &INQUIRY, 36, &sgl);
    assert_eq!(hardware.drain_one().ioc_status(), 0x0046);
    assert_eq!(hardware.machine.memory().faults().count(), 1);
    qemu.post_io(0, 1, &INQUIRY, 36, &sgl);
    assert_eq!(qemu.drain_one(), Reply::Context(1), "the emulator answers GOOD");
    hardware.write(REQUEST_FIFO, 0x40);
    let fault = IocState::Fault(FaultCode::HOST_MEMORY).doorbell_bits();
    assert_eq!(hardware.read(DOORBELL) & 0xf000_ffff, fault);
}

#[test]
fn the_size_hint_limits_what_hardware_fetches() {
    let mut host = Host::started(Personality::hardware());
    let data = host.machine.memory().buffer(512).unwrap().into_region();
    let (low, high) = (data.bus().low(), data.bus().high());
    // 48 bytes of request and 24 of elements; the controller fetches 64 bytes per step of the hint.
    let two = [0x1600_0000 | 256, low, high, SGE_OUT | 1 << 25 | 256, low + 256, high];
    let words = host.io(0, 1, &WRITE, 512, &two);
    for (i, word) in words.iter().enumerate() {
        host.requests.write_u32(i * 4, *word);
    }
    for (hint, good) in [(0, true), (1, false), (2, true)] {
        let bus = host.requests.bus().low();
        host.write(REQUEST_FIFO, bus | hint);
        let reply = host.drain_one();
        assert_eq!(reply == Reply::Context(1), good, "hint {hint}: {reply:x?}");
    }
}

#[test]
fn order_and_delay_are_the_schedule_s() {
    let mut host = Host::started(Personality::hardware());
    let run = |host: &mut Host| {
        (0..8).for_each(|context| host.post_test(0, context));
        host.drain().iter().map(Reply::context).collect::<Vec<_>>()
    };
    assert_eq!(run(&mut host), [0, 1, 2, 3, 4, 5, 6, 7]);
    host.machine.with_controller(|c| c.set_schedule(Schedule::new(CompletionOrder::Seeded(3))));
    let mixed = run(&mut host);
    assert_ne!(mixed, [0, 1, 2, 3, 4, 5, 6, 7]);
    host.machine.with_controller(|c| c.set_schedule(Schedule::new(CompletionOrder::Seeded(3))));
    assert_eq!(run(&mut host), mixed, "the seed decides");
    let delay = Duration::from_micros(10);
    host.machine.with_controller(|c| c.set_schedule(Schedule::default().with_delay(delay, delay)));
    assert_eq!(run(&mut host), []);
    assert_eq!(host.machine.next_due(), Some(host.machine.now() + delay));
    host.advance(10);
    assert_eq!(host.drain().len(), 8);
}

#[test]
fn commands_can_be_refused_by_order() {
    let mut host = Host::started(Personality::hardware());
    host.machine.with_controller(|c| c.faults_mut().refuse_commands = Some((1, IocStatus::BUSY)));
    host.post_test(0, 1);
    host.post_test(0, 2);
    let replies = host.drain();
    assert_eq!((replies[0].context(), replies[0].ioc_status()), (1, 0x0002));
    assert_eq!(replies[1], Reply::Context(2));
}
