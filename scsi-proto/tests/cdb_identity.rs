//! Building what was parsed gives back the same bytes, for recorded traffic and for random CDBs.

use proptest::prelude::*;
use scsi_proto::Cdb;
use scsi_proto::command::{AnyCommand, Checked, Command, Read10};
use scsi_proto::table::{self, DataDirection, ImpliedTransfer};

/// Commands that SeaBIOS, EDK2 and Linux sent to disks, with the data they moved.
const TRAFFIC: &str = include_str!("../data/discovery-vectors.csv");

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn recorded_traffic() {
    for line in TRAFFIC.lines().skip(1) {
        let columns: Vec<_> = line.split(',').collect();
        let [_, cdb, direction, len] = columns[..] else { panic!("{line}") };
        let cdb = Cdb::new(&bytes(cdb)).unwrap();
        let command = AnyCommand::parse(&cdb).unwrap();
        assert!(!matches!(command, AnyCommand::Other(_)), "{line}");
        assert_eq!((command.cdb(), command.rebuilt()), (cdb, cdb));
        let info = table::lookup(&cdb).unwrap();
        let len: u64 = len.parse().unwrap();
        let fits = match table::implied_transfer(&cdb, 512) {
            ImpliedTransfer::None => len == 0,
            ImpliedTransfer::Exactly(exactly) => exactly == len,
            ImpliedTransfer::AtMost(limit) => len <= limit,
            _ => false,
        };
        assert!(fits, "{line}");
        let expected = match info.direction() {
            DataDirection::None => "none",
            DataDirection::In => "in",
            _ => "out",
        };
        assert_eq!(direction, expected, "{line}");
    }
}

#[test]
fn linux_journal_commit() {
    let commit = Cdb::new(&bytes("2a080000084a00000100")).unwrap();
    let AnyCommand::Write10(write) = AnyCommand::parse(&commit).unwrap() else { panic!() };
    let write = write.fields();
    assert!(write.fua && !write.dpo);
    assert_eq!((write.lba, write.transfer_length), (0x84a, 1));
}

proptest! {
    /// Random values in all fields of all commands: the random bits that fields cover.
    #[test]
    fn any_fields(random: [u8; 32]) {
        for usage in AnyCommand::USAGE {
            let zero = template(usage);
            let used = usage.as_bytes().iter().zip(&zero).zip(random);
            let mixed: Vec<_> = used.map(|((usage, zero), random)| zero | (random & usage & !zero)).collect();
            let cdb = Cdb::new(&mixed).unwrap();
            let command = AnyCommand::parse(&cdb).unwrap();
            prop_assert!(!matches!(command, AnyCommand::Other(_)));
            prop_assert_eq!((command.cdb(), command.rebuilt()), (cdb, cdb));
            prop_assert_eq!(AnyCommand::parse(&command.rebuilt()), Ok(command));
        }
    }

    #[test]
    fn any_bytes(random in proptest::collection::vec(any::<u8>(), 1..=32), index: prop::sample::Index) {
        let usage = AnyCommand::USAGE[index.index(AnyCommand::USAGE.len())];
        let mut known = random.clone();
        known[0] = usage.opcode().0;
        for bytes in [random, known] {
            let cdb = Cdb::new(&bytes).unwrap();
            if let Ok(command) = AnyCommand::parse(&cdb) {
                prop_assert_eq!((command.cdb(), command.rebuilt()), (cdb, cdb));
            }
        }
    }

    #[test]
    fn typed_values(lba: u32, transfer_length: u16, fua: bool, dpo: bool) {
        let read = Read10 { lba, transfer_length, fua, dpo, ..Read10::default() };
        prop_assert_eq!(Read10::parse(&read.cdb()), Ok(read));
        prop_assert_eq!(Checked::from(read).fields(), read);
        prop_assert_eq!(Read10::check(&read.cdb()), Ok(Checked::from(read)));
        prop_assert_eq!(AnyCommand::parse(&read.cdb()), Ok(read.into()));
    }
}

/// The CDB with all fields zero: what the typed command encodes to by default.
fn template(usage: &Cdb) -> Vec<u8> {
    let mut zero = vec![0; usage.len()];
    zero[0] = usage.opcode().0;
    match usage.service_action() {
        Some(_) if zero[0] == 0x7f => zero[7..10].copy_from_slice(&usage.as_bytes()[7..10]),
        Some(action) => zero[1] = action as u8,
        None => {}
    }
    zero
}
