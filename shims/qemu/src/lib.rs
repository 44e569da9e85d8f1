//! Drives a controller that QEMU emulates, without a guest
