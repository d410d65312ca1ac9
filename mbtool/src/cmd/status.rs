//! `mbtool status`: loaded images, and facts about the machine.

use crate::backend::Backend;
use crate::backend::status::Status;
use crate::backend::xen::status::XenKexec;
use crate::backend::xen::{Xen, record};
use crate::host::hypervisor::Hypervisor;
use crate::host::kexec_state::KernelState;
use crate::host::{FoundRsdp, Host, MemoryKind, map};
use crate::sys::output::{DataOutput, Messages};
use crate::sys::size::Size;
use std::path::Path;

/// Options of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusOptions {
    /// Print a JSON document instead of text.
    pub json: bool,
}

/// Prints the status; warnings go to `messages`, and into the JSON document.
pub fn run(options: StatusOptions, root: &Path, out: &mut DataOutput, messages: &mut Messages) {
    let status = Status::read(root);
    for warning in &status.warnings {
        messages.warn(warning);
    }
    if options.json {
        return out.json(&status);
    }
    for (key, value) in lines(&status, root) {
        out.text(format_args!("{key:<16} {value}\n"));
    }
}

/// Returns the lines of the text format.
fn lines(status: &Status, root: &Path) -> Vec<(&'static str, String)> {
    let kernel = &status.kernel;
    let image = |loaded| match loaded {
        Some(true) => "loaded",
        Some(false) => "not loaded",
        None if !kernel.kexec => "this kernel has no kexec (CONFIG_KEXEC)",
        None => "not known",
    };
    let image = |crash| match &status.xen_kexec {
        Some(xen) => xen.place(crash).describe(record::now()),
        None => image(kernel.loaded_for(crash)).to_owned(),
    };
    let mut lines = vec![
        ("image", image(false)),
        ("crash image", image(true)),
        ("crash region", crash(status)),
        ("running under", kernel.hypervisor.to_string()),
        ("firmware", status.firmware_text()),
        ("lockdown", lockdown(kernel)),
        ("loading", loading(kernel, root)),
    ];
    if let Some(xen) = &status.xen_kexec {
        lines.extend(hypervisor_lines(xen));
    }
    if let Some(host) = &status.host {
        let ram = map::total_ram(&host.memory_map);
        let special = host
            .memory_map
            .iter()
            .filter(|entry| entry.kind != MemoryKind::Ram)
            .count();
        lines.push((
            "memory",
            format!("{} RAM, {special} other ranges", Size(ram)),
        ));
        if !host.arch.has_device_tree() {
            lines.extend(low(host));
        }
    }
    lines
}

fn crash(status: &Status) -> String {
    let xen = status.xen_kexec.as_ref();
    let area = xen.and_then(|xen| xen.crash_area);
    let area = area.filter(|area| area.start < area.end);
    let host = status.host.iter().filter(|_| xen.is_none());
    let regions: Vec<_> = host
        .flat_map(|host| &host.crash_regions)
        .chain(&area)
        .collect();
    match (regions.as_slice(), status.kernel.crash_size) {
        ([], _) if status.xen_kexec.is_some() => {
            "none (crashkernel= belongs on Xen's command line)".to_owned()
        }
        ([], Some(0) | None) => "none (boot with crashkernel=)".to_owned(),
        ([], Some(bytes)) => format!("{}, address not known", Size(bytes)),
        (regions, _) => regions
            .iter()
            .map(|r| {
                format!(
                    "{:#x}-{:#x} ({})",
                    r.start,
                    r.end,
                    Size(r.end.saturating_sub(r.start))
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
        return format!("unknown (securityfs is not mounted){secure}");
    }
    format!("{}{secure}", kernel.lockdown)
}

/// Returns whether this process may load, and the sysctls that prevent it.
fn loading(kernel: &KernelState, root: &Path) -> String {
    let answer = if kernel.hypervisor == Hypervisor::XenPvDom0 {
        Xen::new(root).ready(false).map(|_| ())
    } else {
        crate::backend::explain::permitted(kernel, false)
    };
    match answer {
        Ok(()) => "permitted".to_owned(),
        Err(err) => format!("refused: {err}"),
    }
}

/// Returns lines with facts from Xen.
fn hypervisor_lines(xen: &XenKexec) -> Vec<(&'static str, String)> {
    let unknown = || "not known".to_owned();
    let status = |crash: bool| match xen.place(crash).xen_status {
        None => "no answer",
        Some(true) => "1",
        Some(false) => "0",
    };
    vec![
        ("Xen", xen.version.clone().unwrap_or_else(unknown)),
        (
            "Xen's free heap",
            xen.heap_free
                .map_or_else(unknown, |bytes| Size(bytes).to_string()),
        ),
        (
            "Xen's status",
            format!(
                "image {}, crash image {} (odd number of loads and unloads, not whether one is \
                 loaded)",
                status(false),
                status(true)
            ),
        ),
    ]
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
        Some(FoundRsdp { addr, revision }) => {
            let found = if low.rsdp_in_low_memory { "" } else { "not " };
            format!("{addr:#x}, revision {revision}, {found}found by a scan of low memory")
        }
    };
    vec![("EBDA", ebda), ("base memory", base), ("ACPI RSDP", rsdp)]
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
