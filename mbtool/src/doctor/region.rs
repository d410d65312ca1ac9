//! The memory for a crash image, and whether an image fits.

use super::{Check, Machine, State, Wanted};
use crate::cmd::load::Decided;
use crate::plan::crash::region::{self, RegionError};
use crate::plan::{self, PlanError};
use crate::sys::kernel_cmdline;
use crate::sys::size::Size;
use handoff::addr::PhysRange;

pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    if machine.status.backend.is_none() {
        return Vec::new();
    }
    let mut checks = vec![words_given(machine)];
    let (reserved, region) = reserved(machine);
    checks.extend(reserved);
    checks.extend(image(machine, region));
    checks
}

/// Words of that name on a command line.
fn crashkernel(line: &str) -> Vec<&str> {
    let words = kernel_cmdline::split(line).into_iter();
    words
        .filter(|word| word.starts_with("crashkernel="))
        .collect()
}

/// `crashkernel=`, and whether it stands where it is read.
fn words_given(machine: &Machine) -> Check {
    const ID: &str = "crashkernel";
    let line = machine.cmdline();
    let linux = crashkernel(&line);
    if !machine.under_xen() {
        return match linux.is_empty() {
            true => Check::ok(ID, "no such word on the kernel's command line"),
            false => Check::ok(
                ID,
                format!("{} on the kernel's command line", linux.join(" ")),
            ),
        };
    }
    let xen = machine.status.xen_kexec.as_ref();
    let xen = xen.and_then(|xen| xen.command_line.as_deref());
    let on_xens = match xen.map(crashkernel) {
        None => "Xen's command line is not known".to_owned(),
        Some(words) if words.is_empty() => "no such word on Xen's command line".to_owned(),
        Some(words) => format!("{} on Xen's command line", words.join(" ")),
    };
    if linux.is_empty() {
        return Check::ok(ID, on_xens);
    }
    let linux = linux.join(" ");
    Check::warning(
        ID,
        format!(
            "{on_xens}; {linux} on the command line of dom0, where it does nothing: only Xen \
             reserves memory"
        ),
    )
    .fix("move it from dom0's command line to Xen's")
}

/// Whether there is a region, and where.
fn reserved(machine: &Machine) -> (Vec<Check>, Option<PhysRange>) {
    const ID: &str = "region";
    let host = machine.host();
    let known = host.map(|host| (host.crash_regions.as_slice(), host.xen.is_some()));
    let size_known = machine
        .status
        .kernel
        .crash_size
        .filter(|_| !machine.under_xen());
    let (regions, xen) = match (known, size_known) {
        // /proc/iomem shows addresses to root alone
        (None | Some(([], _)), Some(bytes @ 1..)) => {
            let found = format!(
                "{} are reserved; where is not known ({})",
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
    // what the image would say is better: it knows how much it needs
    let advised = machine.wanted.as_ref().and_then(|wanted| {
        let err = wanted.outcome.as_ref()?.as_ref().err()?;
        err.downcast_ref::<RegionError>().copied()
    });
    let chosen = match advised {
        Some(error) => Err(error),
        None => region::choose(regions, xen),
    };
    match chosen {
        Err(error @ RegionError::None { .. }) => {
            let mut check = Check::of(ID, State::Problem, &error);
            let line = machine.cmdline();
            let words = crashkernel(&line);
            if !words.is_empty() && !xen {
                check.found = format!(
                    "{}, although the command line has {}: the kernel found no room for it, or did \
                     not understand it (dmesg says which)",
                    check.found,
                    words.join(" ")
                );
            }
            (vec![check], None)
        }
        Err(error @ RegionError::TooHigh { region, .. }) => {
            let there = Check::ok(ID, format!("{region} ({})", Size::rounded_up(region.len())));
            let high = Check::of("position", State::Problem, &error);
            (vec![there, high], None)
        }
        Ok(region) => {
            let there = Check::ok(ID, format!("{region} ({})", Size::rounded_up(region.len())));
            let position = Check::ok("position", "below 4 GiB, where the handoff loads");
            (vec![there, position], Some(region))
        }
    }
}

/// Whether the image can be loaded, and fits.
fn image(machine: &Machine, region: Option<PhysRange>) -> Vec<Check> {
    const ID: &str = "image";
    const SIZE: &str = "size";
    let Some(Wanted { name, outcome, .. }) = &machine.wanted else {
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
            format!("{name}: cannot be looked at: {}", machine.why_no_host()),
        )],
        Some(Err(err)) => {
            if err.downcast_ref::<RegionError>().is_some() {
                let found = format!("{name}: cannot be placed without a region");
                return vec![Check::unknown(ID, found)];
            }
            let sentence = format!("{err:#}");
            if let Some(PlanError::CrashRegionTooSmall { .. }) = err.downcast_ref() {
                return vec![Check::of(SIZE, State::Problem, &sentence)];
            }
            let check = Check::problem(ID, format!("{name}: {sentence}"));
            vec![check.fix("see `mbtool inspect`, and docs/crash-linux.md or docs/xen.md")]
        }
        Some(Ok(decided)) => fits(machine, name, decided, region),
    }
}

fn fits(machine: &Machine, name: &str, decided: &Decided, region: Option<PhysRange>) -> Vec<Check> {
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
        false => format!("; load says: {}", notes.join("; ")),
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
mod tests {
    use super::*;
    use crate::backend::xen::status::XenKexec;
    use crate::doctor::testing::{IOMEM, Recorded};
    use crate::host::xen::XenHost;
    use crate::image::synth;

    fn find(machine: &Machine, id: &str) -> Check {
        let checks = checks(machine);
        let found = checks.iter().find(|check| check.id == id);
        found
            .unwrap_or_else(|| panic!("no {id}: {checks:?}"))
            .clone()
    }

    /// Another region, or none: the last eight digits of each end.
    fn with_region(recorded: &Recorded, region: Option<(&str, &str)>) {
        let line = "  6c000000-7bffffff : Crash kernel\n";
        let new = match region {
            Some((start, last)) => format!("  {start}-{last} : Crash kernel\n"),
            None => String::new(),
        };
        recorded.put("proc/iomem", IOMEM.replace(line, &new));
    }

    #[test]
    fn a_region_that_holds_the_image() {
        let recorded = Recorded::new();
        let machine = recorded.machine();
        let region = find(&machine, "region");
        let expected = "0x6c000000-0x7c000000 (256 MiB)";
        assert_eq!((region.state, region.found.as_str()), (State::Ok, expected));
        assert_eq!(find(&machine, "position").state, State::Ok);
        assert_eq!(find(&machine, "size").state, State::Unknown);
        let machine = recorded.with_linux();
        assert_eq!(find(&machine, "image").state, State::Ok);
        let size = find(&machine, "size");
        assert_eq!(size.state, State::Ok);
        assert!(size.found.ends_with("of the 256 MiB that are reserved"));
    }

    #[test]
    fn no_region() {
        let recorded = Recorded::new();
        with_region(&recorded, None);
        recorded.put("sys/kernel/kexec_crash_size", "0\n");
        let check = find(&recorded.machine(), "region");
        assert_eq!(check.state, State::Problem);
        assert!(
            check
                .found
                .contains("although the command line has crashkernel=256M")
        );
        let fix = check.fix.unwrap();
        assert!(fix.starts_with("`mbtool crash size` says"), "{fix}");
        recorded.put("proc/cmdline", "quiet\n");
        let check = find(&recorded.machine(), "region");
        assert_eq!(check.found, "no memory is reserved for a crash image");
        // the image knows how much it needs: itself, 64 MiB to run, steps of 32 MiB
        let machine = recorded.with_linux();
        let check = find(&machine, "region");
        assert!(check.fix.unwrap().contains("crashkernel=96M (or more)"));
        assert_eq!(find(&machine, "image").state, State::Unknown);
        assert!(!checks(&machine).iter().any(|check| check.id == "size"));
    }

    #[test]
    fn a_region_out_of_reach() {
        let recorded = Recorded::new();
        let high = "100000000-1ffffffff : System RAM\n  140000000-14fffffff : Crash kernel\n";
        recorded.put("proc/iomem", format!("{IOMEM}{high}"));
        recorded.remove("sys/firmware/memmap");
        let machine = recorded.machine();
        let region = find(&machine, "region");
        assert_eq!(region.found, "0x140000000-0x150000000 (256 MiB)");
        let check = find(&machine, "position");
        assert_eq!(check.state, State::Problem);
        assert!(check.found.contains("ends above 4 GiB"), "{check:?}");
        assert!(check.fix.unwrap().contains("crashkernel="));
        let check = find(&recorded.with_linux(), "position");
        assert!(check.fix.unwrap().contains("replace it by crashkernel=96M"));
    }

    #[test]
    fn a_region_that_is_too_small() {
        let recorded = Recorded::new();
        with_region(&recorded, Some(("78000000", "7bffffff")));
        let machine = recorded.with_linux();
        let check = find(&machine, "size");
        // it fits, in 64 MiB, but as much to run is not there
        assert_eq!(check.state, State::Warning);
        assert!(
            check
                .fix
                .unwrap()
                .starts_with("crashkernel=96M on the kernel's")
        );
        with_region(&recorded, Some(("7bf80000", "7bffffff")));
        let check = find(&recorded.with_linux(), "size");
        assert_eq!(check.state, State::Problem);
        assert!(check.found.contains("is too small: loading takes"));
        let fix = check.fix.unwrap();
        assert!(fix.starts_with("reserve more with crashkernel="), "{fix}");
    }

    #[test]
    fn an_image_that_cannot_be_loaded() {
        let recorded = Recorded::new();
        let program = synth::program(synth::HeaderBuilder::new(), 0x400);
        let in_rom = synth::ElfBuilder::elf32(0xf_0100).load(0xf_0000, program, 0x1000);
        let machine = recorded.with("rom", in_rom.build(), "");
        let check = find(&machine, "image");
        assert_eq!(check.state, State::Problem);
        assert!(check.found.starts_with("rom: "), "{check:?}");
    }

    #[test]
    fn where_addresses_are_hidden() {
        let recorded = Recorded::new();
        let hidden = "00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n";
        recorded.put("proc/iomem", hidden);
        let check = find(&recorded.machine(), "region");
        assert_eq!(check.state, State::Unknown);
        assert!(
            check
                .found
                .starts_with("256 MiB are reserved; where is not known")
        );
        recorded.remove("sys/firmware/memmap");
        assert_eq!(find(&recorded.machine(), "region").state, State::Unknown);
        recorded.put("sys/kernel/kexec_crash_size", "0\n");
        assert_eq!(find(&recorded.machine(), "region").state, State::Problem);
        recorded.remove("sys/kernel/kexec_crash_size");
        let machine = recorded.with_linux();
        assert_eq!(find(&machine, "region").state, State::Unknown);
        assert_eq!(find(&machine, "image").state, State::Unknown);
    }

    #[test]
    fn a_word_on_the_wrong_line() {
        let recorded = Recorded::new();
        assert_eq!(find(&recorded.machine(), "crashkernel").state, State::Ok);
        let mut machine = recorded.machine();
        machine.status.backend = Some("xen");
        machine.status.xen_kexec = Some(XenKexec {
            command_line: Some("console=com1".to_owned()),
            ..XenKexec::default()
        });
        let host = machine.status.host.as_mut().unwrap();
        host.crash_regions.clear();
        host.xen = Some(XenHost::default());
        let check = find(&machine, "crashkernel");
        assert_eq!(check.state, State::Warning);
        assert!(
            check
                .found
                .starts_with("no such word on Xen's command line; crashkernel=256M")
        );
        let check = find(&machine, "region");
        assert_eq!(check.state, State::Problem);
        assert!(
            check
                .fix
                .unwrap()
                .contains("Xen's command line (not dom0's)")
        );
        recorded.put("proc/cmdline", "console=hvc0\n");
        assert_eq!(find(&machine, "crashkernel").state, State::Ok);
    }
}
