//! REPORT TARGET PORT GROUPS parameter data. Source: SPC-5 6.

use crate::command::Bits;
use crate::macros::open_code;
use crate::record::record;
use crate::wire::{self, BufferTooSmall, Truncated, Writer};

open_code! {
    /// ASYMMETRIC ACCESS STATE, four bits. Source: SPC-5 6.
    pub struct AccessState(u8) {
        ACTIVE_OPTIMIZED = 0x0, "active/optimized";
        ACTIVE_NON_OPTIMIZED = 0x1, "active/non-optimized";
        STANDBY = 0x2, "standby";
        UNAVAILABLE = 0x3, "unavailable";
        LOGICAL_BLOCK_DEPENDENT = 0x4, "logical block dependent";
        OFFLINE = 0xe, "offline";
        TRANSITIONING = 0xf, "transitioning";
    }
}

record! {
    /// A target port group, without the ports that follow it. Source: SPC-5 6.
    pub struct PortGroup: 8 {} {
        /// PREF: the preferred group.
        pref: bool [0, 7],
        /// ASYMMETRIC ACCESS STATE; see [`state`](Self::state).
        access_state: Bits<4> [0],
        /// T_SUP: transitioning is a supported state.
        t_sup: bool [1, 7],
        /// O_SUP: offline is a supported state.
        o_sup: bool [1, 6],
        /// LBD_SUP: logical block dependent is a supported state.
        lbd_sup: bool [1, 4],
        /// U_SUP: unavailable is a supported state.
        u_sup: bool [1, 3],
        /// S_SUP: standby is a supported state.
        s_sup: bool [1, 2],
        /// AN_SUP: active/non-optimized is a supported state.
        an_sup: bool [1, 1],
        /// AO_SUP: active/optimized is a supported state.
        ao_sup: bool [1, 0],
        /// TARGET PORT GROUP: its number.
        group: u16 [2],
        /// STATUS CODE: 1 the state was set by command, 2 by the device.
        status_code: u8 [5],
        /// Vendor specific.
        vendor_specific: u8 [6],
        /// TARGET PORT COUNT.
        port_count: u8 [7],
    }
}

impl PortGroup {
    /// ASYMMETRIC ACCESS STATE by name.
    #[must_use = "the state is the only result"]
    pub const fn state(&self) -> AccessState {
        AccessState(self.access_state.get() as u8)
    }
}

record! {
    /// A target port of a group. Source: SPC-5 6.
    pub struct Port: 4 {} {
        /// RELATIVE TARGET PORT IDENTIFIER.
        relative_target_port: u16 [2],
    }
}

/// The ports of one group. Source: SPC-5 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports<'a>(&'a [[u8; Port::LEN]]);

impl<'a> Ports<'a> {
    /// The ports in the order of the device.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Port> + use<'a> {
        self.0.iter().map(Port::from_bytes)
    }
}

/// Target port groups, laid over received bytes. Ends with the data, always. Source: SPC-5 6.
#[derive(Clone, Debug)]
pub struct PortGroups<'a> {
    /// IMPLICIT TRANSITION TIME in seconds, where the data has the extended header.
    pub transition_time_s: Option<u8>,
    rest: &'a [u8],
}

/// RETURN DATA FORMAT of the extended header, in the place where a group has reserved bits.
const EXTENDED: u8 = 0x10;

impl<'a> PortGroups<'a> {
    /// Reads the header, in either format.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than the 4 bytes of RETURN DATA LENGTH.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let (_, rest) = wire::claimed(bytes)?;
        Ok(match rest {
            [format, time, _, _, rest @ ..] if format & 0x70 == EXTENDED => {
                Self { transition_time_s: Some(*time), rest }
            }
            _ => Self { transition_time_s: None, rest },
        })
    }
}

impl<'a> Iterator for PortGroups<'a> {
    /// A group and as many of its ports as are present.
    type Item = (PortGroup, Ports<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (group, rest) = self.rest.split_first_chunk()?;
        let group = PortGroup::from_bytes(group);
        let len = usize::from(group.port_count) * Port::LEN;
        let (ports, rest) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        self.rest = rest;
        Some((group, Ports(ports.as_chunks().0)))
    }
}

/// Writes the data and tells its length. TARGET PORT COUNT follows from the ports; those after
/// the 255th are left out.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that.
pub fn emit<P: IntoIterator<Item = Port>>(
    transition_time_s: Option<u8>,
    groups: impl IntoIterator<Item = (PortGroup, P)>,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = Writer::new(out);
    writer.put(&[0; 4]);
    if let Some(time) = transition_time_s {
        writer.put(&[EXTENDED, time, 0, 0]);
    }
    for (group, ports) in groups {
        let start = writer.len();
        writer.put(&group.to_bytes());
        let mut port_count = 0;
        for port in ports.into_iter().take(u8::MAX.into()) {
            writer.put(&port.to_bytes());
            port_count += 1;
        }
        writer.patch(start, &PortGroup { port_count, ..group }.to_bytes());
    }
    writer.patch_length(0);
    writer.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_groups_in_both_formats() {
        let ports = [Port { relative_target_port: 1 }, Port { relative_target_port: 2 }];
        let optimized =
            PortGroup { pref: true, ao_sup: true, group: 1, port_count: 2, ..Default::default() };
        let standby =
            PortGroup { access_state: Bits::new(2).unwrap(), group: 2, ..Default::default() };
        let groups = [(optimized, &ports[..]), (standby, &[])];
        for time in [None, Some(15)] {
            let mut out = [0xff; 40];
            let groups = groups.map(|(group, ports)| (group, ports.iter().copied()));
            let len = emit(time, groups, &mut out).unwrap();
            assert_eq!(len, if time.is_some() { 32 } else { 28 });
            let mut found = PortGroups::parse(&out[..len]).unwrap();
            assert_eq!(found.transition_time_s, time);
            let (group, found_ports) = found.next().unwrap();
            assert_eq!(group, optimized);
            assert!(found_ports.iter().eq(ports));
            let (group, found_ports) = found.next().unwrap();
            assert_eq!((group.state(), found_ports.iter().len()), (AccessState::STANDBY, 0));
            assert!(found.next().is_none());
        }
        let header = [0, 0, 0, 16, 0x80, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1];
        let (_, cut) = PortGroups::parse(&header).unwrap().next().unwrap();
        assert_eq!(cut.iter().len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(groups) = PortGroups::parse(&bytes) {
                prop_assert!(groups.clone().map(|(_, ports)| 8 + 4 * ports.iter().len()).sum::<usize>() <= bytes.len());
                let mut out = [0; 120];
                let time = groups.transition_time_s;
                let walk = groups.clone().map(|(group, ports)| (group, ports.iter()));
                let len = emit(time, walk, &mut out).unwrap();
                let flat = |groups: PortGroups<'_>| -> Vec<_> {
                    groups.map(|(group, ports)| (group.group, ports.iter().collect::<Vec<_>>())).collect()
                };
                let again = PortGroups::parse(&out[..len]).unwrap();
                if again.transition_time_s == time {
                    prop_assert_eq!(flat(again), flat(groups));
                }
            }
        }
    }
}
