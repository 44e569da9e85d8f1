//! Runs the program.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Every controller.
pub(crate) const CONTROLLERS: [&str; 3] = ["sim:sas1068", "sim:direct", "qemu:mptsas1068"];

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program with nothing on standard input.
pub(crate) fn hba<S: AsRef<str>>(arguments: &[S]) -> Ran {
    let arguments = arguments.iter().map(AsRef::as_ref);
    let output = command().args(arguments).stdin(Stdio::null()).output();
    Ran::of(output.expect("the program starts"))
}

/// The program, for tests that set more than its arguments.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hba"))
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let Output { status, stdout, stderr } = output;
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Standard output of a run that went well and had nothing to complain about.
    #[track_caller]
    pub(crate) fn passed(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// The JSON of such a run.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.passed()).expect("JSON")
    }

    /// The one line on standard error of a run that ended with `code`.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<_> = self.stderr.lines().collect();
        let [line] = lines[..] else { panic!("not one line: {self:?}") };
        line.strip_prefix("hba: ").unwrap_or_else(|| panic!("{line:?}")).to_owned()
    }
}

/// Whether the controller can be used here; see [`hba_qemu::available_for_tests`].
pub(crate) fn available(controller: &str) -> bool {
    !controller.starts_with("qemu:") || hba_qemu::available_for_tests()
}

/// The controllers that can be used here.
pub(crate) fn controllers() -> impl Iterator<Item = &'static str> {
    CONTROLLERS.into_iter().filter(|controller| available(controller))
}

/// A file in the tests' own directory, removed at the end.
pub(crate) struct TestFile(PathBuf);

impl TestFile {
    /// A name that no other test has; no file yet.
    pub(crate) fn new(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let file = Self(directory.join(format!("{}-{name}", std::process::id())));
        let _ = fs::remove_file(&file.0);
        file
    }

    /// A file of `len` zeros.
    pub(crate) fn zeros(name: &str, len: u64) -> Self {
        let file = Self::new(name);
        File::create(&file.0).and_then(|f| f.set_len(len)).expect("a file");
        file
    }

    /// A file with this content.
    pub(crate) fn with(name: &str, content: &[u8]) -> Self {
        let file = Self::new(name);
        fs::write(&file.0, content).expect("a file");
        file
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        fs::read(&self.0).expect("the file")
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
