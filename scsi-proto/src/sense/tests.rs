use proptest::prelude::*;

use super::*;

const POWER_ON: &[u8] = &[0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0];

#[test]
fn power_on_unit_attention() {
    let expected = Sense::new(
        SenseKey::UNIT_ATTENTION,
        AdditionalSense::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED,
    );
    assert_eq!(Sense::parse(POWER_ON), Ok(expected));
    let mut out = [0xff; 18];
    assert_eq!(expected.emit(&mut out), Ok(18));
    assert_eq!(out, POWER_ON);
}

#[test]
fn deferred_write_error_names_its_block() {
    let bytes = [0xf1, 0, 3, 0, 0, 4, 0xd2, 10, 0, 0, 0, 0, 0x0c, 0, 0, 0, 0, 0];
    let sense = Sense::parse(&bytes).unwrap();
    assert!(sense.deferred);
    assert_eq!(sense.information, Some(1234));
    assert_eq!(sense.to_string(), "deferred MEDIUM ERROR, WRITE ERROR (3/0C/00), information 1234");
}

#[test]
fn field_pointer_and_progress_depend_on_the_key() {
    let pointer = FieldPointer { in_cdb: true, bit: Some(3), byte: 1 };
    let sense = Sense {
        key_specific: Some(pointer.into()),
        ..Sense::new(SenseKey::ILLEGAL_REQUEST, AdditionalSense::INVALID_FIELD_IN_CDB)
    };
    let mut out = [0; 18];
    sense.emit(&mut out).unwrap();
    assert_eq!(out[15..], [0xcb, 0, 1]);
    assert_eq!(Sense::parse(&out).unwrap().field_pointer(), Some(pointer));
    assert_eq!(sense.progress(), None);
    assert_eq!(Sense { key: SenseKey::NOT_READY, ..sense }.progress(), Some(1));
}

#[test]
fn additional_length_bounds_the_fields() {
    let mut bytes = [0; 18];
    bytes.copy_from_slice(POWER_ON);
    bytes[7] = 4;
    assert_eq!(Sense::parse(&bytes).unwrap().additional, AdditionalSense::new(0, 0));
    assert_eq!(Sense::parse(&bytes[..3]).unwrap().key, SenseKey::UNIT_ATTENTION);
    assert_eq!(Sense::parse(&bytes[..2]), Err(SenseError::TooShort { len: 2 }));
    assert_eq!(Sense::parse(&[]), Err(SenseError::TooShort { len: 0 }));
    assert_eq!(Sense::parse(&[0x7f; 18]), Err(SenseError::ResponseCode { found: 0x7f }));
}

#[test]
fn zero_length_descriptors_do_not_stop_the_walk() {
    let mut bytes = vec![0x72, 3, 0x11, 0, 0, 0, 0, 16, 0x80, 0, 0x80, 0];
    bytes.extend([0, 10, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(SenseDescriptors::new(&bytes).count(), 3);
    assert_eq!(Sense::parse(&bytes).unwrap().information, Some(0x1_0000_0000));
    let zeros = [&[0x72, 0, 0, 0, 0, 0, 0, 0xff][..], &[0; 255]].concat();
    assert_eq!(SenseDescriptors::new(&zeros).count(), 127);
}

#[test]
fn a_direct_access_block_device_descriptor_says_it_all() {
    let mut bytes = vec![0x72, 3, 0x11, 0, 0, 0, 0, 32, 0x0d, 30, 0xa0, 0, 0x80, 0, 7, 9];
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
    let sense = Sense::parse(&bytes).unwrap();
    assert_eq!((sense.information, sense.command_specific), (Some(5), Some(6)));
    assert_eq!((sense.retry_count(), sense.field_replaceable_unit, sense.ili), (Some(7), 9, true));
    bytes[10] = 0;
    assert_eq!(Sense::parse(&bytes).unwrap().information, None);
}

#[test]
fn part_of_a_key_specific_field_is_none() {
    let bytes = [0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 4, 0, 0x80, 0x40, 0];
    assert_eq!(Sense::parse(&bytes).unwrap().progress(), Some(0x4000));
    assert_eq!(Sense::parse(&bytes[..17]).unwrap().key_specific, None);
}

#[test]
fn segment_pointer_and_overflow_depend_on_the_key() {
    let bytes = [0x70, 0, 0x0a, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x26, 0, 0, 0xa9, 0, 17];
    let sense = Sense::parse(&bytes).unwrap();
    let expected = SegmentPointer { in_segment_descriptor: true, bit: Some(1), byte: 17 };
    assert_eq!(sense.segment_pointer(), Some(expected));
    assert_eq!((sense.unit_attention_overflow(), sense.field_pointer()), (None, None));
    let attention = Sense { key: SenseKey::UNIT_ATTENTION, ..sense };
    assert_eq!(attention.unit_attention_overflow(), Some(true));
    assert_eq!(attention.segment_pointer(), None);
}

#[test]
fn wide_information_needs_descriptors() {
    let sense = Sense {
        information: Some(1 << 32),
        ..Sense::new(SenseKey::MEDIUM_ERROR, AdditionalSense::UNRECOVERED_READ_ERROR)
    };
    let mut out = [0; 48];
    let len = sense.emit(&mut out).unwrap();
    assert_eq!(Sense::parse(&out[..len]).unwrap().information, None);
    let sense = Sense { format: SenseFormat::Descriptor, ..sense };
    let len = sense.emit(&mut out).unwrap();
    assert_eq!(len, 20);
    assert_eq!(Sense::parse(&out[..len]), Ok(sense));
    assert_eq!(sense.emit(&mut out[..19]), Err(BufferTooSmall { needed: 20, available: 19 }));
}

fn any_sense(limit: u64) -> impl Strategy<Value = Sense> {
    let number = move || proptest::option::of(1..=limit);
    let specific =
        proptest::option::of((any::<bool>(), proptest::option::of(0..8u8), any::<u16>()));
    (any::<[bool; 5]>(), any::<[u8; 4]>(), number(), number(), specific).prop_map(
        |([deferred, filemark, eom, ili, overflow], codes, information, command_specific, sks)| {
            let [key, asc, ascq, field_replaceable_unit] = codes;
            let pointer = |(in_cdb, bit, byte)| FieldPointer { in_cdb, bit, byte }.into();
            Sense {
                deferred,
                information,
                command_specific,
                filemark,
                eom,
                ili,
                overflow,
                field_replaceable_unit,
                key_specific: sks.map(pointer),
                ..Sense::new(SenseKey(key & 0x0f), AdditionalSense::new(asc, ascq))
            }
        },
    )
}

#[test]
fn progress_of_a_format() {
    // NOT READY, FORMAT IN PROGRESS, half done. In 65536ths.
    let mut sense = Sense::new(SenseKey::NOT_READY, AdditionalSense::new(0x04, 0x04));
    sense.key_specific = Some(SenseKeySpecific::from_count(0x8000));
    let mut out = [0; 18];
    assert_eq!(sense.emit(&mut out), Ok(18));
    assert_eq!(out[15..], [0x80, 0x80, 0]);
    assert_eq!(Sense::parse(&out).unwrap().key_specific.unwrap().count(), 0x8000);
}

proptest! {
    #[test]
    fn fixed_identity(sense in any_sense(u32::MAX.into())) {
        let mut out = [0; 18];
        prop_assert_eq!(sense.emit(&mut out), Ok(18));
        prop_assert_eq!(Sense::parse(&out), Ok(sense));
    }

    #[test]
    fn descriptor_identity(sense in any_sense(u64::MAX)) {
        let sense = Sense { format: SenseFormat::Descriptor, ..sense };
        let mut out = [0; 48];
        let len = sense.emit(&mut out).unwrap();
        prop_assert_eq!(Sense::parse(&out[..len]), Ok(sense));
    }

    #[test]
    fn any_bytes_are_safe(code in 0x6e..0x75u8, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let with_code = [&[code], &bytes[..]].concat();
        for bytes in [&bytes, &with_code] {
            let _ = Sense::parse(bytes).map(|sense| sense.to_string());
            prop_assert!(SenseDescriptors::new(bytes).count() <= bytes.len());
        }
    }
}
