//! Boot information of a kernel with a device tree: the tree with `/chosen` for it.

use crate::fdt::{ChosenChanges, DeviceTree, LinuxChosen, Seeds, XenChosen};
use crate::host::Host;
use crate::plan::hex::HexRange;
use crate::plan::{PlanError, Request};
use handoff::addr::PhysRange;
use serde::Serialize;
use std::fmt;
use xen_shim::arm::ArmModule;

/// `/chosen` for a kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DtChosen<'a> {
    /// For Linux.
    Linux(LinuxChosen<'a>),
    /// For Xen.
    Xen(XenChosen<'a>),
}

/// A tree that is ready.
#[derive(Clone, Debug)]
pub(crate) struct BuiltTree {
    pub tree: DeviceTree,
    /// The same as a blob.
    pub blob: Vec<u8>,
    /// What was dropped.
    pub changes: ChosenChanges,
}

/// `/chosen` of the tree, for the report.
#[derive(Clone, Debug, Serialize)]
pub struct ChosenReport {
    /// Name of the file, or "running" for the running kernel's tree.
    pub tree: String,
    /// Size of the blob in bytes.
    pub bytes: usize,
    /// The command line.
    pub bootargs: String,
    /// The command line of Xen's dom0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dom0_bootargs: Option<String>,
    /// The initrd.
    pub initrd: Option<HexRange>,
    /// Modules of Xen, in the order of their nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<ChosenModule>,
    /// The core header of a crash kernel.
    pub elfcorehdr: Option<HexRange>,
    /// Memory that a crash kernel may use; empty for all.
    pub usable_memory: Vec<HexRange>,
    /// Properties of `/chosen` that concern the running kernel and are dropped.
    pub dropped: Vec<&'static str>,
    /// Nodes of `/chosen` that concern another boot and are dropped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped_nodes: Vec<String>,
    /// Memory reservations of the running kernel's initrd and core header, which are dropped.
    pub dropped_reservations: Vec<HexRange>,
}

/// A module of Xen, for the report.
#[derive(Clone, Debug, Serialize)]
pub struct ChosenModule {
    /// The most specific string of `compatible`.
    pub compatible: &'static str,
    /// Its bytes.
    pub range: HexRange,
}

/// Name of the running kernel's tree in a report.
const RUNNING: &str = "running";

/// The tree to start from: the given one, or the running kernel's.
///
/// # Errors
///
/// When there is none.
pub(crate) fn source(request: &Request, host: &Host) -> Result<DeviceTree, PlanError> {
    if let Some(given) = &request.device_tree {
        return Ok(given.tree.clone());
    }
    let blob = host.device_tree.as_ref().ok_or(PlanError::NoDeviceTree)?;
    blob.tree().map_err(PlanError::DeviceTree)
}

/// Writes `/chosen` of `tree` and the blob.
///
/// # Errors
///
/// When a value cannot be in it.
pub(crate) fn build(mut tree: DeviceTree, chosen: &DtChosen<'_>) -> Result<BuiltTree, PlanError> {
    let changes = match chosen {
        DtChosen::Linux(chosen) => tree.for_linux(chosen)?,
        DtChosen::Xen(chosen) => tree.for_xen(chosen)?,
    };
    let blob = tree.write().map_err(PlanError::DeviceTree)?;
    Ok(BuiltTree {
        tree,
        blob,
        changes,
    })
}

/// Random bytes of a request as a kernel takes them.
pub(crate) fn seeds(request: &Request) -> Option<Seeds> {
    let seed = request.seed.as_ref()?;
    let (kaslr, rng) = seed.split_first_chunk()?;
    Some(Seeds {
        kaslr: u64::from_le_bytes(*kaslr),
        rng: *rng.first_chunk()?,
    })
}

/// Describes it.
pub(crate) fn report(request: &Request, chosen: &DtChosen<'_>, built: &BuiltTree) -> ChosenReport {
    let range = |range: &PhysRange| HexRange::from(*range);
    let given = request.device_tree.as_ref();
    let report = ChosenReport {
        tree: given.map_or_else(|| RUNNING.to_owned(), |given| given.name.clone()),
        bytes: built.blob.len(),
        bootargs: String::new(),
        dom0_bootargs: None,
        initrd: None,
        modules: Vec::new(),
        elfcorehdr: None,
        usable_memory: Vec::new(),
        dropped: built.changes.properties.clone(),
        dropped_nodes: built.changes.nodes.clone(),
        dropped_reservations: built.changes.reservations.iter().map(range).collect(),
    };
    match chosen {
        DtChosen::Linux(chosen) => ChosenReport {
            bootargs: chosen.bootargs.to_owned(),
            initrd: chosen.initrd.as_ref().map(range),
            elfcorehdr: chosen.elfcorehdr.as_ref().map(range),
            usable_memory: chosen.usable.iter().map(range).collect(),
            ..report
        },
        DtChosen::Xen(chosen) => {
            let modules = chosen.modules.iter();
            let initrd = modules
                .clone()
                .find(|(role, _)| *role == ArmModule::Ramdisk);
            ChosenReport {
                bootargs: chosen.bootargs.to_owned(),
                dom0_bootargs: Some(chosen.dom0_bootargs.to_owned()),
                initrd: initrd.map(|(_, place)| range(place)),
                modules: modules
                    .map(|(role, place)| ChosenModule {
                        compatible: role.compatible()[0],
                        range: range(place),
                    })
                    .collect(),
                ..report
            }
        }
    }
}

impl fmt::Display for ChosenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "device tree: {} ({} bytes), bootargs \"{}\"",
            self.tree, self.bytes, self.bootargs
        )?;
        if let Some(line) = &self.dom0_bootargs {
            write!(f, ", dom0's \"{line}\"")?;
        }
        writeln!(f)?;
        for ChosenModule { compatible, range } in &self.modules {
            writeln!(f, "  {compatible}: {}-{}", range.start, range.end)?;
        }
        let nodes = self.dropped_nodes.iter().map(String::as_str);
        let dropped: Vec<&str> = self.dropped.iter().copied().chain(nodes).collect();
        if !dropped.is_empty() {
            writeln!(f, "  dropped from /chosen: {}", dropped.join(", "))?;
        }
        for range in &self.dropped_reservations {
            writeln!(f, "  dropped reservation: {}-{}", range.start, range.end)?;
        }
        Ok(())
    }
}
