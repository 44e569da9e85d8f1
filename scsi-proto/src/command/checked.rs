//! CDBs whose format is known.

use core::fmt;
use core::marker::PhantomData;

use super::Command;
use crate::cdb::Cdb;

/// A CDB that has the format of the command `C`, checked once.
///
/// The fields stay where they are in the CDB: [`fields`](Self::fields) takes out those that the
/// caller goes on to use, and the others cost nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checked<C> {
    cdb: Cdb,
    command: PhantomData<C>,
}

impl<C> Checked<C> {
    /// Only for a `cdb` that was compared with the format of `C`.
    #[inline]
    pub(super) const fn new(cdb: Cdb) -> Self {
        Self { cdb, command: PhantomData }
    }

    /// The bytes, zero padded.
    #[inline]
    pub(super) const fn bytes(&self) -> &[u8; Cdb::LEN_MAX] {
        self.cdb.padded32()
    }

    /// The CDB: the very bytes that were checked.
    #[inline]
    #[must_use = "the CDB is the only result"]
    pub const fn cdb(&self) -> Cdb {
        self.cdb
    }
}

impl<C: Command> Checked<C> {
    /// The fields.
    #[inline]
    #[must_use = "the fields are the only result"]
    pub fn fields(&self) -> C {
        C::fields(self)
    }
}

impl<C: Command> From<C> for Checked<C> {
    #[inline]
    fn from(command: C) -> Self {
        Self::new(command.cdb())
    }
}

/// As the fields.
impl<C: Command + fmt::Debug> fmt::Debug for Checked<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields().fmt(f)
    }
}
