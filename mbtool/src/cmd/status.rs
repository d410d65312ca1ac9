//! `mbtool status`: what is loaded, and on what machine.

use crate::backend::state::KernelState;
use crate::memory::{Host, Kind, Rsdp, host, map};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// What the command line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// One JSON document instead of text.
    pub json: bool,
}

/// The document that `--json` prints. All fields of [`KernelState`] and of
/// [`Host`] stand at the top level, so that `plan --memory-map` reads it; those
/// of [`Host`] are missing where the memory map could not be read.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The running kernel and kexec.
    #[serde(flatten)]
    pub kernel: KernelState,
    /// "efi" or "bios": how the machine was started, as far as Linux knows.
    pub firmware: &'static str,
    /// The machine's memory.
    #[serde(flatten)]
    pub host: Option<Host>,
    /// What could not be learnt, and oddities.
    pub warnings: Vec<String>,
}

impl Status {
    /// Reads everything below `root` ("/" for the real machine). Nothing here
    /// fails: what cannot be read is a warning.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let (host, warnings) = match host::read(root) {
            Ok((host, warnings)) => (Some(host), warnings),
            Err(err) => (None, vec![err.to_string()]),
        };
        let efi = crate::memory::efi::present(root);
        let firmware = if efi { "efi" } else { "bios" };
        Self {
            kernel: KernelState::read(root),
            firmware,
            host,
            warnings,
        }
    }
}

/// Prints the status; warnings go to `talk`, and into the JSON document.
///
/// # Errors
///
/// What writing to `out` says.
pub fn run(
    options: Options,
    root: &Path,
    out: &mut dyn Write,
    talk: &mut dyn Write,
) -> io::Result<()> {
    let status = Status::read(root);
    for warning in &status.warnings {
        // a closed stderr does not make the data less right
        let _ = writeln!(talk, "mbtool: warning: {warning}");
    }
    if options.json {
        serde_json::to_writer_pretty(&mut *out, &status)?;
        return writeln!(out);
    }
    for (key, value) in lines(&status) {
        writeln!(out, "{key:<16} {value}")?;
    }
    Ok(())
}

/// The text, one line each.
fn lines(status: &Status) -> Vec<(&'static str, String)> {
    let kernel = &status.kernel;
    let image = |loaded| match loaded {
        Some(true) => "loaded",
        Some(false) => "not loaded",
        None if !kernel.kexec => "this kernel has no kexec (CONFIG_KEXEC)",
        None => "not known",
    };
    let mut lines = vec![
        ("image", image(kernel.loaded).to_owned()),
        ("crash image", image(kernel.crash_loaded).to_owned()),
        ("crash region", crash(status)),
        ("running under", kernel.under.to_string()),
        (
            "firmware",
            if status.firmware == "efi" {
                "UEFI"
            } else {
                "BIOS"
            }
            .to_owned(),
        ),
        ("lockdown", lockdown(kernel)),
        ("loading", loading(kernel)),
    ];
    if let Some(host) = &status.host {
        let ram = map::total_ram(&host.memory_map);
        let special = host
            .memory_map
            .iter()
            .filter(|entry| entry.kind != Kind::Ram)
            .count();
        lines.push((
            "memory",
            format!("{} RAM, {special} other ranges", size(ram)),
        ));
        lines.extend(low(host));
    }
    lines
}

fn crash(status: &Status) -> String {
    let regions: Vec<_> = status
        .host
        .iter()
        .flat_map(|host| &host.crash_regions)
        .collect();
    match (regions.as_slice(), status.kernel.crash_size) {
        ([], Some(0) | None) => "none (boot with crashkernel=)".to_owned(),
        ([], Some(bytes)) => format!("{}, address not known", size(bytes)),
        (regions, _) => regions
            .iter()
            .map(|r| {
                format!(
                    "{:#x}-{:#x} ({})",
                    r.start,
                    r.end,
                    size(r.end.saturating_sub(r.start))
                )
            })
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn lockdown(kernel: &KernelState) -> String {
    let secure = match kernel.secure_boot {
        Some(true) => ", Secure Boot on",
        Some(false) => ", Secure Boot off",
        None => "",
    };
    if kernel.lockdown_hidden {
        return format!("not known (securityfs is not mounted){secure}");
    }
    format!("{}{secure}", kernel.lockdown)
}

/// Whether this process may load, and the sysctls that speak against it.
fn loading(kernel: &KernelState) -> String {
    match crate::backend::explain::permitted(kernel, false) {
        Ok(()) => "permitted".to_owned(),
        Err(err) => format!("refused: {err}"),
    }
}

fn low(host: &Host) -> Vec<(&'static str, String)> {
    let low = &host.low_memory;
    let word = |value: Option<u16>, unit: &dyn Fn(u16) -> String| match value {
        None => "not known".to_owned(),
        Some(value) => unit(value),
    };
    let ebda = word(low.bda_ebda_segment, &|segment| {
        format!("{:#x}", u32::from(segment) << 4)
    });
    let base = word(low.bda_base_kib, &|kib| format!("{kib} KiB"));
    let rsdp = match low.rsdp {
        None => "not known".to_owned(),
        Some(Rsdp { addr, revision }) => {
            let found = if low.rsdp_in_low_memory { "" } else { "not " };
            format!("{addr:#x}, revision {revision}, {found}found by a scan of low memory")
        }
    };
    vec![("EBDA", ebda), ("base memory", base), ("ACPI RSDP", rsdp)]
}

/// Bytes, in the largest unit that divides them, or rounded down to MiB.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 2] = [(1 << 30, "GiB"), (1 << 20, "MiB")];
    match UNITS
        .iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
    {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
