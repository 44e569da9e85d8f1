//! PCI configuration space: what it says and which bits of it the guest may change.

use crate::part::{Bar, Capability, Part};

/// The registers and, bit by bit, what can be written.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSpace {
    bytes: Vec<u8>,
    writable: Vec<u8>,
    /// Offset of the PCI Express device control register.
    device_control: Option<usize>,
    /// Offset of PMCSR, and whether the function keeps its state in D3hot.
    power: Option<(usize, bool)>,
}

/// What a write asks of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    /// A function level reset, or the way back from D3hot.
    Reset,
}

const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const BAR_0: usize = 0x10;
const CAPABILITIES: usize = 0x34;
/// Command: I/O, memory, bus master, parity, SERR, INTx disable.
const COMMAND_WRITABLE: u16 = 0x0547;
const COMMAND_MASTER: u16 = 1 << 2;
const COMMAND_INTX_DISABLE: u16 = 1 << 10;
const STATUS_CAPABILITIES: u16 = 1 << 4;
const STATUS_INTX: u8 = 1 << 3;
/// Device control: function level reset, in the upper byte.
const INITIATE_RESET: u8 = 0x80;

impl ConfigSpace {
    /// The part at power-on.
    pub(crate) fn new(part: &Part) -> Self {
        let len = part.config_len();
        let mut space =
            Self { bytes: vec![0; len], writable: vec![0; len], device_control: None, power: None };
        space.put(0x00, &part.vendor.to_le_bytes());
        space.put(0x02, &part.device.to_le_bytes());
        space.put(STATUS, &STATUS_CAPABILITIES.to_le_bytes());
        space.put(0x08, &(part.class << 8 | u32::from(part.revision)).to_le_bytes());
        space.put(0x2c, &part.subsystem_vendor.to_le_bytes());
        space.put(0x2e, &part.subsystem.to_le_bytes());
        // Interrupt pin INTA.
        space.put(0x3d, &[1]);
        space.allow(COMMAND, &COMMAND_WRITABLE.to_le_bytes());
        // Cache line size, latency timer, interrupt line: kept for software, without effect.
        space.allow(0x0c, &[0xff, 0xff]);
        space.allow(0x3c, &[0xff]);
        part.bars.iter().enumerate().for_each(|(index, bar)| space.add_bar(index, *bar));
        space.add_capabilities(&part.capabilities);
        space
    }

    fn add_bar(&mut self, index: usize, bar: Bar) {
        let at = BAR_0 + index * 4;
        match bar {
            Bar::None => {}
            Bar::Io(len) => {
                self.put(at, &1_u32.to_le_bytes());
                self.allow(at, &(!(len - 1) & !3).to_le_bytes());
            }
            Bar::Memory64(len) => {
                self.put(at, &4_u32.to_le_bytes());
                self.allow(at, &(!(len - 1) & !15).to_le_bytes());
                self.allow(at + 4, &[0xff; 4]);
            }
        }
    }

    fn add_capabilities(&mut self, capabilities: &[Capability]) {
        let mut link = CAPABILITIES;
        for capability in capabilities {
            let at = self.add_capability(*capability);
            self.put(link, &[at as u8]);
            link = at + 1;
        }
    }

    /// Fills in one capability but for its link, and returns its offset.
    fn add_capability(&mut self, capability: Capability) -> usize {
        match capability {
            Capability::PowerManagement { at, version, keeps_state } => {
                let at = usize::from(at);
                // D1 and D2 are there, PME is not.
                self.put(at, &[0x01, 0, version, 0x06, u8::from(keeps_state) << 3, 0, 0, 0]);
                self.allow(at + 4, &[0x03]);
                self.power = Some((at + 4, keeps_state));
                at
            }
            Capability::PciX { at } => {
                let at = usize::from(at);
                // Status: 64 bits, 133 MHz, reads up to 2,048 bytes, 8 outstanding splits.
                self.put(at, &[0x07, 0, 0, 0, 0, 0, 0x43, 0x03]);
                self.allow(at + 2, &[0x7f]);
                at
            }
            Capability::Express { at, generation } => {
                self.add_express(at.into(), generation);
                at.into()
            }
            Capability::Msi { at } => {
                let at = usize::from(at);
                self.put(at, &[0x05, 0, 0x80, 0]);
                self.allow(at + 2, &[0x01, 0]);
                self.allow(at + 4, &[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
                at
            }
            Capability::Msix { at, vectors, table, pending } => {
                let at = usize::from(at);
                self.put(at, &[0x11, 0]);
                self.put(at + 2, &(vectors.max(1) - 1).to_le_bytes());
                self.put(at + 4, &(table | 1).to_le_bytes());
                self.put(at + 8, &(pending | 1).to_le_bytes());
                self.allow(at + 2, &[0, 0xc0]);
                at
            }
        }
    }

    fn add_express(&mut self, at: usize, generation: u8) {
        // Version 2, endpoint.
        self.put(at, &[0x10, 0, 0x02, 0]);
        // Device capabilities: payload 4,096 bytes, extended tags, role based errors, function level reset.
        self.put(at + 4, &(0x1000_8025_u32).to_le_bytes());
        // Device control: relaxed ordering, no snoop, reads of 512 bytes. The upper byte has the reset, which reads 0.
        self.put(at + 8, &[0x10, 0x28]);
        self.allow(at + 8, &[0xff, 0x7f]);
        self.device_control = Some(at + 8);
        // Link: this generation, eight lanes, up and running at that.
        let link = 8 << 4 | u32::from(generation);
        self.put(at + 12, &link.to_le_bytes());
        self.allow(at + 16, &[0xc3]);
        self.put(at + 18, &(link as u16).to_le_bytes());
        // Device capabilities 2: completion time-out ranges A to D and their switch.
        self.put(at + 0x24, &[0x1f]);
        self.allow(at + 0x28, &[0x1f]);
        self.put(at + 0x30, &[generation]);
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn allow(&mut self, at: usize, mask: &[u8]) {
        self.writable[at..at + mask.len()].copy_from_slice(mask);
    }

    /// Reads at `offset`; `intx` is the level of the interrupt line. Past the end: zeros.
    pub(crate) fn read(&self, offset: usize, into: &mut [u8], intx: bool) {
        for (at, byte) in (offset..).zip(into) {
            let intx = if at == STATUS && intx { STATUS_INTX } else { 0 };
            *byte = self.bytes.get(at).copied().unwrap_or(0) | intx;
        }
    }

    /// Writes what can be written at `offset`.
    pub(crate) fn write(&mut self, offset: usize, from: &[u8]) -> Effect {
        let before = self.power_state();
        let mut effect = Effect::None;
        for (at, byte) in (offset..).zip(from) {
            if self.device_control.map(|at| at + 1) == Some(at) && byte & INITIATE_RESET != 0 {
                effect = Effect::Reset;
            }
            let Some(mask) = self.writable.get(at) else { break };
            if let Some(old) = self.bytes.get_mut(at) {
                *old = *old & !mask | byte & mask;
            }
        }
        match (before, self.power_state(), self.power) {
            (3, 0, Some((_, false))) => Effect::Reset,
            _ => effect,
        }
    }

    fn power_state(&self) -> u8 {
        self.power.map_or(0, |(at, _)| self.bytes[at] & 3)
    }

    fn command(&self) -> u16 {
        u16::from_le_bytes([self.bytes[COMMAND], self.bytes[COMMAND + 1]])
    }

    /// Whether the function may reach memory: bus master on, and in D0.
    pub(crate) fn is_master(&self) -> bool {
        self.command() & COMMAND_MASTER != 0 && self.power_state() == 0
    }

    /// Whether the interrupt line is switched off.
    pub(crate) fn intx_disabled(&self) -> bool {
        self.command() & COMMAND_INTX_DISABLE != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(space: &ConfigSpace, at: usize) -> u32 {
        let mut bytes = [0; 4];
        space.read(at, &mut bytes, false);
        u32::from_le_bytes(bytes)
    }

    #[test]
    fn a_sas1068_says_what_it_is() {
        let space = ConfigSpace::new(&Part::sas1068());
        assert_eq!(word(&space, 0x00), 0x0054_1000);
        assert_eq!(word(&space, 0x08), 0x0100_0001);
        assert_eq!(word(&space, 0x2c), 0x3080_1000);
        let (mut at, mut list) = (word(&space, 0x34) as usize & 0xff, Vec::new());
        while at != 0 {
            list.push((at, word(&space, at) & 0xff));
            at = word(&space, at) as usize >> 8 & 0xff;
        }
        assert_eq!(list, [(0x50, 0x01), (0x98, 0x05), (0x68, 0x07), (0xb0, 0x11)]);
        assert_eq!(word(&space, 0xb4), 0x2001, "the table is in BAR 1");
    }

    #[test]
    fn a_bar_tells_its_size_and_keeps_its_kind() {
        let mut space = ConfigSpace::new(&Part::sas1068());
        assert_eq!(space.write(0x10, &[0xff; 12]), Effect::None);
        assert_eq!(word(&space, 0x10), 0xffff_ff01, "256 ports");
        assert_eq!(word(&space, 0x14), 0xffff_c004, "16 KiB, 64-bit memory");
        assert_eq!(word(&space, 0x18), 0xffff_ffff);
        space.write(0x00, &[0xff; 4]);
        assert_eq!(word(&space, 0x00), 0x0054_1000, "read only");
    }

    #[test]
    fn the_bus_master_bit_and_the_power_state_decide_about_memory() {
        let mut space = ConfigSpace::new(&Part::sas1068());
        assert!(!space.is_master());
        space.write(COMMAND, &[0x07, 0x04]);
        assert!(space.is_master() && space.intx_disabled());
        assert_eq!(space.write(0x54, &[0x03]), Effect::None);
        assert!(!space.is_master(), "D3hot");
        assert_eq!(space.write(0x54, &[0x00]), Effect::Reset, "the way back resets this part");
    }

    #[test]
    fn the_interrupt_line_shows_in_status() {
        let space = ConfigSpace::new(&Part::sas1068());
        let mut status = [0];
        space.read(STATUS, &mut status, true);
        assert_eq!(status, [0x18]);
    }

    #[test]
    fn a_function_level_reset_is_asked_for_and_reads_back_as_nothing() {
        let mut part = Part::sas1068();
        part.capabilities = vec![Capability::Express { at: 0x68, generation: 3 }];
        let mut space = ConfigSpace::new(&part);
        assert_eq!(word(&space, 0x68) & 0xffff, 0x0010);
        assert_eq!(space.write(0x70, &[0x10, 0xa8]), Effect::Reset);
        assert_eq!(word(&space, 0x70) & 0xffff, 0x2810);
        assert_eq!(
            word(&space, 0x78) & 0xffff,
            0,
            "nothing of the link is in its control register"
        );
        assert_eq!(word(&space, 0x7a) & 0xffff, 0x0083, "8 GT/s, eight lanes");
    }
}
