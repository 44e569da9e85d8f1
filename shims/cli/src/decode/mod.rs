//! `hba decode`: what bytes mean, in the words of the standards.
//!
//! Nothing is sent and no controller is started. Whatever the bytes are, they are shown: as far as they go, and raw
//! where nothing is known.

mod cdb;
mod cdb_fields;
mod designator;
mod fault;
mod inquiry;
mod layout;
mod mode;
mod mode_fields;
mod report;
mod sense;
mod status;
mod vpd;
mod vpd_fields;

use core::fmt;
use std::io::{self, Read as _};

use hba_core::fabric::RecordError;
use report::Report;

use crate::args::{DecodeArgs, DecodeSubject, RigArgs};
use crate::fabric::Fabric;
use crate::hex::{self, HexError};
use crate::output::Output;
use crate::{CliError, Exit};

/// Decodes the bytes of the command line, or of standard input.
pub(crate) fn run(rig: &RigArgs, args: &DecodeArgs, output: &mut Output) -> Result<Exit, CliError> {
    if args.subject == DecodeSubject::Fault {
        let report = decode_fault(args)?;
        return print(rig, &report, output);
    }
    if args.kind.is_some() || args.topology.is_some() {
        return Err(DecodeError::FaultOnly.into());
    }
    let bytes = input(args)?;
    let report = match args.subject {
        DecodeSubject::Fault => unreachable!("decoded above"),
        DecodeSubject::Cdb => cdb::decode(&bytes, rig.block_size()),
        DecodeSubject::Sense => sense::decode(&bytes),
        DecodeSubject::Status => status::decode(&bytes),
        DecodeSubject::Inquiry => inquiry::decode(&bytes),
        DecodeSubject::Vpd => vpd::decode(&bytes),
        DecodeSubject::Mode => mode::decode(&bytes, args.form.map(Into::into)),
    };
    print(rig, &report, output)
}

fn print(rig: &RigArgs, report: &Report, output: &mut Output) -> Result<Exit, CliError> {
    if rig.json {
        output.json(report)?;
    } else {
        output.bytes(report.text().as_bytes())?;
    }
    Ok(Exit::Pass)
}

fn decode_fault(args: &DecodeArgs) -> Result<Report, CliError> {
    let text = text(args)?;
    let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    let fabric = args.topology.as_deref().map(|path| Fabric::from_file(path, None)).transpose()?;
    Ok(fault::decode(&words, args.kind.map(Into::into), fabric.as_ref())?)
}

fn text(args: &DecodeArgs) -> Result<String, DecodeError> {
    match &args.hex[..] {
        [] => read_stdin(),
        [dash] if dash == "-" => read_stdin(),
        words => Ok(words.join(" ")),
    }
}

fn input(args: &DecodeArgs) -> Result<Vec<u8>, DecodeError> {
    let text = text(args)?;
    let bytes = hex::parse(&text).map_err(DecodeError::Hex)?;
    if bytes.is_empty() { Err(DecodeError::Empty) } else { Ok(bytes) }
}

fn read_stdin() -> Result<String, DecodeError> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text).map_err(DecodeError::Stdin)?;
    Ok(text)
}

/// Why there is nothing to decode.
#[derive(Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The text is not hexadecimal.
    Hex(HexError),
    /// There are no digits.
    Empty,
    /// Standard input cannot be read, or is not text.
    Stdin(io::Error),
    /// Not a word of a fault record.
    Word {
        /// As typed.
        text: String,
    },
    /// A word has more than 32 bits where the record has such words.
    WideWord {
        /// Which.
        word: u64,
    },
    /// The words make no fault record.
    Record(RecordError),
    /// An option that belongs to faults alone.
    FaultOnly,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hex(error) => error.fmt(f),
            Self::Empty => f.write_str("there are no bytes to decode"),
            Self::Stdin(error) => write!(f, "standard input: {error}"),
            Self::Word { text } => {
                write!(f, "{text} is not a word of 1 to 16 hexadecimal digits")
            }
            Self::WideWord { word } => {
                write!(f, "{word:#x} has more than 32 bits, and the words of this record have not")
            }
            Self::Record(error @ (RecordError::Unrecognised | RecordError::Ambiguous { .. })) => {
                write!(f, "{error}: say which with --kind")
            }
            Self::Record(error) => error.fmt(f),
            Self::FaultOnly => f.write_str("--kind and --topology are for decode fault"),
        }
    }
}

impl core::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use scsi_proto::mode::ModeForm;
    use sim_backend::schedule::SplitMix64;

    use super::*;

    #[test]
    fn any_bytes_are_shown() {
        let mut random = SplitMix64::new(3);
        for round in 0..20_000 {
            let mut bytes: Vec<_> = (0..random.below(80)).map(|_| random.draw() as u8).collect();
            if let Some(first) = bytes.first_mut().filter(|_| round % 2 == 0) {
                *first = 0x70 | *first & 0x0f;
            }
            if let Some(page) = bytes.get_mut(1).filter(|_| round % 2 == 0) {
                *page =
                    [0x00, 0x80, 0x83, 0x86, 0x87, 0x88, 0xb0, 0xb1, 0xb2, 0xb6][round / 2 % 10];
            }
            let reports = [
                cdb::decode(&bytes, 512),
                sense::decode(&bytes),
                status::decode(&bytes),
                inquiry::decode(&bytes),
                vpd::decode(&bytes),
                mode::decode(&bytes, None),
                mode::decode(&bytes, Some(ModeForm::Ten)),
            ];
            assert!(reports.iter().all(|report| !report.text().is_empty()));
        }
    }
}
