//! Macros for codes that arrive on the wire.

/// Declares an open code: a newtype over the wire value with one named constant per row.
///
/// Any wire value is representable; `name` answers `None` for those without a row.
macro_rules! open_code {
    (
        $(#[$meta:meta])*
        pub struct $ty:ident($raw:ty) {
            $($konst:ident = $value:literal, $name:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $ty(pub $raw);

        impl $ty {
            $(
                #[doc = concat!($name, ".")]
                pub const $konst: Self = Self($value);
            )+

            /// The T10 name, or `None` for a value that has no name here.
            #[must_use = "the name is the only result"]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)+
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $ty {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{:02X}h", self.0),
                }
            }
        }

        impl core::fmt::Debug for $ty {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($ty), "({:02X}h"), self.0)?;
                if let Some(name) = self.name() {
                    write!(f, " {name}")?;
                }
                f.write_str(")")
            }
        }
    };
}

pub(crate) use open_code;
