//! A two-level table over a large index space, allocated where it is touched.

/// Leaves that one directory of the table covers.
const DIRECTORY_LEN: usize = 4096;

type Leaf<T, const LEAF: usize> = Box<[T; LEAF]>;
type Directory<T, const LEAF: usize> = Box<[Option<Leaf<T, LEAF>>; DIRECTORY_LEN]>;

/// Elements of `T` behind a 64-bit index, where all untouched elements are `T::default()`.
///
/// A look-up is two loads and a subtraction-free split of the index: no hashing, no search. `LEAF`
/// must be a power of two. A table that nothing was stored in owns no memory.
#[derive(Debug)]
pub(super) struct SparseTable<T, const LEAF: usize> {
    /// Grows to the highest directory that was ever stored in.
    root: Vec<Option<Directory<T, LEAF>>>,
}

impl<T: Copy + Default, const LEAF: usize> SparseTable<T, LEAF> {
    const LEAF_SHIFT: u32 = {
        assert!(LEAF.is_power_of_two(), "the index is split by shifting");
        LEAF.trailing_zeros()
    };

    pub(super) const fn new() -> Self {
        Self { root: Vec::new() }
    }

    /// The leaf that holds `index`, or `None` where all its elements are default.
    #[inline]
    pub(super) fn leaf(&self, index: u64) -> Option<&[T; LEAF]> {
        let (directory, leaf) = Self::split(index);
        self.root.get(directory)?.as_ref()?[leaf].as_deref()
    }

    /// The leaf that holds `index` if it was ever stored in.
    #[inline]
    pub(super) fn leaf_mut(&mut self, index: u64) -> Option<&mut [T; LEAF]> {
        let (directory, leaf) = Self::split(index);
        self.root.get_mut(directory)?.as_mut()?[leaf].as_deref_mut()
    }

    /// The leaf that holds `index`, allocated if it is not there.
    #[inline]
    pub(super) fn leaf_or_insert(&mut self, index: u64) -> &mut [T; LEAF] {
        let (directory, leaf) = Self::split(index);
        if directory >= self.root.len() {
            self.root.resize_with(directory + 1, || None);
        }
        self.root[directory].get_or_insert_with(|| Box::new([const { None }; DIRECTORY_LEN]))[leaf]
            .get_or_insert_with(|| Box::new([T::default(); LEAF]))
    }

    /// Drops the leaf that holds `index`; its elements are default again.
    pub(super) fn remove_leaf(&mut self, index: u64) {
        let (directory, leaf) = Self::split(index);
        if let Some(Some(directory)) = self.root.get_mut(directory) {
            directory[leaf] = None;
        }
    }

    /// Where an element lies in its leaf.
    #[inline]
    pub(super) const fn offset(index: u64) -> usize {
        index as usize & (LEAF - 1)
    }

    /// Number of the directory and of the leaf in it.
    #[inline]
    const fn split(index: u64) -> (usize, usize) {
        let leaf = index >> Self::LEAF_SHIFT;
        ((leaf / DIRECTORY_LEN as u64) as usize, leaf as usize % DIRECTORY_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Table = SparseTable<u32, 8>;

    #[test]
    fn untouched_elements_need_no_memory() {
        let table = Table::new();
        assert!(table.leaf(u64::MAX).is_none());
        assert_eq!(table.root.capacity(), 0);
    }

    #[test]
    fn neighbours_share_a_leaf_and_directories_do_not_mix() {
        let mut table = Table::new();
        let far = 8 * DIRECTORY_LEN as u64 + 3;
        table.leaf_or_insert(3)[Table::offset(3)] = 30;
        table.leaf_or_insert(far)[Table::offset(far)] = 40;
        assert_eq!(table.leaf(7).unwrap()[3], 30);
        assert_eq!(table.leaf(far).unwrap()[3], 40);
        assert!(table.leaf(8).is_none());
        table.remove_leaf(3);
        assert!(table.leaf(3).is_none());
        assert_eq!(table.leaf_mut(far).unwrap()[3], 40);
    }
}
