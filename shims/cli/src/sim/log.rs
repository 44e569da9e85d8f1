//! `hba sim --log FILE`: every word between the core and its backend, a line each.

use alloc::sync::Arc;
use core::fmt::{Display, Write as _};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hba_core::queue::Vector;
use hba_core::tracer::{ControlRecord, QueueRecord, Recorder, Recorders};

/// The file. Runs that go on at the same time do not mix: each is written when it has ended.
#[derive(Debug)]
pub(super) struct Log(Mutex<BufWriter<File>>);

impl Log {
    /// Makes the file, or empties it.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(BufWriter::new(File::create(path)?))))
    }

    /// Adds a run.
    pub(super) fn add(&self, seed: u64, run: &RunLog) -> io::Result<()> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "seed {seed}")?;
        run.with(|text| file.write_all(text.as_bytes()))
    }

    /// Writes what is left.
    pub(super) fn finish(self) -> io::Result<()> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// The lines of one run. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct RunLog(Arc<Mutex<String>>);

/// The lines of one vector.
pub(super) struct QueueLog(String, RunLog);

impl RunLog {
    fn line(&self, who: &str, record: impl Display) {
        // Writing to a string does not fail.
        self.with(|text| _ = writeln!(text, "{who:9} {record}"));
    }

    fn with<T>(&self, then: impl FnOnce(&mut String) -> T) -> T {
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recorder<ControlRecord> for RunLog {
    fn record(&mut self, record: ControlRecord) {
        self.line("control", record);
    }
}

impl Recorders for RunLog {
    type Queue = QueueLog;

    fn queue(&mut self, vector: Vector) -> QueueLog {
        QueueLog(format!("vector {}", vector.0), self.clone())
    }
}

impl Recorder<QueueRecord> for QueueLog {
    fn record(&mut self, record: QueueRecord) {
        self.1.line(&self.0, record);
    }
}
