//! `hba send`.

use core::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use hba_core::command::{Cookie, Outcome, Request, Transfer};
use hba_core::host::Data;
use hba_core::runtime::Answer;
use scsi_proto::{Sense, Status};
use serde::Serialize;

use crate::args::{RigArgs, SendArgs};
use crate::hex;
use crate::output::Output;
use crate::session::{Session, SessionError, SimBehaviour};
use crate::trace::{Trace, TraceFile, wall_clock};
use crate::{CliError, Exit};

/// Sends one command.
pub(crate) fn run(rig: &RigArgs, args: &SendArgs, output: &mut Output) -> Result<Exit, CliError> {
    let payload = Payload::of(args)?;
    let file = args.data_out.as_deref().map(create).transpose()?;
    let trace = args.trace.as_deref().map(TraceFile::create).transpose()?;
    let trace = trace.map(|file| file.start(wall_clock()));
    let mut session = Session::open(rig.session(SimBehaviour::default())?)?;
    if args.no_scan {
        session.driver().bring_up().map_err(SessionError::from)?;
    } else {
        session.attach()?;
    }
    let (answer, buffer) = execute(&mut session, args, &payload)?;
    session.close()?;
    trace.map_or(Ok(()), Trace::finish)?;
    let mut data = vec![0; if payload.is_in() { answer.transferred as usize } else { 0 }];
    if let Some(buffer) = &buffer {
        buffer.read(&mut data);
    }
    if let Some((mut file, path)) = file {
        let failed = |source| SendError::DataFile { path, source };
        file.write_all(&data).map_err(failed)?;
        data.clear();
    }
    let report = Report::new(&answer, &data);
    if rig.json {
        output.json(&report)?;
    } else {
        report.print(&data, output)?;
    }
    let good = matches!(answer.outcome, Outcome::Status(Status::GOOD | Status::CONDITION_MET));
    Ok(if good { Exit::Pass } else { Exit::Failure })
}

/// The data phase.
enum Payload {
    None,
    In(u32),
    Out(Vec<u8>),
}

impl Payload {
    fn of(args: &SendArgs) -> Result<Self, SendError> {
        match (&args.data_in, &args.out) {
            (Some(size), _) => {
                let bytes = size.bytes();
                u32::try_from(bytes).map(Self::In).map_err(|_| SendError::TooLong { bytes })
            }
            (None, Some(path)) => {
                let bytes = read(path)?;
                let len = bytes.len() as u64;
                match u32::try_from(len) {
                    Ok(0) => Err(SendError::Empty { path: path.clone() }),
                    Ok(_) => Ok(Self::Out(bytes)),
                    Err(_) => Err(SendError::TooLong { bytes: len }),
                }
            }
            (None, None) => Ok(Self::None),
        }
    }

    fn is_in(&self) -> bool {
        matches!(self, Self::In(_))
    }

    fn transfer(&self) -> Transfer {
        match self {
            Self::None => Transfer::NONE,
            Self::In(length) => Transfer::from_device(*length),
            Self::Out(bytes) => Transfer::to_device(bytes.len() as u32),
        }
    }
}

fn execute(
    session: &mut Session,
    args: &SendArgs,
    payload: &Payload,
) -> Result<(Answer, Data), CliError> {
    let driver = session.driver();
    let transfer = payload.transfer();
    let permitted = driver.limits().map_or(0, |limits| limits.transfer_max);
    if transfer.length > permitted {
        let bytes = transfer.length.into();
        return Err(SendError::Limit { bytes, permitted }.into());
    }
    let mut data = match transfer.length {
        0 => None,
        length => Some(driver.buffer(length as usize).map_err(SessionError::from)?),
    };
    match (&mut data, payload) {
        (Some(data), Payload::Out(bytes)) => data.write(bytes),
        (Some(data), _) => data.write(&vec![0; transfer.length as usize]),
        (None, _) => {}
    }
    let request = Request::new(args.lun.0, args.cdb.0, transfer, data, Cookie(0));
    Ok(driver.execute(request).map_err(SessionError::from)?)
}

/// What came back.
#[derive(Debug, Serialize)]
struct Report {
    /// The SCSI status; `null` where none came.
    status: Option<String>,
    /// Why no status came.
    failure: Option<String>,
    sense: Option<SenseReport>,
    /// Bytes that moved.
    transferred: u32,
    /// Bytes that were to move and did not.
    residual: u32,
    /// In hexadecimal.
    data: String,
}

#[derive(Debug, Serialize)]
struct SenseReport {
    text: String,
    key: Option<u8>,
    asc: Option<u8>,
    ascq: Option<u8>,
    /// In hexadecimal.
    raw: String,
}

impl Report {
    fn new(answer: &Answer, data: &[u8]) -> Self {
        let (status, failure) = match answer.outcome {
            Outcome::Status(status) => (Some(status.to_string()), None),
            Outcome::Failed(failure) => (None, Some(failure.to_string())),
        };
        Self {
            status,
            failure,
            sense: (!answer.sense.is_empty()).then(|| SenseReport::new(&answer.sense)),
            transferred: answer.transferred,
            residual: answer.residual,
            data: hex::plain(data),
        }
    }

    fn print(&self, data: &[u8], output: &mut Output) -> io::Result<()> {
        match (&self.status, &self.failure) {
            (Some(status), _) => output.line(&format!("status    {status}"))?,
            (None, failure) => {
                let failure = failure.as_deref().unwrap_or("unknown");
                output.line(&format!("status    none: {failure}"))?;
            }
        }
        if let Some(sense) = &self.sense {
            output.line(&format!("sense     {}", sense.text))?;
        }
        output.line(&format!("moved     {} bytes", self.transferred))?;
        output.line(&format!("residual  {} bytes", self.residual))?;
        output.bytes(hex::dump(data).as_bytes())
    }
}

impl SenseReport {
    fn new(bytes: &[u8]) -> Self {
        let sense = Sense::parse(bytes);
        let text = match &sense {
            Ok(sense) => sense.to_string(),
            Err(error) => error.to_string(),
        };
        let sense = sense.ok();
        Self {
            text,
            key: sense.map(|sense| sense.key.0),
            asc: sense.map(|sense| sense.additional.asc),
            ascq: sense.map(|sense| sense.additional.ascq),
            raw: hex::plain(bytes),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SendError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    read.map_err(|source| SendError::PayloadFile { path: path.to_owned(), source })
}

/// Made before anything is sent, so that the answer is not lost to a wrong path.
fn create(path: &Path) -> Result<(File, PathBuf), SendError> {
    let failed = |source| SendError::DataFile { path: path.to_owned(), source };
    File::create(path).map(|file| (file, path.to_owned())).map_err(failed)
}

/// Why a command was not sent, or its answer not kept.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The file with the data to write cannot be read.
    PayloadFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file with the data to write has no bytes.
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file for the data that was read cannot be written.
    DataFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No command moves that much.
    TooLong {
        /// In bytes.
        bytes: u64,
    },
    /// The controller does not move that much in one command.
    Limit {
        /// In bytes.
        bytes: u64,
        /// What it does move.
        permitted: u32,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PayloadFile { path, source } | Self::DataFile { path, source } => {
                write!(f, "{}: {source}", path.display())
            }
            Self::Empty { path } => {
                write!(f, "{} is empty: a command without data takes no --out", path.display())
            }
            Self::TooLong { bytes } => write!(f, "no command moves {bytes} bytes"),
            Self::Limit { bytes, permitted } => {
                write!(
                    f,
                    "the controller moves at most {permitted} bytes with a command, not {bytes}"
                )
            }
        }
    }
}

impl core::error::Error for SendError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::PayloadFile { source, .. } | Self::DataFile { source, .. } => Some(source),
            _ => None,
        }
    }
}
