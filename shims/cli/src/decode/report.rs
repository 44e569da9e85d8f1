//! What was decoded, for people and in JSON.

use core::fmt::Write as _;

use serde::Serialize;

use super::layout::{Field, Show, Spec, bytes};

/// The widest columns for position, name and value. What is longer, such as a dump, sticks out.
const WIDTHS_MAX: [usize; 3] = [16, 56, 24];

/// All that was decoded from one input.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// What the bytes are, in a line.
    summary: String,
    /// What follows from several fields together.
    facts: Vec<Fact>,
    sections: Vec<Section>,
    /// What is wrong with the bytes.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    value: String,
}

/// Fields that belong together: a header, a descriptor, a page.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    title: String,
    fields: Vec<Field>,
}

impl Report {
    /// Nothing but a summary.
    pub(super) fn new(summary: impl Into<String>) -> Self {
        let summary = summary.into();
        Self { summary, facts: Vec::new(), sections: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.push(Fact { name, value: value.into() });
    }

    /// Adds a section, unless it has no fields.
    pub(super) fn section(&mut self, section: Section) {
        if !section.fields.is_empty() {
            self.sections.push(section);
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Notes that the data should have `claimed` bytes and has `present`, where that is not the same.
    pub(super) fn note_length(&mut self, claimed: usize, present: usize) {
        if present < claimed {
            self.note(format!("truncated: {present} of {claimed} bytes are here"));
        } else if present > claimed {
            self.note(format!(
                "{} bytes follow the {claimed} that belong to it",
                present - claimed
            ));
        }
    }

    /// The text: columns are aligned over all sections.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary);
        for Fact { name, value } in &self.facts {
            let _ = writeln!(text, "{name:<18}  {value}");
        }
        let fields = || self.sections.iter().flat_map(|section| &section.fields);
        let widths = fields().map(Field::columns).fold([0; 3], |mut widths, columns| {
            for ((width, column), most) in widths.iter_mut().zip(&columns).zip(WIDTHS_MAX) {
                *width = (*width).max(Some(column.len()).filter(|len| *len <= most).unwrap_or(0));
            }
            widths
        });
        for Section { title, fields } in &self.sections {
            let _ = writeln!(text, "{title}");
            for field in fields {
                let _ = writeln!(text, "{}", line(field, widths));
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }
}

fn line(field: &Field, [position, name, value]: [usize; 3]) -> String {
    let [at, what, found] = field.columns();
    let meaning = field.shown_meaning();
    let line = format!("  {at:<position$}  {what:<name$}  {found:<value$}  {meaning}");
    line.trim_end().to_owned()
}

impl Section {
    /// A section without fields yet.
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), fields: Vec::new() }
    }

    /// The fields of `specs` that `data` has; it starts at byte `base` of the input.
    pub(super) fn read(title: impl Into<String>, data: &[u8], base: usize, specs: &[Spec]) -> Self {
        let fields = specs.iter().filter_map(|spec| spec.read(data, base)).collect();
        Self { title: title.into(), fields }
    }

    /// Adds a field, where there is one.
    pub(super) fn push(&mut self, field: Option<Field>) {
        self.fields.extend(field);
    }

    /// Adds the bytes of `data` from byte `from` on as they are, where there are any.
    pub(super) fn push_rest(&mut self, data: &[u8], base: usize, from: usize, name: &'static str) {
        if let Some(len) = data.len().checked_sub(from).filter(|&len| len > 0) {
            self.push(bytes(from, len, name).shown(Show::Bytes).read(data, base));
        }
    }
}
