//! From power-on to operational, as a driver does it.

use super::*;

fn both() -> [Host; 2] {
    [Personality::sas2008(), Personality::sas3008()].map(Host::new)
}

#[test]
fn facts_are_those_of_the_parts() {
    let [mut sas2008, mut sas3008] = both();
    assert_eq!(sas2008.read(DOORBELL), 0x1000_0000, "ready");
    let facts = sas2008.handshake(&[0x03 << 24, 0, 0]);
    assert_eq!(facts.len(), 17, "68 bytes");
    assert_eq!(facts[0], 0x0311_0200, "function, length, MPI 2.0");
    assert_eq!(facts[3] >> 16, 0, "status");
    assert_eq!(facts[5], 0x0101_0080, "one vector, one port, chain depth");
    assert_eq!(facts[6], 0x2213_0d68, "product and credits");
    assert_eq!(facts[7], 0x0001_285c, "capabilities of IT firmware");
    assert_eq!((facts[9] & 0xffff, facts[13] >> 16 & 0xff), (32, 32), "frame sizes");
    let facts = sas3008.handshake(&[0x03 << 24, 0, 0]);
    assert_eq!(facts[0], 0x0311_0205, "MPI 2.5");
    assert_eq!(facts[5] >> 24, 16);
    assert_eq!(facts[6] >> 16, 0x2221);
    assert_eq!(facts[7], 0x0007_a85c, "with RDPQ arrays, the fast path, MSI-X index");
    let port = sas3008.handshake(&[0x05 << 24, 0, 0]);
    assert_eq!((port.len(), port[3] >> 16, port[5] >> 8 & 0xff), (7, 0, 0x30));
    assert_eq!(sas3008.handshake(&[0x05 << 24, 0x01 << 16, 0])[3] >> 16, 7, "no port 1");
}

#[test]
fn a_controller_comes_up_and_tells_what_is_there() {
    for personality in [Personality::sas2008(), Personality::sas3008()] {
        let mut host = Host::new(personality);
        assert_eq!(host.init(&Start::default()), [0x0205_0004, 0, 0, 0, 0]);
        assert_eq!(host.read(DOORBELL), 0x2400_0000, "operational, who-init 4");
        let replies = host.enable();
        assert_eq!((replies[0].smid, replies[0].ioc_status()), (62, 0));
        let events = replies[1..6].iter().map(|r| r.event().0).collect::<Vec<_>>();
        assert_eq!(events, [0x16, 0x1d, 0x1c, 0x1c, 0x16]);
        let (_, topology) = replies[3].event();
        assert_eq!(topology[0], 1, "enclosure 1, no expander");
        assert_eq!(topology[2], 0x0000_0001, "one entry");
        assert_eq!(topology[3] & 0xffff, u32::from(DISK));
        assert_eq!(topology[3] >> 24, 1, "added");
        assert_eq!((replies[6].smid, replies[6].ioc_status()), (63, 0), "port enable comes last");
        assert_eq!(host.complaints(), [""; 0]);
    }
}

#[test]
fn a_message_unit_reset_forgets_all_but_the_devices() {
    let mut host = Host::started(Personality::sas3008());
    host.post_test(5, DISK);
    host.write(DOORBELL, 0x40 << 24);
    host.wait(INT_STATUS, STATUS_DOORBELL_PENDING, 0);
    assert_eq!(host.read(DOORBELL) >> 28, 0, "being reset");
    host.wait(DOORBELL, 0xf000_0000, 0x1000_0000);
    host.init(&Start::default());
    assert_eq!(host.drain(), [], "no reply of before");
    assert_eq!(host.enable().len(), 7, "discovery comes again");
    host.post_test(5, DISK);
    assert!(host.drain_one().is_success());
}

#[test]
fn a_reset_takes_the_memory_of_ioc_init_away() {
    let mut host = Host::started(Personality::sas3008());
    host.write(DOORBELL, 0x40 << 24);
    host.wait(INT_STATUS, STATUS_DOORBELL_PENDING, 0);
    host.wait(DOORBELL, 0xf000_0000, 0x1000_0000);
    host.write(REPLY_FREE_HOST_INDEX, 0);
    assert_eq!(host.complaints(), ["register 0x48 was written before ioc init"]);
}

#[test]
fn a_diagnostic_reset_takes_keys_and_time() {
    let mut host = Host::started(Personality::sas2008());
    host.write(HOST_DIAGNOSTIC, 4);
    assert_eq!(host.read(DOORBELL) >> 28, 2, "locked");
    for key in [0x0, 0xf, 0x4, 0xb, 0x2, 0x7, 0xd] {
        host.write(WRITE_SEQUENCE, key);
    }
    assert_eq!(host.read(HOST_DIAGNOSTIC), 0x80);
    host.write(HOST_DIAGNOSTIC, 0x84);
    assert_eq!(host.read(HOST_DIAGNOSTIC) & 4, 4, "under way");
    host.wait(HOST_DIAGNOSTIC, 4, 0);
    host.write(HOST_DIAGNOSTIC, 0xa0);
    host.write(WRITE_SEQUENCE, 0);
    assert_eq!(host.read(HOST_DIAGNOSTIC), 0x20, "history");
    assert_eq!(host.read(INT_MASK), 0x4000_0009, "all masked");
    host.wait(DOORBELL, 0xffff_ffff, 0x1000_0000);
    host.init(&Start::default());
    host.enable();
    host.post_test(5, DISK);
    assert_eq!(host.drain_one().scsi(), (2, 1), "the link went away: unit attention");
}

#[test]
fn firmware_that_is_held_does_not_start() {
    let mut host = Host::new(Personality::sas2008());
    for key in [0xf, 0x4, 0xb, 0x2, 0x7, 0xd] {
        host.write(WRITE_SEQUENCE, key);
    }
    host.write(HOST_DIAGNOSTIC, 0x86);
    host.machine.advance(Duration::from_secs(1));
    assert_eq!(host.read(DOORBELL) >> 28, 0);
    host.write(HOST_DIAGNOSTIC, 0);
    assert_eq!(host.read(DOORBELL) >> 28, 1);
}

#[test]
fn init_is_refused_with_a_reason() {
    let cases = [
        (3, 0x3900_0105, "ioc init: the message version is 0x105"),
        (5, 2 << 24, "ioc init: the number of vectors is 0x2"),
        (6, 8 << 16, "ioc init: the request frame size is 0x8"),
        (7, 32 << 16 | 100, "ioc init: the reply post queue depth is 0x64"),
        (7, 8 << 16 | 96, "ioc init: the reply free queue depth is 0x8"),
        (1, 1 << 24, "ioc init: an unknown message flag is 0x1"),
        (4, 7, "ioc init: a reserved field is 0x7"),
        (10, 0x88, "the request frame pool at 0x1200000088 is not aligned to 16 bytes"),
        (12, 0xffff_fe00, "the reply post queues, 768 bytes at 0x12fffffe00, crosses a 4 GiB line"),
    ];
    for (index, value, reason) in cases {
        let mut host = Host::new(Personality::sas2008());
        let start = Start { patches: vec![(index, value)], ..Start::default() };
        assert_eq!(host.init(&start)[3] >> 16, 7, "{reason}");
        assert_eq!(host.read(DOORBELL) >> 28, 1, "still ready");
        assert_eq!(host.complaints(), [reason]);
        assert_eq!(host.init(&Start::default())[3] >> 16, 0, "and a right one is taken");
    }
}

#[test]
fn only_start_up_goes_by_doorbell() {
    let mut host = Host::new(Personality::sas3008());
    assert_eq!(host.handshake(&[0x06 << 24, 0, 0])[3] >> 16, 1, "port enable");
    host.init(&Start::default());
    assert_eq!(host.init(&Start::default())[3] >> 16, 8, "one IOC_INIT is enough");
    assert_eq!(host.handshake(&[0x03 << 24, 0, 0])[5] >> 8 & 0xff, 4, "who-init");
}
