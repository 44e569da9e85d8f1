//! Takes spans and events from the `tracing` crate and gives each a row.

use alloc::collections::BTreeMap;
use core::fmt;
use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::time::Instant;
use scsi_proto::Opcode;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::json::{Row, Writer};
use crate::session::ClockFn;

/// A subscriber for the spans of the facade; see its module `observe` for what there is.
pub(super) struct Collector {
    clock: ClockFn,
    state: Mutex<State>,
}

struct State {
    writer: Writer,
    finished: bool,
    last: u64,
    open: BTreeMap<u64, Open>,
    /// Which rows of a group are in use.
    groups: BTreeMap<u32, Vec<bool>>,
    /// No earlier than any event before.
    now: Instant,
}

/// A span that has not ended.
struct Open {
    on: Row,
    handles: u32,
    /// What was learnt since it began.
    args: Map<String, Value>,
}

impl Collector {
    pub(super) fn new(file: File, clock: ClockFn) -> Self {
        let (open, groups) = (BTreeMap::new(), BTreeMap::new());
        let writer = Writer::new(file);
        let state = State { writer, finished: false, last: 0, open, groups, now: Instant::ZERO };
        Self { clock, state: Mutex::new(state) }
    }

    pub(super) fn finish(&self) -> io::Result<()> {
        let mut state = self.state();
        state.finished = true;
        for (_, open) in core::mem::take(&mut state.open) {
            let now = state.now;
            state.writer.end(now, open.on, open.args);
        }
        state.writer.finish()
    }

    /// The state, with the time in it.
    fn state(&self) -> MutexGuard<'_, State> {
        let now = (self.clock)();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = state.now.max(now);
        state
    }
}

/// A program that ends early leaves a trace that can be read, if that is possible.
impl Drop for Collector {
    fn drop(&mut self) {
        if !self.state().finished {
            let _ = self.finish();
        }
    }
}

impl State {
    /// The first row of `group` that is free, from `first` on.
    fn take_row(&mut self, group: u32, first: usize) -> Row {
        if !self.groups.contains_key(&group) {
            let name = match group.checked_sub(VECTORS) {
                Some(vector) => format!("vector {vector}"),
                None => "control".to_owned(),
            };
            self.writer.name_group(group, &name);
        }
        let rows = self.groups.entry(group).or_default();
        rows.resize(rows.len().max(first), true);
        let at = rows.iter().skip(first).position(|used| !used).map_or(rows.len(), |at| at + first);
        let on = Row { group, row: at as u32 };
        match rows.get_mut(at) {
            Some(used) => *used = true,
            None => {
                rows.push(true);
                let what = if group == CONTROL { "step" } else { "command" };
                self.writer.name_row(on, &format!("{what} {}", at + 1));
            }
        }
        on
    }

    fn leave_row(&mut self, on: Row) {
        if let Some(used) =
            self.groups.get_mut(&on.group).and_then(|rows| rows.get_mut(on.row as usize))
        {
            *used = false;
        }
    }

    fn begin(&mut self, name: &str, mut fields: Fields) -> u64 {
        let (group, name) = match (fields.number("vector"), fields.number("opcode")) {
            (Some(vector), Some(opcode)) => {
                fields.0.remove("vector");
                fields.0.remove("opcode");
                (
                    VECTORS + vector as u32,
                    format!("{} {}", Opcode(opcode as u8), fields.text("nexus")),
                )
            }
            _ => (CONTROL, format!("{name} {}{}", fields.text("rung"), fields.text("reason"))),
        };
        let on = self.take_row(group, 0);
        let now = self.now;
        self.writer.begin(now, on, name.trim_end(), fields.0);
        self.last += 1;
        self.open.insert(self.last, Open { on, handles: 1, args: Map::new() });
        self.last
    }

    fn end(&mut self, id: u64) {
        let Some(open) = self.open.remove(&id) else { return };
        let now = self.now;
        self.writer.end(now, open.on, open.args);
        self.leave_row(open.on);
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("hba_core")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        Id::from_u64(self.state().begin(span.metadata().name(), fields))
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(open) = self.state().open.get_mut(&span.into_u64()) {
            open.args.extend(fields.0);
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut state = self.state();
        let now = state.now;
        if !state.groups.contains_key(&CONTROL) {
            let on = state.take_row(CONTROL, 0);
            state.leave_row(on);
        }
        state.writer.instant(now, Row { group: CONTROL, row: 0 }, fields.text("event"));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn clone_span(&self, id: &Id) -> Id {
        if let Some(open) = self.state().open.get_mut(&id.into_u64()) {
            open.handles += 1;
        }
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut state = self.state();
        let Some(open) = state.open.get_mut(&id.into_u64()) else { return false };
        open.handles -= 1;
        let last = open.handles == 0;
        if last {
            state.end(id.into_u64());
        }
        last
    }
}

/// The fields of a span or an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

/// The groups: Control first.
const CONTROL: u32 = 0;
const VECTORS: u32 = 1;
