//! `hba list`.

use hba_core::discovery::Discovered;
use hba_core::logical_unit::{LogicalUnit, Readiness, WriteCache};
use hba_core::port::TargetKind;
use scsi_proto::inquiry::DeviceType;
use serde::Serialize;

use crate::args::RigArgs;
use crate::hctl::Hctl;
use crate::output::{Output, note};
use crate::session::{Session, SimBehaviour};
use crate::size::human;
use crate::{CliError, Exit};

/// Lists the logical units.
pub(crate) fn run(rig: &RigArgs, output: &mut Output) -> Result<Exit, CliError> {
    let mut session = Session::open(rig.session(SimBehaviour::default())?)?;
    let found = session.attach()?;
    session.close()?;
    print(rig, &found, output)?;
    Ok(Exit::Pass)
}

fn print(rig: &RigArgs, found: &Discovered, output: &mut Output) -> Result<(), CliError> {
    for skipped in &found.skipped {
        note(&format!("0:{}: {}", skipped.nexus, skipped.reason));
    }
    let rows: Vec<_> = found.units.iter().map(Row::of).collect();
    if rig.json {
        output.json(&rows)?;
        return Ok(());
    }
    table(&found.units).iter().try_for_each(|row| output.line(row))?;
    Ok(())
}

/// What there is to say about a logical unit; what is not known is `null`.
#[derive(Debug, Serialize)]
pub struct Row {
    /// host:channel:target:lun.
    address: String,
    host: u8,
    channel: u8,
    target: u16,
    /// `None` for forms that are not a single number.
    lun: Option<u32>,
    #[serde(rename = "type")]
    device_type: String,
    /// Whether the controller's firmware makes it of disks.
    volume: bool,
    vendor: String,
    model: String,
    revision: String,
    serial: Option<String>,
    wwn: Option<String>,
    /// In bytes.
    capacity: Option<u64>,
    blocks: Option<u64>,
    block_size: Option<u32>,
    /// WCE of the caching page.
    write_cache: Option<bool>,
    write_protected: bool,
    ready: bool,
}

impl Row {
    /// The row of `unit`.
    #[must_use]
    pub fn of(unit: &LogicalUnit) -> Self {
        let known = unit.blocks != 0;
        let target = unit.nexus.target;
        Self {
            address: Hctl(unit.nexus).to_string(),
            host: 0,
            channel: target.channel,
            target: target.id,
            lun: unit.nexus.lun.number(),
            device_type: short_type(unit.device_type),
            volume: unit.target_kind == TargetKind::Volume,
            vendor: unit.vendor.clone(),
            model: unit.model.clone(),
            revision: unit.revision.clone(),
            serial: Some(unit.serial.clone()).filter(|serial| !serial.is_empty()),
            wwn: unit.wwn.map(|wwn| wwn.to_string()),
            capacity: unit.bytes(),
            blocks: known.then_some(unit.blocks),
            block_size: known.then_some(unit.block_size.0),
            write_cache: match unit.write_cache {
                WriteCache::On => Some(true),
                WriteCache::Off => Some(false),
                WriteCache::Unknown => None,
            },
            write_protected: unit.write_protected,
            ready: unit.readiness == Readiness::Ready,
        }
    }

    fn cells(&self) -> [String; COLUMNS] {
        let cache = match self.write_cache {
            Some(true) => "cache=on",
            Some(false) => "cache=off",
            None => "-",
        };
        [
            format!("[{}]", self.address),
            if self.volume { "volume" } else { &self.device_type }.to_owned(),
            or_dash(Some(&self.vendor)),
            or_dash(Some(&self.model)),
            or_dash(Some(&self.revision)),
            or_dash(self.serial.as_deref()),
            or_dash(self.wwn.as_deref()),
            self.capacity.map_or_else(|| "-".to_owned(), human),
            self.block_size.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes}B")),
            cache.to_owned(),
        ]
    }
}

/// One aligned line for each of `units`.
#[must_use]
pub fn table(units: &[LogicalUnit]) -> Vec<String> {
    let rows: Vec<_> = units.iter().map(|unit| Row::of(unit).cells()).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; COLUMNS] = core::array::from_fn(|column| width(column).unwrap_or(0));
    rows.iter().map(|row| aligned(row, &widths)).collect()
}

/// Numbers to the right, everything else to the left.
fn aligned(row: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
        if NUMBERS.contains(&column) {
            format!("{cell:>width$}")
        } else {
            format!("{cell:<width$}")
        }
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

const COLUMNS: usize = 10;
/// Capacity and block size.
const NUMBERS: [usize; 2] = [7, 8];

fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

/// The device type as lsscsi abbreviates it.
fn short_type(device_type: DeviceType) -> String {
    match device_type {
        DeviceType::DISK => "disk",
        DeviceType::TAPE => "tape",
        DeviceType::PROCESSOR => "process",
        DeviceType::CD_DVD => "cd/dvd",
        DeviceType::OPTICAL => "optical",
        DeviceType::MEDIA_CHANGER => "mediumx",
        DeviceType::STORAGE_ARRAY => "storage",
        DeviceType::ENCLOSURE => "enclosu",
        DeviceType::REDUCED_BLOCK => "sim dsk",
        DeviceType::OBJECT_STORAGE => "osd",
        DeviceType::AUTOMATION => "adi",
        DeviceType::HOST_MANAGED_ZONED => "zbc",
        DeviceType::WELL_KNOWN => "wlun",
        DeviceType::UNKNOWN => "no dev",
        DeviceType(code) => return format!("0x{code:02x}"),
    }
    .to_owned()
}
