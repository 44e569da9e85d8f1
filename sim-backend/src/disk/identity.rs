//! INQUIRY with its vital product data pages, and READ CAPACITY.

use scsi_proto::capacity::{Capacity10, Capacity16};
use scsi_proto::command::{Inquiry, ReadCapacity10, ReadCapacity16};
use scsi_proto::inquiry::StandardInquiry;
use scsi_proto::{Ascii, Lba};

use super::config::DiskConfig;
use super::data::TRANSFER_BLOCKS_MAX;
use super::exchange::{Exchange, Outcome, invalid_field};
use super::provisioning::{UNMAP_BLOCKS_MAX, UNMAP_DESCRIPTORS_MAX, WRITE_SAME_BLOCKS_MAX};
use super::unit::LogicalUnit;

/// What a unit says about itself, laid out once. Only the capacity comes from elsewhere.
///
/// The pages are laid out by hand and not with the emitters of `scsi-proto`, so that a driver that
/// parses them with that crate meets a second reading of the standard.
#[derive(Debug)]
pub(super) struct UnitIdentity {
    standard: [u8; StandardInquiry::LEN],
    /// Page code and page, in ascending order.
    pages: Vec<(u8, Vec<u8>)>,
    /// Page 83h as each port tells it, from port 1 on.
    other_ports: Vec<Vec<u8>>,
    physical_block_exponent: u8,
}

impl UnitIdentity {
    pub(super) fn new(config: &DiskConfig, number: u16) -> Self {
        let identification = |port| device_identification(config, number, port);
        let pages = [
            (SERIAL_NUMBER, serial_number(config)),
            (DEVICE_IDENTIFICATION, identification(0)),
            (EXTENDED_INQUIRY, extended_inquiry(config)),
            (BLOCK_LIMITS, block_limits(config)),
            (BLOCK_DEVICE_CHARACTERISTICS, block_device_characteristics()),
            (LOGICAL_BLOCK_PROVISIONING, LOGICAL_BLOCK_PROVISIONING_BODY.to_vec()),
        ];
        let mut supported = vec![SUPPORTED_PAGES];
        supported.extend(pages.iter().map(|(code, _)| code));
        let all = core::iter::once((SUPPORTED_PAGES, supported)).chain(pages);
        Self {
            standard: standard(config),
            pages: all.map(|(code, body)| (code, page(code, &body))).collect(),
            other_ports: (1..config.ports)
                .map(|port| page(DEVICE_IDENTIFICATION, &identification(port)))
                .collect(),
            physical_block_exponent: config.physical_block_exponent,
        }
    }

    /// Standard INQUIRY data, cut at `len`.
    #[inline]
    pub(super) fn standard(&self, len: usize) -> &[u8] {
        self.standard.get(..len).unwrap_or(&self.standard)
    }
}

impl LogicalUnit {
    /// Source: SPC-5 6.6.
    pub(super) fn inquiry(&self, x: &mut Exchange<'_>) -> Outcome {
        let command: Inquiry = x.parse()?;
        let allocation_length = command.allocation_length.into();
        if !command.evpd {
            if command.page_code != 0 {
                return Err(invalid_field(2));
            }
            return x.reply(&self.identity.standard, allocation_length);
        }
        let page = self.identity.pages.iter().find(|(code, _)| *code == command.page_code);
        let (_, page) = page.ok_or_else(|| invalid_field(2))?;
        let of_port = usize::from(self.port.0).checked_sub(1);
        let other = of_port.and_then(|at| self.identity.other_ports.get(at));
        match other.filter(|_| command.page_code == DEVICE_IDENTIFICATION) {
            Some(other) => x.reply(other, allocation_length),
            None => x.reply(page, allocation_length),
        }
    }

    /// Source: SBC-4 5.18.
    pub(super) fn read_capacity_10(&self, x: &mut Exchange<'_>) -> Outcome {
        x.parse::<ReadCapacity10>()?;
        self.check_ready()?;
        let mut data = [0; Capacity10::LEN];
        let _ = Capacity10::from(self.capacity()).emit(&mut data);
        x.reply(&data, u32::MAX)
    }

    /// Source: SBC-4 5.19.
    pub(super) fn read_capacity_16(&self, x: &mut Exchange<'_>) -> Outcome {
        let command: ReadCapacity16 = x.parse()?;
        self.check_ready()?;
        let mut data = [0; Capacity16::LEN];
        let _ = self.capacity().emit(&mut data);
        x.reply(&data, command.allocation_length)
    }

    fn capacity(&self) -> Capacity16 {
        Capacity16 {
            last_lba: Lba(self.store.blocks() - 1),
            block_length: self.store.block_size().bytes(),
            lbppbe: self.identity.physical_block_exponent,
            lbpme: true,
            lbprz: true,
            ..Capacity16::default()
        }
    }
}

/// Standard INQUIRY data of a unit that exists.
fn standard(config: &DiskConfig) -> [u8; StandardInquiry::LEN] {
    let identity = &config.identity;
    let inquiry = StandardInquiry {
        vendor: Ascii(identity.vendor),
        product: Ascii(identity.product),
        revision: Ascii(identity.revision),
        hisup: true,
        ..StandardInquiry::disk()
    };
    let mut bytes = [0; StandardInquiry::LEN];
    let _ = inquiry.emit(&mut bytes);
    bytes
}

/// PERIPHERAL QUALIFIER and type of a connected disk are 0.
fn page(code: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = (body.len() as u16).to_be_bytes();
    let mut page = vec![0, code, high, low];
    page.extend_from_slice(body);
    page
}

/// Source: SPC-5 7.7.17.
fn serial_number(config: &DiskConfig) -> Vec<u8> {
    printable(&config.identity.serial)
}

/// Source: SPC-5 7.7.6: name of the unit, vendor's name of the unit, name and number of the port.
fn device_identification(config: &DiskConfig, number: u16, port: u8) -> Vec<u8> {
    let identity = &config.identity;
    let name = identity.wwn.wrapping_add(number.into()).to_be_bytes();
    let address = identity.sas_address.0.wrapping_add(port.into());
    let mut vendor = [&identity.vendor[..], &identity.product[..]].concat();
    vendor.extend(printable(&identity.serial));
    let mut body = Vec::new();
    let mut designator = |head: [u8; 2], designator: &[u8]| {
        body.extend_from_slice(&[head[0], head[1], 0, designator.len() as u8]);
        body.extend_from_slice(designator);
    };
    designator([BINARY, OF_UNIT | NAA], &name);
    designator([ASCII, OF_UNIT | T10_VENDOR], &vendor);
    designator([PROTOCOL_SAS | BINARY, PIV | OF_PORT | NAA], &address.to_be_bytes());
    designator([PROTOCOL_SAS | BINARY, PIV | OF_PORT | RELATIVE_PORT], &[0, 0, 0, port + 1]);
    body
}

/// At most 32 characters, with a space for what ASCII cannot print.
fn printable(text: &str) -> Vec<u8> {
    let printable = |c: char| if matches!(c, ' '..='~') { c as u8 } else { b' ' };
    text.chars().take(32).map(printable).collect()
}

/// Source: SPC-5 7.7.7.
fn extended_inquiry(config: &DiskConfig) -> Vec<u8> {
    let mut body = vec![0; 60];
    body[1] = HEADSUP | ORDSUP | SIMPSUP;
    // A cache that lives on a battery can be either.
    body[2] = match (config.non_volatile_cache, config.battery) {
        (false, _) => V_SUP,
        (true, false) => NV_SUP,
        (true, true) => NV_SUP | V_SUP,
    };
    body
}

/// Source: SBC-4 6.6.4.
fn block_limits(config: &DiskConfig) -> Vec<u8> {
    let physical = 1u32 << config.physical_block_exponent;
    let mut body = vec![0; 60];
    let mut put = |offset: usize, bytes: &[u8]| {
        // Offsets are those of the page, which begins with four bytes of header.
        body[offset - 4..offset - 4 + bytes.len()].copy_from_slice(bytes);
    };
    put(6, &(physical as u16).to_be_bytes());
    put(8, &TRANSFER_BLOCKS_MAX.to_be_bytes());
    put(20, &UNMAP_BLOCKS_MAX.to_be_bytes());
    put(24, &UNMAP_DESCRIPTORS_MAX.to_be_bytes());
    put(28, &physical.to_be_bytes());
    put(32, &UGAVALID.to_be_bytes());
    put(36, &u64::from(WRITE_SAME_BLOCKS_MAX).to_be_bytes());
    body
}

/// Source: SBC-4 6.6.2.
fn block_device_characteristics() -> Vec<u8> {
    let mut body = vec![0; 60];
    body[..2].copy_from_slice(&NON_ROTATING.to_be_bytes());
    body[3] = FORM_FACTOR_2_5_INCH;
    body
}

const SUPPORTED_PAGES: u8 = 0x00;
const SERIAL_NUMBER: u8 = 0x80;
const DEVICE_IDENTIFICATION: u8 = 0x83;
const EXTENDED_INQUIRY: u8 = 0x86;
const BLOCK_LIMITS: u8 = 0xb0;
const BLOCK_DEVICE_CHARACTERISTICS: u8 = 0xb1;
const LOGICAL_BLOCK_PROVISIONING: u8 = 0xb2;

// Designation descriptors. Source: SPC-5 7.7.6.1, table 560.
const PROTOCOL_SAS: u8 = 6 << 4;
const BINARY: u8 = 1;
const ASCII: u8 = 2;
const PIV: u8 = 0x80;
const OF_UNIT: u8 = 0 << 4;
const OF_PORT: u8 = 1 << 4;
const T10_VENDOR: u8 = 1;
const NAA: u8 = 3;
const RELATIVE_PORT: u8 = 4;

// Extended INQUIRY, bytes 5 and 6.
const HEADSUP: u8 = 0x04;
const ORDSUP: u8 = 0x02;
const SIMPSUP: u8 = 0x01;
const NV_SUP: u8 = 0x02;
const V_SUP: u8 = 0x01;

/// Block Limits: UNMAP GRANULARITY ALIGNMENT is valid, and 0.
const UGAVALID: u32 = 1 << 31;

/// MEDIUM ROTATION RATE of a medium that does not rotate.
const NON_ROTATING: u16 = 1;
const FORM_FACTOR_2_5_INCH: u8 = 3;

/// LBPU, LBPWS, LBPWS10, LBPRZ 001b (zeros), thin provisioned. Source: SBC-4 6.6.6.
const LOGICAL_BLOCK_PROVISIONING_BODY: [u8; 4] = [0, 0xe4, 2, 0];
