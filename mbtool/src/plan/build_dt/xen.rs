//! Checks of Xen on ARM before anything is placed.

use crate::fdt::DeviceTree;
use crate::host::{Host, map};
use crate::image::linux::DtImage;
use crate::plan::{PlanError, Request};
use handoff::addr::PhysRange;
use xen_shim::arm::{self, ArmContractError, ArmModule, ArmWarning, Dom0Sizes};
use xen_shim::cmdline::Cmdline;

/// The roles of Xen's modules, in the order of the request, after all checks of Xen's rules that need no addresses;
/// warnings.
pub(super) fn check(
    request: &Request,
    host: &Host,
) -> Result<(Vec<ArmModule>, Vec<String>), PlanError> {
    if request.crash.is_some() {
        return Err(PlanError::CrashXenArm);
    }
    if let Some(facts) = host.arm.filter(|facts| !facts.may_reach_el2()) {
        return Err(PlanError::XenNeedsEl2 { facts });
    }
    let modules = request.modules.iter();
    let modules: Vec<(&str, &[u8])> = modules
        .map(|module| (&*module.name, &*module.data))
        .collect();
    let (roles, mut warnings) = arm::check_modules(&modules)?;
    let bytes = |role| {
        let found = roles
            .iter()
            .zip(&modules)
            .find(|(found, _)| **found == role);
        found.map_or(0, |(_, (_, data))| data.len() as u64)
    };
    // the file of a compressed kernel is smaller than what Xen loads
    let kernel = DtImage::read(modules[0].1).map_or(0, |image| image.image_size);
    let sizes = Dom0Sizes {
        kernel: kernel.max(bytes(ArmModule::Kernel)),
        ramdisk: bytes(ArmModule::Ramdisk),
    };
    let line = Cmdline::xen(&request.cmdline);
    arm::check_dom0_memory(&line, sizes)?;
    if !line.has("dom0_mem") {
        warnings.push(ArmWarning::NoDom0Mem);
    }
    let warnings = warnings.iter().map(ToString::to_string).collect();
    Ok((roles, warnings))
}

/// Checks that Xen can describe the machine to itself by `tree`; returns the memory for it, where only EFI has that.
pub(super) fn memory_for(
    tree: &DeviceTree,
    host: &Host,
) -> Result<Option<Vec<PhysRange>>, PlanError> {
    if tree.cpus().map_or(true, |cpus| cpus.is_empty()) {
        return Err(PlanError::XenNeedsTree);
    }
    let memory = tree
        .is_of_efi()
        .then(|| map::ram_ranges(&host.memory_map).collect::<Vec<_>>());
    let (ranges, reserved) = (tree.memory()?.len(), tree.reserved()?.len());
    let ranges = memory.as_ref().map_or(ranges, Vec::len);
    for (what, count) in [("memory ranges", ranges), ("reservations", reserved)] {
        if count > arm::MAX_BANKS {
            return Err(ArmContractError::TooManyBanks { what, count }.into());
        }
    }
    if ranges == 0 {
        return Err(PlanError::XenNeedsTree);
    }
    Ok(memory)
}
