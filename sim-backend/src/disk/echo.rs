//! Commands that carry arbitrary payloads: echo buffer and vendor specific.

use scsi_proto::{Direction, Opcode};

use super::condition::Condition;
use super::exchange::{Exchange, Outcome, invalid_field};
use super::failure::Failure;

/// Vendor specific command that stores its data-out payload in the echo buffer.
///
/// The CDB has 10 bytes or more: operation code, five bytes that are ignored, and in bytes 6 to 9
/// the PARAMETER LIST LENGTH in bytes, big endian, at most 65,536.
pub const VENDOR_ECHO_OUT: Opcode = Opcode(0xc0);

/// Vendor specific command that returns the echo buffer as data-in.
///
/// The CDB is that of [`VENDOR_ECHO_OUT`] with the ALLOCATION LENGTH in bytes 6 to 9. It returns as
/// many bytes as were stored last, cut at the allocation length.
pub const VENDOR_ECHO_IN: Opcode = Opcode(0xc1);

/// A buffer of the disk that holds what the initiator wrote to it.
#[derive(Debug, Default)]
pub(super) struct EchoBuffer {
    content: Vec<u8>,
}

impl EchoBuffer {
    pub(super) fn vendor_out(&mut self, x: &mut Exchange<'_>) -> Outcome {
        let len = vendor_length(x)?;
        if len > LEN_MAX {
            return Err(invalid_field(6));
        }
        self.store(x, len)
    }

    pub(super) fn vendor_in(&mut self, x: &mut Exchange<'_>) -> Outcome {
        let len = vendor_length(x)?;
        x.reply(&self.content, len)
    }

    /// WRITE BUFFER, mode 0Ah (write data to echo buffer). Source: SPC-5 6.49.6.
    pub(super) fn write_buffer(&mut self, x: &mut Exchange<'_>) -> Outcome {
        match buffer_command(x)? {
            (MODE_ECHO, len) if len <= ECHO_LEN_MAX => self.store(x, len),
            (MODE_ECHO, _) => Err(invalid_field(6)),
            _ => Err(invalid_field(1)),
        }
    }

    /// READ BUFFER, modes 0Ah (echo buffer) and 0Bh (its descriptor). Source: SPC-5 6.18.
    pub(super) fn read_buffer(&self, x: &mut Exchange<'_>) -> Outcome {
        match buffer_command(x)? {
            (MODE_ECHO, len) => x.reply(&self.content, len),
            (MODE_ECHO_DESCRIPTOR, len) => {
                let [_, _, high, low] = ECHO_LEN_MAX.to_be_bytes();
                x.reply(&[0, 0, high, low], len)
            }
            _ => Err(invalid_field(1)),
        }
    }

    /// Stores what the initiator offers of `len` bytes.
    fn store(&mut self, x: &mut Exchange<'_>, len: u32) -> Outcome {
        self.content.clear();
        self.content.resize(len.min(x.available(Direction::ToDevice)) as usize, 0);
        x.receive(0, &mut self.content)?;
        Ok(len)
    }
}

fn vendor_length(x: &Exchange<'_>) -> Result<u32, Failure> {
    match x.cdb.as_bytes() {
        [_, _, _, _, _, _, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(Condition::INVALID_FIELD_IN_CDB.into()),
    }
}

/// MODE and length of READ BUFFER(10) or WRITE BUFFER(10), whose offset and buffer ID are 0.
fn buffer_command(x: &Exchange<'_>) -> Result<(u8, u32), Failure> {
    match *x.cdb.as_bytes() {
        [_, mode, 0, 0, 0, 0, a, b, c, 0] => Ok((mode, u32::from_be_bytes([0, a, b, c]))),
        _ => Err(Condition::INVALID_FIELD_IN_CDB.into()),
    }
}

const MODE_ECHO: u8 = 0x0a;
const MODE_ECHO_DESCRIPTOR: u8 = 0x0b;

/// BUFFER CAPACITY of the echo buffer in bytes.
const ECHO_LEN_MAX: u32 = 4096;
/// Longest payload of the vendor specific commands in bytes.
const LEN_MAX: u32 = 64 * 1024;
