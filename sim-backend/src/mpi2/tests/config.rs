//! Configuration pages, as drivers ask for them: the header, then the page.

use super::*;

/// A page as the host finds it: its dwords, or the status that refused it.
pub(super) fn read_page(
    host: &mut Host,
    kind: u32,
    number: u32,
    address: u32,
) -> Result<Vec<u32>, u32> {
    let data = host.buffer(512);
    let (plain, extended) = if kind > 0xf { (0xf, kind) } else { (kind, 0) };
    let mut words = [0; 11];
    words[0] = 0x04 << 24;
    words[1] = extended << 16;
    words[5] = plain << 24 | number << 16;
    words[6] = address;
    words[7] = 0xd300_0000;
    host.post_message(50, &words);
    let header = host.drain_one();
    assert_eq!(header.frame[5] >> 24 & 0xf, plain, "the type comes back, whatever the status");
    assert_eq!(header.frame[1] >> 16 & 0xff, extended);
    if header.ioc_status() != 0 {
        return Err(header.ioc_status());
    }
    let dwords = if extended == 0 { header.frame[5] >> 8 & 0xff } else { header.frame[1] & 0xffff };
    (words[0], words[5]) = (0x04 << 24 | 1, header.frame[5]);
    words[1] = header.frame[1];
    words[7] |= dwords * 4;
    (words[8], words[9]) = (data.bus().low(), data.bus().high());
    host.post_message(50, &words);
    let reply = host.drain_one();
    if reply.ioc_status() != 0 {
        return Err(reply.ioc_status());
    }
    let page = (0..dwords as usize).map(|i| data.read_u32(i * 4)).collect::<Vec<_>>();
    assert_eq!(page[0], header.frame[5], "the header is the page's");
    Ok(page)
}

/// Writes a page of plain type; the status.
fn write_page(host: &mut Host, action: u32, page: &[u32]) -> u32 {
    let mut data = host.buffer(512);
    for (i, word) in page.iter().enumerate() {
        data.write_u32(i * 4, *word);
    }
    let mut words = [0; 11];
    (words[0], words[5]) = (0x04 << 24 | action, page[0]);
    words[7] = 0xd700_0000 | (page.len() as u32 * 4);
    (words[8], words[9]) = (data.bus().low(), data.bus().high());
    host.post_message(50, &words);
    host.drain_one().ioc_status()
}

fn text(words: &[u32]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes()).take_while(|byte| *byte != 0);
    bytes.map(char::from).collect()
}

/// Type, number, address, dwords. Source of the sizes: measured layouts.
const PAGES: [(u32, u32, u32, usize); 25] = [
    (0x09, 0, 0, 19),
    (0x09, 1, 0, 65),
    (0x09, 10, 0, 26),
    (0x09, 11, 0, 23),
    (0x00, 0, 0, 5),
    (0x00, 1, 0, 2),
    (0x00, 7, 0, 10),
    (0x00, 8, 0, 10),
    (0x01, 0, 0, 7),
    (0x01, 1, 0, 6),
    (0x01, 6, 0, 15),
    (0x01, 7, 0, 8),
    (0x01, 8, 0, 6),
    (0x02, 2, 0, 28),
    (0x02, 3, 0, 24),
    (0x10, 0, 0, 4 + 8 * 5),
    (0x10, 1, 0, 5 + 8 * 3),
    (0x12, 0, 0x2000_0001, 17),
    (0x12, 0, 0x2000_0009, 17),
    (0x12, 1, 0x2000_0009, 12),
    (0x13, 0, 3, 8),
    (0x13, 1, 3, 7),
    (0x15, 0, 0x1000_0001, 10),
    (0x17, 0, 0x0002_0000, 12),
    (0x18, 0, 0x1000_0000, 9),
];

#[test]
fn pages_have_their_sizes() {
    for personality in [Personality::sas2008(), Personality::sas3008()] {
        let mut host = Host::started(personality);
        for (kind, number, address, dwords) in PAGES {
            let page = read_page(&mut host, kind, number, address);
            assert_eq!(page.map(|page| page.len()), Ok(dwords), "page {kind:#x} {number}");
        }
        assert_eq!(host.complaints(), [""; 0]);
    }
}

#[test]
fn the_controller_says_who_it_is() {
    let mut host = Host::started(Personality::sas3008());
    let page = read_page(&mut host, 9, 0, 0).unwrap();
    assert_eq!((text(&page[1..5]), text(&page[7..11])), ("LSISAS3008".into(), "SAS9300-8i".into()));
    let ioc = read_page(&mut host, 1, 0, 0).unwrap();
    assert_eq!((ioc[3], ioc[5], ioc[6]), (0x0097_1000, 0x01_0700, 0x30e0_1000));
}

#[test]
fn what_is_not_there_has_a_status() {
    let mut host = Host::started(Personality::sas2008());
    for (kind, number, address, status) in [
        (0x08, 0, 0xffff, 0x22),
        (0x0a, 0, 0xff, 0x22),
        (0x11, 0, 0xffff, 0x22),
        (0x16, 0, 0xff, 0x22),
        (0x12, 0, 0x2000_0020, 0x22),
        (0x12, 0, 10, 0x22),
        (0x13, 0, 8, 0x22),
        (0x15, 0, 1, 0x22),
        (0x09, 99, 0, 0x22),
        (0x1d, 0, 0, 0x21),
        (0x05, 0, 0, 0x21),
    ] {
        assert_eq!(read_page(&mut host, kind, number, address), Err(status), "{kind:#x} {number}");
    }
}

#[test]
fn a_header_is_there_whether_or_not_a_page_is() {
    let mut host = Host::started(Personality::sas2008());
    for (kind, dwords) in [(0x11, 15), (0x12, 17), (0x16, 24)] {
        let mut words = [0; 11];
        (words[0], words[1], words[5]) = (0x04 << 24, kind << 16, 0x0f00_0000);
        words[6] = 0x2000_0040;
        host.post_message(50, &words);
        let reply = host.drain_one();
        assert_eq!((reply.ioc_status(), reply.frame[1] & 0xffff), (0, dwords), "type {kind:#x}");
    }
}

#[test]
fn devices_are_found_by_walking_handles() {
    let mut host = Host::started(Personality::sas3008());
    let mut found = Vec::new();
    let mut from = 0xffff;
    while let Ok(page) = read_page(&mut host, 0x12, 0, from) {
        let handle = page[6] & 0xffff;
        found.push((
            handle,
            page[5] & 0xffff,
            page[7],
            u64::from(page[4]) << 32 | u64::from(page[3]),
        ));
        from = handle;
    }
    let (own, disks) = found.split_at(8);
    assert!(
        own.iter()
            .enumerate()
            .all(|(i, entry)| { *entry == (i as u32 + 1, 0, 0x71, 0x5006_05b0_0000_3008) })
    );
    assert_eq!(
        disks,
        [(9, 1, 0x0c01, 0x5000_c500_0000_0101), (10, 2, 0x0c01, 0x5000_c500_0000_0201)]
    );
    let phys = read_page(&mut host, 0x10, 0, 0).unwrap();
    assert_eq!(phys[3] & 0xff, 8);
    assert_eq!((phys[4], phys[6]), (0xbb00_0000, 1 << 16 | 9), "rate; our handle, theirs");
    assert_eq!((phys[4 + 10], phys[6 + 10]), (2, 3 << 16), "nothing at phy 2");
}

#[test]
fn changes_are_kept_as_long_as_they_were_meant() {
    let mut host = Host::started(Personality::sas2008());
    let mut page = read_page(&mut host, 0, 1, 0).unwrap();
    assert_eq!(page[0] >> 28, 3, "changeable, persistent");
    page[1] |= 0x20;
    assert_eq!(write_page(&mut host, 2, &page), 0);
    assert_eq!(read_page(&mut host, 0, 1, 0).unwrap()[1], page[1]);
    let coalescing = [read_page(&mut host, 1, 1, 0).unwrap()[0], 1, 2, 3, 4, 5];
    assert_eq!(write_page(&mut host, 4, &coalescing), 0);
    host.machine.cut_power(crate::machine::PowerDomain::Machine);
    host.machine.restore_power(crate::machine::PowerDomain::Machine);
    host.init(&Start::default());
    assert_ne!(read_page(&mut host, 0, 1, 0).unwrap()[1], page[1], "current is lost");
    assert_eq!(read_page(&mut host, 1, 1, 0).unwrap(), coalescing, "nvram is not");
    let fixed = read_page(&mut host, 9, 0, 0).unwrap();
    assert_eq!(write_page(&mut host, 2, &fixed), 0x25);
}

#[test]
fn a_buffer_that_is_not_there() {
    let mut host = Host::started(Personality::sas2008());
    let mut words = [0; 11];
    (words[0], words[5]) = (0x04 << 24 | 1, 0x0900_0000);
    (words[7], words[8]) = (0xd300_004c, 0x1000);
    host.post_message(50, &words);
    assert_eq!(host.drain_one().ioc_status(), 3);
    words[7] = 0xd300_0000;
    host.post_message(50, &words);
    assert_eq!(host.drain_one().ioc_status(), 0, "no room, nothing written");
}

#[test]
fn the_header_of_the_firmware_can_be_read() {
    let mut host = Host::started(Personality::sas3008());
    let data = host.buffer(256);
    let mut words = [0; 12];
    (words[0], words[6], words[7]) = (0x12 << 24 | 1, 0, 256);
    words[8..].copy_from_slice(&ieee_element(&data, 256));
    host.post_message(50, &words);
    let reply = host.drain_one();
    assert_eq!((reply.frame[0], reply.ioc_status(), reply.frame[5]), (0x1206_0001, 0, 256));
    assert_eq!([data.read_u32(4), data.read_u32(0x1c)], [0x5afa_a55a, 0x1000_0c00]);
    words[6] = 257;
    host.post_message(50, &words);
    assert_eq!(host.drain_one().ioc_status(), 7, "there is no more");
    words[0] = 0x12 << 24 | 2;
    host.post_message(50, &words);
    assert_eq!(host.drain_one().ioc_status(), 1, "no BIOS");
}

#[test]
fn what_the_model_does_not_do_is_refused_politely() {
    let mut host = Host::started(Personality::sas3008());
    for function in [0x09, 0x15, 0x16, 0x17, 0x18, 0x1a, 0x1c, 0x2c, 0x33, 0xff] {
        host.post_message(50, &[function << 24]);
        let reply = host.drain_one();
        assert_eq!((reply.frame[0] >> 24, reply.ioc_status()), (function, 1));
    }
    host.post_message(50, &[0x1d << 24]);
    assert_eq!(host.drain_one().ioc_status(), 0, "a trace buffer is posted");
    host.post_message(50, &[0x1d << 24]);
    assert_eq!(host.drain_one().ioc_status(), 7, "once");
    host.post_message(50, &[0x1e << 24]);
    assert_eq!(host.drain_one().ioc_status(), 0);
}
