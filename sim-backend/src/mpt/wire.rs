//! Wire structures: how they are declared, and how they are laid over bytes.

use zerocopy::FromBytes;

/// Declares wire structures and checks the size of each.
macro_rules! wire {
    ($($(#[$doc:meta])* $name:ident, $size:literal { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, zerocopy::FromBytes, zerocopy::IntoBytes,
            zerocopy::Immutable, zerocopy::KnownLayout, zerocopy::Unaligned,
        )]
        #[repr(C)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
        }
        const _: () = assert!(size_of::<$name>() == $size);
    )*};
}

pub(crate) use wire;

/// The longest structure that [`view`] is asked for, in bytes.
const LEN_MAX: usize = 128;

/// Reads a structure from the start of `bytes`; what is missing reads as zeros.
pub(crate) fn view<T: FromBytes + Default>(bytes: &[u8]) -> T {
    let mut padded = [0; LEN_MAX];
    for (into, from) in padded.iter_mut().zip(bytes) {
        *into = *from;
    }
    T::read_from_prefix(&padded).map(|(value, _)| value).unwrap_or_default()
}
