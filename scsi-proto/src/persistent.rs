//! Parameter data of PERSISTENT RESERVE IN and OUT. Source: SPC-5 6.

use crate::command::Bits;
use crate::macros::open_code;
use crate::record::record;
use crate::wire::{self, BufferTooSmall, Truncated, Writer};

open_code! {
    /// TYPE of a persistent reservation, four bits. Source: SPC-5 6.
    pub struct ReservationType(u8) {
        WRITE_EXCLUSIVE = 1, "Write Exclusive";
        EXCLUSIVE_ACCESS = 3, "Exclusive Access";
        WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 5, "Write Exclusive - Registrants Only";
        EXCLUSIVE_ACCESS_REGISTRANTS_ONLY = 6, "Exclusive Access - Registrants Only";
        WRITE_EXCLUSIVE_ALL_REGISTRANTS = 7, "Write Exclusive - All Registrants";
        EXCLUSIVE_ACCESS_ALL_REGISTRANTS = 8, "Exclusive Access - All Registrants";
    }
}

/// PRGENERATION and what follows it, laid over received bytes.
///
/// Which of the readers fits depends on the service action of the command. Source: SPC-5 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservationData<'a> {
    /// PRGENERATION: counts registrations, clears and preemptions.
    pub generation: u32,
    /// ADDITIONAL LENGTH: bytes after byte 7, as the device claims them.
    pub additional_length: u32,
    body: &'a [u8],
}

const HEADER: usize = 8;

impl<'a> ReservationData<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than 8 bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let truncated = Truncated { needed: HEADER, available: bytes.len() };
        let (generation, rest) = bytes.split_first_chunk().ok_or(truncated)?;
        let (additional_length, body) = wire::claimed(rest).map_err(|_| truncated)?;
        Ok(Self { generation: u32::from_be_bytes(*generation), additional_length, body })
    }

    /// READ KEYS: the registered keys, one for each registration.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = u64> + use<'a> {
        self.body.as_chunks().0.iter().map(|key| u64::from_be_bytes(*key))
    }

    /// READ RESERVATION: the reservation, if there is one.
    #[must_use = "the reservation is the only result"]
    pub fn reservation(&self) -> Option<Reservation> {
        self.body.first_chunk().map(Reservation::from_bytes)
    }

    /// READ FULL STATUS: the registrations.
    #[must_use = "an iterator does nothing until it is walked"]
    pub const fn full_status(&self) -> FullStatus<'a> {
        FullStatus { rest: self.body }
    }
}

/// Writes READ KEYS data and tells its length.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that.
pub fn emit_keys(
    generation: u32,
    keys: impl IntoIterator<Item = u64>,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = header(generation, out);
    for key in keys {
        writer.put(&key.to_be_bytes());
    }
    writer.patch_length(4);
    writer.finish()
}

/// Writes READ RESERVATION data and tells its length.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that.
pub fn emit_reservation(
    generation: u32,
    reservation: Option<Reservation>,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = header(generation, out);
    if let Some(reservation) = reservation {
        writer.put(&reservation.to_bytes());
    }
    writer.patch_length(4);
    writer.finish()
}

/// Writes READ FULL STATUS data and tells its length.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that.
pub fn emit_full_status<'a>(
    generation: u32,
    registrations: impl IntoIterator<Item = (Registration, &'a [u8])>,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = header(generation, out);
    for (registration, transport_id) in registrations {
        let additional_length = u32::try_from(transport_id.len()).unwrap_or(u32::MAX);
        writer.put(&Registration { additional_length, ..registration }.to_bytes());
        writer.put(transport_id);
    }
    writer.patch_length(4);
    writer.finish()
}

fn header(generation: u32, out: &mut [u8]) -> Writer<'_> {
    let mut writer = Writer::new(out);
    writer.put(&generation.to_be_bytes());
    writer.put(&[0; 4]);
    writer
}

record! {
    /// The reservation that READ RESERVATION reports. Source: SPC-5 6.
    pub struct Reservation: 16 {} {
        /// RESERVATION KEY of the holder; 0 for the types with all registrants.
        key: u64 [0],
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [13, 4],
        /// TYPE; see [`ReservationType`].
        reservation_type: Bits<4> [13],
    }
}

impl Reservation {
    /// TYPE by name.
    #[must_use = "the type is the only result"]
    pub const fn kind(&self) -> ReservationType {
        ReservationType(self.reservation_type.get() as u8)
    }
}

record! {
    /// One registration of READ FULL STATUS, without the TransportID that follows it.
    /// Source: SPC-5 6.
    pub struct Registration: 24 {} {
        /// RESERVATION KEY.
        key: u64 [0],
        /// ALL_TG_PT: it holds for all target ports.
        all_tg_pt: bool [12, 1],
        /// R_HOLDER: the holder of the reservation; scope and type count.
        r_holder: bool [12, 0],
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [13, 4],
        /// TYPE; see [`ReservationType`].
        reservation_type: Bits<4> [13],
        /// RELATIVE TARGET PORT IDENTIFIER.
        relative_target_port: u16 [18],
        /// ADDITIONAL DESCRIPTOR LENGTH: length of the TransportID in bytes.
        additional_length: u32 [20],
    }
}

/// The registrations of READ FULL STATUS, each with its TransportID. Ends with the data, always;
/// an incomplete last one is left out. Source: SPC-5 6.
#[derive(Clone, Debug)]
pub struct FullStatus<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for FullStatus<'a> {
    type Item = (Registration, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (registration, rest) = self.rest.split_first_chunk()?;
        self.rest = &[];
        let registration = Registration::from_bytes(registration);
        let len = usize::try_from(registration.additional_length).ok()?;
        let (transport_id, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some((registration, transport_id))
    }
}

record! {
    /// What REPORT CAPABILITIES reports. Source: SPC-5 6.
    pub struct Capabilities: 8 { 1 = 8 } {
        /// RLR_C: REPLACE LOST RESERVATION.
        rlr_c: bool [2, 7],
        /// CRH: RESERVE and RELEASE are handled as compatible.
        crh: bool [2, 4],
        /// SIP_C: SPEC_I_PT.
        sip_c: bool [2, 3],
        /// ATP_C: ALL_TG_PT.
        atp_c: bool [2, 2],
        /// PTPL_C: reservations can persist through power loss.
        ptpl_c: bool [2, 0],
        /// TMV: the type mask is valid.
        tmv: bool [3, 7],
        /// ALLOW COMMANDS.
        allow_commands: Bits<3> [3, 4],
        /// PTPL_A: persistence through power loss is active.
        ptpl_a: bool [3, 0],
        /// WR_EX_AR: Write Exclusive - All Registrants.
        wr_ex_ar: bool [4, 7],
        /// EX_AC_RO: Exclusive Access - Registrants Only.
        ex_ac_ro: bool [4, 6],
        /// WR_EX_RO: Write Exclusive - Registrants Only.
        wr_ex_ro: bool [4, 5],
        /// EX_AC: Exclusive Access.
        ex_ac: bool [4, 3],
        /// WR_EX: Write Exclusive.
        wr_ex: bool [4, 1],
        /// EX_AC_AR: Exclusive Access - All Registrants.
        ex_ac_ar: bool [5, 0],
    }
}

record! {
    /// The PERSISTENT RESERVE OUT parameter list of all service actions but REGISTER AND MOVE.
    ///
    /// With SPEC_I_PT a length of four bytes and TransportIDs follow. Source: SPC-5 6.
    pub struct ReserveOutParameters: 24 {} {
        /// RESERVATION KEY: the key with which the initiator is registered.
        key: u64 [0],
        /// SERVICE ACTION RESERVATION KEY: the key to register or to preempt.
        service_action_key: u64 [8],
        /// SPEC_I_PT: register the initiator ports of the list that follows.
        spec_i_pt: bool [20, 3],
        /// ALL_TG_PT: for all target ports.
        all_tg_pt: bool [20, 2],
        /// APTPL: activate persistence through power loss.
        aptpl: bool [20, 0],
    }
}

record! {
    /// The parameter list of REGISTER AND MOVE, without the TransportID that follows it.
    /// Source: SPC-5 6.
    pub struct RegisterAndMoveParameters: 24 {} {
        /// RESERVATION KEY: the key with which the initiator is registered.
        key: u64 [0],
        /// SERVICE ACTION RESERVATION KEY: the key to register for the other port.
        service_action_key: u64 [8],
        /// UNREG: unregister the port that sent this.
        unreg: bool [17, 1],
        /// APTPL: activate persistence through power loss.
        aptpl: bool [17, 0],
        /// RELATIVE TARGET PORT IDENTIFIER.
        relative_target_port: u16 [18],
        /// TRANSPORTID PARAMETER DATA LENGTH in bytes.
        transport_id_length: u32 [20],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_and_reservation() {
        let mut out = [0xff; 24];
        assert_eq!(emit_keys(3, [0x1122, 5], &mut out), Ok(24));
        assert_eq!(out[..10], [0, 0, 0, 3, 0, 0, 0, 16, 0, 0]);
        let data = ReservationData::parse(&out).unwrap();
        assert_eq!(data.generation, 3);
        assert!(data.keys().eq([0x1122, 5]));
        assert!(ReservationData::parse(&out[..23]).unwrap().keys().eq([0x1122]));
        let reservation =
            Reservation { key: 7, reservation_type: Bits::new(5).unwrap(), ..Default::default() };
        assert_eq!(emit_reservation(4, Some(reservation), &mut out), Ok(24));
        assert_eq!(out[21], 5);
        let found = ReservationData::parse(&out).unwrap().reservation().unwrap();
        assert_eq!(found.kind(), ReservationType::WRITE_EXCLUSIVE_REGISTRANTS_ONLY);
        assert_eq!(emit_reservation(4, None, &mut out), Ok(8));
        assert_eq!(ReservationData::parse(&out[..8]).unwrap().reservation(), None);
        let truncated = Truncated { needed: 8, available: 7 };
        assert_eq!(ReservationData::parse(&out[..7]), Err(truncated));
    }

    #[test]
    fn lists_of_reserve_out() {
        let register =
            ReserveOutParameters { service_action_key: 9, aptpl: true, ..Default::default() };
        let bytes = register.to_bytes();
        assert_eq!((bytes[15], bytes[20]), (9, 1));
        let moved = RegisterAndMoveParameters {
            unreg: true,
            relative_target_port: 2,
            ..Default::default()
        };
        assert_eq!(moved.to_bytes()[16..20], [0, 2, 0, 2]);
        assert_eq!(
            Capabilities { wr_ex: true, ..Default::default() }.to_bytes(),
            [0, 8, 0, 0, 2, 0, 0, 0]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut out = [0; 120];
            if let Ok(data) = ReservationData::parse(&bytes) {
                let len = emit_keys(data.generation, data.keys(), &mut out).unwrap();
                let again = ReservationData::parse(&out[..len]).unwrap();
                prop_assert!(again.keys().eq(data.keys()));
                let len = emit_full_status(data.generation, data.full_status(), &mut out).unwrap();
                let again = ReservationData::parse(&out[..len]).unwrap();
                prop_assert!(again.full_status().eq(data.full_status()));
                emit_reservation(data.generation, data.reservation(), &mut out).unwrap();
            }
            if let Ok(list) = ReserveOutParameters::parse(&bytes) {
                prop_assert_eq!(ReserveOutParameters::from_bytes(&list.to_bytes()), list);
            }
            if let Ok(list) = RegisterAndMoveParameters::parse(&bytes) {
                prop_assert_eq!(RegisterAndMoveParameters::from_bytes(&list.to_bytes()), list);
            }
            if let Ok(capabilities) = Capabilities::parse(&bytes) {
                prop_assert_eq!(Capabilities::from_bytes(&capabilities.to_bytes()), capabilities);
            }
        }

        #[test]
        fn full_status_survives(ids in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4), raw: [u8; 24]) {
            let registrations: Vec<_> = ids.iter().map(|id| {
                let additional_length = id.len() as u32;
                (Registration { additional_length, ..Registration::from_bytes(&raw) }, &id[..])
            }).collect();
            let mut out = [0; 300];
            let len = emit_full_status(1, registrations.iter().copied(), &mut out).unwrap();
            let data = ReservationData::parse(&out[..len]).unwrap();
            prop_assert!(data.full_status().eq(registrations));
        }
    }
}
