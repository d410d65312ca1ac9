//! Decodes `boot_params` for the report, as the image will read it.

use super::{E820_SIZE, EFI_DESC, SETUP_E820_EXT, SETUP_EFI, SETUP_RNG_SEED};
use crate::plan::boot::sent::SentMapEntry;
use crate::plan::hex::Hex;
use serde::Serialize;

/// Maximum number of setup data items to decode.
const MOST_SETUP_DATA: usize = 16;

/// `boot_params` as passed to the image.
#[derive(Clone, Debug, Serialize)]
pub struct BootParamsReport {
    /// Its physical address.
    pub addr: Hex,
    /// Boot protocol: "2.15".
    pub protocol: String,
    /// `type_of_loader`.
    pub loader_type: Hex,
    /// `loadflags`.
    pub loadflags: Hex,
    /// Command line of the image.
    pub cmdline: String,
    /// Address of the command line.
    pub cmdline_addr: Hex,
    /// Maximum length that the kernel accepts, in bytes.
    pub cmdline_size: u32,
    /// The initrd; null if there is none.
    pub initrd: Option<InitrdReport>,
    /// `acpi_rsdp_addr`; null if unknown.
    pub acpi_rsdp: Option<Hex>,
    /// The memory map, including the part in setup data.
    pub e820: Vec<SentMapEntry>,
    /// Setup data, in order.
    pub setup_data: Vec<SetupDataReport>,
    /// EFI runtime services; null when they are not passed on.
    pub efi: Option<EfiReport>,
    /// `orig_video_isVGA`: 0 none, 1 VGA text, 0x23 VESA, 0x70 EFI framebuffer.
    pub screen: Hex,
    /// Number of BIOS disks described.
    pub edd: u8,
    /// `secure_boot`.
    pub secure_boot: u8,
}

/// The initrd.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct InitrdReport {
    /// First byte.
    pub start: Hex,
    /// One past the last byte.
    pub end: Hex,
}

/// One item of setup data.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SetupDataReport {
    /// `SETUP_*` number.
    #[serde(rename = "type")]
    pub kind: u32,
    /// Name of the type.
    pub name: &'static str,
    /// Physical address.
    pub addr: Hex,
    /// Length of the data in bytes.
    pub len: u32,
}

/// `efi_info`.
#[derive(Clone, Debug, Serialize)]
pub struct EfiReport {
    /// System table.
    pub systab: Hex,
    /// Runtime map.
    pub memmap: Hex,
    /// Number of regions in the runtime map.
    pub regions: usize,
    /// Vendor string.
    pub fw_vendor: Hex,
    /// Configuration tables.
    pub config_table: Hex,
    /// SMBIOS entry point.
    pub smbios: Hex,
}

/// Decodes the output of [`super::build`] for address `at`.
pub(in crate::plan) fn decode(bytes: &[u8], at: u64) -> BootParamsReport {
    let read = Reader { bytes, at };
    let setup_data = read.setup_data();
    let mut e820 = read.areas(0x2d0, read.u8(0x1e8).into());
    for data in setup_data.iter().filter(|data| data.kind == SETUP_E820_EXT) {
        let offset = read.offset(data.addr.0) + super::SETUP_DATA;
        e820.extend(read.areas(offset, data.len as usize / E820_SIZE));
    }
    let (start, size) = (read.u32(0x218).into(), u64::from(read.u32(0x21c)));
    let version = read.u32(0x206) & 0xffff;
    let cmdline_addr = u64::from(read.u32(0x228));
    let rsdp = read.u64(0x70);
    BootParamsReport {
        addr: Hex(at),
        protocol: format!("{}.{:02}", version >> 8, version & 0xff),
        loader_type: Hex(read.u8(0x210).into()),
        loadflags: Hex(read.u8(0x211).into()),
        cmdline: read.text(read.offset(cmdline_addr)),
        cmdline_addr: Hex(cmdline_addr),
        cmdline_size: read.u32(0x238),
        initrd: (size != 0).then_some(InitrdReport {
            start: Hex(start),
            end: Hex(start + size),
        }),
        acpi_rsdp: (rsdp != 0).then_some(Hex(rsdp)),
        e820,
        efi: read.efi(&setup_data),
        setup_data,
        screen: Hex(read.u8(0xf).into()),
        edd: read.u8(0x1e9),
        secure_boot: read.u8(0x1ec),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: u64,
}

impl Reader<'_> {
    fn u8(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn u32(&self, at: usize) -> u32 {
        let word = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        word.map_or(0, |word| u32::from_le_bytes(*word))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    /// Returns the offset of address `addr`; past the end when it is out of
    /// range.
    fn offset(&self, addr: u64) -> usize {
        let offset = addr.checked_sub(self.at);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        offset
            .filter(|offset| *offset < self.bytes.len())
            .unwrap_or(self.bytes.len())
    }

    fn text(&self, at: usize) -> String {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let text = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    fn areas(&self, at: usize, count: usize) -> Vec<SentMapEntry> {
        let entry = |index: usize| {
            let at = at + index * E820_SIZE;
            SentMapEntry {
                base: Hex(self.u64(at)),
                length: self.u64(at + 8),
                kind: self.u32(at + 16),
            }
        };
        (0..count).map(entry).collect()
    }

    fn setup_data(&self) -> Vec<SetupDataReport> {
        let mut list = Vec::new();
        let mut next = self.u64(0x250);
        while next != 0 && list.len() < MOST_SETUP_DATA {
            let at = self.offset(next);
            let kind = self.u32(at + 8);
            list.push(SetupDataReport {
                kind,
                name: match kind {
                    SETUP_E820_EXT => "e820-ext",
                    SETUP_EFI => "efi",
                    SETUP_RNG_SEED => "rng-seed",
                    _ => "unknown",
                },
                addr: Hex(next),
                len: self.u32(at + 12),
            });
            next = self.u64(at);
        }
        list
    }

    fn efi(&self, setup_data: &[SetupDataReport]) -> Option<EfiReport> {
        let data = setup_data.iter().find(|data| data.kind == SETUP_EFI)?;
        let data = self.offset(data.addr.0) + super::SETUP_DATA;
        let long = |low: usize, high: usize| {
            Hex(u64::from(self.u32(low)) | u64::from(self.u32(high)) << 32)
        };
        Some(EfiReport {
            systab: long(0x1c4, 0x1d8),
            memmap: long(0x1d0, 0x1dc),
            regions: self.u32(0x1d4) as usize / EFI_DESC,
            fw_vendor: Hex(self.u64(data)),
            config_table: Hex(self.u64(data + 16)),
            smbios: Hex(self.u64(data + 24)),
        })
    }
}
