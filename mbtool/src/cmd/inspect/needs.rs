//! Requirements of a loader, as sentences.

use super::{ConsoleRequest, FramebufferRequest, Image, InfoRequest};
use crate::abi::multiboot1::Mb1HeaderFlags;
use crate::abi::multiboot2::ConsoleFlags;
use crate::image::linux::{ARM_KERNEL_FLOOR, DtImageMachine, IMAGE_ALIGN};
use crate::image::mb1::VideoMode;
use crate::image::{Preference, Protocol};

/// Returns a description of an information tag.
pub(super) const fn information(tag: u32) -> &'static str {
    match tag {
        1 => "command line",
        2 => "boot loader name",
        3 => "modules",
        4 => "basic memory",
        5 => "BIOS boot device",
        6 => "memory map",
        7 => "VBE",
        8 => "framebuffer",
        9 => "ELF sections",
        10 => "APM table",
        11 => "EFI i386 system table",
        12 => "EFI amd64 system table",
        13 => "SMBIOS tables",
        14 => "ACPI 1.0 RSDP",
        15 => "ACPI 2.0 RSDP",
        16 => "network",
        17 => "EFI memory map",
        18 => "EFI boot services not ended",
        19 => "EFI i386 image handle",
        20 => "EFI amd64 image handle",
        21 => "load base address",
        _ => "unknown",
    }
}

/// Lists information tags by name and number.
pub(super) fn information_list(tags: impl Iterator<Item = u32>) -> String {
    let names: Vec<_> = tags
        .map(|tag| format!("{} ({tag})", information(tag)))
        .collect();
    names.join(", ")
}

/// Returns all requirements of `image`.
pub(super) fn sentences(image: &Image) -> Vec<String> {
    let requirements = &image.requirements;
    let mut needs = vec![memory(image)];
    let registers = match image.protocol {
        Protocol::Linux(_) => {
            needs.push(format!(
                "entry at {:#x} (plus relocation offset) in long mode, the first 4 GiB mapped to \
                 themselves, interrupts off, RSI = address of boot_params",
                image.entry
            ));
            return needs;
        }
        Protocol::DtLinux(header) => {
            needs.push(match header.machine {
                DtImageMachine::Riscv64 => format!(
                    "entry at its first byte, a multiple of {:#x}, at least {:#x} from the start of RAM, in supervisor \
                     mode with satp = 0 and interrupts off, a0 = hart number, a1 = address of the device tree",
                    IMAGE_ALIGN, header.text_offset
                ),
                DtImageMachine::Arm64 => format!(
                    "entry at its first byte, {:#x} from a multiple of {:#x}, at EL2 or EL1 with translation, data cache \
                     and interrupts off, x0 = address of the device tree",
                    header.text_offset, IMAGE_ALIGN
                ),
                DtImageMachine::Arm => format!(
                    "entry at its first byte, at least {:#x} from the start of RAM, in Hyp or Supervisor mode with translation, \
                     data cache and interrupts off, r0 = 0, r1 = all ones, r2 = address of the device tree",
                    header.text_offset + ARM_KERNEL_FLOOR
                ),
            });
            return needs;
        }
        Protocol::DtXen(..) => {
            needs.push(format!(
                "entry at its first byte, a multiple of {:#x}, at EL2 with translation, data cache and interrupts off, x0 = \
                 address of the device tree, which names dom0's kernel",
                xen_shim::arm::ALIGN
            ));
            return needs;
        }
        Protocol::Multiboot2 => "EAX = 0x36d76289, EBX = address of the boot information",
        Protocol::Multiboot1(_) => "EAX = 0x2badb002, EBX = address of the boot information",
        Protocol::Pvh => "EBX = address of the start info",
    };
    needs.push(format!(
        "entry at {:#x} (plus relocation offset) in 32-bit protected mode, paging and interrupts \
         off, {registers}",
        image.entry
    ));
    if let Protocol::Multiboot1(header) = &image.protocol {
        if header.has(Mb1HeaderFlags::MEMORY_INFO) {
            needs.push("boot information, required: memory sizes and memory map".into());
        }
        if header.has(Mb1HeaderFlags::VIDEO_MODE) {
            let mode = match header.video {
                Some(VideoMode {
                    mode_type,
                    width,
                    height,
                    depth,
                }) => format!("type {mode_type}, {width}x{height}, {depth} bits"),
                None => "any".into(),
            };
            needs.push(format!("a video mode, if available: {mode}"));
        }
    }
    let requested = |required: bool| {
        let of_kind = move |request: &&InfoRequest| request.required == required;
        information_list(
            requirements
                .info_requests
                .iter()
                .filter(of_kind)
                .map(|request| request.tag),
        )
    };
    for (list, how) in [
        (requested(true), "required"),
        (requested(false), "if available"),
    ] {
        if !list.is_empty() {
            needs.push(format!("boot information, {how}: {list}"));
        }
    }
    if requirements.module_align {
        needs.push("modules at page boundaries".into());
    }
    if let Some(ConsoleRequest { flags, required }) = requirements.console {
        let must = if required && flags.contains(ConsoleFlags::REQUIRED) {
            "required"
        } else {
            "not required"
        };
        let ega = if flags.contains(ConsoleFlags::EGA_TEXT) {
            "it can use EGA text"
        } else {
            "it cannot use EGA text"
        };
        needs.push(format!("a console: {must}; {ega}"));
    }
    if let Some(FramebufferRequest {
        width,
        height,
        depth,
        required,
    }) = requirements.framebuffer
    {
        let must = if required { "required" } else { "if available" };
        let mode = if (width, height, depth) == (0, 0, 0) {
            "any mode".into()
        } else {
            format!("{width}x{height}, {depth} bits")
        };
        needs.push(format!("a framebuffer, {must}: {mode}"));
    }
    if requirements.efi_boot_services
        || requirements.efi32_entry.is_some()
        || requirements.efi64_entry.is_some()
    {
        needs.push(
            "no EFI services: its EFI entry needs boot services, which ended when the running \
             kernel started, and is not used"
                .into(),
        );
    }
    needs
}

/// Returns size and constraints of the memory.
fn memory(image: &Image) -> String {
    let size = image.span.len();
    if let Some(tag) = image.requirements.relocatable {
        let end = match tag.preference {
            Preference::None => "",
            Preference::Lowest => ", as low as possible",
            Preference::Highest => ", as high as possible",
        };
        return format!(
            "{size:#x} bytes of RAM within {:#x}-{:#x}, aligned to {:#x}{end}",
            tag.min,
            tag.max + 1,
            tag.align
        );
    }
    if image.position_independent {
        let within = match image.protocol {
            Protocol::DtLinux(_) | Protocol::DtXen(..) => "",
            _ => " below 4 GiB",
        };
        return format!(
            "{size:#x} bytes of RAM anywhere{within}, aligned to {:#x}",
            image.align
        );
    }
    format!(
        "{size:#x} bytes of RAM at {}: it cannot be moved",
        image.span
    )
}
