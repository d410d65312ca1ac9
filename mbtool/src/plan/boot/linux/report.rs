//! Decodes `boot_params` for the report, as the image will read it.

use crate::abi::boot_params::{
    BootE820Entry, EfiMemoryDescriptor, EfiSetupData, LinuxBootParams, SETUP_E820_EXT, SETUP_EFI,
    SETUP_RNG_SEED, SetupData,
};
use crate::plan::boot::decoded::DecodedMapEntry;
use crate::plan::boot::record::Reader;
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
    pub e820: Vec<DecodedMapEntry>,
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
    let read = Reader { base: at, bytes };
    let params: LinuxBootParams = read.get(0);
    let header = &params.header;
    let setup_data = read.setup_data(header.setup_data.get());
    let in_page = params.e820_table.iter().take(params.e820_entries.into());
    let mut e820: Vec<DecodedMapEntry> = in_page.map(map_entry).collect();
    for data in setup_data.iter().filter(|data| data.kind == SETUP_E820_EXT) {
        let first = read.offset(data.addr.0) + size_of::<SetupData>();
        let size = size_of::<BootE820Entry>();
        let entries = (0..data.len as usize / size).map(|index| read.get(first + index * size));
        e820.extend(entries.map(|entry: BootE820Entry| map_entry(&entry)));
    }
    let (start, size) = params.initrd();
    let version = header.version.get();
    let cmdline_addr = params.cmdline();
    let rsdp = params.acpi_rsdp_addr.get();
    BootParamsReport {
        addr: Hex(at),
        protocol: format!("{}.{:02}", version >> 8, version & 0xff),
        loader_type: Hex(header.type_of_loader.into()),
        loadflags: Hex(header.loadflags.into()),
        cmdline: read.string(cmdline_addr),
        cmdline_addr: Hex(cmdline_addr),
        cmdline_size: header.cmdline_size.get(),
        initrd: (size != 0).then_some(InitrdReport {
            start: Hex(start),
            end: Hex(start + size),
        }),
        acpi_rsdp: (rsdp != 0).then_some(Hex(rsdp)),
        e820,
        efi: read.efi(&params, &setup_data),
        setup_data,
        screen: Hex(params.screen_info.orig_video_is_vga.into()),
        edd: params.eddbuf_entries,
        secure_boot: params.secure_boot,
    }
}

fn map_entry(entry: &BootE820Entry) -> DecodedMapEntry {
    DecodedMapEntry {
        base: Hex(entry.addr.get()),
        length: entry.size.get(),
        kind: entry.kind.get(),
    }
}

impl Reader<'_> {
    fn setup_data(&self, first: u64) -> Vec<SetupDataReport> {
        let mut list = Vec::new();
        let mut next = first;
        while next != 0 && list.len() < MOST_SETUP_DATA {
            let data: SetupData = self.get(self.offset(next));
            let kind = data.kind.get();
            list.push(SetupDataReport {
                kind,
                name: match kind {
                    SETUP_E820_EXT => "e820-ext",
                    SETUP_EFI => "efi",
                    SETUP_RNG_SEED => "rng-seed",
                    _ => "unknown",
                },
                addr: Hex(next),
                len: data.len.get(),
            });
            next = data.next.get();
        }
        list
    }

    fn efi(&self, params: &LinuxBootParams, setup_data: &[SetupDataReport]) -> Option<EfiReport> {
        let data = setup_data.iter().find(|data| data.kind == SETUP_EFI)?;
        let data: EfiSetupData = self.get(self.offset(data.addr.0) + size_of::<SetupData>());
        let info = &params.efi_info;
        Some(EfiReport {
            systab: Hex(info.systab()),
            memmap: Hex(info.memmap()),
            regions: info.memmap_size.get() as usize / size_of::<EfiMemoryDescriptor>(),
            fw_vendor: Hex(data.fw_vendor.get()),
            config_table: Hex(data.tables.get()),
            smbios: Hex(data.smbios.get()),
        })
    }
}
