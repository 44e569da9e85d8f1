//! Disks of the emulated machine: where the bytes are, what the disk says about itself, what stands between.

use core::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// One `scsi-hd` disk on the controller.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// Where the data lives.
    pub source: DiskSource,
    /// Bytes per logical block; a power of two from 512. READ CAPACITY reports it.
    pub logical_block_size: u32,
    /// Bytes per physical block; a multiple of the logical block.
    pub physical_block_size: u32,
    /// Unit serial number of VPD page 80h; `None` for `HBA-QEMU-n`.
    pub serial: Option<String>,
    /// World wide name in NAA format; `None` for one made from the disk's index. Linux attaches no disk without one.
    pub wwn: Option<u64>,
    /// Target id, 0 to 7 on an `mptsas1068`; `None` for the index of the disk in the list.
    pub scsi_id: Option<u8>,
    /// Refuses writes. The image file is then opened for reading only.
    pub read_only: bool,
    /// Block filters between the disk and its data, the one nearest to the disk first.
    pub filters: Vec<BlockFilter>,
    /// More properties of `-device scsi-hd`, such as `{"dpofua": true}`. They win over the fields above.
    pub device_options: Map<String, Value>,
}

/// Where a disk's data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskSource {
    /// Memory that nothing but this instance sees and that is gone with it; only written pages take space, so a size of
    /// many TB is fine. `Qemu::disk_file` reads it from the host's side.
    Memory {
        /// Size in bytes.
        size: u64,
    },
    /// An image file, which keeps what is written.
    Image {
        /// The file.
        path: PathBuf,
        /// How it is read; `None` looks at the first bytes of the file. A raw disk whose first bytes a test
        /// overwrites should say [`ImageFormat::Raw`].
        format: Option<ImageFormat>,
    },
}

/// Format of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageFormat {
    /// The bytes of the disk.
    Raw,
    /// QEMU's own, which begins with `QFI` FBh.
    Qcow2,
}

impl ImageFormat {
    /// The format that the first four bytes of `path` show.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or read.
    pub fn detect(path: &Path) -> io::Result<Self> {
        let mut magic = Vec::new();
        File::open(path)?.take(4).read_to_end(&mut magic)?;
        Ok(if magic == *b"QFI\xfb" { Self::Qcow2 } else { Self::Raw })
    }

    const fn driver(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// A QEMU block filter node with one child.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockFilter {
    /// Name of the block driver: `blkdebug`, `throttle` ...
    pub driver: String,
    /// Name of the option that takes the child: `image` for `blkdebug`, `file` for most others.
    pub child: String,
    /// The driver's other options.
    pub options: Map<String, Value>,
}

impl BlockFilter {
    /// A `blkdebug` node with these options.
    #[must_use]
    pub fn blkdebug(options: Map<String, Value>) -> Self {
        Self { driver: "blkdebug".to_owned(), child: "image".to_owned(), options }
    }

    /// A `blkdebug` node that fails I/O of one type (`read`, `write`, `write-zeroes`, `discard`, `flush`) with `errno`,
    /// always, or only the first time.
    ///
    /// Errno 5 (EIO) on `flush` reaches the initiator as sense 0B/00/06.
    #[must_use]
    pub fn fail_io(io_type: &str, errno: i32, once: bool) -> Self {
        let rule = json!({ "event": "none", "iotype": io_type, "errno": errno, "once": once });
        Self::blkdebug(Map::from_iter([("inject-error".to_owned(), Value::Array(vec![rule]))]))
    }
}

impl DiskConfig {
    /// An empty disk of `size` bytes in memory, with blocks of 512 bytes.
    #[must_use]
    pub fn memory(size: u64) -> Self {
        Self::new(DiskSource::Memory { size })
    }

    /// A disk with blocks of 512 bytes in the image file `path`, whose format its first bytes show.
    #[must_use]
    pub fn image(path: impl Into<PathBuf>) -> Self {
        Self::new(DiskSource::Image { path: path.into(), format: None })
    }

    fn new(source: DiskSource) -> Self {
        Self {
            source,
            logical_block_size: 512,
            physical_block_size: 512,
            serial: None,
            wwn: None,
            scsi_id: None,
            read_only: false,
            filters: Vec::new(),
            device_options: Map::new(),
        }
    }

    /// Sets the size of logical and physical blocks in bytes.
    #[must_use]
    pub const fn with_block_sizes(mut self, logical: u32, physical: u32) -> Self {
        self.logical_block_size = logical;
        self.physical_block_size = physical;
        self
    }

    /// The `-blockdev` and `-device` options of disk number `index`, whose bytes QEMU finds at `filename`.
    pub(crate) fn arguments(
        &self,
        index: usize,
        filename: &str,
        format: ImageFormat,
    ) -> Vec<String> {
        let mut node =
            json!({ "driver": "file", "filename": filename, "read-only": self.read_only });
        let mut nodes = Vec::new();
        let mut add = |mut node: Value, depth: usize| {
            let name = format!("{}-node{depth}", disk_id(index));
            node["node-name"] = json!(name);
            nodes.push(node);
            name
        };
        let mut below = add(node.take(), 0);
        // The format node stands on the filters, so that they see the requests that reach the file.
        for (depth, filter) in self.filters.iter().rev().enumerate() {
            let mut options = filter.options.clone();
            options.insert("driver".to_owned(), json!(filter.driver));
            options.insert(filter.child.clone(), json!(below));
            options.insert("read-only".to_owned(), json!(self.read_only));
            below = add(Value::Object(options), depth + 1);
        }
        let format =
            json!({ "driver": format.driver(), "file": below, "read-only": self.read_only });
        let top = add(format, self.filters.len() + 1);
        let blockdevs = nodes.iter().flat_map(|node| ["-blockdev".to_owned(), node.to_string()]);
        blockdevs.chain(["-device".to_owned(), self.device(index, &top).to_string()]).collect()
    }

    fn device(&self, index: usize, node: &str) -> Value {
        let serial = self.serial.clone().unwrap_or_else(|| format!("HBA-QEMU-{index}"));
        let mut device = json!({
            "driver": "scsi-hd",
            "bus": "hba.0",
            "id": disk_id(index),
            "drive": node,
            "scsi-id": self.scsi_id.map_or(index, usize::from),
            "lun": 0,
            "serial": serial,
            "wwn": self.wwn.unwrap_or(FIRST_WWN + index as u64),
            "logical_block_size": self.logical_block_size,
            "physical_block_size": self.physical_block_size,
        });
        for (name, value) in &self.device_options {
            device[name] = value.clone();
        }
        device
    }
}

/// The device id of disk number `index`, as QMP commands name it.
pub(crate) fn disk_id(index: usize) -> String {
    format!("disk{index}")
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.driver())
    }
}

/// NAA format 5 (IEEE registered), vendor 52:54:00, QEMU's own locally administered prefix.
const FIRST_WWN: u64 = 0x5525_4000_0000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_stand_between_format_and_file_in_order() {
        let mut disk = DiskConfig::memory(1 << 20);
        disk.filters =
            vec![BlockFilter::fail_io("flush", 5, false), BlockFilter::fail_io("read", 5, true)];
        disk.device_options.insert("dpofua".to_owned(), json!(true));
        let arguments = disk.arguments(2, "/data", ImageFormat::Raw);
        let parsed: Vec<Value> =
            arguments.iter().filter_map(|a| serde_json::from_str(a).ok()).collect();
        let [file, read, flush, raw, device] = &parsed[..] else { panic!("{arguments:?}") };
        assert_eq!(file["filename"], "/data");
        assert_eq!(
            (&read["image"], &read["inject-error"][0]["iotype"]),
            (&file["node-name"], &json!("read"))
        );
        assert_eq!((&flush["image"], &flush["driver"]), (&read["node-name"], &json!("blkdebug")));
        assert_eq!(raw["file"], flush["node-name"]);
        assert_eq!(device["drive"], raw["node-name"]);
        assert_eq!((&device["scsi-id"], &device["id"]), (&json!(2), &json!("disk2")));
        assert_eq!((&device["dpofua"], &device["wwn"]), (&json!(true), &json!(FIRST_WWN + 2)));
    }

    #[test]
    fn the_magic_tells_qcow2_from_raw() {
        // The manifest is a file that is surely there and no qcow2 image.
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert_eq!(ImageFormat::detect(&manifest).expect("readable"), ImageFormat::Raw);
        assert!(ImageFormat::detect(Path::new("/nonexistent")).is_err());
    }
}
