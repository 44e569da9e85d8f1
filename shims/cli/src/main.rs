//! The `hba` command; see [`hba_cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    hba_cli::run(std::env::args_os())
}
