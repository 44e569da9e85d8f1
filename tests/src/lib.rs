//! Stories that cross crates
