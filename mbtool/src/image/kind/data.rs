//! Files that are no programs, by their magic numbers.

use crate::image::cpio::EarlyCpio;
use std::fmt;

/// A file that is no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFile {
    /// cpio: an initrd, or a part of one. With `microcode` it begins with files for the early boot.
    Cpio {
        /// Has microcode or ACPI tables for the early boot.
        early: bool,
    },
    /// A disk with partitions, or a format for one.
    Disk(&'static str),
    /// A file system.
    FileSystem(&'static str),
    /// A device tree.
    DeviceTree,
    /// A container of boot loaders, with a kernel in it.
    BootContainer(&'static str),
    /// An archive or a package.
    Archive(&'static str),
    /// A dump of makedumpfile.
    Dump,
    /// A script.
    Script,
    /// Text, such as a configuration.
    Text,
    /// An option ROM of a PCI device.
    OptionRom,
    /// A program for DOS.
    Dos,
    /// Zeros.
    Zeros,
}

/// Number of magic numbers.
const MAGICS: usize = 47;
/// Magic numbers, each at its offset.
pub(super) const MAGIC: [(usize, &[u8], DataFile); MAGICS] = {
    use DataFile::{
        Archive, BootContainer, DeviceTree, Disk, Dos, Dump, FileSystem, OptionRom, Script,
    };
    const CPIO: DataFile = DataFile::Cpio { early: false };
    [
        (0, b"070701", CPIO),
        (0, b"070702", CPIO),
        (0, b"070707", CPIO),
        (0, b"\xc7\x71", CPIO),
        (0, b"KDUMP   ", Dump),
        (0, b"DISKDUMP", Dump),
        (0, b"makedumpfile\0", Dump),
        (0, b"QFI\xfb", Disk("qcow2")),
        (0, b"KDMV", Disk("VMDK")),
        (0, b"# Disk DescriptorFile", Disk("VMDK")),
        (0, b"vhdxfile", Disk("VHDX")),
        (0, b"conectix", Disk("VHD")),
        (0x40, b"\x7f\x10\xda\xbe", Disk("VDI")),
        // a hybrid image has partitions too
        (0x8001, b"CD001", FileSystem("ISO 9660")),
        (0x200, b"EFI PART", Disk("GPT")),
        (0x1000, b"EFI PART", Disk("GPT")),
        (0, b"LUKS\xba\xbe", Disk("LUKS")),
        (0x200, b"LABELONE", Disk("LVM")),
        (0, b"hsqs", FileSystem("squashfs")),
        (0x400, b"\xe2\xe1\xf5\xe0", FileSystem("EROFS")),
        (0, b"\x45\x3d\xcd\x28", FileSystem("cramfs")),
        (0, b"XFSB", FileSystem("XFS")),
        (0x438, b"\x53\xef", FileSystem("ext2, ext3 or ext4")),
        (0x1_0040, b"_BHRfS_M", FileSystem("Btrfs")),
        (3, b"NTFS    ", FileSystem("NTFS")),
        (0x36, b"FAT1", FileSystem("FAT")),
        (0x52, b"FAT32", FileSystem("FAT")),
        (0xff6, b"SWAPSPACE2", FileSystem("swap")),
        (0, b"\x27\x05\x19\x56", BootContainer("U-Boot image")),
        (0, b"ANDROID!", BootContainer("Android boot image")),
        (0, b"\xd0\x0d\xfe\xed", DeviceTree),
        (0, b"\xd7\xb7\xab\x1e", DeviceTree),
        (0, b"PK\x03\x04", Archive("zip")),
        (0, b"!<arch>\ndebian-binary", Archive("Debian package")),
        (0, b"!<arch>\n", Archive("ar")),
        (0, b"\xed\xab\xee\xdb", Archive("RPM package")),
        (0, b"7z\xbc\xaf\x27\x1c", Archive("7z")),
        (0, b"Rar!\x1a\x07", Archive("RAR")),
        (0, b"xar!", Archive("xar")),
        (0, b"MSCF", Archive("cabinet")),
        (257, b"ustar", Archive("tar")),
        (0, b"LRZI", Archive("lrzip")),
        (0, b"\x1f\x9d", Archive("compress (.Z)")),
        (0, b"\x89LZO\0\r\n\x1a\n", Archive("lzop")),
        (0, b"#!", Script),
        (0, b"\x55\xaa", OptionRom),
        (0, b"MZ", Dos),
    ]
};

/// Offset of the partition table of an MBR, in bytes.
const PARTITIONS: usize = 446;
/// Size of one of its four entries, in bytes.
const PARTITION: usize = 16;
/// First bytes that are looked at to find text.
const TEXT: usize = 4096;
/// First bytes that are zero in an empty disk image.
const ZEROS: usize = 4096;

impl DataFile {
    /// Detects the kind by magic number.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        let is = |(at, magic, _): &&(usize, &[u8], Self)| {
            file.get(*at..).is_some_and(|rest| rest.starts_with(magic))
        };
        match MAGIC.iter().find(is) {
            Some((_, _, Self::Cpio { .. })) => Some(Self::Cpio {
                early: EarlyCpio::of(file).is_some(),
            }),
            Some((_, _, Self::DeviceTree)) if is_fit(file) => {
                Some(Self::BootContainer("FIT image"))
            }
            Some((_, _, kind)) => Some(*kind),
            None if is_mbr(file) => Some(Self::Disk("MBR")),
            None if is_text(file) => Some(Self::Text),
            None if file.iter().take(ZEROS).all(|byte| *byte == 0) => Some(Self::Zeros),
            None => None,
        }
    }

    /// What to do with it.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Cpio { .. } => "give it with --initrd, and a kernel as the image",
            Self::Disk(_) => {
                "attach it (losetup -P, qemu-nbd), mount its file system, and give the kernel in that"
            }
            Self::FileSystem(_) => "mount it, and give the kernel in it",
            Self::DeviceTree => "give a kernel; --dtb takes a device tree, for one that needs it",
            Self::BootContainer(_) => "take the kernel out of it, and give that",
            Self::Archive(_) => "unpack it, and give the kernel in it",
            Self::Dump => "give a kernel; crash(8) reads a dump",
            Self::OptionRom => "start it from the firmware, or give a kernel",
            Self::Script | Self::Text | Self::Dos => super::KERNEL,
            Self::Zeros => super::COPY_AGAIN,
        }
    }

    /// Its name in JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cpio { early: true } => "cpio-early",
            Self::Cpio { early: false } => "cpio",
            Self::Disk(_) => "disk",
            Self::FileSystem(_) => "file-system",
            Self::DeviceTree => "device-tree",
            Self::BootContainer(_) => "boot-container",
            Self::Archive(_) => "archive",
            Self::Dump => "vmcore",
            Self::Script => "script",
            Self::Text => "text",
            Self::OptionRom => "option-rom",
            Self::Dos => "dos-program",
            Self::Zeros => "zeros",
        }
    }
}

/// True for a partition table: each status is 0 or 0x80, and there is a partition.
fn is_mbr(file: &[u8]) -> bool {
    let Some(table) = file.get(PARTITIONS..512) else {
        return false;
    };
    let (entries, signature) = table.split_at(4 * PARTITION);
    let entries: Vec<_> = entries
        .chunks_exact(PARTITION)
        .map(|entry| (entry.first().copied(), entry.get(4).copied()))
        .collect();
    signature == [0x55, 0xaa]
        && entries
            .iter()
            .all(|(status, _)| matches!(status, Some(0 | 0x80)))
        && entries.iter().any(|(_, kind)| !matches!(kind, Some(0)))
}

/// True for UTF-8 without control characters, but for white space and those of colors.
fn is_text(file: &[u8]) -> bool {
    let start = file.get(..file.len().min(TEXT)).unwrap_or_default();
    let text = match str::from_utf8(start) {
        Ok(text) => text,
        // a character is cut by the limit
        Err(error) if error.error_len().is_none() && start.len() == TEXT => {
            let valid = start.get(..error.valid_up_to()).unwrap_or_default();
            str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0c' | '\x1b'))
}

/// True for a device tree with the nodes of a FIT image.
fn is_fit(file: &[u8]) -> bool {
    // nodes begin with a token of four bytes and their names
    let node = |name: &[u8]| memchr::memmem::find(file, &[&[0, 0, 0, 1], name].concat()).is_some();
    node(b"images\0") && node(b"configurations\0")
}

impl fmt::Display for DataFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpio { early: false } => f.write_str("a cpio archive, such as an initrd"),
            Self::Cpio { early: true } => {
                f.write_str("a cpio archive with microcode or ACPI tables for the early boot, such as an initrd")
            }
            Self::Disk(format) => write!(f, "a disk image ({format})"),
            Self::FileSystem(name) => write!(f, "a file system ({name})"),
            Self::DeviceTree => f.write_str("a device tree"),
            Self::BootContainer(name) => write!(f, "a container of a boot loader ({name})"),
            Self::Archive(name) => write!(f, "an archive ({name})"),
            Self::Dump => f.write_str("a dump of a kernel (makedumpfile)"),
            Self::Script => f.write_str("a script"),
            Self::Text => f.write_str("a text file"),
            Self::OptionRom => f.write_str("an option ROM of a PCI device, such as ipxe.rom"),
            Self::Dos => f.write_str("a DOS program"),
            Self::Zeros => f.write_str("zeros in its first 4096 bytes"),
        }
    }
}
