//! The macro that turns one table of fields into a structure of parameter data.

/// Declares a structure of `len` bytes: `pub struct Type: len { constants } { fields }`.
///
/// A field is written as in `command!`: `name: type [byte]` or `name: type [byte, lsb]`. A
/// constant is `byte = value`: it is written, and not looked at when reading. Reading accepts any
/// bits; a value of the structure always encodes to well-formed bytes.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $ty:ident: $len:literal { $($const_byte:literal = $const:expr),* } {
            $($(#[$field_meta:meta])* $field:ident: $field_ty:ty [$byte:literal $(, $lsb:literal)?],)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $ty {
            $($(#[$field_meta])* pub $field: $field_ty,)*
        }

        impl $ty {
            /// Length of the structure in bytes.
            pub const LEN: usize = $len;

            /// Reads the fields. Any bytes have a meaning; reserved bits are ignored.
            #[must_use = "the structure is the only result"]
            pub fn from_bytes(bytes: &[u8; $len]) -> Self {
                Self { $($field: $crate::command::layout::take::<_, $byte, { 0 $(+ $lsb)? }, _>(bytes),)* }
            }

            /// The bytes, with zeros in reserved bits.
            #[must_use = "the bytes are the only result"]
            pub fn to_bytes(&self) -> [u8; $len] {
                let mut bytes = [0; $len];
                $(bytes[$const_byte] = $const;)*
                $($crate::command::layout::put::<_, $byte, { 0 $(+ $lsb)? }, _>(&mut bytes, self.$field);)*
                bytes
            }

            /// Reads the structure at the front of `bytes`.
            ///
            /// # Errors
            ///
            /// [`Truncated`](crate::Truncated) when `bytes` is shorter than the structure.
            pub fn parse(bytes: &[u8]) -> Result<Self, $crate::Truncated> {
                match bytes.first_chunk() {
                    Some(bytes) => Ok(Self::from_bytes(bytes)),
                    None => Err($crate::Truncated { needed: $len, available: bytes.len() }),
                }
            }

            /// Writes the structure and tells its length.
            ///
            /// # Errors
            ///
            /// [`BufferTooSmall`](crate::BufferTooSmall) when `out` is shorter than that.
            pub fn emit(&self, out: &mut [u8]) -> Result<usize, $crate::BufferTooSmall> {
                $crate::wire::write(&self.to_bytes(), out)
            }
        }

        impl Default for $ty {
            /// All fields zero.
            fn default() -> Self {
                Self::from_bytes(&[0; $len])
            }
        }
    };
}
pub(crate) use record;

/// Declares a mode page in page_0 format: `pub struct Type: len, PAGE_CODE { fields }`.
///
/// PS and PAGE LENGTH are fields of every page.
macro_rules! mode_page {
    (
        $(#[$meta:meta])*
        pub struct $ty:ident: $len:literal, $code:ident {
            $($(#[$field_meta:meta])* $field:ident: $field_ty:ty [$byte:literal $(, $lsb:literal)?],)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $ty {
            /// PS: the page can be saved. Shall be clear in MODE SELECT.
            pub ps: bool,
            /// PAGE LENGTH: bytes after byte 1. To change a page of a device, keep what it has.
            pub page_length: u8,
            $($(#[$field_meta])* pub $field: $field_ty,)*
        }

        impl $ty {
            /// Length of the page with all fields known here, in bytes, header included.
            pub const LEN: usize = $len;

            /// Reads the page, header included. Fields beyond PAGE LENGTH or beyond `bytes` read
            /// as zero; reserved bits are ignored.
            ///
            /// # Errors
            ///
            /// [`Truncated`](crate::Truncated) when the first byte after the header is missing or
            /// not claimed.
            pub fn parse(bytes: &[u8]) -> Result<Self, $crate::Truncated> {
                let end = bytes.get(1).map_or(0, |&length| 2 + usize::from(length));
                let bytes = bytes.get(..end).unwrap_or(bytes);
                $crate::wire::require(bytes, 3)?;
                Ok(Self::from_bytes(&$crate::wire::read_padded(bytes)))
            }

            /// Writes 2 + `page_length` bytes, zeros beyond the fields, and tells how many.
            ///
            /// # Errors
            ///
            /// [`BufferTooSmall`](crate::BufferTooSmall) when `out` is shorter than that.
            pub fn emit(&self, out: &mut [u8]) -> Result<usize, $crate::BufferTooSmall> {
                let mut bytes = [0; $len];
                bytes[0] = u8::from(self.ps) << 7 | $crate::mode::page_code::$code;
                bytes[1] = self.page_length;
                $($crate::command::layout::put::<_, $byte, { 0 $(+ $lsb)? }, _>(&mut bytes, self.$field);)*
                $crate::wire::write_sized(&bytes, 2 + usize::from(self.page_length), out)
            }

            fn from_bytes(bytes: &[u8; $len]) -> Self {
                Self {
                    ps: bytes[0] & 0x80 != 0,
                    page_length: bytes[1],
                    $($field: $crate::command::layout::take::<_, $byte, { 0 $(+ $lsb)? }, _>(bytes),)*
                }
            }
        }

        impl Default for $ty {
            /// All fields zero, PAGE LENGTH as the length of the structure has it.
            fn default() -> Self {
                Self { page_length: $len - 2, ..Self::from_bytes(&[0; $len]) }
            }
        }
    };
}
pub(crate) use mode_page;

/// Declares a VPD page of fixed fields: `pub struct Type: len, PAGE_CODE { fields }`.
///
/// `len` and the bytes of the fields count from the first byte of the page, header included.
macro_rules! vpd_page {
    (
        $(#[$meta:meta])*
        pub struct $ty:ident: $len:literal, $code:ident {
            $($(#[$field_meta:meta])* $field:ident: $field_ty:ty [$byte:literal $(, $lsb:literal)?],)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $ty {
            $($(#[$field_meta])* pub $field: $field_ty,)*
        }

        impl $ty {
            /// Length of the page in bytes, header included.
            pub const LEN: usize = $len;

            /// Reads the body of `page`; what is missing reads as zero, reserved bits are ignored.
            #[must_use = "the data is the only result"]
            pub fn parse(page: &$crate::vpd::VpdPage<'_>) -> Self {
                let body: [u8; $len - $crate::vpd::VpdPage::HEADER_LEN] =
                    $crate::wire::read_padded(page.body);
                let mut bytes = [0; $len];
                bytes[$crate::vpd::VpdPage::HEADER_LEN..].copy_from_slice(&body);
                Self::from_bytes(&bytes)
            }

            /// Writes the page and tells its length.
            ///
            /// # Errors
            ///
            /// [`BufferTooSmall`](crate::BufferTooSmall) when `out` is shorter than that.
            pub fn emit(&self, out: &mut [u8]) -> Result<usize, $crate::BufferTooSmall> {
                let mut bytes = [0; $len];
                $($crate::command::layout::put::<_, $byte, { 0 $(+ $lsb)? }, _>(&mut bytes, self.$field);)*
                let body = &bytes[$crate::vpd::VpdPage::HEADER_LEN..];
                $crate::vpd::emit($crate::vpd::PageCode::$code, body, out)
            }

            fn from_bytes(bytes: &[u8; $len]) -> Self {
                Self { $($field: $crate::command::layout::take::<_, $byte, { 0 $(+ $lsb)? }, _>(bytes),)* }
            }
        }

        impl Default for $ty {
            /// All fields zero.
            fn default() -> Self {
                Self::from_bytes(&[0; $len])
            }
        }
    };
}
pub(crate) use vpd_page;
