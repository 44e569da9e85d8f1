//! LSI Fusion-MPT controllers for hba-core
