//! What can be chosen of a simulated SAS2008 or SAS3008: what its firmware offers, its RAID volumes, and what its host lacks.

use core::fmt;
use core::str::FromStr;

use sim_backend::mpi2::{Personality, capability};

use crate::controller::ControllerSpec;
use crate::session::SessionError;

/// What differs from the part as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartOptions {
    /// What the firmware offers; `None`: what the part's own does.
    pub firmware: Option<Firmware>,
    /// The host has no 64-bit store: pairs of registers are written in two stores.
    pub halved_stores: bool,
    /// Volumes of integrated RAID, which the firmware is one of then.
    pub volumes: u8,
}

impl PartOptions {
    /// Disks that a volume is made of, and that the host does not see.
    pub const MEMBERS: usize = 2;

    /// Whether `controller` has what was chosen.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotMpi2`] where it has not.
    pub fn check(&self, controller: ControllerSpec) -> Result<(), SessionError> {
        let has = matches!(controller, ControllerSpec::SimSas2008 | ControllerSpec::SimSas3008);
        match self.first().filter(|_| !has) {
            Some(option) => Err(SessionError::NotMpi2 { controller, option }),
            None => Ok(()),
        }
    }

    /// An option that was given, if any was.
    #[must_use]
    pub const fn first(&self) -> Option<&'static str> {
        match self {
            Self { firmware: Some(_), .. } => Some("--firmware"),
            Self { halved_stores: true, .. } => Some("--no-64-bit-store"),
            Self { volumes: 1.., .. } => Some("--volumes"),
            _ => None,
        }
    }

    /// The part with all that.
    #[must_use]
    pub fn applied(&self, part: Personality) -> Personality {
        let mut part = match self.firmware {
            None => part,
            Some(firmware) => firmware.applied(part),
        };
        if self.volumes > 0 {
            part = part.with_integrated_raid();
        }
        part
    }
}

/// What firmware may offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Firmware {
    /// Reply post queues that lie apart.
    pub rdpq: bool,
    /// Request descriptors of 32 bits.
    pub atomic: bool,
    /// The core dump state.
    pub coredump: bool,
}

impl Firmware {
    fn applied(self, mut part: Personality) -> Personality {
        part.facts.capabilities &=
            !(capability::RDPQ_ARRAY | capability::ATOMIC_REQUEST | capability::COREDUMP);
        if self.rdpq {
            part.facts.capabilities |= capability::RDPQ_ARRAY;
        }
        if self.atomic {
            part = part.with_atomic_requests();
        }
        if self.coredump {
            part = part.with_core_dump();
        }
        part
    }
}

/// Not what firmware offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareError;

impl FromStr for Firmware {
    type Err = FirmwareError;

    /// Reads `rdpq,atomic,coredump`, or some of them, or `none`.
    fn from_str(text: &str) -> Result<Self, FirmwareError> {
        let mut firmware = Self::default();
        if text == "none" {
            return Ok(firmware);
        }
        for name in text.split(',') {
            match name {
                "rdpq" => firmware.rdpq = true,
                "atomic" => firmware.atomic = true,
                "coredump" => firmware.coredump = true,
                _ => return Err(FirmwareError),
            }
        }
        Ok(firmware)
    }
}

impl fmt::Display for FirmwareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "firmware offers any of rdpq, atomic and coredump, with commas between them, or none",
        )
    }
}

impl core::error::Error for FirmwareError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_offers_what_is_named_and_nothing_else() {
        let own = Personality::sas3008();
        let offered = |text: &str| {
            let firmware = Some(text.parse().expect("known"));
            let part = PartOptions { firmware, ..PartOptions::default() }.applied(own.clone());
            let all = [capability::RDPQ_ARRAY, capability::ATOMIC_REQUEST, capability::COREDUMP];
            all.map(|one| part.facts.can(one))
        };
        assert_eq!(offered("none"), [false, false, false]);
        assert_eq!(offered("rdpq"), [true, false, false]);
        assert_eq!(offered("coredump,atomic"), [false, true, true]);
        let unchanged = PartOptions::default().applied(own.clone());
        assert_eq!(unchanged.facts.capabilities, own.facts.capabilities, "as it is");
        for wrong in ["", "none,rdpq", "RDPQ", "rdpq,", "ir"] {
            assert_eq!(wrong.parse::<Firmware>(), Err(FirmwareError), "{wrong:?}");
        }
    }

    #[test]
    fn controllers_without_such_firmware_are_told_apart() {
        let all = [
            PartOptions { firmware: Some(Firmware::default()), ..PartOptions::default() },
            PartOptions { halved_stores: true, ..PartOptions::default() },
            PartOptions { volumes: 1, ..PartOptions::default() },
        ];
        for (options, option) in all.iter().zip(["--firmware", "--no-64-bit-store", "--volumes"]) {
            for controller in ControllerSpec::ALL {
                let has = controller.name().starts_with("sim:sas")
                    && !controller.name().ends_with("1068");
                let said = options.check(controller).map_err(|error| error.to_string());
                let refused = format!(
                    "{controller} has no choice of {option}: that is for sim:sas2008 and sim:sas3008"
                );
                assert_eq!(said, if has { Ok(()) } else { Err(refused) });
            }
        }
    }
}
