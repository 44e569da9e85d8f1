//! `--trace FILE`: a timeline of commands and recovery that opens in [Perfetto](https://ui.perfetto.dev).
//!
//! The spans and events of `hba-core`'s async facade become the JSON of Chrome's trace viewer: one group of tracks for each
//! vector, one for Control. Commands that overlap take a row each, so that what begins on a row ends there first. A
//! command's span lasts from the moment at which it was handed to the facade to its answer.

mod collector;
mod json;

use alloc::sync::Arc;
use core::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use collector::Collector;
use hba_core::time::Instant;
use tracing::Dispatch;
use tracing::dispatcher::DefaultGuard;

use crate::session::ClockFn;

/// A trace that is being written.
pub struct Trace {
    path: PathBuf,
    collector: Arc<Collector>,
    /// This thread's spans go to the collector as long as it lives.
    guard: DefaultGuard,
}

/// Why a trace was not written.
#[derive(Debug)]
pub struct TraceError {
    path: PathBuf,
    source: io::Error,
}

/// A file that takes a trace.
#[derive(Debug)]
pub struct TraceFile(File, PathBuf);

impl TraceFile {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    ///
    /// [`TraceError`].
    pub fn create(path: &Path) -> Result<Self, TraceError> {
        let failed = |source| TraceError { path: path.to_owned(), source };
        File::create(path).map(|file| Self(file, path.to_owned())).map_err(failed)
    }

    /// Traces what this thread does from now on, in times of `clock`.
    #[must_use]
    pub fn start(self, clock: ClockFn) -> Trace {
        let Self(file, path) = self;
        let collector = Arc::new(Collector::new(file, clock));
        let dispatch =
            Dispatch::from(Arc::clone(&collector) as Arc<dyn tracing::Subscriber + Send + Sync>);
        Trace { path, collector, guard: tracing::dispatcher::set_default(&dispatch) }
    }
}

/// A clock of this machine's, from now on.
#[must_use]
pub fn wall_clock() -> ClockFn {
    let origin = std::time::Instant::now();
    Arc::new(move || {
        let nanos = u64::try_from(origin.elapsed().as_nanos());
        Instant::from_nanos(nanos.unwrap_or(u64::MAX))
    })
}

impl Trace {
    /// Ends what has not ended and closes the file.
    ///
    /// # Errors
    ///
    /// [`TraceError`] if anything of the trace could not be written.
    pub fn finish(self) -> Result<(), TraceError> {
        let Self { path, collector, guard } = self;
        drop(guard);
        collector.finish().map_err(|source| TraceError { path, source })
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl core::error::Error for TraceError {}
