//! Parameters of the handoff for machines with a device tree.

use super::dt_target::DtTarget;
use super::place::dt::DtPlaces;
use super::{PlanError, Request};
use crate::arch::Architecture;
use crate::fdt::{DeviceTree, MmuMode};
use crate::host::Host;
use crate::host::arm::PsciMethod;
use handoff::arch::riscv64::paging::PagingMode;
use handoff::blob::dt::{self, Arm64Exit, DtDrill, DtMachine, DtSpec, PsciConduit};
use handoff::spec::{Console, Drill, Region, Relocate};

/// The parameters; `target` is entered at `entry`.
///
/// # Errors
///
/// When the CPUs, as the tree has them, cannot map the memory.
pub(super) fn spec(
    request: &Request,
    (target, host): (DtTarget<'_>, &Host),
    tree: &DeviceTree,
    places: &DtPlaces,
    entry: u64,
    regions: Vec<Region>,
) -> Result<DtSpec, PlanError> {
    let consoles = request.consoles.iter().filter_map(Console::memory);
    let ends = regions.iter().map(|region| region.range).chain(consoles);
    let end = ends
        .chain([places.handoff])
        .map(|range| range.end)
        .fold(0, u64::max);
    let machine = match host.arch {
        Architecture::Arm64 => reached(arm64(target, host), end, "of 48 bits")?,
        Architecture::Arm => {
            let psci = conduit(host);
            reached(DtMachine::Arm { psci }, end, "of 32 bits")?
        }
        _ => DtMachine::Riscv64 {
            mode: paging_mode(tree, end)?,
        },
    };
    Ok(DtSpec {
        base: places.handoff.start,
        machine,
        consoles: request.consoles.clone(),
        on_fault: request.on_fault,
        verify: request.verify,
        regions,
        relocate: Relocate::default(),
        entry,
        dtb: places.tree.start,
        drill: match request.drill {
            Drill::Off => DtDrill::Off,
            Drill::FaultLong | Drill::FaultProtected => DtDrill::Fault,
            Drill::Call(addr) => DtDrill::Call(addr),
        },
    })
}

/// Returns the machine if its tables, `mode`, map all memory below `end`.
fn reached(machine: DtMachine, end: u64, mode: &'static str) -> Result<DtMachine, PlanError> {
    let limit = machine.limit();
    if end > limit {
        return Err(PlanError::Unmapped { end, mode, limit });
    }
    Ok(machine)
}

fn arm64(target: DtTarget<'_>, host: &Host) -> DtMachine {
    DtMachine::Arm64 {
        exit: match target {
            DtTarget::Linux(_) => Arm64Exit::Linux,
            DtTarget::Xen(..) => Arm64Exit::Xen,
        },
        psci: conduit(host),
    }
}

fn conduit(host: &Host) -> PsciConduit {
    match host.arm.and_then(|facts| facts.psci) {
        None => PsciConduit::None,
        Some(PsciMethod::Smc) => PsciConduit::Smc,
        Some(PsciMethod::Hvc) => PsciConduit::Hvc,
    }
}

/// End of the addresses that the handoff for `arch` maps on every CPU: nothing is loaded above. On riscv64 it depends on the CPUs.
pub(super) const fn limit(arch: Architecture) -> u64 {
    let psci = PsciConduit::None;
    match arch {
        Architecture::Arm => DtMachine::Arm { psci }.limit(),
        Architecture::Arm64 => DtMachine::Arm64 {
            exit: Arm64Exit::Linux,
            psci,
        }
        .limit(),
        Architecture::X86_64 | Architecture::Riscv64 => u64::MAX,
    }
}

/// Memory size of the handoff for `arch` in bytes.
pub(super) fn memsz(arch: Architecture) -> u64 {
    dt::memsz(match arch {
        Architecture::Arm64 => DtMachine::Arm64 {
            exit: Arm64Exit::Linux,
            psci: PsciConduit::None,
        },
        Architecture::Arm => DtMachine::Arm {
            psci: PsciConduit::None,
        },
        // the same in each mode
        _ => DtMachine::Riscv64 {
            mode: PagingMode::Sv39,
        },
    })
}

/// The smallest mode that all CPUs have and that reaches `end`.
fn paging_mode(tree: &DeviceTree, end: u64) -> Result<PagingMode, PlanError> {
    let cpus = tree.cpus()?;
    let all = cpus.iter().filter(|cpu| cpu.available);
    // a CPU whose mode is unknown has the first one at least
    let largest = all
        .map(|cpu| match cpu.mmu {
            Some(MmuMode::Sv48) => PagingMode::Sv48,
            Some(MmuMode::Sv57) => PagingMode::Sv57,
            Some(MmuMode::None | MmuMode::Sv32 | MmuMode::Sv39) | None => PagingMode::Sv39,
        })
        .min()
        .unwrap_or(PagingMode::Sv39);
    let mut modes = PagingMode::ALL.into_iter();
    let found = modes.find(|mode| *mode <= largest && end <= mode.limit());
    found.ok_or_else(|| PlanError::Unmapped {
        end,
        mode: match largest {
            PagingMode::Sv39 => "Sv39",
            PagingMode::Sv48 => "Sv48",
            PagingMode::Sv57 => "Sv57",
        },
        limit: largest.limit(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(modes: &[Option<&str>]) -> DeviceTree {
        let mut tree = DeviceTree::default();
        let cpus = tree.root.child_or_new("cpus");
        cpus.set("#address-cells", 1_u32.to_be_bytes().to_vec());
        cpus.set("#size-cells", 0_u32.to_be_bytes().to_vec());
        for (id, mode) in modes.iter().enumerate() {
            let cpu = cpus.child_or_new(&format!("cpu@{id}"));
            cpu.set_string("device_type", "cpu");
            cpu.set("reg", u32::try_from(id).unwrap().to_be_bytes().to_vec());
            if let Some(mode) = mode {
                cpu.set_string("mmu-type", mode);
            }
        }
        tree
    }

    #[test]
    fn the_smallest_mode_is_taken_that_reaches_all() {
        let both = tree(&[Some("riscv,sv57"), Some("riscv,sv48")]);
        let mode = |end| paging_mode(&both, end).unwrap();
        let (sv39, sv48) = (PagingMode::Sv39.limit(), PagingMode::Sv48.limit());
        assert_eq!(mode(0x9000_0000), PagingMode::Sv39);
        assert_eq!(mode(sv39), PagingMode::Sv39);
        assert_eq!(mode(sv39 + 1), PagingMode::Sv48);
        assert!(matches!(
            paging_mode(&both, sv48 + 1),
            Err(PlanError::Unmapped { .. })
        ));
        let unknown = tree(&[None]);
        assert_eq!(paging_mode(&unknown, sv39).unwrap(), PagingMode::Sv39);
        paging_mode(&unknown, sv39 + 1).unwrap_err();
        assert_eq!(
            paging_mode(&DeviceTree::default(), sv39).unwrap(),
            PagingMode::Sv39
        );
    }
}
