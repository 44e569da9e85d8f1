//! The JSON of Chrome's trace viewer, which Perfetto reads. Source: "Trace Event Format", sections "JSON Object Format",
//! "Duration Events", "Instant Events" and "Metadata Events".

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use hba_core::time::Instant;
use serde_json::{Map, Value, json};

/// The row of a timeline: the group (in the format a process) and the row in it (a thread).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) group: u32,
    pub(super) row: u32,
}

/// Writes events as they come. After an error nothing more is written.
pub(super) struct Writer {
    out: BufWriter<File>,
    first: bool,
    error: Option<io::Error>,
}

impl Writer {
    pub(super) fn new(file: File) -> Self {
        let mut writer = Self { out: BufWriter::new(file), first: true, error: None };
        writer.raw("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
        writer
    }

    pub(super) fn begin(&mut self, at: Instant, on: Row, name: &str, args: Map<String, Value>) {
        self.event(json!({"ph": "B", "name": name, "args": args}), at, on);
    }

    pub(super) fn end(&mut self, at: Instant, on: Row, args: Map<String, Value>) {
        self.event(json!({"ph": "E", "args": args}), at, on);
    }

    /// Something without a length, on the first row of a group.
    pub(super) fn instant(&mut self, at: Instant, on: Row, name: &str) {
        self.event(json!({"ph": "i", "s": "p", "name": name}), at, on);
    }

    /// The name of a group, and its place among the groups.
    pub(super) fn name_group(&mut self, group: u32, name: &str) {
        let on = Row { group, row: 0 };
        let named = json!({"ph": "M", "name": "process_name", "args": {"name": name}});
        self.event(named, Instant::ZERO, on);
        let place = json!({"ph": "M", "name": "process_sort_index", "args": {"sort_index": group}});
        self.event(place, Instant::ZERO, on);
    }

    pub(super) fn name_row(&mut self, on: Row, name: &str) {
        let named = json!({"ph": "M", "name": "thread_name", "args": {"name": name}});
        self.event(named, Instant::ZERO, on);
        let place = json!({"ph": "M", "name": "thread_sort_index", "args": {"sort_index": on.row}});
        self.event(place, Instant::ZERO, on);
    }

    /// Ends the document.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.raw("\n]}\n");
        match self.error.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }

    fn event(&mut self, mut event: Value, at: Instant, on: Row) {
        // Times are in microseconds.
        event["ts"] = json!(at.as_nanos() as f64 / 1e3);
        event["pid"] = json!(on.group);
        event["tid"] = json!(on.row);
        self.raw(if self.first { "\n" } else { ",\n" });
        self.first = false;
        self.raw(&event.to_string());
    }

    fn raw(&mut self, text: &str) {
        if self.error.is_none() {
            self.error = self.out.write_all(text.as_bytes()).err();
        }
    }
}
