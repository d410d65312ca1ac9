//! A series of plans in one QEMU: each plan ends with a reset of the machine, which leads to the
//! next one.
//!
//! The start of QEMU and SeaBIOS takes longer than a plan. So the machine has a firmware of one
//! page that jumps to the launcher, and the launcher counts its starts. A reset restores the
//! initial state of the machine except its memory, on which a plan must not depend; QEMU reloads
//! the launcher and the plans.
//!
//! A line [`NEXT`] on COM1 separates the output of the plans. The series ends
//! with [`LAUNCHER_SERIES_STATUS`](crate::payloads::LAUNCHER_SERIES_STATUS).

use super::{DEFAULT_BASE, E_ENTRY, LaunchSegment, P_MEMSZ, field, head, kernel, plan};
use crate::payloads::RESET;
use std::path::Path;
use std::{fs, io};

/// The line before the output of a plan.
pub const NEXT: &str = "MBTOOL-LAUNCHER next plan\r\n";

/// Memory of the machine.
const MEMORY_MIB: u32 = 1024;
/// Addresses of the Multiboot information, and of the module: after the
/// launcher.
const INFO: u32 = DEFAULT_BASE + (1 << 20);
const MODULE: u32 = INFO + 0x1000;
/// Minimum size of a firmware in QEMU.
const FIRMWARE_LEN: usize = 0x1_0000;
/// Offset of the addresses of the kernel's entry and information for reset.S.
const ADDRESSES: usize = FIRMWARE_LEN - 0x20;

/// A series of plans for the launcher, each as [`pack`](super::pack) makes it. Common contents are
/// in the file only once, since QEMU copies all of it at every reset.
#[must_use]
pub fn pack(plans: &[(&[LaunchSegment<'_>], u64)]) -> Vec<u8> {
    let mut file = plan::SERIES.to_vec();
    file.extend((plans.len() as u64).to_le_bytes());
    let mut offset = plan::SERIES_LEN + 8 * plans.len();
    for (segments, _) in plans {
        file.extend((offset as u64).to_le_bytes());
        offset += plan::HEADER_LEN + segments.len() * plan::SEGMENT_LEN;
    }
    let (mut known, mut contents) = (Vec::<(&[u8], usize)>::new(), Vec::<u8>::new());
    for (segments, entry) in plans {
        file.extend(head(plan::LONG, segments, *entry, [4, 0], |bytes| {
            if let Some((_, at)) = known.iter().find(|(other, _)| *other == bytes) {
                return *at;
            }
            let at = offset + contents.len();
            known.push((bytes, at));
            contents.extend(bytes);
            at
        }));
    }
    file.extend(contents);
    file
}

/// Writes the files of a machine for this series to `dir`; returns the arguments for a QEMU that is
/// started there.
///
/// # Errors
///
/// When a file cannot be written.
///
/// # Panics
///
/// When the series does not fit.
pub fn machine(dir: &Path, series: &[u8]) -> io::Result<Vec<String>> {
    let kernel = kernel(DEFAULT_BASE);
    let end = u64::from(MODULE) + series.len() as u64;
    assert!(
        field(&kernel, P_MEMSZ) <= INFO - DEFAULT_BASE && end <= u64::from(MEMORY_MIB) << 20,
        "no memory for the launcher or its plans"
    );
    let mut firmware = vec![0; FIRMWARE_LEN - RESET.len()];
    firmware.extend(RESET);
    for (n, address) in [field(&kernel, E_ENTRY), INFO].into_iter().enumerate() {
        let at = ADDRESSES + 4 * n;
        firmware[at..at + 4].copy_from_slice(&address.to_le_bytes());
    }
    fs::write(dir.join("firmware"), firmware)?;
    fs::write(dir.join("kernel"), kernel)?;
    fs::write(dir.join("info"), info(end as u32))?;
    fs::write(dir.join("plans"), series)?;
    let memory = MEMORY_MIB.to_string();
    let loaded = [
        "loader,file=kernel".to_owned(),
        format!("loader,file=info,addr={INFO:#x},force-raw=on"),
        format!("loader,file=plans,addr={MODULE:#x},force-raw=on"),
    ];
    let mut args = ["-m", &memory, "-bios", "firmware"]
        .map(str::to_owned)
        .to_vec();
    args.extend(
        loaded
            .into_iter()
            .flat_map(|device| ["-device".to_owned(), device]),
    );
    Ok(args)
}

/// Multiboot information (specification 0.6.96, 3.3): the module that ends at `end`, and the memory map.
fn info(end: u32) -> Vec<u8> {
    const LEN: usize = 116;
    /// Flags: modules, memory map.
    const FLAGS: u32 = 1 << 3 | 1 << 6;
    let module = [MODULE, end, 0, 0];
    let map: Vec<u8> = [
        (0, 0x9_fc00),
        (0x10_0000, (u64::from(MEMORY_MIB) << 20) - 0x10_0000),
    ]
    .into_iter()
    .flat_map(|(start, len): (u64, u64)| {
        let mut entry = 20_u32.to_le_bytes().to_vec();
        entry.extend([start, len].into_iter().flat_map(u64::to_le_bytes));
        entry.extend(1_u32.to_le_bytes());
        entry
    })
    .collect();
    let module_at = INFO + LEN as u32;
    let map_at = module_at + size_of_val(&module) as u32;
    let mut info = vec![0; LEN];
    for (at, word) in [
        (0, FLAGS),
        (20, 1),
        (24, module_at),
        (44, map.len() as u32),
        (48, map_at),
    ] {
        info[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    info.extend(module.into_iter().flat_map(u32::to_le_bytes));
    info.extend(map);
    info
}
