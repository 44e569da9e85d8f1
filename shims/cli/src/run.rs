//! From the command line to the exit code.

use core::fmt::Write as _;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::{Args, Command};
use crate::output::{Output, note};
use crate::{CliError, Exit, bench, decode, doctor, list, send, serve, sim, verify};

/// Runs the program with its command line, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => return explain(&error).into(),
    };
    let mut output = Output::new();
    match execute(&args, &mut output) {
        Ok(exit) => exit.into(),
        Err(error) => {
            note(&error.to_string());
            error.exit().into()
        }
    }
}

fn execute(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    match &args.command {
        Command::List => list::run(&args.rig, output),
        Command::Verify(options) => verify::run(&args.rig, options, output),
        Command::Bench(options) => bench::run(&args.rig, options, output),
        Command::Send(options) => send::run(&args.rig, options, output),
        Command::Decode(options) => decode::run(&args.rig, options, output),
        Command::Doctor(options) => doctor::run(&args.rig, options, output),
        Command::Sim(options) => sim::run(&args.rig, options, output),
        Command::Serve(options) => serve::run(&args.rig, options, output),
    }
}

/// Help goes to standard output, everything else becomes one line.
fn explain(error: &clap::Error) -> Exit {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that left has seen enough.
            let _ = Output::new().bytes(text.as_bytes());
            Exit::Pass
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            note(
                "what to do? list, verify, bench, send, decode, doctor, serve or sim; hba --help says more",
            );
            Exit::Usage
        }
        _ => {
            note(&one_line(&text));
            Exit::Usage
        }
    }
}

/// The message of clap without its heading, usage and hints.
fn one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let mut line = String::new();
    for part in text.lines().map(str::trim).take_while(|part| !part.starts_with("Usage:")) {
        if part.is_empty() || part.starts_with("For more information") {
            continue;
        }
        let _ = write!(line, "{}{part}", if line.is_empty() { "" } else { " " });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_clap_become_one_line() {
        let line = |arguments: &[&str]| {
            let error = Args::try_parse_from(arguments).expect_err("invalid");
            one_line(&error.to_string())
        };
        assert_eq!(
            line(&["hba", "--controller", "sim:x", "list"]),
            "invalid value 'sim:x' for '--controller <SPEC>': \
             the controllers are sim:sas1068, sim:sas2008, sim:sas3008, sim:direct, qemu:mptsas1068"
        );
        assert_eq!(
            line(&["hba", "send", "--cdb", "00"]),
            "the following required arguments were not provided: --lun <H:C:T:L>"
        );
    }
}
