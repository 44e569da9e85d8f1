//! The format of a CDB, and the macro that turns one table row into one command type.

use super::ParseError;
use super::field::Field;
use crate::cdb::Cdb;
use crate::opcode::{Opcode, ServiceActionAt};

type Padded = [u8; Cdb::LEN_MAX];

/// Bytes that a field of `bits` bits spans when its lowest bit is bit `lsb` of its last byte.
const fn span(bits: u32, lsb: u32) -> usize {
    (bits + lsb).div_ceil(8) as usize
}

/// Ors `field` into zeroed bits: big endian from byte `BYTE`, lowest bit at bit `LSB` of the last
/// byte.
#[inline]
pub(crate) fn put<F: Field, const BYTE: usize, const LSB: u32, const N: usize>(
    bytes: &mut [u8; N],
    field: F,
) {
    let span = const {
        assert!(BYTE + span(F::BITS, LSB) <= N, "field outside of the structure");
        span(F::BITS, LSB)
    };
    let raw = (field.into_raw() << LSB).to_be_bytes();
    if const { LSB == 0 && F::BITS.is_multiple_of(8) } {
        bytes[BYTE..BYTE + span].copy_from_slice(&raw[8 - span..]);
        return;
    }
    for i in 0..span {
        bytes[BYTE + i] |= raw[8 - span + i];
    }
}

/// Reads what [`put`] wrote.
#[inline]
pub(crate) fn take<F: Field, const BYTE: usize, const LSB: u32, const N: usize>(
    bytes: &[u8; N],
) -> F {
    let span = const {
        assert!(BYTE + span(F::BITS, LSB) <= N, "field outside of the structure");
        span(F::BITS, LSB)
    };
    let mut raw = [0; 8];
    raw[8 - span..].copy_from_slice(&bytes[BYTE..BYTE + span]);
    F::from_raw((u64::from_be_bytes(raw) >> LSB) & const { u64::MAX >> (64 - F::BITS) })
}

/// Sets the bits that a field covers.
const fn cover(mut mask: Padded, bits: u32, byte: usize, lsb: u32) -> Padded {
    let mut bit = lsb;
    let last = byte + span(bits, lsb) - 1;
    while bit < bits + lsb {
        assert!(mask[last - (bit / 8) as usize] & (1 << (bit % 8)) == 0, "fields overlap");
        mask[last - (bit / 8) as usize] |= 1 << (bit % 8);
        bit += 1;
    }
    mask
}

/// What is constant in a CDB format.
pub(super) struct Format {
    pub(super) opcode: Opcode,
    pub(super) service_action: Option<u16>,
    len: usize,
    /// The CDB with all fields zero.
    pub(super) template: Padded,
    /// Ones where fields are.
    fields: Padded,
    /// Ones where the operation code and the service action are.
    key: Padded,
}

impl Format {
    pub(super) const fn new(opcode: Opcode, service_action: Option<u16>, len: usize) -> Self {
        let mut template = [0; Cdb::LEN_MAX];
        template[0] = opcode.0;
        let mut key = [0; Cdb::LEN_MAX];
        key[0] = 0xff;
        match (opcode.service_action_at(), service_action) {
            // One command for all service actions of its operation code has it as a field.
            (ServiceActionAt::Nowhere | ServiceActionAt::Byte1, None) => {}
            (ServiceActionAt::Byte1, Some(action)) if action < 0x20 => {
                template[1] = action as u8;
                key[1] = 0x1f;
            }
            (ServiceActionAt::Bytes8And9, Some(action)) => {
                template[7] = len as u8 - 8;
                [template[8], template[9]] = action.to_be_bytes();
                [key[8], key[9]] = [0xff; 2];
            }
            _ => panic!("the service action does not go with the operation code"),
        }
        let fields = cover([0; Cdb::LEN_MAX], 8, control_at(opcode, len), 0);
        Self { opcode, service_action, len, template, fields, key }
    }

    /// Adds a field. Fails to compile when it overlaps another one or leaves the CDB.
    pub(super) const fn with(mut self, bits: u32, byte: usize, lsb: u32) -> Self {
        assert!(byte + span(bits, lsb) <= self.len, "field outside of the CDB");
        self.fields = cover(self.fields, bits, byte, lsb);
        self
    }

    /// CDB USAGE DATA: the constant values and ones for the fields.
    pub(super) const fn usage<const LEN: usize>(&self) -> Cdb {
        let mut usage = self.template;
        let mut i = 0;
        while i < usage.len() {
            usage[i] |= self.fields[i];
            i += 1;
        }
        Cdb::from_padded::<LEN>(usage)
    }

    /// What `accept` makes of `cdb`, if everything that is not a field is as it has to be.
    #[inline(always)]
    pub(super) fn admit<T>(
        &self,
        cdb: &Cdb,
        accept: impl FnOnce(&Cdb) -> T,
    ) -> Result<T, ParseError> {
        // Padding is zero in a Cdb, so the second half of short formats needs no look.
        let words = if self.len <= 16 { 0..2 } else { 0..4 };
        for number in words {
            let wrong = self.wrong_bits(cdb, number);
            if wrong != 0 {
                return self.refuse(cdb, number, wrong);
            }
        }
        if cdb.len() != self.len {
            return self.refuse(cdb, 0, 0);
        }
        Ok(accept(cdb))
    }

    /// The bits of one of the four words that are neither fields nor as they have to be.
    #[inline(always)]
    fn wrong_bits(&self, cdb: &Cdb, number: usize) -> u64 {
        let expected = word(&self.template, number);
        (word(cdb.padded32(), number) ^ expected) & !word(&self.fields, number)
    }

    /// Says why: the first word with wrong bits and these, or none where only the length is wrong.
    ///
    /// The result is made here in the caller's type: moved from type to type, it would cost as
    /// much as the comparison.
    #[cold]
    #[inline(never)]
    fn refuse<T>(&self, cdb: &Cdb, number: usize, wrong: u64) -> Result<T, ParseError> {
        if wrong & word(&self.key, number) != 0 {
            return Err(self.wrong_key(cdb));
        }
        if cdb.len() != self.len {
            return Err(ParseError::WrongLength { expected: self.len, found: cdb.len() });
        }
        let bit = wrong.trailing_zeros() & !7;
        let byte = 8 * number as u8 + (bit / 8) as u8;
        Err(ParseError::ReservedBits { byte, bits: (wrong >> bit) as u8 })
    }

    fn wrong_key(&self, cdb: &Cdb) -> ParseError {
        if cdb.opcode() != self.opcode {
            return ParseError::WrongOpcode { found: cdb.opcode() };
        }
        ParseError::WrongServiceAction { found: cdb.service_action() }
    }
}

/// Eight bytes at once, the first of them the least significant.
#[inline(always)]
fn word(bytes: &Padded, number: usize) -> u64 {
    u64::from_le_bytes(bytes.as_chunks().0[number])
}

/// The CONTROL byte is the last one, except in variable length CDBs, where it is byte 1.
pub(super) const fn control_at(opcode: Opcode, len: usize) -> usize {
    if opcode.0 == Opcode::VARIABLE_LENGTH.0 { 1 } else { len - 1 }
}

/// Declares one command: `Type = "NAME", OPCODE [/ service action], length { fields }`.
///
/// A field is `name: type [byte]` or `name: type [byte, lsb]`: big endian from `byte`, with its
/// lowest bit at bit `lsb` of its last byte. Overlaps and overruns do not compile.
macro_rules! command {
    (
        $(#[$meta:meta])*
        $ty:ident = $name:literal, $opcode:ident $(/ $action:literal)?, $len:literal {
            $($(#[$field_meta:meta])* $field:ident: $field_ty:ty [$byte:literal $(, $lsb:literal)?],)*
        }
    ) => {
        #[doc = concat!($name, ".")]
        ///
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $ty {
            $($(#[$field_meta])* pub $field: $field_ty,)*
            /// CONTROL.
            pub control: Control,
        }

        impl $ty {
            pub(super) const FORMAT: Format =
                Format::new(Opcode::$opcode, [$(Some($action),)? None][0], $len)
                    $(.with(<$field_ty as Field>::BITS, $byte, 0 $(+ $lsb)?))*;

            /// Takes the fields out of a CDB that has this format.
            #[inline]
            fn read(bytes: &[u8; Cdb::LEN_MAX]) -> Self {
                Self {
                    $($field: take::<_, $byte, { 0 $(+ $lsb)? }, _>(bytes),)*
                    control: Control(bytes[const { control_at(Opcode::$opcode, $len) }]),
                }
            }
        }

        impl Command for $ty {
            const NAME: &'static str = $name;
            const OPCODE: Opcode = Self::FORMAT.opcode;
            const SERVICE_ACTION: Option<u16> = Self::FORMAT.service_action;
            const USAGE: Cdb = Self::FORMAT.usage::<$len>();

            #[inline]
            fn cdb(&self) -> Cdb {
                let mut bytes = Self::FORMAT.template;
                $(put::<_, $byte, { 0 $(+ $lsb)? }, _>(&mut bytes, self.$field);)*
                bytes[const { control_at(Opcode::$opcode, $len) }] = self.control.0;
                Cdb::from_padded::<$len>(bytes)
            }

            #[inline]
            fn check(cdb: &Cdb) -> Result<Checked<Self>, ParseError> {
                const { &Self::FORMAT }.admit(cdb, |cdb| Checked::new(*cdb))
            }

            #[inline]
            fn fields(checked: &Checked<Self>) -> Self {
                Self::read(checked.bytes())
            }

            #[inline]
            fn parse(cdb: &Cdb) -> Result<Self, ParseError> {
                const { &Self::FORMAT }.admit(cdb, |cdb| Self::read(cdb.padded32()))
            }
        }
    };
}
pub(super) use command;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_constants_make_the_usage() {
        // PERSISTENT RESERVE OUT with its service action and two of its fields.
        let format = Format::new(Opcode::PERSISTENT_RESERVE_OUT, Some(3), 10);
        let format = format.with(4, 2, 4).with(32, 5, 0);
        let usage = format.usage::<10>();
        assert_eq!(usage, Cdb::from_array([0x5f, 3, 0xf0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]));
    }

    #[test]
    fn variable_length_has_its_action_in_bytes_8_and_9() {
        let format = Format::new(Opcode::VARIABLE_LENGTH, Some(0x1234), 32).with(12, 10, 2);
        let usage = format.usage::<32>();
        let expected = [0x7f, 0xff, 0, 0, 0, 0, 0, 24, 0x12, 0x34, 0x3f, 0xfc];
        assert_eq!(usage.as_bytes()[..12], expected);
        assert_eq!(usage.as_bytes()[12..], [0; 20]);
    }

    #[test]
    #[should_panic(expected = "fields overlap")]
    fn fields_do_not_overlap() {
        let _ = Format::new(Opcode::INQUIRY, None, 6).with(16, 2, 0).with(1, 3, 7);
    }

    #[test]
    #[should_panic(expected = "fields overlap")]
    fn control_is_a_field() {
        let _ = Format::new(Opcode::INQUIRY, None, 6).with(16, 4, 0);
    }

    #[test]
    #[should_panic(expected = "field outside of the CDB")]
    fn fields_do_not_leave_the_cdb() {
        let _ = Format::new(Opcode::INQUIRY, None, 6).with(16, 5, 0);
    }

    #[test]
    #[should_panic(expected = "the service action does not go with the operation code")]
    fn service_action_has_five_bits() {
        let _ = Format::new(Opcode::MAINTENANCE_IN, Some(0x20), 12);
    }
}
