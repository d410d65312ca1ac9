//! Boot information of a Linux with a device tree: the tree with `/chosen` for it.

use crate::fdt::{ChosenChanges, DeviceTree, LinuxChosen, Seeds};
use crate::host::Host;
use crate::plan::hex::HexRange;
use crate::plan::{PlanError, Request};
use handoff::addr::PhysRange;
use serde::Serialize;
use std::fmt;

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
    /// The initrd.
    pub initrd: Option<HexRange>,
    /// The core header of a crash kernel.
    pub elfcorehdr: Option<HexRange>,
    /// Memory that a crash kernel may use; empty for all.
    pub usable_memory: Vec<HexRange>,
    /// Properties of `/chosen` that concern the running kernel and are dropped.
    pub dropped: Vec<&'static str>,
    /// Memory reservations of the running kernel's initrd and core header, which are dropped.
    pub dropped_reservations: Vec<HexRange>,
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
pub(crate) fn build(
    mut tree: DeviceTree,
    chosen: &LinuxChosen<'_>,
) -> Result<BuiltTree, PlanError> {
    let changes = tree.for_linux(chosen)?;
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
pub(crate) fn report(
    request: &Request,
    chosen: &LinuxChosen<'_>,
    built: &BuiltTree,
) -> ChosenReport {
    let range = |range: &PhysRange| HexRange::from(*range);
    let given = request.device_tree.as_ref();
    ChosenReport {
        tree: given.map_or_else(|| RUNNING.to_owned(), |given| given.name.clone()),
        bytes: built.blob.len(),
        bootargs: chosen.bootargs.to_owned(),
        initrd: chosen.initrd.as_ref().map(range),
        elfcorehdr: chosen.elfcorehdr.as_ref().map(range),
        usable_memory: chosen.usable.iter().map(range).collect(),
        dropped: built.changes.properties.clone(),
        dropped_reservations: built.changes.reservations.iter().map(range).collect(),
    }
}

impl fmt::Display for ChosenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "device tree: {} ({} bytes), bootargs \"{}\"",
            self.tree, self.bytes, self.bootargs
        )?;
        if !self.dropped.is_empty() {
            writeln!(f, "  dropped from /chosen: {}", self.dropped.join(", "))?;
        }
        for range in &self.dropped_reservations {
            writeln!(f, "  dropped reservation: {}-{}", range.start, range.end)?;
        }
        Ok(())
    }
}
