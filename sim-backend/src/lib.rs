//! Simulated disks and simulated controllers for hba-core
