//! Zoned Block Device Characteristics (B6h). Source: ZBC-2 6.

use crate::record::vpd_page;

vpd_page! {
    /// Zoned Block Device Characteristics. FFFFFFFFh in a number is not told. Source: ZBC-2 6.
    pub struct ZonedCharacteristics: 64, ZONED_CHARACTERISTICS {
        /// URSWRZ: reads beyond the write pointer are possible in sequential write required zones.
        urswrz: bool [4, 0],
        /// OPTIMAL NUMBER OF OPEN SEQUENTIAL WRITE PREFERRED ZONES.
        optimal_open_preferred: u32 [8],
        /// OPTIMAL NUMBER OF NON-SEQUENTIALLY WRITTEN SEQUENTIAL WRITE PREFERRED ZONES.
        optimal_non_sequential: u32 [12],
        /// MAXIMUM NUMBER OF OPEN SEQUENTIAL WRITE REQUIRED ZONES.
        maximum_open_required: u32 [16],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vpd::{PageCode, VpdPage};

    #[test]
    fn host_managed_disk() {
        let zoned =
            ZonedCharacteristics { maximum_open_required: 128, urswrz: true, ..Default::default() };
        let mut out = [0xff; 64];
        assert_eq!(zoned.emit(&mut out), Ok(64));
        assert_eq!(out[..5], [0, 0xb6, 0, 60, 1]);
        assert_eq!(out[16..20], [0, 0, 0, 128]);
        assert_eq!(ZonedCharacteristics::parse(&VpdPage::parse(&out).unwrap()), zoned);
        let cut = ZonedCharacteristics::parse(&VpdPage::parse(&out[..16]).unwrap());
        assert_eq!(cut, ZonedCharacteristics { maximum_open_required: 0, ..zoned });
    }

    proptest! {
        #[test]
        fn identity(body in proptest::collection::vec(any::<u8>(), 0..70)) {
            let mut bytes = [0; 80];
            let len = crate::vpd::emit(PageCode::ZONED_CHARACTERISTICS, &body, &mut bytes).unwrap();
            let zoned = ZonedCharacteristics::parse(&VpdPage::parse(&bytes[..len]).unwrap());
            let mut out = [0; 64];
            zoned.emit(&mut out).unwrap();
            prop_assert_eq!(ZonedCharacteristics::parse(&VpdPage::parse(&out).unwrap()), zoned);
        }
    }
}
