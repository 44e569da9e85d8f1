use proptest::prelude::*;

use super::*;

fn implied(bytes: &[u8]) -> ImpliedTransfer {
    implied_transfer(&Cdb::new(bytes).unwrap(), 512)
}

#[test]
fn media_commands() {
    use ImpliedTransfer::{Exactly, None, Unknown};
    assert_eq!(implied(&[0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0]), Exactly(4096));
    assert_eq!(implied(&[0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!(implied(&[0x28, 0x20, 0, 0, 0, 0, 0, 0, 8, 0]), Unknown);
    assert_eq!(implied(&[0x28, 0, 0, 0, 0, 0]), Unknown);
    assert_eq!(implied(&[0x08, 0, 0, 0, 0, 0]), Exactly(256 * 512));
    assert_eq!(implied(&[0x35, 0, 0, 0, 0, 0, 0, 0, 8, 0]), None);
    assert_eq!(implied(&[0x41, 0, 0, 0, 0, 0, 0, 0, 8, 0]), Exactly(512));
    assert_eq!(implied(&[0x93, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0]), None);
    assert_eq!(implied(&[0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0]), Exactly(6 * 512));
    let huge = Cdb::from_array([0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]);
    let all = u64::from(u32::MAX);
    assert_eq!(implied_transfer(&huge, u32::MAX), Exactly(all * all));
    assert_eq!(implied_transfer(&huge, 0), Unknown);
}

#[test]
fn verify_follows_bytchk() {
    let verify = |flags| implied(&[0x2f, flags, 0, 0, 0, 0, 0, 0, 8, 0]);
    assert_eq!(verify(0x00), ImpliedTransfer::None);
    assert_eq!(verify(0x02), ImpliedTransfer::Exactly(4096));
    assert_eq!(verify(0x06), ImpliedTransfer::Exactly(512));
    assert_eq!(verify(0x04), ImpliedTransfer::Unknown);
    assert_eq!(verify(0xe2), ImpliedTransfer::Unknown);
}

#[test]
fn parameter_data() {
    use ImpliedTransfer::{AtMost, Exactly, None, Unknown};
    assert_eq!(implied(&[0x12, 0, 0, 0x01, 0x00, 0]), AtMost(256));
    assert_eq!(implied(&[0x12, 0, 0, 0, 0, 0]), None);
    assert_eq!(implied(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Exactly(8));
    assert_eq!(implied(&[0x15, 0x10, 0, 0, 24, 0]), Exactly(24));
    assert_eq!(implied(&[0xa2, 0, 0, 0, 0x80, 0, 0, 0, 0, 2, 0, 0]), AtMost(1024));
    assert_eq!(implied(&[0xb5, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0]), Exactly(2));
    assert_eq!(implied(&[0x04, 0x10, 0, 0, 0, 0]), Unknown);
    assert_eq!(implied(&[0x04, 0, 0, 0, 0, 0]), None);
    assert_eq!(implied(&[0xc1, 0, 0, 0, 0, 0]), Unknown);
    assert_eq!(implied(&[0x48, 3, 0, 0, 0, 0, 0, 0, 9, 0]), None);
}

#[test]
fn addresses_and_counts() {
    let of = |bytes: &[u8]| {
        let cdb = Cdb::new(bytes).unwrap();
        let info = lookup(&cdb).unwrap();
        (info.lba(&cdb).map(|lba| lba.0), info.blocks(&cdb))
    };
    let to_end = Some(BlockCount::ToEnd);
    assert_eq!(of(&[0x35, 0, 0, 0, 1, 0, 0, 0, 0, 0]), (Some(256), to_end));
    assert_eq!(of(&[0x0a, 0xff, 0, 1, 0, 0]), (Some(0x1f_0001), Some(BlockCount::Blocks(256))));
    assert_eq!(of(&[0x12, 0, 0, 0, 36, 0]), (None, None));
    assert_eq!(of(&[0x28, 0, 0]), (None, None));
}

#[test]
fn service_actions_choose_the_row() {
    let name = |bytes: &[u8]| lookup(&Cdb::new(bytes).unwrap()).map(CommandInfo::name);
    let mut variable = [0; 32];
    variable[0] = 0x7f;
    variable[9] = 0x0b;
    assert_eq!(name(&variable), Some("WRITE(32)"));
    assert_eq!(name(&variable[..9]), None);
    assert_eq!(name(&[0x9e, 0xf0]), Some("READ CAPACITY(16)"));
    assert_eq!(name(&[0x9e, 0x01]), None);
    assert_eq!(name(&[0x8c, 0x03]), Some("READ ATTRIBUTE"));
    assert_eq!(name(&[0xff]), None);
}

proptest! {
    #[test]
    fn any_cdb_is_safe(bytes in proptest::collection::vec(any::<u8>(), 1..=32), block_length: u32) {
        let cdb = Cdb::new(&bytes).unwrap();
        let _ = implied_transfer(&cdb, block_length);
        if let Some(info) = lookup(&cdb) {
            prop_assert_eq!(info.opcode(), cdb.opcode());
            let _ = (info.lba(&cdb), info.blocks(&cdb));
        }
    }
}

#[test]
fn fields_of_any_place_and_length() {
    let bytes: [u8; 32] = core::array::from_fn(|byte| 0x80 | byte as u8);
    for byte in 0..32_u8 {
        for len in 1..=8.min(32 - byte) {
            let field = FieldAt::new(byte, len);
            let end = usize::from(byte + len);
            let fold = |value, byte: &u8| value << 8 | u64::from(*byte);
            let expected = bytes[usize::from(byte)..end].iter().fold(0, fold);
            assert_eq!(field.read(&Cdb::new(&bytes[..end]).unwrap()), Some(expected));
            let cut = Cdb::new(&bytes[..end - 1]).ok().and_then(|cdb| field.read(&cdb));
            assert_eq!(cut, None, "{len} bytes from {byte}");
        }
    }
}

#[test]
#[should_panic(expected = "no such field")]
fn fields_end_with_the_cdb() {
    let _ = FieldAt::new(31, 2);
}
