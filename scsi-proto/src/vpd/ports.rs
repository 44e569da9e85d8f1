//! Mode Page Policy (87h) and SCSI Ports (88h). Source: SPC-5 7.7.

use super::{Designators, PageCode, VpdPage};
use crate::command::Bits;
use crate::record::record;
use crate::wire::{BufferTooSmall, Writer};

record! {
    /// One descriptor of Mode Page Policy: how nexuses share a mode page. Source: SPC-5 7.7.
    pub struct ModePagePolicy: 4 {} {
        /// POLICY PAGE CODE; 3Fh covers all that have no descriptor of their own.
        page_code: Bits<6> [0],
        /// POLICY SUBPAGE CODE.
        subpage_code: u8 [1],
        /// MLUS: logical units share the page.
        mlus: bool [2, 7],
        /// MODE PAGE POLICY: 00b shared, 01b per target port, 11b per I_T nexus.
        policy: Bits<2> [2],
    }
}

impl ModePagePolicy {
    /// The descriptors of `page`; none for any other page than Mode Page Policy.
    pub fn of<'a>(page: &VpdPage<'a>) -> impl ExactSizeIterator<Item = Self> + use<'a> {
        let is_policy = page.code == PageCode::MODE_PAGE_POLICY;
        let body: &[u8] = if is_policy { page.body } else { &[] };
        body.as_chunks().0.iter().map(Self::from_bytes)
    }
}

/// One port of SCSI Ports. Source: SPC-5 7.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScsiPort<'a> {
    /// RELATIVE PORT IDENTIFIER.
    pub relative_port: u16,
    /// INITIATOR PORT TRANSPORTID; empty for target ports.
    pub transport_id: &'a [u8],
    /// The target port descriptors as bytes; see [`designators`](Self::designators).
    pub descriptors: &'a [u8],
}

impl<'a> ScsiPort<'a> {
    /// The names of the port.
    #[must_use = "an iterator does nothing until it is walked"]
    pub const fn designators(&self) -> Designators<'a> {
        Designators::over(self.descriptors)
    }

    /// Writes the descriptor and tells its length.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that, or a part longer than 65535 bytes.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut writer = Writer::new(out);
        writer.put(&[0; 2]);
        writer.put(&self.relative_port.to_be_bytes());
        for part in [self.transport_id, self.descriptors] {
            let Ok(length) = u16::try_from(part.len()) else {
                return Err(BufferTooSmall { needed: part.len(), available: u16::MAX.into() });
            };
            writer.put(&[0; 2]);
            writer.put(&length.to_be_bytes());
            writer.put(part);
        }
        writer.finish()
    }
}

/// The ports of a SCSI Ports page. Ends with the page, always; an incomplete last one is left out.
/// Source: SPC-5 7.7.
#[derive(Clone, Debug)]
pub struct ScsiPorts<'a> {
    rest: &'a [u8],
}

impl<'a> ScsiPorts<'a> {
    /// Walks `page`; empty for any other page than SCSI Ports.
    #[must_use = "an iterator does nothing until it is walked"]
    pub fn new(page: &VpdPage<'a>) -> Self {
        Self { rest: if page.code == PageCode::SCSI_PORTS { page.body } else { &[] } }
    }
}

impl<'a> Iterator for ScsiPorts<'a> {
    type Item = ScsiPort<'a>;

    fn next(&mut self) -> Option<ScsiPort<'a>> {
        let rest = core::mem::take(&mut self.rest);
        let ([_, _, p0, p1], rest) = rest.split_first_chunk()?;
        let (transport_id, rest) = part(rest)?;
        let (descriptors, rest) = part(rest)?;
        self.rest = rest;
        Some(ScsiPort { relative_port: u16::from_be_bytes([*p0, *p1]), transport_id, descriptors })
    }
}

/// Splits off bytes that follow two reserved bytes and their length.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([_, _, l0, l1], rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes([*l0, *l1]).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vpd::emit;

    #[test]
    fn policies() {
        let bytes = [0, 0x87, 0, 8, 0x08, 0, 0x80, 0, 0x3f, 0xff, 3, 0];
        let page = VpdPage::parse(&bytes).unwrap();
        let caching =
            ModePagePolicy { page_code: Bits::new(8).unwrap(), mlus: true, ..Default::default() };
        assert_eq!(ModePagePolicy::of(&page).next(), Some(caching));
        assert!(
            ModePagePolicy::of(&page)
                .flat_map(|policy| policy.to_bytes())
                .eq(bytes[4..].iter().copied())
        );
        let other = [&[0, 0x88][..], &bytes[2..]].concat();
        assert_eq!(ModePagePolicy::of(&VpdPage::parse(&other).unwrap()).len(), 0);
    }

    #[test]
    fn two_ports() {
        let name = [0x61, 0x93, 0, 8, 0x50, 0, 0xc5, 0, 1, 2, 3, 4];
        let ports = [1, 2].map(|relative_port| ScsiPort {
            relative_port,
            transport_id: &[],
            descriptors: &name,
        });
        let mut body = [0; 48];
        let len = ports[0].emit(&mut body).unwrap();
        assert_eq!(len, 24);
        assert_eq!(body[..12], [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 12]);
        ports[1].emit(&mut body[len..]).unwrap();
        let mut out = [0; 52];
        emit(PageCode::SCSI_PORTS, &body, &mut out).unwrap();
        let page = VpdPage::parse(&out).unwrap();
        assert!(ScsiPorts::new(&page).eq(ports));
        let designator = ports[0].designators().next().unwrap();
        assert_eq!((designator.protocol, designator.id.len()), (Some(6), 8));
        assert_eq!(ScsiPorts::new(&VpdPage::parse(&out[..51]).unwrap()).count(), 1);
    }

    #[test]
    fn a_part_ends_at_65535_bytes() {
        let part = [0; 0x1_0000];
        let port = ScsiPort { relative_port: 1, transport_id: &[], descriptors: &part };
        let error = BufferTooSmall { needed: 0x1_0000, available: 0xffff };
        assert_eq!(port.emit(&mut [0; 0x1_0010]), Err(error));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(body in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut bytes = [0; 130];
            let len = emit(PageCode::SCSI_PORTS, &body, &mut bytes).unwrap();
            let page = VpdPage::parse(&bytes[..len]).unwrap();
            for port in ScsiPorts::new(&page) {
                let mut out = [0; 130];
                let len = emit(PageCode::SCSI_PORTS, &[], &mut out).unwrap();
                let body_len = port.emit(&mut out[len..]).unwrap();
                out[3] = body_len as u8;
                prop_assert!(ScsiPorts::new(&VpdPage::parse(&out).unwrap()).eq([port]));
                prop_assert!(port.designators().count() <= body.len());
            }
        }
    }
}
