//! Warnings about the input for Xen.

use super::MAX_MAP_ENTRIES;

/// A change of the command line, or a likely mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XenWarning {
    /// `no-real-mode` was added.
    #[error(
        "added no-real-mode to xen's command line: the BIOS cannot be called after another kernel \
         has run (--real-mode leaves it out)"
    )]
    NoRealModeAdded,
    /// `--real-mode`.
    #[error(
        "xen will call the BIOS and take the BIOS's memory map, as --real-mode asks: this hangs on \
         most machines after another kernel has run"
    )]
    RealMode,
    /// `--real-mode` and a parameter that prevents it.
    #[error("--real-mode has no effect: xen's command line has no-real-mode or tboot=")]
    RealModeNoEffect,
    /// No serial console.
    #[error(
        "xen's command line has no com1=: xen prints nothing on a serial port (add com1=115200,8n1 \
         console=com1)"
    )]
    NoSerialConsole,
    /// The dom0 kernel is compressed.
    #[error(
        "module 0 ({name}) is gzip-compressed: xen unpacks it, and it must then be an ELF kernel"
    )]
    Gzip {
        /// File name.
        name: String,
    },
    /// The dom0 kernel is the only module.
    #[error("no initrd: dom0 gets only its kernel")]
    NoInitrd,
    /// More than [`MAX_MAP_ENTRIES`].
    #[error("{entries} memory map entries, xen reads the first {MAX_MAP_ENTRIES}")]
    LongMap {
        /// Number of entries.
        entries: usize,
    },
}
