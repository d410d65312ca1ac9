//! `struct boot_params` of Linux for x86 with its setup header (Linux, Documentation/arch/x86/boot.rst and
//! zero-page.rst), and what it points to. All integers are little endian, none is aligned.

use std::mem::offset_of;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `boot_flag`: the boot sector's signature.
pub const BOOT_FLAG: u16 = 0xaa55;
/// `header`.
pub const HDRS: [u8; 4] = *b"HdrS";
/// `efi_loader_signature` of a 64-bit firmware.
pub const EL64: [u8; 4] = *b"EL64";
/// Where [`SetupHeader`] starts in a bzImage and in [`LinuxBootParams`].
pub const HEADER: usize = offset_of!(LinuxBootParams, header);
/// Where it ends in [`LinuxBootParams`], at the latest.
pub const HEADER_END: usize = HEADER + size_of::<SetupHeader>();

bitflags::bitflags! {
    /// `loadflags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LoadFlags: u8 {
        /// The protected-mode part is for 1 MiB and above.
        const LOADED_HIGH = 1 << 0;
        /// KASLR is in use (between the stages of the kernel).
        const KASLR = 1 << 1;
        /// No early messages.
        const QUIET = 1 << 5;
        /// Keep the segment registers at the 32-bit entry.
        const KEEP_SEGMENTS = 1 << 6;
        /// `heap_end_ptr` is valid: for real-mode code.
        const CAN_USE_HEAP = 1 << 7;
    }
}

bitflags::bitflags! {
    /// `xloadflags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct XLoadFlags: u16 {
        /// Has a 64-bit entry point 0x200 bytes into its protected-mode part.
        const KERNEL_64 = 1 << 0;
        /// Kernel, `boot_params` and initrd may lie anywhere.
        const CAN_BE_LOADED_ABOVE_4G = 1 << 1;
        /// 32-bit EFI handover entry point.
        const EFI_HANDOVER_32 = 1 << 2;
        /// 64-bit EFI handover entry point.
        const EFI_HANDOVER_64 = 1 << 3;
        /// Takes EFI over from another kernel ([`SETUP_EFI`]).
        const EFI_KEXEC = 1 << 4;
        /// May be entered with five levels of page tables.
        const FIVE_LEVEL = 1 << 5;
        /// Has five levels of page tables enabled itself.
        const FIVE_LEVEL_ENABLED = 1 << 6;
        // a newer kernel's
        const _ = !0;
    }
}

/// `struct setup_header`, up to the end of its place in [`LinuxBootParams`].
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of boot.rst")]
pub struct SetupHeader {
    pub setup_sects: u8,
    pub root_flags: U16,
    pub syssize: U32,
    pub ram_size: U16,
    pub vid_mode: U16,
    pub root_dev: U16,
    pub boot_flag: U16,
    /// 0xeb, and how far it jumps: to the end of the header.
    pub jump: [u8; 2],
    pub header: [u8; 4],
    pub version: U16,
    pub realmode_swtch: U32,
    pub start_sys_seg: U16,
    pub kernel_version: U16,
    pub type_of_loader: u8,
    pub loadflags: u8,
    pub setup_move_size: U16,
    pub code32_start: U32,
    pub ramdisk_image: U32,
    pub ramdisk_size: U32,
    pub bootsect_kludge: U32,
    pub heap_end_ptr: U16,
    pub ext_loader_ver: u8,
    pub ext_loader_type: u8,
    pub cmd_line_ptr: U32,
    pub initrd_addr_max: U32,
    pub kernel_alignment: U32,
    pub relocatable_kernel: u8,
    pub min_alignment: u8,
    pub xloadflags: U16,
    pub cmdline_size: U32,
    pub hardware_subarch: U32,
    pub hardware_subarch_data: U64,
    pub payload_offset: U32,
    pub payload_length: U32,
    pub setup_data: U64,
    pub pref_address: U64,
    pub init_size: U32,
    pub handover_offset: U32,
    pub kernel_info_offset: U32,
    /// Fields of protocols to come.
    pub later: [u8; 36],
}

impl SetupHeader {
    /// The header of a bzImage. Bytes past the end that its jump gives, and past the end of `file`, are zero.
    #[must_use]
    pub fn of_file(file: &[u8]) -> Self {
        let mut header = Self::new_zeroed();
        let bytes = file.get(HEADER..).unwrap_or_default();
        let len = bytes.len().min(size_of::<Self>());
        header.as_mut_bytes()[..len].copy_from_slice(&bytes[..len]);
        let end = header.end().clamp(0x202, HEADER_END);
        header.as_mut_bytes()[end - HEADER..].fill(0);
        header
    }

    /// Where it ends in the file, by its jump.
    #[must_use]
    pub fn end(&self) -> usize {
        0x202 + usize::from(self.jump[1])
    }
}

/// `struct efi_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are Linux's")]
pub struct EfiInfo {
    pub loader_signature: [u8; 4],
    pub systab: U32,
    pub memdesc_size: U32,
    pub memdesc_version: U32,
    pub memmap: U32,
    pub memmap_size: U32,
    pub systab_hi: U32,
    pub memmap_hi: U32,
}

impl EfiInfo {
    /// Address of the system table.
    #[must_use]
    pub fn systab(&self) -> u64 {
        wide(self.systab, self.systab_hi)
    }

    /// Address of the memory map.
    #[must_use]
    pub fn memmap(&self) -> u64 {
        wide(self.memmap, self.memmap_hi)
    }
}

/// `struct boot_e820_entry`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct BootE820Entry {
    /// First byte.
    pub addr: U64,
    /// Bytes.
    pub size: U64,
    /// E820 type.
    pub kind: U32,
}

/// `struct boot_params`.
#[repr(C)]
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of zero-page.rst")]
pub struct LinuxBootParams {
    pub screen_info: ScreenInfo,
    pub apm_bios_info: [u8; 20],
    pub pad2: [u8; 4],
    pub tboot_addr: U64,
    pub ist_info: [u8; 16],
    pub acpi_rsdp_addr: U64,
    pub pad3: [u8; 8],
    pub hd0_info: [u8; 16],
    pub hd1_info: [u8; 16],
    pub sys_desc_table: [u8; 16],
    pub olpc_ofw_header: [u8; 16],
    pub ext_ramdisk_image: U32,
    pub ext_ramdisk_size: U32,
    pub ext_cmd_line_ptr: U32,
    pub pad4: [u8; 112],
    pub cc_blob_address: U32,
    pub edid_info: [u8; 128],
    pub efi_info: EfiInfo,
    pub alt_mem_k: U32,
    pub scratch: U32,
    pub e820_entries: u8,
    pub eddbuf_entries: u8,
    pub edd_mbr_sig_buf_entries: u8,
    pub kbd_status: u8,
    pub secure_boot: u8,
    pub pad5: [u8; 2],
    pub sentinel: u8,
    pub pad6: u8,
    pub header: SetupHeader,
    pub edd_mbr_sig_buffer: [U32; 16],
    pub e820_table: [BootE820Entry; 128],
    pub pad8: [u8; 48],
    pub eddbuf: [[u8; 82]; 6],
    pub pad9: [u8; 276],
}

impl LinuxBootParams {
    /// Sets address and size of the initrd.
    pub fn set_initrd(&mut self, addr: u64, size: u64) {
        self.header.ramdisk_image.set(addr as u32);
        self.ext_ramdisk_image.set((addr >> 32) as u32);
        self.header.ramdisk_size.set(size as u32);
        self.ext_ramdisk_size.set((size >> 32) as u32);
    }

    /// Address and size of the initrd; size 0: none.
    #[must_use]
    pub fn initrd(&self) -> (u64, u64) {
        let header = &self.header;
        (
            wide(header.ramdisk_image, self.ext_ramdisk_image),
            wide(header.ramdisk_size, self.ext_ramdisk_size),
        )
    }

    /// Sets the address of the command line.
    pub fn set_cmdline(&mut self, addr: u64) {
        self.header.cmd_line_ptr.set(addr as u32);
        self.ext_cmd_line_ptr.set((addr >> 32) as u32);
    }

    /// Address of the command line.
    #[must_use]
    pub fn cmdline(&self) -> u64 {
        wide(self.header.cmd_line_ptr, self.ext_cmd_line_ptr)
    }
}

/// A field of 32 bits with its extension.
fn wide(low: U32, high: U32) -> u64 {
    u64::from(low.get()) | u64::from(high.get()) << 32
}

/// `struct screen_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are Linux's")]
pub struct ScreenInfo {
    pub orig_x: u8,
    pub orig_y: u8,
    pub ext_mem_k: U16,
    pub orig_video_page: U16,
    pub orig_video_mode: u8,
    pub orig_video_cols: u8,
    pub flags: u8,
    pub unused2: u8,
    pub orig_video_ega_bx: U16,
    pub unused3: U16,
    pub orig_video_lines: u8,
    /// `orig_video_isVGA`: 0 none, 1 VGA text, 0x23 VESA, 0x70 EFI framebuffer.
    pub orig_video_is_vga: u8,
    pub orig_video_points: U16,
    pub lfb_width: U16,
    pub lfb_height: U16,
    pub lfb_depth: U16,
    pub lfb_base: U32,
    pub lfb_size: U32,
    pub cl_magic: U16,
    pub cl_offset: U16,
    pub lfb_linelength: U16,
    pub red_size: u8,
    pub red_pos: u8,
    pub green_size: u8,
    pub green_pos: u8,
    pub blue_size: u8,
    pub blue_pos: u8,
    pub rsvd_size: u8,
    pub rsvd_pos: u8,
    pub vesapm_seg: U16,
    pub vesapm_off: U16,
    pub pages: U16,
    pub vesa_attributes: U16,
    /// [`ScreenCapabilities`].
    pub capabilities: U32,
    pub ext_lfb_base: U32,
    pub reserved: [u8; 2],
}

bitflags::bitflags! {
    /// `capabilities` of [`ScreenInfo`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ScreenCapabilities: u32 {
        /// Do not change the palette for a driver.
        const SKIP_QUIRKS = 1 << 0;
        /// `ext_lfb_base` is valid.
        const WIDE_BASE = 1 << 1;
        // a newer kernel's
        const _ = !0;
    }
}

impl ScreenInfo {
    /// Address of a framebuffer.
    #[must_use]
    pub fn base(&self) -> u64 {
        let capabilities = ScreenCapabilities::from_bits_retain(self.capabilities.get());
        match capabilities.contains(ScreenCapabilities::WIDE_BASE) {
            true => wide(self.lfb_base, self.ext_lfb_base),
            false => self.lfb_base.get().into(),
        }
    }
}

/// `struct setup_data` before its data.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct SetupData {
    /// Address of the next one; 0: none.
    pub next: U64,
    /// `SETUP_*`.
    pub kind: U32,
    /// Bytes of data that follow.
    pub len: U32,
}

/// [`SetupData`] with entries of the memory map that do not fit in the page.
pub const SETUP_E820_EXT: u32 = 1;
/// [`SetupData`] with an [`EfiSetupData`].
pub const SETUP_EFI: u32 = 4;
/// [`SetupData`] with random bytes.
pub const SETUP_RNG_SEED: u32 = 9;

/// `struct efi_setup_data`: what another kernel knew of EFI.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are Linux's")]
pub struct EfiSetupData {
    pub fw_vendor: U64,
    pub runtime: U64,
    pub tables: U64,
    pub smbios: U64,
    pub reserved: [U64; 8],
}

/// `efi_memory_desc_t`, version 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct EfiMemoryDescriptor {
    /// Type; the upper half is padding.
    pub kind: U64,
    /// Physical address.
    pub phys: U64,
    /// Virtual address.
    pub virt: U64,
    /// Pages of 4 KiB.
    pub pages: U64,
    /// `EFI_MEMORY_*`.
    pub attribute: U64,
}

const _: () = {
    assert!(size_of::<SetupHeader>() == 0x290 - 0x1f1);
    assert!(offset_of!(SetupHeader, jump) == 0x200 - 0x1f1);
    assert!(offset_of!(SetupHeader, code32_start) == 0x214 - 0x1f1);
    assert!(offset_of!(SetupHeader, cmd_line_ptr) == 0x228 - 0x1f1);
    assert!(offset_of!(SetupHeader, xloadflags) == 0x236 - 0x1f1);
    assert!(offset_of!(SetupHeader, setup_data) == 0x250 - 0x1f1);
    assert!(offset_of!(SetupHeader, later) == 0x26c - 0x1f1);
    assert!(size_of::<ScreenInfo>() == 64);
    assert!(offset_of!(ScreenInfo, orig_video_is_vga) == 0xf);
    assert!(offset_of!(ScreenInfo, lfb_base) == 0x18);
    assert!(offset_of!(ScreenInfo, red_size) == 0x26);
    assert!(offset_of!(ScreenInfo, capabilities) == 0x36);
    assert!(size_of::<EfiInfo>() == 32);
    assert!(size_of::<BootE820Entry>() == 20);
    assert!(size_of::<LinuxBootParams>() == 4096);
    assert!(offset_of!(LinuxBootParams, acpi_rsdp_addr) == 0x70);
    assert!(offset_of!(LinuxBootParams, ext_ramdisk_image) == 0xc0);
    assert!(offset_of!(LinuxBootParams, ext_cmd_line_ptr) == 0xc8);
    assert!(offset_of!(LinuxBootParams, edid_info) == 0x140);
    assert!(offset_of!(LinuxBootParams, efi_info) == 0x1c0);
    assert!(offset_of!(LinuxBootParams, e820_entries) == 0x1e8);
    assert!(offset_of!(LinuxBootParams, secure_boot) == 0x1ec);
    assert!(offset_of!(LinuxBootParams, header) == 0x1f1);
    assert!(offset_of!(LinuxBootParams, edd_mbr_sig_buffer) == 0x290);
    assert!(offset_of!(LinuxBootParams, e820_table) == 0x2d0);
    assert!(offset_of!(LinuxBootParams, eddbuf) == 0xd00);
    assert!(size_of::<SetupData>() == 16);
    assert!(size_of::<EfiSetupData>() == 96);
    assert!(size_of::<EfiMemoryDescriptor>() == 40);
};
