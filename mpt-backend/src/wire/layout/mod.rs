//! Compares every layout of [`wire`](super) with measured ones.
//!
//! `data/mpi1-layouts.csv` holds one row per field: its name in the standard, offset and size in
//! bytes, as measured from debug information of independent C headers. The tables beside this file
//! name the field of ours that each row stands for, so that a field that moves, grows or changes
//! places makes a test fail.

mod events;
mod messages;
mod mpi2;
mod pages;

use super::registers;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const MEASURED: &str = include_str!("../../../data/mpi1-layouts.csv");

/// Where something lies in its structure, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    offset: usize,
    size: usize,
}

impl Span {
    fn holds(self, other: Self) -> bool {
        other.offset >= self.offset && other.offset + other.size <= self.offset + self.size
    }
}

/// One of our structures, told in the names of the standard.
struct Layout {
    name: &'static str,
    size: usize,
    fields: Vec<(&'static str, Span)>,
    /// Rows without a field of their own: name, the row that they overlap, reason.
    aliases: Vec<(&'static str, &'static str, &'static str)>,
}

/// The size of what `_project` returns a reference to.
fn field_size<T, F>(_project: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Describes one structure: `"C name" => Type { "C field" => our.field; ... }`.
///
/// Each `tail "C field" => Type { ... }` describes what follows the structure; several tails are
/// arms of one union, and the first gives the size. Each `alias "C field" in "other row": reason`
/// excuses a row that names bytes of another row once more.
macro_rules! layout {
    ($name:literal => $Type:ident {
        $($row:literal => $($field:ident).+;)*
        $(tail $tail:literal => $Tail:ident { $($tail_row:literal => $($tail_field:ident).+;)* })*
        $(alias $alias:literal in $target:literal: $reason:literal;)*
    }) => {{
        let end = core::mem::size_of::<$Type>();
        let tails: &[usize] = &[$(core::mem::size_of::<$Tail>()),*];
        $crate::wire::layout::Layout {
            name: $name,
            size: end + tails.first().copied().unwrap_or(0),
            fields: alloc::vec![
                $(($row, $crate::wire::layout::Span {
                    offset: core::mem::offset_of!($Type, $($field).+),
                    size: $crate::wire::layout::field_size(|s: &$Type| &s.$($field).+),
                }),)*
                $(
                    ($tail, $crate::wire::layout::Span {
                        offset: end,
                        size: core::mem::size_of::<$Tail>(),
                    }),
                    $(($tail_row, $crate::wire::layout::Span {
                        offset: end + core::mem::offset_of!($Tail, $($tail_field).+),
                        size: $crate::wire::layout::field_size(|s: &$Tail| &s.$($tail_field).+),
                    }),)*
                )*
            ],
            aliases: alloc::vec![$(($alias, $target, $reason)),*],
        }
    }};
}
use layout;

/// The register set has no structure of ours: its fields are the offset constants.
fn register_set() -> Layout {
    let word = |name, offset: u32| (name, Span { offset: offset as usize, size: 4 });
    let gap = |name, offset, size| (name, Span { offset, size });
    Layout {
        name: "SYSIF_REGS",
        size: registers::RESET_1078 as usize + 4,
        fields: alloc::vec![
            word("Doorbell", registers::DOORBELL),
            word("WriteSequence", registers::WRITE_SEQUENCE),
            word("Diagnostic", registers::DIAGNOSTIC),
            word("TestBase", registers::TEST_BASE),
            word("DiagRwData", registers::DIAG_RW_DATA),
            word("DiagRwAddress", registers::DIAG_RW_ADDRESS),
            gap("Reserved1", 0x18, 24),
            word("IntStatus", registers::INT_STATUS),
            word("IntMask", registers::INT_MASK),
            gap("Reserved2", 0x38, 8),
            word("RequestFifo", registers::REQUEST_FIFO),
            word("ReplyFifo", registers::REPLY_FIFO),
            word("RequestHiPriFifo", registers::REQUEST_HI_PRI_FIFO),
            gap("Reserved3", 0x4c, 4),
            word("HostIndex", registers::HOST_INDEX),
            gap("Reserved4", 0x54, 60),
            word("Fubar", registers::FUBAR),
            gap("Reserved5", 0x94, 4200),
            word("Reset_1078", registers::RESET_1078),
        ],
        aliases: Vec::new(),
    }
}

fn all_layouts() -> Vec<Layout> {
    let mut layouts = alloc::vec![register_set()];
    layouts.extend(messages::layouts());
    layouts.extend(events::layouts());
    layouts.extend(pages::layouts());
    layouts
}

type Rows<'a> = BTreeMap<&'a str, Span>;

/// Rows by structure and field. The last column may hold commas, the columns used here do not.
fn parse(csv: &str) -> BTreeMap<&str, Rows<'_>> {
    let mut structures = BTreeMap::<_, Rows<'_>>::new();
    for line in csv.lines().skip(1) {
        let columns: Vec<&str> = line.splitn(7, ',').collect();
        let [family, structure, field, offset, size, ..] = columns[..] else {
            panic!("short row: {line}");
        };
        assert_eq!(family, "mpi1", "foreign row: {line}");
        let offset = offset.strip_prefix("0x").expect("offsets are hexadecimal");
        let span = Span {
            offset: usize::from_str_radix(offset, 16).expect("an offset"),
            size: size.parse().expect("a size"),
        };
        let old = structures.entry(structure).or_default().insert(field, span);
        assert_eq!(old, None, "double row: {line}");
    }
    structures
}

/// Every disagreement between our layouts and the measured rows, in words.
fn disagreements(layouts: &[Layout], csv: &str) -> Vec<String> {
    let mut measured = parse(csv);
    let mut found = Vec::new();
    for layout in layouts {
        match measured.remove(layout.name) {
            Some(rows) => compare(layout, rows, &mut found),
            None => found.push(format!("{} is not measured", layout.name)),
        }
    }
    found.extend(measured.keys().map(|name| format!("{name} has no layout")));
    found
}

fn compare(layout: &Layout, mut rows: Rows<'_>, found: &mut Vec<String>) {
    let name = layout.name;
    let whole = ("(size)", Span { offset: 0, size: layout.size });
    let measured = rows.clone();
    for &(field, ours) in layout.fields.iter().chain([&whole]) {
        match rows.remove(field) {
            Some(theirs) if theirs == ours => {}
            theirs => found.push(format!("{name}.{field}: ours {ours:?}, measured {theirs:?}")),
        }
    }
    for &(alias, target, reason) in &layout.aliases {
        assert!(!reason.is_empty(), "{name}.{alias} needs a reason");
        match (rows.remove(alias), measured.get(target)) {
            (Some(alias), Some(target)) if target.holds(alias) => {}
            spans => found.push(format!("{name}.{alias} is no alias of {target}: {spans:?}")),
        }
    }
    found.extend(rows.keys().map(|field| format!("{name}.{field} has no field")));
}

#[test]
fn every_layout_agrees_with_the_measured_one() {
    let found = disagreements(&all_layouts(), MEASURED);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn moved_resized_missing_and_extra_rows_are_found() {
    let row = "mpi1,MSG_SCSI_IO_REPLY,SCSIState,0x00d,1,";
    assert_eq!(MEASURED.matches(row).count(), 1);
    let with = |change: &str| disagreements(&all_layouts(), &MEASURED.replace(row, change)).len();
    assert_eq!(with("mpi1,MSG_SCSI_IO_REPLY,SCSIState,0x00c,1,"), 1);
    assert_eq!(with("mpi1,MSG_SCSI_IO_REPLY,SCSIState,0x00d,2,"), 1);
    assert_eq!(with("mpi1,MSG_SCSI_IO_REPLY,Renamed,0x00d,1,"), 2);
    assert_eq!(with("mpi1,MSG_NEW,(size),0x000,4,\nmpi1,MSG_SCSI_IO_REPLY,SCSIState,0x00d,1,"), 1);
}

#[test]
fn a_lost_layout_is_found() {
    let mut layouts = all_layouts();
    let lost = layouts.pop().expect("there are layouts").name.to_string();
    assert_eq!(disagreements(&layouts, MEASURED), [format!("{lost} has no layout")]);
}
