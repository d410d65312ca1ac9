//! Constraints of Xen on its loader: command line, loader name, modules.

mod error;
mod warning;

use crate::cmdline::Cmdline;
pub use error::{ContractError, NotAKernel};
pub use warning::XenWarning;

/// Parameter that keeps Xen from calling the BIOS.
pub const NO_REAL_MODE: &str = "no-real-mode";
/// Maximum number of modules for every supported Xen (4.17 accepts one more).
pub const MAX_MODULES: usize = 63;
/// Maximum length of dom0's command line in bytes, without its NUL (`MAX_GUEST_CMDLINE`; public/xen.h, `start_info`).
/// Xen cuts off the rest.
pub const MAX_DOM0_LINE: usize = 1023;
/// Alignment of Xen's load address and of the memory reserved for it, in bytes:
/// it maps itself with superpages.
pub const ALIGN: u64 = 2 << 20;
/// Boot information tags (EFI 32- and 64-bit system table) that make Xen halt
/// on the Multiboot2 i386 entry.
pub const FORBIDDEN_TAGS: [u32; 2] = [11, 12];
/// Maximum number of memory map entries that Xen reads.
pub const MAX_MAP_ENTRIES: usize = 1024;
/// Size limit for the low-memory heap that Xen's first instructions copy the
/// boot information to, without a check. The heap has about 54 KiB; the
/// difference is a margin for later releases.
pub const BOOT_HEAP: usize = 48 << 10;

/// True when Xen will not call the BIOS: `no-real-mode` and `tboot=` are the
/// only parameters for that.
#[must_use]
pub fn avoids_real_mode(line: &Cmdline) -> bool {
    line.own().any(|parameter| parameter == NO_REAL_MODE) || line.value("tboot").is_some()
}

/// Makes `line` safe after another kernel has run, and returns changes and
/// warnings.
///
/// Without `no-real-mode` Xen calls the BIOS, which cannot be called any more,
/// and uses the BIOS's memory map instead of the loader's. It is added at the
/// front unless `real_mode` is set.
pub fn complete(line: &mut Cmdline, real_mode: bool) -> Vec<XenWarning> {
    let mut warnings = Vec::new();
    match (avoids_real_mode(line), real_mode) {
        (false, false) => {
            line.prepend([NO_REAL_MODE.to_owned()]);
            warnings.push(XenWarning::NoRealModeAdded);
        }
        (false, true) => warnings.push(XenWarning::RealMode),
        (true, true) => warnings.push(XenWarning::RealModeNoEffect),
        (true, false) => {}
    }
    if !["com1", "com2", "dbgp"]
        .iter()
        .any(|name| line.value(name).is_some())
    {
        warnings.push(XenWarning::NoSerialConsole);
    }
    warnings
}

/// The boot loader name to pass: with it Xen keeps the first parameter of its
/// own command line and of dom0's.
///
/// Xen removes that parameter, as a file name, unless the loader name is GRUB
/// with a version that does not start with 0.
#[must_use]
pub fn loader_name(version: &str) -> String {
    format!("GRUB 2.x (mbtool {version})")
}

/// Memory to reserve for an image of `memsz` bytes: whole superpages, at least
/// one. Releases before 4.20.4 do not pad themselves and fault where the tail of
/// the last superpage is not RAM.
#[must_use]
pub fn reserve_len(memsz: u64) -> Option<u64> {
    handoff::addr::align_up(memsz.max(1), ALIGN)
}

/// Checks the length of dom0's command line: `given` with module 0, and what
/// follows ` -- ` on Xen's own `line`.
///
/// # Errors
///
/// When Xen would cut it off.
pub fn check_dom0_line(given: &str, line: &Cmdline) -> Result<(), ContractError> {
    let more = line.rest().map_or(0, |rest| 1 + rest.len());
    let len = given.len() + more;
    if len > MAX_DOM0_LINE {
        return Err(ContractError::Dom0Line { len });
    }
    Ok(())
}

/// Checks the modules `(file name, bytes)`: the first one must be a kernel.
///
/// Returns warnings.
///
/// # Errors
///
/// When there is no module or too many, or Xen would refuse the first one.
pub fn check_modules(modules: &[(&str, &[u8])]) -> Result<Vec<XenWarning>, ContractError> {
    let &(name, data) = modules.first().ok_or(ContractError::NoDom0)?;
    if modules.len() > MAX_MODULES {
        return Err(ContractError::TooManyModules {
            count: modules.len(),
        });
    }
    let mut warnings = Vec::new();
    match Dom0::of(data) {
        Dom0::BzImage { major, minor } if (major, minor) < (2, 8) => {
            let name = name.to_owned();
            return Err(ContractError::OldBzImage { name, major, minor });
        }
        Dom0::BzImage { .. } | Dom0::Elf => {}
        Dom0::Gzip => warnings.push(XenWarning::Gzip {
            name: name.to_owned(),
        }),
        Dom0::Other(found) => {
            let name = name.to_owned();
            return Err(ContractError::NotAKernel { name, found });
        }
    }
    if modules.len() == 1 {
        warnings.push(XenWarning::NoInitrd);
    }
    Ok(warnings)
}

/// Format of a dom0 kernel.
enum Dom0 {
    /// Linux x86 boot protocol; must stay packed, since Xen reads its header.
    BzImage { major: u8, minor: u8 },
    /// Bare kernel.
    Elf,
    /// Perhaps a packed bare kernel.
    Gzip,
    /// Not a kernel.
    Other(NotAKernel),
}

impl Dom0 {
    fn of(data: &[u8]) -> Self {
        // Linux x86 boot protocol: "HdrS" at 0x202, version at 0x206
        if let (Some(b"HdrS"), Some(&[minor, major])) =
            (data.get(0x202..0x206), data.get(0x206..0x208))
        {
            return Self::BzImage { major, minor };
        }
        match data {
            [0x7f, b'E', b'L', b'F', ..] => Self::Elf,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'0', b'7', b'0', b'7', ..] => Self::Other(NotAKernel::Cpio),
            _ => Self::Other(NotAKernel::Other {
                len: data.len(),
                head: data.iter().copied().take(4).collect(),
            }),
        }
    }
}

/// Checks that Xen's copies fit in its boot heap: each string with its NUL, 16
/// bytes per module, 24 per memory map entry.
///
/// Returns a warning when the map is longer than Xen reads.
///
/// # Errors
///
/// When the sum exceeds [`BOOT_HEAP`].
pub fn check_boot_heap(
    strings: &[&str],
    modules: usize,
    map_entries: usize,
) -> Result<Option<XenWarning>, ContractError> {
    let text: usize = strings.iter().map(|string| string.len() + 1).sum();
    let need = text + 16 * modules + 24 * map_entries.min(MAX_MAP_ENTRIES);
    if need > BOOT_HEAP {
        return Err(ContractError::HeapFull { need });
    }
    let entries = map_entries;
    Ok((entries > MAX_MAP_ENTRIES).then_some(XenWarning::LongMap { entries }))
}

#[cfg(test)]
mod tests;
