//! What firmware and an operating system sent to disks, sent again to the simulated one.
//!
//! The traffic was recorded at disks of QEMU. Each session meets a disk that was just powered on.

use core::ops::Range;

use hba_core::command::{Outcome, Transfer};
use hba_tests::sim::{Setup, World};
use scsi_proto::{Cdb, Opcode, Sense, Status};

const TRAFFIC: &str = include_str!("../../scsi-proto/data/discovery-vectors.csv");

/// Commands that do not end with GOOD here: the CDB in hexadecimal, key, code and qualifier, why.
const NOT_GOOD: &[(&str, u8, u8, u8, &str)] = &[
    ("5a080400000000001b00", 5, 0x24, 0x00, "mode page 04h: the disk does not rotate"),
    ("1a0019004000", 5, 0x24, 0x00, "mode page 19h: the port has no parameters"),
    ("120189000400", 5, 0x24, 0x00, "VPD page 89h: no ATA disk behind a translation"),
    ("120189023c00", 5, 0x24, 0x00, "VPD page 89h: no ATA disk behind a translation"),
];

#[derive(Debug)]
struct Command {
    session: &'static str,
    text: &'static str,
    cdb: Vec<u8>,
    transfer: Transfer,
}

fn commands() -> Vec<Command> {
    TRAFFIC.lines().skip(1).map(command).collect()
}

fn command(line: &'static str) -> Command {
    let columns: Vec<_> = line.split(',').collect();
    let [session, text, direction, length] = columns[..] else { panic!("{line}") };
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    let cdb = (0..text.len()).step_by(2).map(byte).collect();
    let length = length.parse().expect("a number");
    let transfer = match direction {
        "in" => Transfer::from_device(length),
        "out" => Transfer::to_device(length),
        _ => Transfer::NONE,
    };
    Command { session, text, cdb, transfer }
}

#[test]
fn recorded_sessions_end_well() {
    let commands = commands();
    let mut used = vec![0; NOT_GOOD.len()];
    for session in commands.chunk_by(|a, b| a.session == b.session) {
        let blocks = if session[0].session.contains("3TiB") { 3 << 31 } else { 1 << 19 };
        let mut world = Setup { disks: 1, blocks, ..Setup::default() }.start();
        let mut fresh = true;
        for command in session {
            replay(&mut world, command, &mut fresh, &mut used);
        }
    }
    assert_eq!(commands.len(), 353);
    let unused: Vec<_> = NOT_GOOD.iter().zip(&used).filter(|(_, used)| **used == 0).collect();
    assert!(unused.is_empty(), "listed and not needed: {unused:?}");
}

/// Sends one command and compares its end with what is to be expected.
///
/// `fresh`: the unit attention of power-on was not reported yet.
fn replay(world: &mut World, command: &Command, fresh: &mut bool, used: &mut [u32]) {
    let mut request = world.request(0, &command.cdb, command.transfer);
    if let (Some(out), Some(data)) = (data_out(world, command), request.data.as_mut()) {
        data.write(&out);
    }
    let answer = world.host.execute(request).expect("accepted");
    let outcome = answer.completion.outcome;
    let opcode = Opcode(command.cdb[0]);
    if core::mem::take(fresh) {
        // INQUIRY and REPORT LUNS leave the unit attention, REQUEST SENSE returns it as data.
        match opcode {
            Opcode::INQUIRY | Opcode::REPORT_LUNS => *fresh = true,
            Opcode::REQUEST_SENSE => {}
            _ => return assert_sense(command, outcome, &answer.sense, (6, 0x29, 0x01)),
        }
    }
    if let Some(at) = NOT_GOOD.iter().position(|listed| listed.0 == command.text) {
        let (_, key, asc, ascq, _) = NOT_GOOD[at];
        used[at] += 1;
        return assert_sense(command, outcome, &answer.sense, (key, asc, ascq));
    }
    let sense = Sense::parse(&answer.sense).map(|sense| sense.to_string());
    assert_eq!(outcome, Outcome::Status(Status::GOOD), "{command:?}: {sense:?}");
    let expected = match full_length(world, command) {
        Some(full) => full.min(command.transfer.length),
        None => command.transfer.length,
    };
    assert_eq!(answer.completion.transferred, expected, "{command:?}");
}

fn assert_sense(command: &Command, outcome: Outcome, sense: &[u8], expected: (u8, u8, u8)) {
    assert_eq!(outcome, Outcome::Status(Status::CHECK_CONDITION), "{command:?}");
    let sense = Sense::parse(sense).expect("sense data");
    let found = (sense.key.0, sense.additional.asc, sense.additional.ascq);
    assert_eq!(found, expected, "{command:?}: {sense}");
}

/// Bytes that the device has for a command with an allocation length: what it says when asked for all, by the length in
/// the data itself.
fn full_length(world: &mut World, command: &Command) -> Option<u32> {
    type Length = fn(&[u8]) -> usize;
    let (field, length): (Range<usize>, Length) = match command.cdb[0] {
        0x03 => (4..5, |data| 8 + usize::from(data[7])),
        0x12 if command.cdb[1] & 1 == 0 => (3..5, |data| 5 + usize::from(data[4])),
        0x12 => (3..5, |data| 4 + be(&data[2..4])),
        0x1a => (4..5, |data| 1 + usize::from(data[0])),
        0x5a => (7..9, |data| 2 + be(&data[..2])),
        0x9e => (10..14, |_| 32),
        0xa0 => (6..10, |data| 8 + be(&data[..4])),
        0xa3 if command.cdb[2] & 7 == 0 => (6..10, |data| 4 + be(&data[..4])),
        // One command, with its CDB usage data and perhaps its timeouts.
        0xa3 => (6..10, |data| {
            let usage = 4 + be(&data[2..4]);
            usage + if data[1] & 0x80 != 0 { 12 } else { 0 }
        }),
        _ => return None,
    };
    let mut cdb = command.cdb.clone();
    let width = field.len();
    cdb[field].copy_from_slice(&[0, 0, 0x7f, 0xff][4 - width.min(2) - width / 4 * 2..]);
    let most = if width == 1 { 0xff } else { 0x7fff };
    let answer = world.send(0, &cdb, Transfer::from_device(most));
    let mut data = vec![0; answer.completion.transferred as usize];
    answer.completion.data.expect("a buffer").read(&mut data);
    let full = length(&data);
    assert_eq!(full, data.len(), "{command:?}: the length in the data, and what came");
    Some(full as u32)
}

fn be(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Data-out that the device reads; blocks may contain anything. The recording has no data.
fn data_out(world: &mut World, command: &Command) -> Option<Vec<u8>> {
    match Opcode(command.cdb[0]) {
        // The caching page as it is, with the header that MODE SELECT wants.
        Opcode::MODE_SELECT_6 => {
            let answer = world.send(0, &[0x1a, 0x08, 0x08, 0, 24, 0], Transfer::from_device(24));
            let mut page = vec![0; answer.completion.transferred as usize];
            answer.completion.data.expect("a buffer").read(&mut page);
            page[..4].fill(0);
            page[4] &= 0x3f;
            Some(page)
        }
        // Eight blocks from the first on.
        Opcode::UNMAP => {
            let mut list = vec![0; 24];
            (list[1], list[3], list[19]) = (22, 16, 8);
            Some(list)
        }
        _ => None,
    }
}

#[test]
fn every_cdb_is_known() {
    for command in commands() {
        let cdb = Cdb::new(&command.cdb).expect("a cdb");
        assert!(scsi_proto::table::lookup(&cdb).is_some(), "{command:?}");
    }
}
