//! The monitor: JSON lines, one command at a time.
//!
//! Protocol: QEMU `docs/interop/qmp-spec`. A command is answered by `return` or `error`; events may come before it.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use crate::disk::disk_id;
use crate::line::{LineSocket, timed_out};

/// A handle of the monitor connection; clones take turns.
#[derive(Clone, Debug)]
pub struct Qmp(Arc<Mutex<Connection>>);

#[derive(Debug)]
struct Connection {
    socket: LineSocket,
    events: VecDeque<Value>,
}

/// Upper limits for the I/O of one disk; 0 means no limit.
///
/// QEMU lets the first I/O through and delays the next ones, so a limit of 1 holds everything after the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// Bytes per second, reads and writes together.
    pub bytes_per_s: u64,
    /// Requests per second, reads and writes together.
    pub requests_per_s: u64,
}

impl Qmp {
    /// Takes over the socket and leaves the negotiation mode. The answer shows that QEMU's machine is complete.
    pub(crate) fn negotiate(stream: UnixStream, deadline: Instant) -> Result<Self, QmpError> {
        let failed = |error| QmpError::new("qmp_capabilities", &error);
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut socket = LineSocket::new(stream, left()).map_err(failed)?;
        socket.receive().map_err(failed)?;
        socket.set_timeout(left()).map_err(failed)?;
        let qmp = Self(Arc::new(Mutex::new(Connection { socket, events: VecDeque::new() })));
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    pub(crate) fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.lock().socket.set_timeout(timeout)
    }

    /// Runs one command and returns the value of its `return` member.
    ///
    /// # Errors
    ///
    /// [`QmpError`]; QEMU's own words are in `Refused`.
    pub fn execute(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        self.lock().execute(command, arguments)
    }

    /// The events since the last call, oldest first; the newest 256 are kept.
    #[must_use = "the events are not reported again"]
    pub fn take_events(&self) -> Vec<Value> {
        self.lock().events.drain(..).collect()
    }

    /// Limits the I/O of disk number `disk` in `Config::disks`; `Throttle::default()` lifts all limits.
    ///
    /// Requests that wait are let go when a limit is lifted.
    ///
    /// # Errors
    ///
    /// [`QmpError`], `Refused` if there is no such disk.
    pub fn set_io_throttle(&self, disk: usize, throttle: Throttle) -> Result<(), QmpError> {
        let arguments = json!({
            "id": disk_id(disk),
            "bps": throttle.bytes_per_s, "bps_rd": 0, "bps_wr": 0,
            "iops": throttle.requests_per_s, "iops_rd": 0, "iops_wr": 0,
        });
        self.execute("block_set_io_throttle", arguments).map(drop)
    }

    /// The run state of the machine; `prelaunch` for one whose CPU never ran, as here.
    ///
    /// # Errors
    ///
    /// [`QmpError`].
    pub fn query_status(&self) -> Result<String, QmpError> {
        let answer = self.execute("query-status", json!({}))?;
        match answer["status"].as_str() {
            Some(status) => Ok(status.to_owned()),
            None => Err(QmpError::protocol("query-status", &answer.to_string())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let failed = |error| QmpError::new(command, &error);
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        self.socket.send(line.as_bytes()).map_err(failed)?;
        loop {
            let line = self.socket.receive().map_err(failed)?;
            let mut answer: Value =
                serde_json::from_str(line).map_err(|_| QmpError::protocol(command, line))?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                let (class, description) = (text("class"), text("desc"));
                return Err(QmpError::Refused { command: command.to_owned(), class, description });
            }
            if self.events.len() == EVENTS_MAX {
                self.events.pop_front();
            }
            self.events.push_back(answer);
        }
    }
}

/// Why a monitor command gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QmpError {
    /// QEMU closed the socket.
    Gone {
        /// The command.
        command: String,
    },
    /// No answer within `Config::access_timeout`; the connection is given up.
    Timeout {
        /// The command.
        command: String,
    },
    /// QEMU answered with an error.
    Refused {
        /// The command.
        command: String,
        /// QEMU's error class.
        class: String,
        /// QEMU's words.
        description: String,
    },
    /// The answer is not what the protocol promises.
    Protocol {
        /// The command.
        command: String,
        /// What came back.
        answer: String,
    },
}

impl QmpError {
    fn new(command: &str, error: &io::Error) -> Self {
        let command = command.to_owned();
        if timed_out(error) { Self::Timeout { command } } else { Self::Gone { command } }
    }

    fn protocol(command: &str, answer: &str) -> Self {
        Self::Protocol { command: command.to_owned(), answer: answer.to_owned() }
    }
}

impl fmt::Display for QmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { command } => write!(f, "QEMU ended before it answered QMP {command}"),
            Self::Timeout { command } => write!(f, "QEMU gave no answer to QMP {command} in time"),
            Self::Refused { command, class, description } => {
                write!(f, "QEMU refused QMP {command}: {description} ({class})")
            }
            Self::Protocol { command, answer } => {
                write!(f, "QEMU answered QMP {command} with '{answer}'")
            }
        }
    }
}

impl core::error::Error for QmpError {}

const EVENTS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};

    /// Greets, takes the capabilities, then answers each command with the next text.
    fn scripted(answers: &'static [&str]) -> Qmp {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        std::thread::spawn(move || {
            let mut commands = BufReader::new(theirs.try_clone().expect("clone"));
            (&theirs).write_all(b"{\"QMP\": {}}\n").expect("greeting");
            for answer in ["{\"return\": {}}\n"].iter().chain(answers) {
                commands.read_line(&mut String::new()).expect("command");
                (&theirs).write_all(answer.as_bytes()).expect("answer");
            }
        });
        Qmp::negotiate(ours, Instant::now() + Duration::from_secs(30)).expect("negotiated")
    }

    #[test]
    fn events_do_not_answer_a_command_and_are_kept() {
        let qmp = scripted(&["{\"event\": \"STOP\"}\n{\"return\": {\"status\": \"prelaunch\"}}\n"]);
        assert_eq!(qmp.query_status(), Ok("prelaunch".to_owned()));
        assert_eq!(qmp.take_events(), [json!({ "event": "STOP" })]);
        assert!(qmp.take_events().is_empty());
    }

    #[test]
    fn refusals_carry_the_words_of_qemu() {
        let qmp =
            scripted(&["{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"no disk7\"}}\n"]);
        let error = qmp.set_io_throttle(7, Throttle::default()).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "QEMU refused QMP block_set_io_throttle: no disk7 (DeviceNotFound)"
        );
        let gone = qmp.query_status().expect_err("the script is over");
        assert_eq!(gone, QmpError::Gone { command: "query-status".to_owned() });
    }

    #[test]
    fn answers_that_are_not_json_are_errors() {
        let qmp = scripted(&["nonsense\n"]);
        assert!(matches!(qmp.query_status(), Err(QmpError::Protocol { .. })));
    }
}
