//! What sg3_utils says of the same bytes: sense data, additional sense codes, INQUIRY and VPD data, names of commands.
//!
//! The Debian package `sg3-utils` has to be installed; without it the tests say so and do nothing. Its programs read sense data
//! from their arguments and INQUIRY data from a file, so no device is needed.

mod codes;
mod commands;
mod inquiry;

mod sense;

use std::path::PathBuf;
use std::process::Command;

/// Runs one program of the package and returns what it prints; `None` where it is not installed.
fn run(program: &str, arguments: &[String]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed: apt-get install sg3-utils");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn hex(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `program` makes of `bytes` as if a device had sent them.
fn read_raw(program: &str, options: &[&str], bytes: &[u8]) -> Option<String> {
    let path = scratch(program);
    std::fs::write(&path, bytes).expect("a temporary file");
    let inhex = format!("--inhex={}", path.display());
    let arguments: Vec<_> = options
        .iter()
        .map(|&option| option.to_owned())
        .chain(["--raw".to_owned(), inhex])
        .collect();
    let output = run(program, &arguments);
    std::fs::remove_file(&path).expect("the file is there");
    output
}

/// A file of this thread's own.
fn scratch(name: &str) -> PathBuf {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("main").replace("::", "-");
    std::env::temp_dir().join(format!("hba-{}-{thread}-{name}", std::process::id()))
}

/// Letters and digits only, in lower case: the two differ in case, hyphens and commas.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
