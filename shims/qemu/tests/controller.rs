//! The controllers as they come up, and one command through every part of the shim.

mod common;

use core::time::Duration;
use std::os::unix::fs::FileExt;

use common::{Data, Initiator, Reply, message_unit_reset, read_handshake, send_handshake, start};
use hba_core::dma::{AddressWidth, BusAddr, Segment};
use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_qemu::serde_json::json;
use hba_qemu::{
    BlockFilter, Config, Controller, DiskConfig, InterruptMode, QmpError, Throttle, Zone,
};

/// IOC facts: function 03h, three dwords.
const IOC_FACTS: [u32; 3] = [0x0300_0000, 0, 0x1234];

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn ioc_facts_come_by_doorbell() {
    let Some(qemu) = start(Config::default()) else { return };
    let mut registers = qemu.registers();
    message_unit_reset(&mut registers);
    send_handshake(&mut registers, &IOC_FACTS);
    let facts: [u16; 40] = read_handshake(&mut registers);
    assert_eq!(facts[0], 0x0105, "message version");
    assert_eq!(facts[1], 0x0300 + 80 / 4, "function and length in dwords");
    assert_eq!(facts[4], 0x1234, "context");
    assert_eq!(facts[7], 0, "IOC status");
    assert_eq!(facts[15], 0x2102, "product id");

    let pci = qemu.pci();
    assert_eq!((pci.vendor_id, pci.device_id), (0x1000, 0x0054));
    assert_eq!(pci.memory_bar().map(|bar| bar.len), Some(16 << 10));
    assert_eq!(qemu.qmp().query_status(), Ok("prelaunch".to_owned()));
}

#[test]
fn an_msi_is_taken_once() {
    let Some(qemu) = start(Config::default()) else { return };
    let (mut registers, interrupt) = (qemu.registers(), qemu.interrupt());
    message_unit_reset(&mut registers);
    registers.write32(common::INTERRUPT_MASK, 0);
    assert!(!interrupt.take());
    send_handshake(&mut registers, &IOC_FACTS);
    assert!(interrupt.is_pending());
    assert!(interrupt.wait(LIMIT));
    assert!(!interrupt.take());
    read_handshake::<40>(&mut registers);
}

#[test]
fn intx_is_a_level() {
    let config = Config { interrupt: InterruptMode::IntX, ..Config::default() };
    let Some(qemu) = start(config) else { return };
    let (mut registers, interrupt) = (qemu.registers(), qemu.interrupt());
    message_unit_reset(&mut registers);
    registers.write32(common::INTERRUPT_MASK, 0);
    registers.write32(common::INTERRUPT_STATUS, 0);
    assert!(!interrupt.take());
    send_handshake(&mut registers, &IOC_FACTS);
    assert!(interrupt.take() && interrupt.take(), "stays until the status is cleared");
    registers.write32(common::INTERRUPT_MASK, 0x9);
    assert!(!interrupt.take(), "masked");
    read_handshake::<40>(&mut registers);
}

#[test]
fn data_moves_between_disk_and_memory_on_both_sides_of_4_gib() {
    let mut second = DiskConfig::memory(1 << 20).with_block_sizes(4096, 4096);
    second.scsi_id = Some(5);
    let config = Config {
        disks: vec![DiskConfig::memory(64 << 40), second],
        ram_above_4g: 16 << 20,
        ..Config::default()
    };
    let Some(qemu) = start(config) else { return };
    let data: Vec<u8> = (0..4096u32).map(|i| (i * 7) as u8).collect();
    for zone in [Zone::Below4G, Zone::Above4G] {
        let mut initiator = Initiator::new(&qemu, zone);
        let mut buffer = qemu.memory().buffer_in(zone, 4096).expect("room");
        assert_eq!(region_bus(&buffer).high(), u32::from(zone == Zone::Above4G));
        initiator.clear_unit_attention(5);
        // WRITE(10) of block 3, one block of 4,096 bytes.
        let write = cdb(&[0x2a, 0, 0, 0, 0, 3, 0, 0, 1, 0]);
        buffer.write(&data);
        assert_eq!(
            initiator.execute(5, write, Data::Write(region_bus(&buffer), 4096)),
            Reply::Good
        );
        let mut stored = vec![0; 4096];
        let file = qemu.disk_file(1).expect("a memory disk");
        file.read_exact_at(&mut stored, 3 * 4096).expect("read");
        assert_eq!(stored, data);

        // The other direction: what the host stores, READ(10) returns.
        file.write_all_at(&[0xa5; 4096], 3 * 4096).expect("write");
        let read = cdb(&[0x28, 0, 0, 0, 0, 3, 0, 0, 1, 0]);
        assert_eq!(initiator.execute(5, read, Data::Read(region_bus(&buffer), 4096)), Reply::Good);
        buffer.read(&mut stored);
        assert_eq!(stored, [0xa5; 4096]);
    }
    let window = qemu.memory().window(AddressWidth::BITS_64);
    assert!(window.contains(Segment::new(BusAddr::new((1 << 32) + (16 << 20) - 1), 1)));
    assert!(!window.contains(Segment::new(BusAddr::new((1 << 32) + (16 << 20)), 1)));
    // READ CAPACITY(16) of the large disk: last block and block size.
    let mut initiator = Initiator::new(&qemu, Zone::Below4G);
    initiator.clear_unit_attention(0);
    let capacity = qemu.memory().buffer(32).expect("room");
    let read_capacity = cdb(&[0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32]);
    let reply = initiator.execute(0, read_capacity, Data::Read(region_bus(&capacity), 32));
    assert_eq!(reply, Reply::Good);
    let mut answer = [0; 12];
    capacity.read(&mut answer);
    assert_eq!(answer, [0, 0, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0]);
}

#[test]
fn a_block_filter_fails_the_flush() {
    let mut disk = DiskConfig::memory(1 << 20);
    disk.filters.push(BlockFilter::fail_io("flush", 5, false));
    let Some(qemu) = start(Config { disks: vec![disk], ..Config::default() }) else { return };
    let mut initiator = Initiator::new(&qemu, Zone::Below4G);
    initiator.clear_unit_attention(0);
    let buffer = qemu.memory().buffer(512).expect("room");
    let write = cdb(&[0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(initiator.execute(0, write, Data::Write(region_bus(&buffer), 512)), Reply::Good);
    let synchronize_cache = cdb(&[0x35]);
    let failed = Reply::Frame { ioc_status: 0x0045, sense: [0x0b, 0, 6] };
    assert_eq!(initiator.execute(0, synchronize_cache, Data::None), failed);
}

#[test]
fn a_read_only_disk_is_write_protected() {
    let mut disk = DiskConfig::memory(1 << 20);
    disk.read_only = true;
    let Some(qemu) = start(Config { disks: vec![disk], ..Config::default() }) else { return };
    let mut initiator = Initiator::new(&qemu, Zone::Below4G);
    initiator.clear_unit_attention(0);
    let buffer = qemu.memory().buffer(512).expect("room");
    let write = cdb(&[0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    let refused = Reply::Frame { ioc_status: 0x0045, sense: [7, 0x27, 0] };
    assert_eq!(initiator.execute(0, write, Data::Write(region_bus(&buffer), 512)), refused);
}

#[test]
fn throttles_reach_the_disk_and_unknown_disks_are_refused() {
    let config = Config { disks: vec![DiskConfig::memory(1 << 20)], ..Config::default() };
    let Some(qemu) = start(config) else { return };
    let qmp = qemu.qmp();
    let limits = || {
        let block = qmp.execute("query-block", json!({})).expect("query-block");
        let inserted = &block[0]["inserted"];
        (inserted["bps"].clone(), inserted["iops"].clone())
    };
    qmp.set_io_throttle(0, Throttle { bytes_per_s: 4096, requests_per_s: 2 }).expect("set");
    assert_eq!(limits(), (json!(4096), json!(2)));
    qmp.set_io_throttle(0, Throttle::default()).expect("lifted");
    assert_eq!(limits(), (json!(0), json!(0)));
    let refused = qmp.set_io_throttle(9, Throttle::default());
    assert!(matches!(refused, Err(QmpError::Refused { .. })), "{refused:?}");
}

#[test]
fn a_controller_that_was_pulled_out_reads_all_ones() {
    let Some(mut qemu) = start(Config::default()) else { return };
    let (mut registers, memory) = (qemu.registers(), qemu.memory());
    let mut region = memory.allocate(64, 64).expect("room");
    qemu.kill();
    assert_eq!(registers.read32(common::DOORBELL), ALL_ONES);
    registers.write32(common::DOORBELL, 0);
    assert!(registers.is_gone());
    assert!(!qemu.interrupt().take());
    assert!(matches!(qemu.qmp().query_status(), Err(QmpError::Gone { .. })));
    drop(qemu);
    region.write_u32(0, 7);
    assert_eq!(region.read_u32(0), 7, "memory stays as long as a region of it");
}

#[test]
fn megaraid_models_are_set_up_too() {
    // The outbound scratch pad: ready, 80 elements, 1,000 or 1,008 commands.
    let models =
        [(Controller::Megasas, 0xb0, 0xb450_03e8), (Controller::MegasasGen2, 0xb0, 0xb450_03f0)];
    for (controller, scratch_pad, expected) in models {
        let Some(qemu) = start(Config { controller, ..Config::default() }) else { return };
        assert_eq!(qemu.registers().read32(RegOffset(scratch_pad)), expected);
    }
}

fn cdb(bytes: &[u8]) -> [u8; 16] {
    core::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0))
}

fn region_bus(buffer: &hba_core::dma::RegionBuffer) -> BusAddr {
    hba_core::dma::DataBuffer::segments(buffer)[0].addr
}
