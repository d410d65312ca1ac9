//! Chooses the facts of the running machine that are passed to a Linux image.

use super::LinuxError;
use crate::abi::boot_params::{ScreenInfo, XLoadFlags};
use crate::host::Host;
use crate::host::boot_facts::{BootFacts, Efi, Raw};
use crate::image::linux::Setup;
use crate::plan::Request;
use xen_shim::cmdline::Cmdline;

/// The first release that finds EFI's runtime services table without a pointer
/// in its setup data. The pointer is known only to earlier kernels.
const FINDS_RUNTIME: (u32, u32) = (5, 7);

/// The choices, made before anything is placed.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// `screen_info`; empty when there is none to pass.
    pub screen: Vec<u8>,
    /// `edid_info`; empty when there is none to pass.
    pub edid: Vec<u8>,
    /// Entries of `eddbuf`.
    pub edd: Vec<Raw>,
    /// MBR signatures.
    pub mbr_signatures: Vec<u32>,
    /// `secure_boot`.
    pub secure_boot: u8,
    /// EFI runtime services.
    pub efi: Option<Efi>,
    /// Seed for the kernel's random number generator.
    pub seed: Option<[u8; 32]>,
    /// Parameters to add to the command line.
    pub parameters: Vec<String>,
}

/// Checks that there is one initrd at most, without arguments.
///
/// # Errors
///
/// Names the other module.
pub(in crate::plan) fn check_initrd(request: &Request) -> Result<(), LinuxError> {
    if request.modules.len() > 1 {
        let name = request.segment_name(1);
        return Err(LinuxError::Modules { name });
    }
    if let Some(initrd) = request.modules.first()
        && !initrd.cmdline.is_empty()
    {
        return Err(LinuxError::InitrdArguments {
            name: request.segment_name(0),
            args: initrd.cmdline.clone(),
        });
    }
    Ok(())
}

/// Chooses for a kernel with this `setup`, and warns about relevant omissions.
///
/// # Errors
///
/// When there are modules that Linux does not accept, or when the paging mode
/// does not allow the entry.
pub(in crate::plan) fn choose(
    request: &Request,
    host: &Host,
    setup: &Setup,
    warnings: &mut Vec<String>,
) -> Result<Chosen, LinuxError> {
    check_initrd(request)?;
    let facts = &host.boot_facts;
    if facts.five_level_paging && !setup.can(XLoadFlags::FIVE_LEVEL) {
        let name = request.image.name.clone();
        return Err(LinuxError::FiveLevels { name });
    }
    let efi = runtime_services(facts, setup, warnings);
    Ok(Chosen {
        parameters: rsdp_parameters(request, host, setup, efi.is_some()),
        screen: screen(facts, warnings),
        edid: facts.edid.0.iter().copied().take(128).collect(),
        edd: facts
            .edd
            .iter()
            .take(6)
            .map(|disk| Raw(disk.0.iter().copied().take(82).collect()))
            .collect(),
        mbr_signatures: facts.mbr_signatures.iter().copied().take(16).collect(),
        secure_boot: facts.secure_boot,
        seed: request.seed.and_then(|seed| seed.first_chunk().copied()),
        efi,
    })
}

/// Returns the screen unless it is a framebuffer whose mode has been changed
/// since firmware set it. A graphics driver may use these addresses for other
/// memory, which a console that writes there would destroy.
fn screen(facts: &BootFacts, warnings: &mut Vec<String>) -> Vec<u8> {
    if facts.framebuffer()
        && let Some(driver) = facts.foreign_driver()
    {
        warnings.push(format!(
            "firmware's framebuffer is not passed on: {driver} has changed the mode; the image has \
             no screen before its own driver has one"
        ));
        return Vec::new();
    }
    facts
        .screen
        .0
        .iter()
        .copied()
        .take(size_of::<ScreenInfo>())
        .collect()
}

/// Returns the EFI data, if the kernel supports taking it over and can find all
/// tables.
fn runtime_services(facts: &BootFacts, setup: &Setup, warnings: &mut Vec<String>) -> Option<Efi> {
    let efi = facts.efi.as_ref()?;
    let why = if !setup.can(XLoadFlags::EFI_KEXEC) {
        "the image does not take them over from another kernel (xloadflags bit 4 is clear)"
    } else if efi.runtime == 0 && !finds_runtime(setup) {
        "the image is older than Linux 5.7, or of unknown version, and needs a pointer to their \
         table is, which the running kernel does not tell"
    } else {
        return Some(efi.clone());
    };
    warnings.push(format!("EFI runtime services are not passed on: {why}"));
    None
}

/// False for a release before [`FINDS_RUNTIME`], or an unknown one.
fn finds_runtime(setup: &Setup) -> bool {
    let mut numbers = setup
        .release()
        .into_iter()
        .flat_map(|release| release.split(|c: char| !c.is_ascii_digit()))
        .map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= FINDS_RUNTIME,
        _ => false,
    }
}

/// Returns `acpi_rsdp=` for a kernel that may not read the address from
/// boot_params and would not find the tables otherwise.
fn rsdp_parameters(request: &Request, host: &Host, setup: &Setup, efi: bool) -> Vec<String> {
    let low = &host.low_memory;
    match low.rsdp {
        Some(rsdp)
            if !setup.takes_rsdp()
                && !efi
                && !low.rsdp_in_low_memory
                && !Cmdline::linux(&request.cmdline).has("acpi_rsdp") =>
        {
            vec![format!("acpi_rsdp={:#x}", rsdp.addr)]
        }
        _ => Vec::new(),
    }
}
