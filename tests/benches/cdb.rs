//! CDBs parsed and built: the program that `tests/instructions` counts.
//!
//! ```text
//! cdb parse|fields|build
//! ```
//!
//! Each call of the function [`measured_parse`], [`measured_fields`] or [`measured_build`] is one case, and prints one
//! line before it: the kind of case and the name of the command. callgrind counts inside of these functions only, and
//! dumps its counter at the end of each call, so that lines and dumps go together in order.

use core::hint::black_box;
use std::process::ExitCode;

use scsi_proto::Cdb;
use scsi_proto::command::{self, AnyCommand, Command, ParseError, Read10};
use scsi_proto::table;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["parse"] => parse_all(),
        ["fields"] => every_field(),
        ["build"] => build(),
        _ => {
            eprintln!("counted by tests/instructions; argument: parse|fields|build");
            return ExitCode::from(if arguments.is_empty() { 0 } else { 2 });
        }
    }
    ExitCode::SUCCESS
}

/// Dispatch by operation code and service action, and the comparison with the format.
#[inline(never)]
fn measured_parse(cdb: &Cdb) -> Result<AnyCommand, ParseError> {
    AnyCommand::parse(cdb)
}

/// The comparison with the format of a command that is known, and all of its fields.
#[inline(never)]
fn measured_fields<C: Command>(cdb: &Cdb) -> Result<C, ParseError> {
    C::parse(cdb)
}

#[inline(never)]
fn measured_build(lba: u32, transfer_length: u16) -> Cdb {
    Read10 { lba, transfer_length, ..Read10::default() }.cdb()
}

/// Every command with its fields all zeros, all ones and mixed, every command damaged in every way that is refused, and
/// CDBs that have no type.
fn parse_all() {
    for usage in AnyCommand::USAGE {
        let zeros = zeros(usage);
        let mixed = usage.as_bytes().iter().zip(&zeros).map(|(usage, zero)| zero | usage & 0x55);
        for bytes in [usage.as_bytes().to_vec(), mixed.collect(), zeros.clone()] {
            parse("parse", &bytes);
        }
        for bytes in damaged(usage, &zeros) {
            parse("refuse", &bytes);
        }
    }
    let far_action = [0x7f, 0, 0, 0, 0, 0, 0, 0x18, 0x01, 0x00];
    for bytes in [&[0xc1, 1, 2, 3, 4, 5][..], &[0x02; 6], &[0x9e, 0x1f, 0, 0, 0, 0], &far_action] {
        parse("other", bytes);
    }
}

fn parse(kind: &str, bytes: &[u8]) {
    let cdb = Cdb::new(bytes).expect("1 to 32 bytes");
    println!("{kind} {}", table::lookup(&cdb).map_or("without a type", |row| row.name()));
    let parsed = black_box(measured_parse(black_box(&cdb)));
    let found = match parsed {
        Ok(AnyCommand::Other(_)) => "other",
        Ok(_) => "parse",
        Err(_) => "refuse",
    };
    assert_eq!(found, kind, "{cdb}: {parsed:?}");
}

/// The command with all fields zero.
fn zeros(usage: &Cdb) -> Vec<u8> {
    let mut bytes = vec![0; usage.len()];
    bytes[0] = usage.opcode().0;
    match usage.service_action() {
        Some(_) if bytes[0] == 0x7f => bytes[7..10].copy_from_slice(&usage.as_bytes()[7..10]),
        Some(action) => bytes[1] = action as u8,
        None => {}
    }
    bytes
}

/// The command a byte longer or shorter, and with the reserved bits of each byte set.
fn damaged(usage: &Cdb, zeros: &[u8]) -> Vec<Vec<u8>> {
    let longer = [zeros, &[0]].concat();
    let mut damaged = vec![zeros[..zeros.len() - 1].to_vec()];
    damaged.extend((longer.len() <= Cdb::LEN_MAX).then_some(longer));
    let actions = match usage.service_action() {
        None => 0..0,
        Some(_) if usage.opcode().0 == 0x7f => 8..10,
        Some(_) => 1..2,
    };
    for (byte, used) in usage.as_bytes().iter().enumerate().skip(1) {
        if *used != 0xff && !actions.contains(&byte) {
            let mut bytes = zeros.to_vec();
            bytes[byte] |= !used;
            damaged.push(bytes);
        }
    }
    damaged
}

macro_rules! every_field {
    ($($ty:ident)+) => {
        /// Commands with many fields, and the frequent ones.
        fn every_field() {
            $(
                let cdb = black_box(<command::$ty as Command>::USAGE);
                println!("fields {}", command::$ty::NAME);
                let parsed = black_box(measured_fields::<command::$ty>(&cdb));
                assert!(parsed.is_ok(), "{cdb}: {parsed:?}");
            )+
        }
    };
}
every_field! {
    Inquiry Read10 Write10 Read16 Write16 SynchronizeCache10 ReadAttribute WriteScattered16 AtaPassThrough12
    AtaPassThrough16 OrWrite32 Read32 Verify32 Write32 WriteAndVerify32 WriteAtomic32 WriteSame32 WriteScattered32
    WriteStream32
}

fn build() {
    let (lba, transfer_length) = black_box((0x1234_5678, 8));
    println!("build READ(10)");
    let cdb = black_box(measured_build(lba, transfer_length));
    assert_eq!(cdb.to_string(), "28001234567800000800");
}
