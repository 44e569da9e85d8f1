//! Commands to a device while a client has it, one to a line.

use core::str::FromStr;
use core::time::Duration;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::thread;

use hba_vfio_user::Remote;

use crate::CliError;

/// What can be done to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Unplug(usize),
    Plug(usize),
    Hold(usize),
    Release(usize),
    Fault(u16),
    Sleep(u64),
}

/// Not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unknown;

const COMMANDS: &str = "unplug N, plug N, hold N, release N, fault CODE, sleep MILLISECONDS";

impl FromStr for Command {
    type Err = Unknown;

    fn from_str(line: &str) -> Result<Self, Unknown> {
        let mut words = line.split_whitespace();
        let (Some(word), Some(argument), None) = (words.next(), words.next(), words.next()) else {
            return Err(Unknown);
        };
        let number = match argument.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => argument.parse(),
        };
        let number = number.map_err(|_| Unknown)?;
        let slot = usize::try_from(number).map_err(|_| Unknown);
        match word {
            "unplug" => slot.map(Self::Unplug),
            "plug" => slot.map(Self::Plug),
            "hold" => slot.map(Self::Hold),
            "release" => slot.map(Self::Release),
            "fault" => u16::try_from(number).map(Self::Fault).map_err(|_| Unknown),
            "sleep" => Ok(Self::Sleep(number)),
            _ => Err(Unknown),
        }
    }
}

/// Opens a script; `-` is standard input.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, CliError> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let failed = |source| CliError::Script { path: path.to_owned(), source };
    Ok(Box::new(BufReader::new(File::open(path).map_err(failed)?)))
}

/// Does what the lines say, and answers each on standard error. The end of the script is not the end of the device.
pub(super) fn follow(script: impl BufRead, remote: &Remote, json: bool) {
    for line in script.lines().map_while(Result::ok) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let error = execute(line, remote).err();
        let answer = if json {
            serde_json::json!({ "command": line, "error": error }).to_string()
        } else {
            error.map_or_else(|| format!("ok {line}"), |error| format!("error {line}: {error}"))
        };
        // Nobody may be reading.
        let _ = writeln!(io::stderr().lock(), "{answer}");
    }
}

fn execute(line: &str, remote: &Remote) -> Result<(), String> {
    let command: Command = line.parse().map_err(|_| format!("the commands are {COMMANDS}"))?;
    let done = match command {
        Command::Unplug(slot) => remote.set_plugged(slot, false),
        Command::Plug(slot) => remote.set_plugged(slot, true),
        Command::Hold(slot) => remote.set_held(slot, true),
        Command::Release(slot) => remote.set_held(slot, false),
        Command::Fault(code) => remote.fault(code),
        Command::Sleep(millis) => {
            thread::sleep(Duration::from_millis(millis));
            Ok(())
        }
    };
    done.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands() {
        assert_eq!("unplug 1".parse(), Ok(Command::Unplug(1)));
        assert_eq!("  fault 0x5862 ".parse(), Ok(Command::Fault(0x5862)));
        assert_eq!("sleep 250".parse(), Ok(Command::Sleep(250)));
        for wrong in ["", "unplug", "unplug x", "unplug 1 2", "fault 0x10000", "eject 1", "hold -1"]
        {
            assert_eq!(wrong.parse::<Command>(), Err(Unknown), "{wrong}");
        }
    }
}
