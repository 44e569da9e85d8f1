//! The geometry that disks once had: pages 03h and 04h. Source: SBC 6, obsolete since SBC-2.
//!
//! Boot firmware still asks for them.

use crate::command::Bits;
use crate::record::mode_page;

mode_page! {
    /// The Format Device mode page (03h). Source: SBC 6.
    pub struct FormatDevicePage: 24, FORMAT_DEVICE {
        /// TRACKS PER ZONE.
        tracks_per_zone: u16 [2],
        /// ALTERNATE SECTORS PER ZONE.
        alternate_sectors_per_zone: u16 [4],
        /// ALTERNATE TRACKS PER ZONE.
        alternate_tracks_per_zone: u16 [6],
        /// ALTERNATE TRACKS PER LOGICAL UNIT.
        alternate_tracks_per_unit: u16 [8],
        /// SECTORS PER TRACK.
        sectors_per_track: u16 [10],
        /// DATA BYTES PER PHYSICAL SECTOR.
        bytes_per_sector: u16 [12],
        /// INTERLEAVE.
        interleave: u16 [14],
        /// TRACK SKEW FACTOR in sectors.
        track_skew: u16 [16],
        /// CYLINDER SKEW FACTOR in sectors.
        cylinder_skew: u16 [18],
        /// SSEC: soft sectors.
        ssec: bool [20, 7],
        /// HSEC: hard sectors.
        hsec: bool [20, 6],
        /// RMB: removable medium.
        rmb: bool [20, 5],
        /// SURF: addresses go through one surface before the next.
        surf: bool [20, 4],
    }
}

mode_page! {
    /// The Rigid Disk Geometry mode page (04h). Source: SBC 6.
    pub struct RigidDiskGeometryPage: 24, RIGID_DISK_GEOMETRY {
        /// NUMBER OF CYLINDERS.
        cylinders: Bits<24> [2],
        /// NUMBER OF HEADS.
        heads: u8 [5],
        /// STARTING CYLINDER-WRITE PRECOMPENSATION.
        write_precompensation: Bits<24> [6],
        /// STARTING CYLINDER-REDUCED WRITE CURRENT.
        reduced_write_current: Bits<24> [9],
        /// DEVICE STEP RATE in units of 100 ns.
        step_rate_100ns: u16 [12],
        /// LANDING ZONE CYLINDER.
        landing_zone: Bits<24> [14],
        /// RPL: rotational position locking.
        rpl: Bits<2> [17],
        /// ROTATIONAL OFFSET in 1/256 of a turn.
        rotational_offset: u8 [18],
        /// MEDIUM ROTATION RATE per minute.
        rotation_rate: u16 [20],
    }
}
