//! The names of commands.

use scsi_proto::Cdb;
use scsi_proto::command::AnyCommand;
use scsi_proto::table;

use super::{hex, plain, run};

const TRAFFIC: &str = include_str!("../../../scsi-proto/data/discovery-vectors.csv");

/// Names that differ for a reason: ours, theirs.
const BY_CHOICE: &[(&str, &str)] = &[
    // Names of SBC-4 and SPC-5, which are newer.
    ("FORMAT WITH PRESET", "Format with preset scan"),
    ("WRITE ATOMIC(32)", "Atomic write(32)"),
    // The list identifier length is part of the standard's name.
    ("EXTENDED COPY(LID4)", "Extended copy"),
    ("RECEIVE COPY STATUS(LID4)", "Receive copy status"),
    ("RECEIVE COPY DATA(LID4)", "Receive copy data"),
    // MODE and SERVICE ACTION are fields here, and all ones in CDB USAGE DATA.
    ("WRITE BUFFER(10)", "Write buffer service action=0x1f"),
    ("READ BUFFER(10)", "Read buffer(10) service action=0x1f"),
    ("READ BUFFER(16)", "Read buffer(16) service action=0x1f"),
    ("READ ATTRIBUTE", "Read attribute service action=0x1f"),
];

fn compare(cdb: &Cdb) -> Option<bool> {
    let mut arguments = vec!["--cdb".to_owned()];
    arguments.extend(hex(cdb.as_bytes()));
    let theirs = run("sg_decode_sense", &arguments)?;
    let ours = table::lookup(cdb).map_or("", |row| row.name());
    let theirs = theirs.trim();
    let agree = plain(ours) == plain(theirs) || BY_CHOICE.contains(&(ours, theirs));
    if !agree {
        eprintln!("(\"{ours}\", \"{theirs}\"),");
    }
    Some(agree)
}

#[test]
fn recorded_traffic_agrees() {
    for line in TRAFFIC.lines().skip(1) {
        let cdb = line.split(',').nth(1).expect("a column");
        let bytes: Vec<_> = (0..cdb.len() / 2)
            .map(|at| u8::from_str_radix(&cdb[2 * at..2 * at + 2], 16).expect("hexadecimal"))
            .collect();
        let Some(agree) = compare(&Cdb::new(&bytes).expect("a cdb")) else { return };
        assert!(agree, "{line}");
    }
}

#[test]
fn all_commands_agree() {
    let agree: Option<Vec<_>> = AnyCommand::USAGE.iter().map(compare).collect();
    let Some(agree) = agree else { return };
    assert_eq!(agree.iter().filter(|agree| !**agree).count(), 0);
}
