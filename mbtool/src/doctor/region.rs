//! Checks of the crash region, and whether an image fits.

use super::{Check, CheckState, CheckedMachine, WantedImage};
use crate::arch::Architecture;
use crate::plan::crash::region::{self, RegionError};
use crate::plan::{self, PlanError};
use crate::request::decide::Decided;
use crate::sys::size::Size;
use handoff::addr::PhysRange;
use xen_shim::cmdline::{Cmdline, Syntax};

pub(super) fn checks(machine: &CheckedMachine) -> Vec<Check> {
    if machine.status.backend.is_none() {
        return Vec::new();
    }
    let mut checks = vec![words_given(machine)];
    let (reserved, region) = reserved(machine);
    checks.extend(reserved);
    checks.extend(image(machine, region));
    checks
}

/// Returns the `crashkernel=` parameters of a command line.
fn crashkernel(line: &str, syntax: Syntax) -> Vec<String> {
    let line = Cmdline::parse(line, syntax);
    line.named("crashkernel").map(str::to_owned).collect()
}

/// Checks that `crashkernel=` is on the command line of the kernel that
/// reserves.
fn words_given(machine: &CheckedMachine) -> Check {
    const ID: &str = "crashkernel";
    let line = machine.cmdline();
    let linux = crashkernel(&line, Syntax::Linux);
    if !machine.under_xen() {
        return match linux.is_empty() {
            true => Check::ok(ID, "no crashkernel= on the kernel's command line"),
            false => Check::ok(
                ID,
                format!("{} on the kernel's command line", linux.join(" ")),
            ),
        };
    }
    let xen = machine.status.xen_kexec.as_ref();
    let xen = xen.and_then(|xen| xen.command_line.as_deref());
    let on_xens = match xen.map(|line| crashkernel(line, Syntax::Xen)) {
        None => "Xen's command line is unknown".to_owned(),
        Some(parameters) if parameters.is_empty() => {
            "no crashkernel= on Xen's command line".to_owned()
        }
        Some(parameters) => format!("{} on Xen's command line", parameters.join(" ")),
    };
    if linux.is_empty() {
        return Check::ok(ID, on_xens);
    }
    let linux = linux.join(" ");
    Check::warning(
        ID,
        format!(
            "{on_xens}; {linux} on the command line of dom0, where it has no effect: only Xen \
             reserves memory"
        ),
    )
    .fix("move it from dom0's command line to Xen's")
}

/// Checks the region and its position.
fn reserved(machine: &CheckedMachine) -> (Vec<Check>, Option<PhysRange>) {
    const ID: &str = "region";
    let host = machine.host();
    let known = host.map(|host| (host.crash_regions.as_slice(), host.xen.is_some()));
    let size_known = machine
        .status
        .kernel
        .crash_size
        .filter(|_| !machine.under_xen());
    let (regions, xen) = match (known, size_known) {
        // /proc/iomem shows addresses only to root
        (None | Some(([], _)), Some(bytes @ 1..)) => {
            let found = format!(
                "{} are reserved; the address is unknown ({})",
                Size::rounded_up(bytes),
                machine.why_no_host()
            );
            let check = Check::unknown(ID, found).fix("run mbtool doctor as root");
            return (vec![check], None);
        }
        (None, Some(0)) => (&[][..], false),
        (None, None) => {
            let check = Check::unknown(ID, machine.why_no_host()).fix("run mbtool doctor as root");
            return (vec![check], None);
        }
        (Some(known), _) => known,
    };
    // the advice for the image is better, as it includes its size
    let advised = machine.wanted.as_ref().and_then(|wanted| {
        let err = wanted.outcome.as_ref()?.as_ref().err()?;
        err.downcast_ref::<RegionError>().copied()
    });
    let chosen = match advised {
        Some(error) => Err(error),
        None => region::of(regions, xen, Architecture::NATIVE),
    };
    match chosen {
        Err(error @ RegionError::None { .. }) => {
            let mut check = Check::error(ID, CheckState::Problem, &error);
            let line = machine.cmdline();
            let parameters = crashkernel(&line, Syntax::Linux);
            if !parameters.is_empty() && !xen {
                check.found = format!(
                    "{}, although the command line has {}: the kernel found no free memory for it, \
                     or did not understand it (see dmesg)",
                    check.found,
                    parameters.join(" ")
                );
            }
            (vec![check], None)
        }
        Err(error @ RegionError::TooHigh { region, .. }) => {
            let there = Check::ok(ID, format!("{region} ({})", Size::rounded_up(region.len())));
            let high = Check::error("position", CheckState::Problem, &error);
            (vec![there, high], None)
        }
        Ok(region) => {
            let there = Check::ok(ID, format!("{region} ({})", Size::rounded_up(region.len())));
            let mut checks = vec![there];
            if !machine.has_device_tree() {
                checks.push(Check::ok(
                    "position",
                    "below 4 GiB, where the handoff loads",
                ));
            }
            (checks, Some(region))
        }
    }
}

/// Checks that the image can be loaded, and fits.
fn image(machine: &CheckedMachine, region: Option<PhysRange>) -> Vec<Check> {
    const ID: &str = "image";
    const SIZE: &str = "size";
    let Some(WantedImage { name, outcome, .. }) = &machine.wanted else {
        let fix = "name the crash image as for load: mbtool doctor IMAGE --module ... --initrd ...";
        return match region {
            None => vec![],
            Some(region) => {
                let found = format!(
                    "{} are reserved; whether that is enough depends on the image",
                    Size::rounded_up(region.len())
                );
                vec![Check::unknown(SIZE, found).fix(fix)]
            }
        };
    };
    match outcome {
        None => vec![Check::unknown(
            ID,
            format!("{name}: cannot be checked: {}", machine.why_no_host()),
        )],
        Some(Err(err)) => {
            if err.downcast_ref::<RegionError>().is_some() {
                let found = format!("{name}: cannot be placed without a region");
                return vec![Check::unknown(ID, found)];
            }
            if let Some(error @ PlanError::CrashRegionTooSmall { .. }) = err.downcast_ref() {
                return vec![Check::error(SIZE, CheckState::Problem, error)];
            }
            let check = Check::problem(ID, format!("{name}: {err:#}"));
            vec![check.fix("see `mbtool inspect`, and docs/crash-linux.md or docs/xen.md")]
        }
        Some(Ok(decided)) => fits(machine, name, decided, region),
    }
}

fn fits(
    machine: &CheckedMachine,
    name: &str,
    decided: &Decided,
    region: Option<PhysRange>,
) -> Vec<Check> {
    let Decided {
        plan,
        request,
        notes,
    } = decided;
    let what = match &plan.report.image.xen {
        Some(xen) => match &xen.version {
            Some(version) => format!("Xen {version}"),
            None => "Xen".to_owned(),
        },
        None => plan.report.image.kind.to_owned(),
    };
    let said = match notes.is_empty() {
        true => String::new(),
        false => format!("; warnings of the load: {}", notes.join("; ")),
    };
    let image = Check::ok("image", format!("{name} ({what}) would be loaded{said}"));
    let Some(region) = region else {
        return vec![image];
    };
    let taken: u64 = plan
        .kernel_segments
        .iter()
        .map(|part| part.dest.len())
        .sum();
    let found = format!(
        "loading takes {} of the {} that are reserved",
        Size::rounded_up(taken),
        Size::rounded_up(region.len())
    );
    let advice = machine
        .host()
        .and_then(|host| plan::advice(request, host).ok())
        .map(|advice| advice.reserve);
    let fit = match advice {
        Some(reserve) if reserve.bytes > region.len() => Check::warning(
            "size",
            format!(
                "{found}; it fits, but the crash kernel may not have enough left to run: {} are advised",
                Size::rounded_up(reserve.bytes)
            ),
        )
        .fix(format!("{reserve} on {}, and reboot", reserve.whose())),
        _ => Check::ok("size", found),
    };
    vec![image, fit]
}

#[cfg(test)]
#[path = "region_tests.rs"]
mod tests;
