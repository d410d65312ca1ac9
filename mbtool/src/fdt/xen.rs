//! The tree that Xen on ARM gets (Xen, docs/misc/arm/device-tree/booting.txt): `/chosen` with the modules of dom0, and without
//! what only Linux reads there, which Xen would pass on to dom0.

use super::cells::Cells;
use super::chosen::{ChosenChanges, Seeds, text_value};
use super::error::DtValueError;
use super::tree::{DeviceTree, DtNode};
use handoff::addr::PhysRange;
use xen_shim::arm::ArmModule;

/// Cells of the addresses and sizes of modules.
const CELLS: u32 = 2;

/// Properties of `/chosen` for Linux and its EFI. Xen started without EFI finds its memory by the tree.
const OF_LINUX: [&str; 9] = [
    "bootargs",
    "linux,booted-from-kexec",
    "linux,uefi-system-table",
    "linux,uefi-mmap-start",
    "linux,uefi-mmap-size",
    "linux,uefi-mmap-desc-size",
    "linux,uefi-mmap-desc-ver",
    "linux,uefi-secure-boot",
    "linux,uefi-stub-kern-ver",
];

/// `compatible` of nodes below `/chosen` with modules and domains of another boot.
const OF_XEN: [&str; 4] = [
    "multiboot,module",
    "xen,multiboot-module",
    "xen,domain",
    "xen,domain-shared-memory-v1",
];

/// What Xen gets by `/chosen`.
#[derive(Clone, Copy, Debug, Default)]
pub struct XenChosen<'a> {
    /// Xen's command line.
    pub bootargs: &'a str,
    /// Dom0's command line.
    pub dom0_bootargs: &'a str,
    /// Modules in the order of their nodes; the ends are not rounded.
    pub modules: &'a [(ArmModule, PhysRange)],
    /// Random bytes, for dom0.
    pub seeds: Option<Seeds>,
    /// The machine's memory, where the tree does not have it because EFI does.
    pub memory: Option<&'a [PhysRange]>,
}

impl DeviceTree {
    /// True when EFI started the kernel that has this tree: memory is then where EFI says.
    #[must_use]
    pub fn is_of_efi(&self) -> bool {
        let chosen = self.root.child("chosen");
        chosen.is_some_and(|chosen| chosen.has("linux,uefi-system-table"))
    }

    /// Rewrites `/chosen`, and drops the reservations of the running kernel's initrd and core header. All other
    /// reservations remain, and the rest of the tree.
    ///
    /// # Errors
    ///
    /// When a command line has a NUL, or the memory cannot be written as the root's cells are. The tree is unchanged then.
    pub fn for_xen(&mut self, boot: &XenChosen<'_>) -> Result<ChosenChanges, DtValueError> {
        let lines = [
            ("xen,xen-bootargs", boot.bootargs),
            ("xen,dom0-bootargs", boot.dom0_bootargs),
        ];
        let lines = lines.map(|(name, line)| Ok((name, text_value(name, line)?)));
        let lines: Vec<_> = lines.into_iter().collect::<Result<_, DtValueError>>()?;
        let memory = boot.memory.map(|memory| self.memory_nodes(memory));
        let memory = memory.transpose()?;
        let mut changes = self.drop_of_running(&[]);
        let chosen = self.root.child_or_new("chosen");
        for name in OF_LINUX {
            changes
                .properties
                .extend(chosen.remove(name).then_some(name));
        }
        chosen.children.retain(|child| {
            let stale = OF_XEN.iter().any(|text| child.is_compatible(text));
            changes.nodes.extend(stale.then(|| child.name.clone()));
            !stale
        });
        for (name, line) in lines {
            chosen.set(name, line);
        }
        for name in ["#address-cells", "#size-cells"] {
            chosen.set(name, CELLS.to_be_bytes());
        }
        for (name, value) in boot.seeds.iter().flat_map(Seeds::properties) {
            chosen.set(name, value);
        }
        changes.properties.retain(|name| !chosen.has(name));
        for (module, range) in boot.modules {
            let mut node = DtNode::new(&format!("module@{:x}", range.start));
            let [specific, general] = module.compatible();
            node.set_string("compatible", &format!("{specific}\0{general}"));
            node.set(
                "reg",
                [range.start, range.len()].map(u64::to_be_bytes).concat(),
            );
            chosen.children.push(node);
        }
        if let Some(memory) = memory {
            let is_memory = |node: &DtNode| node.property("device_type") == Some(b"memory\0");
            self.root.children.retain(|node| !is_memory(node));
            self.root.children.extend(memory);
        }
        Ok(changes)
    }

    /// A node for each range of memory.
    fn memory_nodes(&self, memory: &[PhysRange]) -> Result<Vec<DtNode>, DtValueError> {
        let root = self.top();
        let cells = Cells::of_root(&root)?;
        let node = |range: &PhysRange| {
            let mut node = DtNode::new(&format!("memory@{:x}", range.start));
            node.set_string("device_type", "memory");
            let mut reg = Vec::new();
            cells.encode(&root, "reg", *range, &mut reg)?;
            node.set("reg", reg);
            Ok(node)
        };
        memory.iter().map(node).collect()
    }
}
