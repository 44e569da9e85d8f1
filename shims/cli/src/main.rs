//! The hba command line.

fn main() {}
