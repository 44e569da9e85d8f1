//! Volumes of IR firmware: listed by events and pages, used like any device.

use super::config::read_page;
use super::*;
use crate::mpi2::capability;

/// The slot of the first volume.
const VOLUME: usize = 8;

fn with_volume() -> Host {
    let host = Host::new(Personality::sas3008().with_integrated_raid());
    let volume = SimDisk::new(&DiskConfig::nth(20, 1 << 12)).unwrap();
    host.machine.attach(VOLUME, volume).unwrap();
    host
}

#[test]
fn a_volume_is_listed_and_its_members_hide() {
    let mut host = with_volume();
    host.init(&Start::default());
    let replies = host.enable();
    let events = replies.iter().filter(|reply| reply.frame[0] >> 24 == 7 && reply.smid == 0);
    let events = events.map(|reply| reply.event().0).collect::<Vec<_>>();
    assert_eq!(events, [0x16, 0x1d, 0x20, 0x16], "no topology entries for the members");
    let list = replies.iter().filter(|reply| reply.smid == 0).map(Reply::event);
    let (_, data) = list.into_iter().find(|(code, _)| *code == 0x20).unwrap();
    assert_eq!(data[0], 3, "three elements");
    assert_eq!(data[2..4], [11 << 16, 1], "volume 11 added");
    assert_eq!(data[4..6], [11 << 16 | 1, 9 << 16 | 4], "its member 9 hides");
    assert_eq!(data[6..8], [11 << 16 | 1, 10 << 16 | 1 << 8 | 4]);
}

#[test]
fn pages_describe_it() {
    let mut host = with_volume();
    host.init(&Start::default());
    host.enable();
    let volume = read_page(&mut host, 0x08, 0, 0xffff).unwrap();
    assert_eq!(volume.len(), 12);
    assert_eq!(volume[1], 0x0205_000b, "handle 11, optimal, mirrored");
    assert_eq!((volume[9] & 0xff, volume[11]), (2, 0x0001_0100), "two members");
    assert_eq!(read_page(&mut host, 0x08, 0, 11), Err(0x22), "no other");
    let names = read_page(&mut host, 0x08, 1, 0x1000_000b).unwrap();
    assert_eq!((names[12], names[13]), (0x0000_1501, 0x5000_c500), "WWID");
    let disk = read_page(&mut host, 0x0a, 0, 0xff).unwrap();
    assert_eq!((disk[1], disk[20] & 0xff), (9, 7), "disk 0 has handle 9, optimal");
    assert_eq!(read_page(&mut host, 0x0a, 0, 0).unwrap()[1], 0x0100_000a);
    assert_eq!(read_page(&mut host, 0x0a, 0, 1), Err(0x22));
    let all = read_page(&mut host, 0x16, 0, 0xff).unwrap();
    assert_eq!((all[2], all[11] & 0xff, all.len()), (0x0001_0200, 3, 18));
    assert_eq!(read_page(&mut host, 0x12, 0, 0x2000_000b), Err(0x22), "no SAS device");
    assert_eq!(host.complaints(), [""; 0]);
}

#[test]
fn commands_reach_it_by_its_handle() {
    let mut host = with_volume();
    let facts = host.handshake(&[0x03 << 24, 0, 0]);
    assert_eq!(facts[7] & capability::INTEGRATED_RAID, capability::INTEGRATED_RAID);
    assert_eq!((facts[6] >> 16, facts[13] >> 24), (0x2721, 2), "IR firmware, two volumes");
    host.init(&Start::default());
    host.enable();
    host.post_test(1, 11);
    assert_eq!(host.drain_one().scsi(), (2, 1), "power-on unit attention");
    host.post_test(1, 11);
    assert!(host.drain_one().is_success());
    assert!(host.machine.detach(VOLUME).is_some());
    let reply = host.drain_one();
    let (code, data) = reply.event();
    assert_eq!((code, data[3] & 0xff), (0x20, 2), "removed");
    host.post_test(1, 11);
    assert_eq!(host.drain_one().ioc_status(), 0x42);
}
