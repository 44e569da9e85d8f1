//! Standard output that may close at any time.

use std::io::{self, ErrorKind, IsTerminal, StdoutLock, Write};

use serde::Serialize;

/// Standard output. Once its reader is gone, what is written vanishes: the command goes on, and its exit code counts.
#[derive(Debug)]
pub struct Output {
    stdout: StdoutLock<'static>,
    closed: bool,
}

impl Output {
    /// Locks standard output.
    #[must_use]
    pub fn new() -> Self {
        Self { stdout: io::stdout().lock(), closed: false }
    }

    /// Writes `line` and ends it.
    ///
    /// # Errors
    ///
    /// What writing gives, except that the reader is gone.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        self.bytes(line.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Writes `value` as indented JSON.
    ///
    /// # Errors
    ///
    /// As [`line`](Self::line).
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line(&serde_json::to_string_pretty(value)?)
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// As [`line`](Self::line).
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.stdout.write_all(bytes).and_then(|()| self.stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result,
        }
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a person sees standard error.
#[must_use]
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Writes one line for people to standard error. Nothing can be done if that fails.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "hba: {line}");
}
