//! Macros for numbers with names: open enums (`code!`) and bit sets (`flags!`).

/// Defines an open enum: a newtype with one constant for each value that the standard names.
///
/// `as "text"` is what an unknown value is called in `Display`. Each constant's text is its
/// documentation and its printed name.
macro_rules! code {
    ($(#[$attr:meta])* pub struct $Name:ident($Int:ty) as $what:literal {
        $($CONST:ident = $value:literal, $text:literal;)*
    }) => {
        $(#[$attr])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(pub $Int);

        impl $Name {
            $(#[doc = concat!("`", stringify!($value), "`: ", $text, ".")]
            pub const $CONST: Self = Self($value);)*

            /// The name of a value that the standard defines, else `None`.
            #[must_use = "a name that is not printed says nothing"]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $Name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{name} ({:#x})", self.0),
                    None => write!(f, concat!("unknown ", $what, " {:#x}"), self.0),
                }
            }
        }

        impl core::fmt::Debug for $Name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($Name), "({:#x})"), self.0)
            }
        }
    };
}

/// Defines a set of single bits: a newtype with one constant for each bit that the standard names.
///
/// `Display` prints the names of the set bits joined by ` | `, then the rest as one number.
macro_rules! flags {
    ($(#[$attr:meta])* pub struct $Name:ident($Int:ty) {
        $($CONST:ident = $value:literal, $text:literal;)*
    }) => {
        $(#[$attr])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(pub $Int);

        impl $Name {
            /// No bit is set.
            pub const NONE: Self = Self(0);
            $(#[doc = concat!("`", stringify!($value), "`: ", $text, ".")]
            pub const $CONST: Self = Self($value);)*

            /// Whether every bit of `other` is set in `self`.
            #[must_use = "this only asks; it changes nothing"]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits of both.
            #[must_use = "the union is returned; `self` is unchanged"]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl core::ops::BitOr for $Name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl core::fmt::Display for $Name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                const BITS: &[($Int, &str)] = &[$(($value, $text)),*];
                let mut rest = self.0;
                let mut separator = "";
                for &(bit, name) in BITS {
                    if self.0 & bit != 0 {
                        write!(f, "{separator}{name}")?;
                        separator = " | ";
                        rest &= !bit;
                    }
                }
                match (rest, self.0) {
                    (_, 0) => f.write_str("none"),
                    (0, _) => Ok(()),
                    (rest, _) => write!(f, "{separator}{rest:#x}"),
                }
            }
        }

        impl core::fmt::Debug for $Name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($Name), "({:#x})"), self.0)
            }
        }
    };
}

#[cfg(test)]
#[expect(
    unreachable_pub,
    reason = "the macros define public types; these are seen by the tests only"
)]
mod tests {
    use alloc::string::ToString;

    code! {
        /// Codes.
        pub struct Colour(u8) as "colour" {
            RED = 0x01, "red";
        }
    }

    flags! {
        /// Bits.
        pub struct Lamps(u16) {
            LEFT = 0x0001, "left";
            RIGHT = 0x0100, "right";
        }
    }

    #[test]
    fn unknown_codes_survive_and_print_as_numbers() {
        assert_eq!(Colour(0x01), Colour::RED);
        assert_eq!(Colour::RED.to_string(), "red (0x1)");
        assert_eq!(Colour(0xfe).to_string(), "unknown colour 0xfe");
        assert_eq!(Colour(0xfe).name(), None);
    }

    #[test]
    fn flags_print_names_then_the_rest() {
        assert_eq!(Lamps::NONE.to_string(), "none");
        assert_eq!((Lamps::LEFT | Lamps::RIGHT).to_string(), "left | right");
        assert_eq!(Lamps(0x8001).to_string(), "left | 0x8000");
        assert_eq!(Lamps(0x8000).to_string(), "0x8000");
    }

    #[test]
    fn contains_needs_every_bit() {
        assert!(Lamps(0x0101).contains(Lamps::LEFT | Lamps::RIGHT));
        assert!(!Lamps::LEFT.contains(Lamps::LEFT | Lamps::RIGHT));
    }
}
