//! What the stories of hostile controllers have in common: words that change while the driver looks, and sense data that are
//! not what they claim.

use scsi_proto::sense::{Sense, SenseDescriptors, SenseKey};

/// Bytes of sense data that a request has room for, in both families.
pub const SENSE_ROOM: usize = 96;

/// Words of a reply to a SCSI IO, by their place, each with two contents of which either is a failure: too short, another
/// function; a busy controller, a status that there is not. The same half of one and the other half of the other are GOOD.
pub const REWRITTEN: [(u32, [u32; 2]); 2] =
    [(0, [0x0004_0000, 0x070d_0000]), (3, [0x0002_0000, 0x0000_003f])];

/// Sense data in descriptor format that do not add up, and what a bounded walk finds there.
#[derive(Debug)]
pub struct Malformed {
    /// What the device claims to have written: MEDIUM ERROR, UNRECOVERED READ ERROR.
    pub bytes: Vec<u8>,
    /// Bytes that follow the header of each descriptor.
    bodies: Vec<usize>,
    /// INFORMATION, the first that is said.
    information: Option<u64>,
}

impl Malformed {
    fn new(stated: u8, descriptors: &[u8], bodies: &[usize], information: Option<u64>) -> Self {
        let mut bytes = vec![0x72, 0x03, 0x11, 0x00, 0, 0, 0, stated];
        bytes.extend(descriptors);
        Self { bytes, bodies: bodies.to_vec(), information }
    }

    /// What fits the buffer of a request.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.bytes.len().min(SENSE_ROOM)]
    }

    /// Walks the sense data as they came home.
    ///
    /// # Panics
    ///
    /// If they are not what the device wrote, or not read as far as they go and no further.
    pub fn check(&self, told: &[u8]) {
        assert_eq!(told, self.written());
        let parsed = Sense::parse(told).expect("the head is whole");
        assert_eq!((parsed.key, parsed.additional.asc), (SenseKey::MEDIUM_ERROR, 0x11));
        assert_eq!(parsed.information, self.information, "{self:?}");
        let bodies = SenseDescriptors::new(told).take(1000).map(|each| each.body.len());
        assert_eq!(bodies.collect::<Vec<_>>(), self.bodies, "{self:?}");
    }
}

/// Descriptors without end, beyond the end, one in the other, and cut off.
#[must_use]
pub fn malformed_sense() -> [Malformed; 7] {
    let information = |value: u8| [0x00, 0x0a, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, value];
    let beyond = [0x00, 0xff, 0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    // The first one ends behind the header of the next, of which eight bytes and VALID are left.
    let inside = [[0x80, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].as_slice(), &information(0)];
    [
        Malformed::new(88, &[0; 88], &[0; 44], None),
        Malformed::new(244, &[0; 244], &[0; 44], None),
        Malformed::new(12, &beyond, &[10], Some(0x0102_0304_0506_0708)),
        Malformed::new(24, &[information(9), information(7)].concat(), &[10, 10], Some(9)),
        Malformed::new(26, &inside.concat(), &[14, 0, 0, 0, 0, 0], None),
        Malformed::new(255, &information(9), &[10], Some(9)),
        Malformed::new(1, &[0x00], &[], None),
    ]
}
