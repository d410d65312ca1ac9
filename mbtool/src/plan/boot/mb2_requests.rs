//! Requests in the image's header for boot information, and whether they can be
//! satisfied.

use crate::abi::multiboot2::ConsoleFlags;
use crate::image::Requirements;
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
    Info(u32, &'static str),
    /// Header tag 4 requires a console.
    #[error(
        "the image requires a console (header tag 4), which cannot be provided: the running kernel \
         has left the screen in an unknown mode{}",
        tail(self.fix())
    )]
    Console,
    /// Header tag 5 requires a framebuffer.
    #[error(
        "the image requires a framebuffer (header tag 5), which cannot be provided: no video mode \
         can be set or is known after another kernel has run{}",
        tail(self.fix())
    )]
    Framebuffer,
}

impl Fix for RequestError {
    fn fix(&self) -> Remedy {
        Some("boot it from a boot loader, or build it with that tag optional".into())
    }
}

/// Optional data that is available for the boot information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Available {
    /// True when the image has section headers.
    pub sections: bool,
    /// ACPI revision of the machine's RSDP, if known.
    pub rsdp_revision: Option<u8>,
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
const fn missing(tag: u32, available: Available) -> Option<&'static str> {
    match tag {
        1..=4 | 6 | 21 => None,
        9 if available.sections => None,
        9 => Some("the image has no section headers"),
        14 | 15 if available.rsdp_revision.is_none() => {
            Some("the machine's ACPI RSDP was not found")
        }
        14 => None,
        15 => match available.rsdp_revision {
            Some(0 | 1) => Some("the machine has ACPI 1.0 only"),
            _ => None,
        },
        11 | 12 | 18..=20 => Some("EFI boot services have ended"),
        17 => Some("the running kernel does not export EFI's memory map"),
        5 | 7 | 10 => Some("the BIOS cannot be called after another kernel has run"),
        _ => Some("the loader does not have it"),
    }
}

/// Compares the requests of the header with the `available` data.
///
/// Tag 15 is sent on ACPI 2.0 and later; tag 14 on ACPI 1.0 and to an image that
/// requests it (an ACPI 2.0 RSDP starts with a valid ACPI 1.0 one). Text mode is
/// never reported: whether the machine is in text mode is unknown.
///
/// Returns the tags, and warnings for optional requests that are not satisfied.
///
/// # Errors
///
/// When a required request cannot be satisfied.
pub fn check(
    header: &Requirements,
    available: Available,
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
    match header.console {
        Some(console) if console.flags.contains(ConsoleFlags::REQUIRED) && console.required => {
            return Err(RequestError::Console);
        }
        Some(console) if console.flags.contains(ConsoleFlags::REQUIRED) => {
            unsatisfied
                .push("the image requests a console (header tag 4): none is known".to_owned());
        }
        _ => {}
    }
    if header
        .framebuffer
        .is_some_and(|framebuffer| framebuffer.required)
    {
        return Err(RequestError::Framebuffer);
    }
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
mod tests {
    use super::*;
    use crate::image::{ConsoleRequest, FramebufferRequest, InfoRequest};

    const NEW: Available = Available {
        sections: false,
        rsdp_revision: Some(2),
    };

    fn requests(tag: u32, required: bool) -> Requirements {
        Requirements {
            info_requests: vec![InfoRequest { tag, required }],
            ..Default::default()
        }
    }

    #[test]
    fn always_available_tags_are_granted() {
        for tag in [1, 2, 3, 4, 6, 14, 15, 21] {
            assert!(check(&requests(tag, true), NEW).is_ok(), "{tag}");
        }
        assert!(
            check(
                &requests(9, true),
                Available {
                    sections: true,
                    ..NEW
                }
            )
            .is_ok()
        );
    }

    #[test]
    fn unavailable_tags_are_refused_if_required_or_noted() {
        for tag in [5, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20, 22, 0x7777] {
            let error = check(&requests(tag, true), NEW).unwrap_err();
            assert!(matches!(error, RequestError::Info(found, _) if found == tag));
            let (_, unsatisfied) = check(&requests(tag, false), NEW).unwrap();
            assert!(
                unsatisfied[0].contains(&format!("information tag {tag} (")),
                "{unsatisfied:?}"
            );
        }
        let why = |available| match check(&requests(15, true), available) {
            Err(RequestError::Info(15, why)) => why,
            other => panic!("{other:?}"),
        };
        let old = Available {
            rsdp_revision: Some(0),
            ..Available::default()
        };
        assert_ne!(why(Available::default()), why(old));
    }

    #[test]
    fn rsdp_tags_depend_on_the_revision_and_the_request() {
        let none = Requirements::default();
        let tags = |header: &Requirements, rsdp_revision| {
            check(
                header,
                Available {
                    rsdp_revision,
                    ..Available::default()
                },
            )
            .unwrap()
            .0
        };
        assert_eq!(tags(&none, None), RsdpTags::default());
        assert_eq!(
            tags(&none, Some(0)),
            RsdpTags {
                v1: true,
                v2: false
            }
        );
        assert_eq!(
            tags(&none, Some(2)),
            RsdpTags {
                v1: false,
                v2: true
            }
        );
        assert_eq!(
            tags(&requests(14, false), Some(2)),
            RsdpTags { v1: true, v2: true }
        );
    }

    #[test]
    fn required_consoles_and_framebuffers_are_refused() {
        let console = |flags, required| Requirements {
            console: Some(ConsoleRequest {
                flags: ConsoleFlags::from_bits_retain(flags),
                required,
            }),
            ..Default::default()
        };
        assert_eq!(check(&console(3, true), NEW), Err(RequestError::Console));
        assert_eq!(check(&console(3, false), NEW).unwrap().1.len(), 1);
        assert_eq!(check(&console(2, true), NEW).unwrap().1.len(), 0);
        let video = |required| Requirements {
            framebuffer: Some(FramebufferRequest {
                width: 0,
                height: 0,
                depth: 0,
                required,
            }),
            ..Default::default()
        };
        assert_eq!(check(&video(true), NEW), Err(RequestError::Framebuffer));
        assert!(check(&video(false), NEW).is_ok());
    }
}
