//! One enum over all typed commands.

use super::layout::key;
use super::*;

macro_rules! any_command {
    ($($ty:ident)+) => {
        /// Any CDB: typed where the command is known here, else the bytes untouched.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum AnyCommand {
            $(
                #[doc = concat!("See [`", stringify!($ty), "`].")]
                $ty($ty),
            )+
            /// An operation code or service action without a type here, vendor codes among them.
            Other(Cdb),
        }

        impl AnyCommand {
            /// Reads `cdb`.
            ///
            /// # Errors
            ///
            /// [`ParseError`] for a known command with a wrong length or with reserved bits set.
            pub fn parse(cdb: &Cdb) -> Result<Self, ParseError> {
                match key(cdb.opcode(), cdb.service_action()) {
                    $($ty::KEY => $ty::parse(cdb).map(Self::$ty),)+
                    _ => Ok(Self::Other(*cdb)),
                }
            }

            /// The CDB: for a parsed command the very bytes that were parsed.
            #[must_use = "the CDB is the only result"]
            pub fn cdb(&self) -> Cdb {
                match self {
                    $(Self::$ty(command) => command.cdb(),)+
                    Self::Other(cdb) => *cdb,
                }
            }

            /// CDB USAGE DATA of every typed command, to answer REPORT SUPPORTED OPERATION CODES.
            pub const USAGE: &'static [Cdb] = &[$($ty::USAGE),+];
        }
        $(
            impl From<$ty> for AnyCommand {
                fn from(command: $ty) -> Self {
                    Self::$ty(command)
                }
            }
        )+
    };
}

any_command! {
    TestUnitReady RequestSense Read6 Write6 Inquiry ModeSelect6 ModeSense6 StartStopUnit
    PreventAllowMediumRemoval ReadCapacity10 Read10 Write10 Verify10 SynchronizeCache10 WriteSame10
    Unmap LogSense ModeSelect10 ModeSense10 Read16 Write16 Verify16 SynchronizeCache16 WriteSame16
    ReadCapacity16 ReportLuns ReportSupportedOperationCodes Read12 Write12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_unknown_and_vendor() {
        let tur = Cdb::from_array([0; 6]);
        assert_eq!(AnyCommand::parse(&tur), Ok(TestUnitReady::default().into()));
        for raw in [[0xc0, 1, 2, 3, 4, 5], [0x04, 0x18, 0, 0, 0, 0], [0x9e, 0x12, 0, 0, 0, 0]] {
            let cdb = Cdb::from_array(raw);
            assert_eq!(AnyCommand::parse(&cdb), Ok(AnyCommand::Other(cdb)));
        }
    }

    #[test]
    fn damaged_known_command_is_refused() {
        let short = Cdb::from_array([0x28, 0, 0, 0, 0, 0]);
        let expected = ParseError::WrongLength { expected: 10, found: 6 };
        assert_eq!(AnyCommand::parse(&short), Err(expected));
        let fua_nv = Cdb::from_array([0x2a, 0x0a, 0, 0, 0, 1, 0, 0, 1, 0]);
        let expected = ParseError::ReservedBits { byte: 1, bits: 0x02 };
        assert_eq!(AnyCommand::parse(&fua_nv), Err(expected));
        assert_eq!(expected.to_string(), "reserved bits 02h set in cdb byte 1");
    }
}
