//! A socket to QEMU that carries lines, with bounded waits.

use core::time::Duration;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;

/// One end of a line protocol. After the first failure the stream is out of step and every call fails at once.
#[derive(Debug)]
pub(crate) struct LineSocket {
    stream: BufReader<UnixStream>,
    line: String,
    gone: bool,
}

impl LineSocket {
    /// Reads and writes that take longer than `timeout` fail.
    pub(crate) fn new(stream: UnixStream, timeout: Duration) -> io::Result<Self> {
        let stream = BufReader::new(stream);
        let socket = Self { stream, line: String::new(), gone: false };
        socket.set_timeout(timeout)?;
        Ok(socket)
    }

    pub(crate) fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        // The kernel takes a zero time as "wait for ever".
        let timeout = Some(timeout.max(Duration::from_millis(1)));
        self.stream.get_ref().set_read_timeout(timeout)?;
        self.stream.get_ref().set_write_timeout(timeout)
    }

    /// Whether a call failed before.
    pub(crate) const fn is_gone(&self) -> bool {
        self.gone
    }

    /// Sends `line`, which ends with a newline.
    pub(crate) fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.check()?;
        let sent = self.stream.get_mut().write_all(line);
        self.note(sent)
    }

    /// The next line without its end.
    pub(crate) fn receive(&mut self) -> io::Result<&str> {
        self.check()?;
        self.line.clear();
        let read = match self.stream.read_line(&mut self.line) {
            Ok(_) if self.line.ends_with('\n') => Ok(()),
            Ok(_) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) => Err(error),
        };
        self.note(read)?;
        Ok(self.line.trim_end())
    }

    fn check(&self) -> io::Result<()> {
        if self.gone { Err(ErrorKind::NotConnected.into()) } else { Ok(()) }
    }

    fn note(&mut self, result: io::Result<()>) -> io::Result<()> {
        self.gone |= result.is_err();
        result
    }
}

/// Whether a socket call failed because its time was up.
pub(crate) fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
