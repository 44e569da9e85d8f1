//! The plain reference: a disk is an array of blocks, and a command is what its bytes say.
//!
//! It reads CDBs by itself and shares no code with what it judges.

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;
/// Blocks of the disk.
pub(super) const BLOCKS: usize = 16;

/// The blocks.
pub(super) struct Reference {
    bytes: Vec<u8>,
}

/// A READ or WRITE without any bit set that the disk may refuse.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) write: bool,
    lba: u64,
    blocks: u64,
}

impl Access {
    /// Reads READ and WRITE of 6, 10, 12 and 16 bytes; `None` for all other CDBs.
    pub(super) fn of(cdb: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        // DPO and FUA are the only flags; GROUP NUMBER and CONTROL are zero.
        let (lba, blocks, flags, rest) = match *cdb {
            [0x08 | 0x0a, a, b, c, len, 0] if a < 0x20 => {
                (number(&[a, b, c]), if len == 0 { 256 } else { len.into() }, 0, 0)
            }
            [0x28 | 0x2a, flags, a, b, c, d, group, high, low, control] => {
                (number(&[a, b, c, d]), number(&[high, low]), flags, group | control)
            }
            [0xa8 | 0xaa, flags, ..] if cdb.len() == 12 => {
                (number(&cdb[2..6]), number(&cdb[6..10]), flags, cdb[10] | cdb[11])
            }
            [0x88 | 0x8a, flags, ..] if cdb.len() == 16 => {
                (number(&cdb[2..10]), number(&cdb[10..14]), flags, cdb[14] | cdb[15])
            }
            _ => return None,
        };
        let write = cdb[0] & 0x0f == 0x0a;
        (flags & !0x18 == 0 && rest == 0).then_some(Self { write, lba, blocks })
    }

    /// Whether the disk has all the blocks.
    pub(super) fn is_inside(&self) -> bool {
        self.lba.checked_add(self.blocks).is_some_and(|end| end <= BLOCKS as u64)
    }

    /// Whether it addresses no block at all; where that is does not matter then.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    /// Bytes that it moves. Of an access that is inside.
    pub(super) fn len(&self) -> usize {
        self.blocks as usize * BLOCK
    }

    fn start(&self) -> usize {
        self.lba as usize * BLOCK
    }
}

impl Reference {
    /// All zeros.
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BLOCKS * BLOCK] }
    }

    /// The first `len` bytes that `access`, which is inside, reads.
    pub(super) fn read(&self, access: Access, len: usize) -> &[u8] {
        &self.bytes[access.start()..access.start() + len.min(access.len())]
    }

    /// Writes the whole blocks that `data` has of `access`, which is inside.
    pub(super) fn write(&mut self, access: Access, data: &[u8]) {
        let len = data.len().min(access.len()) / BLOCK * BLOCK;
        self.bytes[access.start()..access.start() + len].copy_from_slice(&data[..len]);
    }

    /// All blocks.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes over what the disk has.
    pub(super) fn set(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }
}
