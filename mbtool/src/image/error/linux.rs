//! Why a file cannot be started as Linux.

use crate::decompress::DecompressError;

/// A setup header or a kernel that is invalid or not bootable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinuxImageError {
    /// No setup header.
    #[error(
        "has no Linux setup header (\"HdrS\" at offset 0x202 and 0xaa55 at 0x1fe): give a bzImage \
         (vmlinuz) or an ELF vmlinux"
    )]
    NoHeader,
    /// The file ends within the setup header.
    #[error(
        "has {len:#x} bytes, too few for its setup header, which ends at {end:#x}: the file is cut \
         short"
    )]
    Short {
        /// Length of the file, in bytes.
        len: usize,
        /// End of the setup header.
        end: usize,
    },
    /// A relocatable kernel whose relocations are elsewhere.
    #[error(
        "is a relocatable kernel (ET_DYN) without its relocations, which its build moves out of vmlinux: it would hang before \
         it prints anything; give the Image of the same build (arch/riscv/boot/Image, or the distribution's /boot/vmlinux)"
    )]
    NoRelocations,
    /// An old boot protocol.
    #[error(
        "speaks Linux boot protocol {}.{:02}, so it needs the 16- or 32-bit entry point, and mbtool starts the 64-bit one \
         (2.12, Linux 3.8): give a newer kernel; other programs in this form, such as iPXE's ipxe.lkrn, start from a boot \
         loader",
        version >> 8, version & 0xff
    )]
    Protocol {
        /// Version, major number in the upper byte.
        version: u16,
    },
    /// The jump over the setup header has an invalid operand.
    #[error(
        "its setup header ends at {end:#x} (bytes at 0x200: {:#04x} {:#04x}), protocol {}.{:02} \
         needs 0xeb and an end at {needed:#x} or later: the file is damaged",
        jump[0], jump[1], version >> 8, version & 0xff
    )]
    HeaderEnd {
        /// End of the setup header.
        end: usize,
        /// Bytes of the jump.
        jump: [u8; 2],
        /// Version, major number in the upper byte.
        version: u16,
        /// Lowest end of this version.
        needed: usize,
    },
    /// A zImage.
    #[error("is a zImage (loadflags bit 0 is clear): build a bzImage")]
    ZImage,
    /// A 32-bit kernel.
    #[error(
        "has no 64-bit entry point (xloadflags {xloadflags:#06x}, bit 0 is clear): give an x86-64 \
         kernel; 32-bit kernels are not started by this version"
    )]
    No64BitEntry {
        /// Field `xloadflags`.
        xloadflags: u16,
    },
    /// The protected-mode part is not in the file.
    #[error(
        "has {there:#x} bytes of protected-mode code after {start:#x} of setup code, its header \
         says {expected:#x}: the file is cut short"
    )]
    ProtectedMode {
        /// Bytes in the file.
        there: u64,
        /// Length of the setup code, in bytes.
        start: u64,
        /// Bytes by the header.
        expected: u64,
    },
    /// An invalid alignment.
    #[error(
        "its kernel_alignment {alignment:#x} (min_alignment {min_alignment:#x}) is not a power of \
         two up to {max:#x}: the file is damaged"
    )]
    Alignment {
        /// Field `kernel_alignment`.
        alignment: u32,
        /// Field `min_alignment`, in bytes.
        min_alignment: u32,
        /// Maximum alignment.
        max: u32,
    },
    /// Less memory than bytes.
    #[error(
        "its init_size {init_size:#x} is less than the {system:#x} bytes of its protected-mode \
         part, or that has no entry point at 0x200: the file is damaged"
    )]
    InitSize {
        /// Field `init_size`.
        init_size: u64,
        /// Length of the protected-mode part, in bytes.
        system: u64,
    },
    /// A preferred address where no kernel can be.
    #[error(
        "wants to be at {pref_address:#x} with {init_size:#x} bytes of memory, which is not \
         between 1 MiB and 4 GiB: the file is damaged"
    )]
    PreferredAddress {
        /// Field `pref_address`.
        pref_address: u64,
        /// Field `init_size`.
        init_size: u64,
    },
    /// A preferred address that is not aligned.
    #[error(
        "its pref_address {pref_address:#x} is not aligned to {alignment:#x}: the file is damaged"
    )]
    Unaligned {
        /// Field `pref_address`.
        pref_address: u64,
        /// Field `kernel_alignment`.
        alignment: u32,
    },
    /// No command line, or no place for the initrd.
    #[error(
        "its cmdline_size is {cmdline_size:#x} and its initrd_addr_max {initrd_addr_max:#x}: the \
         file is damaged"
    )]
    Limits {
        /// Field `cmdline_size`.
        cmdline_size: u32,
        /// Field `initrd_addr_max`.
        initrd_addr_max: u32,
    },
    /// A vmlinux that is not of x86-64.
    #[error(
        "is ELF for machine {machine} without 64-bit class, Linux is started as x86-64 (62) only"
    )]
    Not64Bit {
        /// Field `e_machine`.
        machine: u16,
    },
    /// A bzImage without a payload.
    #[error("has no packed kernel in it: the file is damaged")]
    NoPayload,
    /// The payload of a bzImage, or the file, cannot be unpacked.
    #[error("cannot be unpacked: {0}")]
    Unpack(DecompressError),
    /// An impossible unpacked size.
    #[error(
        "its packed kernel ends with an unpacked size of {size:#x} bytes, expected 1 to {max:#x}: \
         the file is damaged"
    )]
    UnpackedSize {
        /// Size in bytes.
        size: u64,
        /// Maximum size, in bytes.
        max: u64,
    },
    /// The unpacked size of the payload contradicts the kernel in it.
    #[error(
        "its packed kernel ends with an unpacked size of {size:#x} bytes, but its headers and notes end at {needed:#x}: \
         the file is damaged"
    )]
    UnpackedSizeTooSmall {
        /// Size, in bytes.
        size: u64,
        /// End of the headers and notes in the unpacked kernel.
        needed: u64,
    },
    /// No entry note of a paravirtualized domain.
    #[error(
        "cannot be a paravirtualized dom0: it has no entry note for that (owner Xen, type 1); give \
         a kernel that is built for it (CONFIG_XEN_PV, CONFIG_XEN_DOM0)"
    )]
    NotPv,
    /// A kernel for other domains than dom0.
    #[error(
        "cannot be dom0: its notes (owner Xen, type 17) say that it is for other domains only; \
         give a kernel that is built for it (CONFIG_XEN_DOM0)"
    )]
    NotDom0,
    /// No `PT_LOAD` with memory.
    #[error("has no memory to load")]
    NoMemory,
}
