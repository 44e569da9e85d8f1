//! Configuration pages.

use super::*;

const IOC: u8 = 0x01;
const MANUFACTURING: u8 = 0x09;
const SAS_IO_UNIT: u8 = 0x10;
const SAS_DEVICE: u8 = 0x12;
const SAS_PHY: u8 = 0x13;

/// Status, and the length in dwords that the header has.
fn header(host: &mut Host, page_type: u8, number: u8, address: u32) -> (u32, u32) {
    let values = host.script(&Script::config_header(page_type, number, address));
    let reply = values.values("config header");
    let length = if page_type > 0xf { reply[1] & 0xffff } else { reply[5] >> 8 & 0xff };
    (reply[3] >> 16, length)
}

/// Reads (action 1) or writes (2) a page by frame; returns the status and the page.
fn page(host: &mut Host, action: u32, page_type: u8, number: u8, address: u32) -> (u32, Vec<u8>) {
    let data = host.machine.memory().allocate(256, 8).unwrap();
    let (plain, extended) = if page_type > 0xf { (0xf, page_type) } else { (page_type, 0) };
    host.post(&[
        0x04 << 24 | action,
        u32::from(extended) << 16,
        5,
        0,
        0,
        u32::from(plain) << 24 | u32::from(number) << 16,
        address,
        0xd300_0000 | 256,
        data.bus().low(),
        data.bus().high(),
    ]);
    let status = host.drain_one().ioc_status();
    let mut bytes = vec![0; 256];
    data.read_bytes(0, &mut bytes);
    (status, bytes)
}

#[test]
fn sizes_are_the_measured_ones() {
    for personality in [Personality::hardware(), Personality::qemu()] {
        let mut host = Host::started(personality);
        for (kind, number, bytes) in [
            (MANUFACTURING, 0, 76),
            (0, 0, 12),
            (0, 1, 8),
            (IOC, 0, 28),
            (IOC, 1, 16),
            (IOC, 2, 12),
            (SAS_IO_UNIT, 0, 16 + 8 * 16),
            (SAS_IO_UNIT, 1, 20 + 8 * 12),
            (SAS_PHY, 0, 36),
            (SAS_PHY, 1, 28),
        ] {
            assert_eq!(header(&mut host, kind, number, 0), (0, bytes / 4), "{kind:#x} {number}");
        }
        assert_eq!(header(&mut host, SAS_DEVICE, 0, 0xffff), (0, 9));
        for kind in [2, 3, 4, 8, 0x0a, 0x11, 0x15] {
            assert_eq!(header(&mut host, kind, 0, 0).0, 0x0021, "type {kind:#x}");
        }
    }
}

#[test]
fn devices_are_found_in_every_form() {
    for personality in [Personality::hardware(), Personality::qemu()] {
        let mut host = Host::started(personality);
        // Get next handle, from the start to the end.
        let mut handle = 0xffff;
        for id in 0..2_u64 {
            let (status, bytes) = page(&mut host, 1, SAS_DEVICE, 0, handle);
            assert_eq!(status, 0);
            assert_eq!(bytes[..8], [5, 0, 0, 0x0f, 9, 0, 0x12, 0]);
            let address = (0x5000_c500_0000_0000 + id).to_le_bytes();
            assert_eq!(bytes[0x0c..0x14], address);
            assert_eq!(u64::from(bytes[0x1a]), id, "target id");
            handle = u16::from_le_bytes([bytes[0x18], bytes[0x19]]).into();
            assert_eq!(u64::from(handle), 9 + id);
            let by_target = page(&mut host, 1, SAS_DEVICE, 0, 1 << 28 | id as u32);
            let by_handle = page(&mut host, 1, SAS_DEVICE, 0, 2 << 28 | handle);
            assert_eq!((&by_target.1, &by_handle.1), (&bytes, &bytes));
        }
        assert_eq!(page(&mut host, 1, SAS_DEVICE, 0, handle).0, 0x0022, "end of the iteration");
        assert_eq!(page(&mut host, 1, SAS_DEVICE, 0, 2 << 28).0, 0x0022);
        assert_eq!(page(&mut host, 1, SAS_DEVICE, 0, 1 << 28 | 0x100).0, 0x0022, "bus 1");
        assert_eq!(page(&mut host, 1, SAS_PHY, 0, 8).0, 0x0022);
    }
}

#[test]
fn the_handle_of_a_phy_is_a_device_the_controller_itself() {
    let mut host = Host::started(Personality::hardware());
    let (status, bytes) = page(&mut host, 1, SAS_DEVICE, 0, 2 << 28 | 3);
    assert_eq!(status, 0);
    assert_eq!(bytes[0x0c..0x14], 0x5006_05b0_0000_1068_u64.to_le_bytes(), "its address");
    assert_eq!(bytes[0x18..0x20], [3, 0, 0, 0, 0x71, 0, 0, 0], "initiator, not a target");
    // The phys say whose they are: phy 1 of the IO unit, and its own page.
    let (_, bytes) = page(&mut host, 1, SAS_IO_UNIT, 0, 0);
    assert_eq!(bytes[0x10 + 16 + 8..][..4], [10, 0, 2, 0], "the device behind it, the controller");
    assert_eq!(page(&mut host, 1, SAS_PHY, 0, 1).1[8..10], [2, 0]);
    let mut qemu = Host::started(Personality::qemu());
    assert_eq!(page(&mut qemu, 1, SAS_DEVICE, 0, 2 << 28 | 3).0, 0x0022);
}

#[test]
fn pages_tell_who_they_are() {
    let mut host = Host::started(Personality::hardware());
    let (_, bytes) = page(&mut host, 1, MANUFACTURING, 0, 0);
    assert_eq!(bytes[..11], *b"\0\x13\0\x09SAS1068");
    let (_, bytes) = page(&mut host, 1, IOC, 0, 0);
    assert_eq!(bytes[0x0c..0x10], [0x00, 0x10, 0x54, 0x00]);
    let (_, bytes) = page(&mut host, 1, SAS_IO_UNIT, 0, 0);
    assert_eq!((bytes[0x0c], bytes[0x13], bytes[0x10 + 2 * 16 + 3]), (8, 9, 2), "phys and rates");
}

#[test]
fn coalescing_can_be_written_on_hardware_only() {
    let mut host = Host::started(Personality::hardware());
    assert_eq!(page(&mut host, 2, IOC, 1, 0).0, 0);
    let (_, bytes) = page(&mut host, 1, IOC, 1, 0);
    assert_eq!(bytes[4..16], [SimMemory::POISON; 12], "what the host's buffer contained");
    assert_eq!(page(&mut host, 2, IOC, 2, 0).0, 0x0025);
    let mut host = Host::started(Personality::qemu());
    assert_eq!(page(&mut host, 2, IOC, 1, 0).0, 0x0025);
    assert_eq!(page(&mut host, 9, IOC, 1, 0).0, 0x0020);
}
