use proptest::prelude::*;

use super::*;
use crate::command::Bits;
use crate::wire::BufferTooSmall;

fn caching(wce: bool) -> [u8; CachingPage::LEN] {
    let mut page = [0; CachingPage::LEN];
    CachingPage::new(wce).emit(&mut page).unwrap();
    page
}

#[test]
fn disk_with_write_cache() {
    let data = [
        0x1f, 0, 0x10, 8, 0, 8, 0, 0, 0, 0, 2, 0, 0x88, 0x12, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0,
        0, 0, 0, 0, 0, 0,
    ];
    let mode = ModeParameters::parse_sense(&data, ModeForm::Six).unwrap();
    assert!(mode.header.dpofua());
    assert!(!mode.header.write_protected());
    let expected = BlockDescriptor { blocks: 0x8_0000, block_length: 512 };
    assert!(mode.block_descriptors().eq([expected]));
    let page = mode.page(page_code::CACHING, 0).unwrap();
    let caching = CachingPage::parse(page.bytes).unwrap();
    assert!(caching.wce && !caching.rcd && caching.ps);
    assert_eq!(caching.sync_progress, SyncProgress::NotReady);
}

#[test]
fn build_then_walk_all_pages() {
    for form in [ModeForm::Six, ModeForm::Ten] {
        let header =
            ModeHeader { long_lba: form == ModeForm::Ten, ..ModeHeader::disk(true, false) };
        let descriptor = BlockDescriptor { blocks: 77, block_length: 4096 };
        let subpage = [0x4a, 1, 0, 2, 9, 9];
        let mut out = [0xff; 80];
        let mut builder = ModeBuilder::new(form, header, &mut out);
        builder.block_descriptor(descriptor);
        builder.page(&caching(true));
        builder.page(&subpage);
        let len = builder.finish_sense().unwrap();
        let mode = ModeParameters::parse_sense(&out, form).unwrap();
        assert_eq!(mode.claimed_len, len);
        assert_eq!(mode.header, header);
        assert!(mode.block_descriptors().eq([descriptor]));
        let pages: Vec<_> = mode.pages().map(|page| (page.code, page.subpage)).collect();
        assert_eq!(pages, [(8, 0), (10, 1)]);
        assert_eq!(mode.page(10, 1).unwrap().bytes, subpage);
    }
}

#[test]
fn header_alone_is_enough() {
    // MODE SENSE(6) with an allocation length of 4, as Linux sends it.
    let mode = ModeParameters::parse_sense(&[0x1f, 0, 0x90, 8], ModeForm::Six).unwrap();
    assert_eq!(mode.claimed_len, 32);
    assert!(mode.header.write_protected() && mode.header.dpofua());
    assert_eq!(mode.pages().count(), 0);
    let truncated = Truncated { needed: 8, available: 7 };
    assert_eq!(ModeParameters::parse_sense(&[0; 7], ModeForm::Ten), Err(truncated));
}

#[test]
fn select_claims_no_length() {
    let mut out = [0xff; 24];
    let mut builder = ModeBuilder::new(ModeForm::Six, ModeHeader::default(), &mut out);
    builder.page(&caching(false));
    assert_eq!(builder.finish_select(), Ok(24));
    assert_eq!(out[..4], [0; 4]);
    let mode = ModeParameters::parse_select(&out, ModeForm::Six).unwrap();
    assert_eq!(mode.page(8, 0).unwrap().bytes, caching(false));
    let mut short = [0; 23];
    let mut builder = ModeBuilder::new(ModeForm::Six, ModeHeader::default(), &mut short);
    builder.page(&caching(false));
    assert_eq!(builder.finish_select(), Err(BufferTooSmall { needed: 24, available: 23 }));
}

#[test]
fn short_and_zero_length_pages() {
    let scsi2 = [0x08, 0x0a, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let page = CachingPage::parse(&scsi2).unwrap();
    let mut out = [0xff; 12];
    assert_eq!(page.emit(&mut out), Ok(12));
    assert_eq!(out, scsi2);
    assert_eq!(CachingPage::parse(&[8, 0, 4]), Err(Truncated { needed: 3, available: 2 }));
    let zeros = ModeParameters::parse_select(&[0; 14], ModeForm::Six).unwrap();
    assert_eq!(zeros.pages().count(), 5);
    let cut = ModeParameters::parse_select(&[0, 0, 0, 0, 8, 18, 4], ModeForm::Six).unwrap();
    assert!(cut.page(8, 0).unwrap().truncated);
}

#[test]
fn power_condition_timers() {
    let mut bytes = [0; PowerConditionPage::LEN];
    bytes[..12].copy_from_slice(&[0x9a, 38, 0x41, 0x02, 0, 0, 0, 20, 0, 0, 0, 9]);
    bytes[39] = 0x58;
    let page = PowerConditionPage::parse(&bytes).unwrap();
    assert!(page.ps && page.standby_y && page.idle_a && !page.idle_b && !page.standby_z);
    assert_eq!((page.idle_a_timer, page.standby_z_timer), (20, 9));
    let ccf = [page.ccf_idle, page.ccf_standby, page.ccf_stopped].map(Bits::get);
    assert_eq!(ccf, [1, 1, 2]);
    let mut out = [0xff; PowerConditionPage::LEN];
    assert_eq!(page.emit(&mut out), Ok(40));
    assert_eq!(out, bytes);
}

#[test]
fn sas_port_page_keeps_its_short_form() {
    // The form before SPL-2, with six bytes after the header.
    let short = [0x19, 6, 0x16, 0, 0x07, 0xd0, 0, 0];
    let page = ProtocolSpecificPortPage::parse(&short).unwrap();
    assert!(page.ready_led_meaning);
    assert_eq!((page.protocol.get(), page.nexus_loss_time_ms), (6, 2000));
    let mut out = [0xff; 8];
    assert_eq!(page.emit(&mut out), Ok(8));
    assert_eq!(out, short);
    let mut out = [0xff; 16];
    assert_eq!(ProtocolSpecificPortPage::default().emit(&mut out), Ok(16));
    assert_eq!(out[..2], [0x19, 14]);
}

macro_rules! survives_emission {
    ($bytes:expr, $($page:ty)+) => {$(
        if let Ok(page) = <$page>::parse($bytes) {
            let mut out = [0; 300];
            let len = page.emit(&mut out).unwrap();
            prop_assert_eq!(<$page>::parse(&out[..len]), Ok(page));
        }
    )+};
}

proptest! {
    #[test]
    fn any_page_is_safe(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives_emission!(
            &bytes,
            ErrorRecoveryPage InformationalExceptionsPage FormatDevicePage RigidDiskGeometryPage
            DisconnectReconnectPage ProtocolSpecificUnitPage ProtocolSpecificPortPage
            PowerConditionPage
        );
    }

    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for form in [ModeForm::Six, ModeForm::Ten] {
            for mode in [ModeParameters::parse_sense, ModeParameters::parse_select] {
                if let Ok(mode) = mode(&bytes, form) {
                    let inside = 16 * mode.block_descriptors().count() + 2 * mode.pages().count();
                    prop_assert!(inside <= 2 * bytes.len());
                }
            }
        }
        let mut out = [0; 300];
        if let Ok(page) = CachingPage::parse(&bytes) {
            let len = page.emit(&mut out).unwrap();
            prop_assert_eq!(CachingPage::parse(&out[..len]), Ok(page));
        }
        if let Ok(page) = ControlPage::parse(&bytes) {
            let len = page.emit(&mut out).unwrap();
            prop_assert_eq!(ControlPage::parse(&out[..len]), Ok(page));
        }
    }
}
