//! Linux with a device tree as crash kernel: what its dump has.

use super::dump_ranges::{self, DumpRange};
use super::elfcorehdr;
use crate::fdt::DeviceTree;
use crate::host::{Host, MapEntry, MemoryKind, map};
use crate::plan::PlanError;
use handoff::addr::PhysRange;
use handoff::runs;

/// The core header, which does not depend on its address.
///
/// Memory that the tree reserves is not in the dump, unless Linux keeps data of its own there (`reusable`): firmware
/// protects it, and reading it ends the crash kernel.
///
/// # Errors
///
/// When the machine has too many CPUs and memory ranges, or a reservation is wrong.
pub(crate) fn core_header(host: &Host, tree: &DeviceTree) -> Result<Vec<u8>, PlanError> {
    let regions: Vec<PhysRange> = host.crash_ranges().collect();
    let loads = ranges(host, tree, &regions)?;
    let facts = host.dump_facts();
    Ok(elfcorehdr::build(host.arch, &facts, &loads, &[])?)
}

fn ranges(
    host: &Host,
    tree: &DeviceTree,
    regions: &[PhysRange],
) -> Result<Vec<DumpRange>, PlanError> {
    let reserved = tree.reserved()?;
    // those of the blob's header are the running kernel's and firmware's own data in RAM
    let nodes = reserved
        .iter()
        .filter(|part| !part.reusable && part.name.starts_with("/reserved-memory"));
    let ram = host.ram_in_use();
    let readable = runs::without(map::ram_ranges(&ram), nodes.map(|part| part.range));
    let entry = |range| MapEntry::new(range, MemoryKind::Ram);
    let entries: Vec<MapEntry> = readable.into_iter().map(entry).collect();
    Ok(dump_ranges::loads(&entries, regions, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fdt::DtNode;

    fn range(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end }
    }

    #[test]
    fn memory_of_firmware_is_not_in_a_dump() {
        let mut tree = DeviceTree::default();
        let cells = 2_u32.to_be_bytes().to_vec();
        tree.root.set("#address-cells", cells.clone());
        tree.root.set("#size-cells", cells.clone());
        let reserved = tree.root.child_or_new("reserved-memory");
        reserved.set("#address-cells", cells.clone());
        reserved.set("#size-cells", cells);
        reserved.set("ranges", Vec::new());
        let mut add = |name: &str, start: u64, size: u64, flag: Option<&str>| {
            let node: &mut DtNode = reserved.child_or_new(name);
            node.set("reg", [start.to_be_bytes(), size.to_be_bytes()].concat());
            if let Some(flag) = flag {
                node.set(flag, Vec::new());
            }
        };
        add(
            "mmode_resv0@80000000",
            0x8000_0000,
            0x4_0000,
            Some("no-map"),
        );
        add("mmode_resv1@80040000", 0x8004_0000, 0x2_0000, None);
        add("cma@88000000", 0x8800_0000, 0x100_0000, Some("reusable"));
        let host = Host {
            memory_map: vec![MapEntry::new(
                range(0x8000_0000, 0x9000_0000),
                MemoryKind::Ram,
            )],
            ..Host::default()
        };
        let region = range(0x8c00_0000, 0x8e00_0000);
        let found = ranges(&host, &tree, &[region]).unwrap();
        let memory: Vec<PhysRange> = found.iter().map(|load| load.memory).collect();
        let expected = [
            range(0x8006_0000, 0x8c00_0000),
            range(0x8e00_0000, 0x9000_0000),
        ];
        assert_eq!(memory, expected);
        assert!(found.iter().all(|load| load.at == load.memory.start));
    }
}
