//! Modules of Xen on ARM: their roles.

use super::MAX_MODULES;
use super::error::{ArmContractError, ArmWarning, NotADom0};

/// First bytes of a policy of Flask, little endian (`XSM_MAGIC`).
const XSM_MAGIC: [u8; 4] = 0xf97c_ff8c_u32.to_le_bytes();
/// First bytes of a header of U-Boot's `mkimage`.
const UIMAGE_MAGIC: [u8; 4] = 0x2705_1956_u32.to_be_bytes();
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Magic numbers of Linux, and their offsets.
const IMAGE: (usize, [u8; 4]) = (0x38, *b"ARM\x64");
const ZIMAGE: (usize, [u8; 4]) = (0x24, 0x016f_2818_u32.to_le_bytes());

/// What Xen takes a module for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmModule {
    /// Dom0's kernel.
    Kernel,
    /// Dom0's initial RAM disk.
    Ramdisk,
    /// Xen's security policy.
    XsmPolicy,
}

impl ArmModule {
    /// `compatible` of its node: the most specific string first.
    #[must_use]
    pub const fn compatible(self) -> [&'static str; 2] {
        const MODULE: &str = "multiboot,module";
        match self {
            Self::Kernel => ["multiboot,kernel", MODULE],
            Self::Ramdisk => ["multiboot,ramdisk", MODULE],
            Self::XsmPolicy => ["xen,xsm-policy", MODULE],
        }
    }

    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "dom0 kernel",
            Self::Ramdisk => "initrd",
            Self::XsmPolicy => "XSM policy",
        }
    }
}

/// Finds the roles of the modules `(file name, bytes)`, with warnings: the first one is the kernel; a policy is known by its
/// magic number; one other may be there, the initial RAM disk.
///
/// # Errors
///
/// When there is no kernel, or one that Xen does not start, or a module without a role, which Xen would ignore.
pub fn check_modules(
    modules: &[(&str, &[u8])],
) -> Result<(Vec<ArmModule>, Vec<ArmWarning>), ArmContractError> {
    let (&(name, data), rest) = modules.split_first().ok_or(ArmContractError::NoDom0)?;
    if modules.len() > MAX_MODULES {
        let count = modules.len();
        return Err(ArmContractError::TooManyModules { count });
    }
    if let Some(found) = not_a_kernel(data) {
        let name = name.to_owned();
        return Err(ArmContractError::NotADom0 { name, found });
    }
    let mut roles = vec![ArmModule::Kernel];
    for &(name, data) in rest {
        let role = match data.starts_with(&XSM_MAGIC) {
            true => ArmModule::XsmPolicy,
            false => ArmModule::Ramdisk,
        };
        if roles.contains(&role) {
            let name = name.to_owned();
            return Err(ArmContractError::NoRole { name, role });
        }
        roles.push(role);
    }
    let no_initrd = !roles.contains(&ArmModule::Ramdisk);
    let warnings = no_initrd.then_some(ArmWarning::NoInitrd);
    Ok((roles, warnings.into_iter().collect()))
}

/// Why Xen would not start this file as dom0; `None` for a kernel (`kernel_probe`).
fn not_a_kernel(data: &[u8]) -> Option<NotADom0> {
    let has = |(at, magic): (usize, [u8; 4])| data.get(at..at + magic.len()) == Some(&magic);
    if has(IMAGE) || has(ZIMAGE) || data.starts_with(&UIMAGE_MAGIC) || data.starts_with(&GZIP_MAGIC)
    {
        return None;
    }
    Some(match data {
        [b'M', b'Z', _, _, b'z', b'i', b'm', b'g', ..] => NotADom0::Zboot,
        [0x7f, b'E', b'L', b'F', ..] => NotADom0::Elf,
        [b'0', b'7', b'0', b'7', ..] => NotADom0::Cpio,
        _ => NotADom0::Other {
            head: data.iter().copied().take(4).collect(),
        },
    })
}
