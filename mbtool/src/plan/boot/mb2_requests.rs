//! Requests in the image's header for boot information, and whether they can be
//! satisfied.

use crate::abi::multiboot2::ConsoleFlags;
use crate::host::screen::{NoScreen, Screen};
use crate::image::{FramebufferRequest, Requirements};
use xen_shim::fix::{Fix, Remedy, tail};

/// Name of boot information tag `kind` (Multiboot2 spec, 3.6).
#[must_use]
pub const fn tag_name(kind: u32) -> &'static str {
    match kind {
        0 => "end",
        1 => "command line",
        2 => "boot loader name",
        3 => "module",
        4 => "basic memory information",
        5 => "bios boot device",
        6 => "memory map",
        7 => "vbe information",
        8 => "framebuffer information",
        9 => "elf sections",
        10 => "apm table",
        11 => "efi 32-bit system table",
        12 => "efi 64-bit system table",
        13 => "smbios tables",
        14 => "acpi old rsdp",
        15 => "acpi new rsdp",
        16 => "networking information",
        17 => "efi memory map",
        18 => "efi boot services not terminated",
        19 => "efi 32-bit image handle",
        20 => "efi 64-bit image handle",
        21 => "image load base",
        _ => "unknown",
    }
}

/// A required request that cannot be satisfied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Information tag requested by header tag 1, and why it is unavailable.
    #[error(
        "the image requires information tag {} ({}), which cannot be provided: {}{}",
        .0, tag_name(*.0), .1, tail(self.fix())
    )]
    Info(u32, Missing),
    /// Header tag 4 requires a console.
    #[error(
        "the image requires a console (header tag 4), which cannot be provided: {}{}",
        .0, tail(self.fix())
    )]
    Console(NoConsole),
    /// Header tag 5 requires a framebuffer.
    #[error(
        "the image requires a framebuffer (header tag 5), which cannot be provided: {}{}",
        .0, tail(self.fix())
    )]
    Framebuffer(NoConsole),
}

/// Why an information tag is not available.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Tag 5.
    #[error("the BIOS device that the machine was booted from is not known")]
    BootDevice,
    /// Tags 7 and 10.
    #[error("the BIOS cannot be called after another kernel has run")]
    Bios,
    /// Tag 8.
    #[error(transparent)]
    Screen(#[from] NoScreen),
    /// Tag 9.
    #[error("the image has no section headers")]
    Sections,
    /// Tags 11 and 12.
    #[error("the running kernel has given EFI's tables virtual addresses")]
    EfiTables,
    /// Tag 13.
    #[error("the running kernel exports no SMBIOS tables (/sys/firmware/dmi/tables)")]
    Smbios,
    /// Tags 14 and 15.
    #[error("the machine's ACPI RSDP was not found")]
    Rsdp,
    /// Tag 15.
    #[error("the machine has ACPI 1.0 only")]
    Acpi1,
    /// Tag 16.
    #[error("no loader has booted the machine from a network by DHCP, as far as is known")]
    Network,
    /// Tag 17.
    #[error("the running kernel does not export EFI's memory map")]
    EfiMap,
    /// Tags 18 to 20.
    #[error("EFI boot services have ended")]
    BootServices,
    /// A tag that the specification does not have.
    #[error("the specification does not have it")]
    Unknown,
}

/// Why the screen is not one that the image supports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoConsole {
    /// There is none.
    #[error(transparent)]
    Screen(#[from] NoScreen),
    /// The image does not support what there is (header tags 4 and 5).
    #[error("the screen is {}, and the image supports {} only", .0, supported(.0))]
    Other(Screen),
}

/// What an image supports that does not support `screen`.
const fn supported(screen: &Screen) -> &'static str {
    match screen {
        Screen::Text { .. } => "a framebuffer",
        Screen::Rgb(_) => "EGA text",
    }
}

impl Fix for RequestError {
    fn fix(&self) -> Remedy {
        Some("boot it from a boot loader, or build it with that tag optional".into())
    }
}

/// Optional data that is available for the boot information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// True when the image has section headers.
    pub sections: bool,
    /// ACPI revision of the machine's RSDP, if known.
    pub rsdp_revision: Option<u8>,
    /// The screen.
    pub screen: Result<Screen, NoScreen>,
    /// True when the machine has SMBIOS.
    pub smbios: bool,
}

/// RSDP tags to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RsdpTags {
    /// Tag 14: the first 20 bytes.
    pub v1: bool,
    /// Tag 15: all 36.
    pub v2: bool,
}

/// Returns why information tag `tag` cannot be sent; `None` when it can.
fn missing(tag: u32, available: &Available) -> Option<Missing> {
    let unless = |available: bool, missing| (!available).then_some(missing);
    match tag {
        1..=4 | 6 | 21 => None,
        5 => Some(Missing::BootDevice),
        7 | 10 => Some(Missing::Bios),
        8 => available.screen.clone().err().map(Missing::Screen),
        9 => unless(available.sections, Missing::Sections),
        11 | 12 => Some(Missing::EfiTables),
        13 => unless(available.smbios, Missing::Smbios),
        14 | 15 if available.rsdp_revision.is_none() => Some(Missing::Rsdp),
        14 => None,
        15 => match available.rsdp_revision {
            Some(0 | 1) => Some(Missing::Acpi1),
            _ => None,
        },
        16 => Some(Missing::Network),
        17 => Some(Missing::EfiMap),
        18..=20 => Some(Missing::BootServices),
        _ => Some(Missing::Unknown),
    }
}

/// Checks the screen against the console (header tag 4) and the framebuffer (tag 5) that the image
/// asks for.
fn check_screen(
    header: &Requirements,
    screen: &Result<Screen, NoScreen>,
    unsatisfied: &mut Vec<String>,
) -> Result<(), RequestError> {
    let flags = header.console.map(|console| console.flags);
    let text = flags.is_some_and(|flags| flags.contains(ConsoleFlags::EGA_TEXT));
    let usable = match screen {
        Err(why) => Err(NoConsole::Screen(why.clone())),
        Ok(other @ Screen::Text { .. }) if !text => Err(NoConsole::Other(*other)),
        Ok(other @ Screen::Rgb(_)) if header.framebuffer.is_none() => Err(NoConsole::Other(*other)),
        Ok(screen) => Ok(*screen),
    };
    if let Some(console) = header.console
        && console.flags.contains(ConsoleFlags::REQUIRED)
        && let Err(why) = &usable
    {
        if console.required {
            return Err(RequestError::Console(why.clone()));
        }
        unsatisfied.push(format!(
            "the image requests a console (header tag 4): {why}"
        ));
    }
    match (header.framebuffer, usable) {
        (Some(framebuffer), Err(why)) if framebuffer.required => {
            Err(RequestError::Framebuffer(why))
        }
        (Some(framebuffer), Ok(screen)) => {
            unsatisfied.extend(other_mode(framebuffer, screen));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Returns a warning if the image asks for another mode than there is. The specification leaves it
/// to the loader to choose another one (3.1.10).
fn other_mode(asked: FramebufferRequest, screen: Screen) -> Option<String> {
    let (width, height, depth) = match screen {
        Screen::Text { columns, rows, .. } => (columns, rows, 0),
        Screen::Rgb(fb) => (fb.width, fb.height, fb.bpp.into()),
    };
    let same = |asked: u32, is: u32| asked == 0 || asked == is;
    let FramebufferRequest {
        width: w,
        height: h,
        depth: d,
        ..
    } = asked;
    (!same(w, width) || !same(h, height) || !same(d, depth)).then(|| {
        format!(
            "the image requests a screen of {w}x{h}x{d} (header tag 5; 0: any): it is {screen}, \
             which cannot be changed"
        )
    })
}

/// Compares the requests of the header with the `available` data.
///
/// Tag 15 is sent on ACPI 2.0 and later; tag 14 on ACPI 1.0 and to an image that
/// requests it (an ACPI 2.0 RSDP starts with a valid ACPI 1.0 one).
///
/// Returns the tags, and warnings for optional requests that are not satisfied.
///
/// # Errors
///
/// When a required request cannot be satisfied.
pub fn check(
    header: &Requirements,
    available: &Available,
) -> Result<(RsdpTags, Vec<String>), RequestError> {
    let mut unsatisfied = Vec::new();
    for request in &header.info_requests {
        match missing(request.tag, available) {
            Some(why) if request.required => return Err(RequestError::Info(request.tag, why)),
            Some(why) => unsatisfied.push(format!(
                "the image requests information tag {} ({}): {why}",
                request.tag,
                tag_name(request.tag)
            )),
            None => {}
        }
    }
    check_screen(header, &available.screen, &mut unsatisfied)?;
    let asks_v1 = header.info_requests.iter().any(|request| request.tag == 14);
    let tags = match available.rsdp_revision {
        None => RsdpTags::default(),
        Some(0 | 1) => RsdpTags {
            v1: true,
            v2: false,
        },
        Some(_) => RsdpTags {
            v1: asks_v1,
            v2: true,
        },
    };
    Ok((tags, unsatisfied))
}

#[cfg(test)]
mod tests;
