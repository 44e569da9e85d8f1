//! READ DEFECT DATA headers. Source: SBC-4 5.

use crate::command::Bits;
use crate::record::record;

record! {
    /// The header of READ DEFECT DATA(10). Source: SBC-4 5.
    pub struct DefectHeader10: 4 {} {
        /// PLISTV: the primary list is returned.
        plistv: bool [1, 4],
        /// GLISTV: the grown list is returned.
        glistv: bool [1, 3],
        /// DEFECT LIST FORMAT: how addresses are written.
        format: Bits<3> [1],
        /// DEFECT LIST LENGTH in bytes after the header, for all defects.
        length: u16 [2],
    }
}

record! {
    /// The header of READ DEFECT DATA(12). Source: SBC-4 5.
    pub struct DefectHeader12: 8 {} {
        /// PLISTV: the primary list is returned.
        plistv: bool [1, 4],
        /// GLISTV: the grown list is returned.
        glistv: bool [1, 3],
        /// DEFECT LIST FORMAT: how addresses are written.
        format: Bits<3> [1],
        /// GENERATION CODE: changes with the list; 0 where it is not kept.
        generation: u16 [2],
        /// DEFECT LIST LENGTH in bytes after the header, for all defects.
        length: u32 [4],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn empty_grown_list() {
        let header =
            DefectHeader10 { glistv: true, format: Bits::new(5).unwrap(), ..Default::default() };
        assert_eq!(header.to_bytes(), [0, 0x0d, 0, 0]);
        assert_eq!(
            DefectHeader12 { length: 8, ..Default::default() }.to_bytes(),
            [0, 0, 0, 0, 0, 0, 0, 8]
        );
        let mut out = [0xff; 5];
        assert_eq!(header.emit(&mut out), Ok(4));
        assert_eq!(out, [0, 0x0d, 0, 0, 0xff]);
        let error = header.emit(&mut out[..3]).unwrap_err();
        assert_eq!(error.to_string(), "4 bytes do not fit in a buffer of 3");
        assert_eq!(out, [0, 0x0d, 0, 0, 0xff]);
        let error = DefectHeader12::parse(&[0; 7]).unwrap_err();
        assert_eq!(error.to_string(), "data of 7 bytes ends before byte 8");
    }

    proptest! {
        #[test]
        fn identity(raw: [u8; 8]) {
            let header = DefectHeader12::from_bytes(&raw);
            prop_assert_eq!(DefectHeader12::from_bytes(&header.to_bytes()), header);
            let header = DefectHeader10::parse(&raw).unwrap();
            prop_assert_eq!(DefectHeader10::from_bytes(&header.to_bytes()), header);
        }
    }
}
