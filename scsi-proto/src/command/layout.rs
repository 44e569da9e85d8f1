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
    pub(super) len: usize,
    /// The CDB with all fields zero.
    pub(super) template: Padded,
    /// Ones where fields are.
    pub(super) fields: Padded,
}

impl Format {
    pub(super) const fn new(opcode: Opcode, service_action: Option<u16>, len: usize) -> Self {
        let mut template = [0; Cdb::LEN_MAX];
        template[0] = opcode.0;
        match (opcode.service_action_at(), service_action) {
            // One command for all service actions of its operation code has it as a field.
            (ServiceActionAt::Nowhere | ServiceActionAt::Byte1, None) => {}
            (ServiceActionAt::Byte1, Some(action)) if action < 0x20 => template[1] = action as u8,
            (ServiceActionAt::Bytes8And9, Some(action)) => {
                template[7] = len as u8 - 8;
                [template[8], template[9]] = action.to_be_bytes();
            }
            _ => panic!("the service action does not go with the operation code"),
        }
        let fields = cover([0; Cdb::LEN_MAX], 8, control_at(opcode, len), 0);
        Self { opcode, service_action, len, template, fields }
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

    /// Whether everything outside of the fields is as it has to be.
    #[inline]
    pub(super) fn matches(&self, cdb: &Cdb) -> bool {
        // Padding is zero in a Cdb, so the second half of short formats needs no look.
        let halves = if self.len <= 16 { 1 } else { 2 };
        let wrong = (0..halves).fold(0, |wrong, half| {
            let word = |bytes: &Padded| u128::from_ne_bytes(bytes.as_chunks().0[half]);
            wrong | (word(cdb.padded32()) ^ word(&self.template)) & !word(&self.fields)
        });
        wrong == 0 && cdb.len() == self.len
    }

    /// Why `cdb`, which does not match, does not.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse<T>(&self, cdb: &Cdb) -> Result<T, ParseError> {
        Err(self.mismatch(cdb))
    }

    fn mismatch(&self, cdb: &Cdb) -> ParseError {
        if cdb.opcode() != self.opcode {
            return ParseError::WrongOpcode { found: cdb.opcode() };
        }
        if self.service_action.is_some() && cdb.service_action() != self.service_action {
            return ParseError::WrongServiceAction { found: cdb.service_action() };
        }
        let wrong_length = ParseError::WrongLength { expected: self.len, found: cdb.len() };
        if cdb.len() != self.len {
            return wrong_length;
        }
        let constant = self.template.iter().zip(&self.fields);
        let wrong = cdb.padded32().iter().zip(constant).map(|(b, (t, f))| (b ^ t) & !f);
        let found = (0..).zip(wrong).find(|&(_, bits)| bits != 0);
        found.map_or(wrong_length, |(byte, bits)| ParseError::ReservedBits { byte, bits })
    }
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
            const FORMAT: Format =
                Format::new(Opcode::$opcode, [$(Some($action),)? None][0], $len)
                    $(.with(<$field_ty as Field>::BITS, $byte, 0 $(+ $lsb)?))*;

            /// As [`Command::parse`], without a detour of the fields over the stack.
            #[inline]
            pub(super) fn parse_any(cdb: &Cdb) -> Result<AnyCommand, ParseError> {
                if !const { &Self::FORMAT }.matches(cdb) {
                    return const { &Self::FORMAT }.refuse(cdb);
                }
                Ok(AnyCommand::$ty(Self::read(cdb)))
            }

            /// Takes the fields out of a CDB that has this format.
            #[inline(always)]
            fn read(cdb: &Cdb) -> Self {
                let bytes = cdb.padded32();
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
            fn parse(cdb: &Cdb) -> Result<Self, ParseError> {
                if !const { &Self::FORMAT }.matches(cdb) {
                    return const { &Self::FORMAT }.refuse(cdb);
                }
                Ok(Self::read(cdb))
            }
        }
    };
}
pub(super) use command;
