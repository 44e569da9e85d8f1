use proptest::prelude::*;

use super::*;

const NAA_5: &[u8] = &[0x50, 0, 0xc5, 0, 0xa1, 0xb2, 0xc3, 0xd4];

fn identification(designators: &[Designator<'_>]) -> Vec<u8> {
    let mut body = [0; 200];
    let mut len = 0;
    for designator in designators {
        len += designator.emit(&mut body[len..]).unwrap();
    }
    let mut page = vec![0; len + 4];
    emit(PageCode::DEVICE_IDENTIFICATION, &body[..len], &mut page).unwrap();
    page
}

const fn logical_unit(kind: DesignatorType, id: &[u8]) -> Designator<'_> {
    let (association, code_set) = (Association::LOGICAL_UNIT, CodeSet::BINARY);
    Designator { protocol: None, code_set, association, kind, id }
}

#[test]
fn supported_pages_and_serial() {
    let mut out = [0; 16];
    let codes = [0x00, 0x80, 0x83, 0xb0];
    assert_eq!(emit(PageCode::SUPPORTED_PAGES, &codes, &mut out), Ok(8));
    assert_eq!(out[..8], [0, 0, 0, 4, 0, 0x80, 0x83, 0xb0]);
    let page = VpdPage::parse(&out).unwrap();
    assert!(page.page_codes().eq(codes.map(PageCode)));
    let serial = VpdPage::parse(b"\0\x80\0\x06  AB1 ").unwrap();
    assert_eq!(serial.serial_number(), b"AB1");
    let short = VpdPage::parse(b"\0\x80\0\x06  A").unwrap();
    assert!(!short.is_complete());
    assert_eq!(VpdPage::parse(&[0; 3]), Err(Truncated { needed: 4, available: 3 }));
}

#[test]
fn logical_unit_name_is_the_best_of_its_own() {
    let naa_6 = [0x60; 16];
    let port = Designator {
        association: Association::TARGET_PORT,
        protocol: Some(6),
        ..logical_unit(DesignatorType::NAA, &naa_6)
    };
    let designators = [
        logical_unit(DesignatorType::T10_VENDOR_ID, b"QEMU    disk"),
        logical_unit(DesignatorType::EUI_64, &[1; 16]),
        port,
        logical_unit(DesignatorType::NAA, NAA_5),
    ];
    let bytes = identification(&designators);
    let page = VpdPage::parse(&bytes).unwrap();
    assert!(Designators::new(&page).eq(designators));
    assert_eq!(logical_unit_wwn(&page).unwrap().to_string(), "naa.5000c500a1b2c3d4");
    let bytes = identification(&designators[..3]);
    assert_eq!(logical_unit_wwn(&VpdPage::parse(&bytes).unwrap()).unwrap().kind(), WwnKind::Eui64);
    let bytes = identification(&designators[..1]);
    assert_eq!(logical_unit_wwn(&VpdPage::parse(&bytes).unwrap()), None);
}

#[test]
fn malformed_designators() {
    let long_naa_5 = [NAA_5, NAA_5].concat();
    assert_eq!(Wwn::from_designator(&logical_unit(DesignatorType::NAA, &long_naa_5)), None);
    assert_eq!(Wwn::from_designator(&logical_unit(DesignatorType::NAA, &[0x60; 8])), None);
    let zeros = VpdPage::parse(&[0, 0x83, 0, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1]).unwrap();
    assert_eq!(Designators::new(&zeros).count(), 2);
    let long = [0; 256];
    let error = DesignatorTooLong { needed: 260, available: 259 };
    let long = logical_unit(DesignatorType::VENDOR_SPECIFIC, &long);
    assert_eq!(long.emit(&mut [0; 300]), Err(error));
}

#[test]
fn block_limits_cut_to_sixty_bytes() {
    let limits = BlockLimits {
        unmap_alignment: Some(3),
        write_same_max: 1 << 33,
        atomic_boundary_max: 9,
        ..BlockLimits::default()
    };
    let mut out = [0; 64];
    assert_eq!(limits.emit(&mut out), Ok(64));
    assert_eq!(out[..4], [0, 0xb0, 0, 0x3c]);
    assert_eq!(out[32..44], [0x80, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0]);
    let cut = BlockLimits::parse(&VpdPage::parse(&out[..60]).unwrap());
    assert_eq!(cut, BlockLimits { atomic_boundary_max: 0, ..limits });
}

#[test]
fn names_of_each_kind() {
    let name = |kind, id: &[u8]| {
        let designator = Designator {
            protocol: None,
            code_set: CodeSet::BINARY,
            association: Association::LOGICAL_UNIT,
            kind,
            id,
        };
        Wwn::from_designator(&designator).map(|name| name.to_string())
    };
    let id = [0x10, 0, 0x12, 0x34, 0x56, 0x78, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
    // A UUID designator has its type and a reserved byte before the UUID.
    let uuid = "uuid.12345678090a0b0c0d0e0f1011121314";
    assert_eq!(name(DesignatorType::UUID, &id).as_deref(), Some(uuid));
    assert_eq!(name(DesignatorType::UUID, &id[..16]), None);
    assert_eq!(name(DesignatorType::EUI_64, &id[2..10]).as_deref(), Some("eui.12345678090a0b0c"));
    assert_eq!(name(DesignatorType::EUI_64, &id[2..11]), None);
    let naa = [0x50, 0, 0xc5, 0, 1, 2, 3, 4];
    assert_eq!(name(DesignatorType::NAA, &naa).as_deref(), Some("naa.5000c50001020304"));
    assert_eq!(name(DesignatorType::T10_VENDOR_ID, &naa), None);
}

#[test]
fn what_is_too_long_is_refused() {
    let error = BufferTooSmall { needed: 0x1_0000, available: 0xffff };
    let mut out = [0; 0x1_0010];
    assert_eq!(emit(PageCode::DEVICE_IDENTIFICATION, &[0; 0x1_0000], &mut out), Err(error));
    let designator = Designator {
        protocol: None,
        code_set: CodeSet::BINARY,
        association: Association::LOGICAL_UNIT,
        kind: DesignatorType::NAA,
        id: &[0; 256],
    };
    let error = designator.emit(&mut out).unwrap_err();
    assert_eq!(error.to_string(), "designator of 260 bytes, at most 259 fit");
}

proptest! {
    #[test]
    fn any_bytes_are_safe(code in prop::sample::select(vec![0x00, 0x80, 0x83u8]),
                          body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = vec![0, code, 1, 0];
        bytes.extend(&body);
        let page = VpdPage::parse(&bytes).unwrap();
        prop_assert!(Designators::new(&page).count() <= body.len() / 4);
        prop_assert!(page.serial_number().len() <= body.len());
        let _ = logical_unit_wwn(&page).map(|name| name.to_string());
        let _ = VpdPage::parse(&body);
    }

    #[test]
    fn parse_emit_parse(body in proptest::collection::vec(any::<u8>(), 0..70)) {
        let mut page = [0; 80];
        let len = emit(PageCode::BLOCK_LIMITS, &body, &mut page).unwrap();
        let page = VpdPage::parse(&page[..len]).unwrap();
        let mut out = [0; 64];
        let limits = BlockLimits::parse(&page);
        limits.emit(&mut out).unwrap();
        prop_assert_eq!(BlockLimits::parse(&VpdPage::parse(&out).unwrap()), limits);
        let characteristics = BlockCharacteristics::parse(&page);
        characteristics.emit(&mut out).unwrap();
        prop_assert_eq!(BlockCharacteristics::parse(&VpdPage::parse(&out).unwrap()), characteristics);
        let extended = ExtendedInquiry::parse(&page);
        extended.emit(&mut out).unwrap();
        prop_assert_eq!(ExtendedInquiry::parse(&VpdPage::parse(&out).unwrap()), extended);
        let provisioning = LogicalBlockProvisioning::parse(&page);
        let len = provisioning.emit(&mut out).unwrap();
        let page = VpdPage::parse(&out[..len]).unwrap();
        prop_assert_eq!(LogicalBlockProvisioning::parse(&page), provisioning);
    }
}
