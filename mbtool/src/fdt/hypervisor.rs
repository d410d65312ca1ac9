//! Signs of a hypervisor, and what the machine calls itself.

use super::tree::DeviceTree;

/// What a tree says about the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformHints {
    /// `model` of the root.
    pub model: Option<String>,
    /// `compatible` of the root.
    pub compatible: Vec<String>,
    /// The hypervisor that made the tree, or that emulates the machine.
    pub hypervisor: Option<DtHypervisor>,
}

/// A hypervisor or an emulator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtHypervisor {
    /// Xen (node `/hypervisor`, "xen,xen"); its version if the node has it, such as "4.20".
    Xen(Option<String>),
    /// KVM (node `/hypervisor`).
    Kvm,
    /// A machine that only exists emulated: QEMU's "virt", kvmtool and their kind, with KVM or without. The string by
    /// which it is known.
    Virtual(String),
    /// Another node `/hypervisor`: its `compatible`.
    Other(String),
}

/// `compatible` of the root, or its start, that no hardware has.
const VIRTUAL: [&str; 4] = ["riscv-virtio", "linux,dummy-virt", "riscv-virt", "qemu,"];

impl DeviceTree {
    /// Looks for a hypervisor.
    #[must_use]
    pub fn platform(&self) -> PlatformHints {
        let all = |name| -> Vec<String> { self.root.strings(name).map(str::to_owned).collect() };
        let compatible = all("compatible");
        PlatformHints {
            model: all("model").into_iter().next(),
            hypervisor: self.hypervisor().or_else(|| {
                let known = |name: &&String| VIRTUAL.iter().any(|start| name.starts_with(start));
                let name = compatible.iter().find(known)?;
                Some(DtHypervisor::Virtual(name.clone()))
            }),
            compatible,
        }
    }

    /// By the node `/hypervisor`.
    fn hypervisor(&self) -> Option<DtHypervisor> {
        let node = self.root.child("hypervisor")?;
        let names: Vec<&str> = node.strings("compatible").collect();
        if names.contains(&"xen,xen") {
            let version = names.iter().find_map(|name| name.strip_prefix("xen,xen-"));
            return Some(DtHypervisor::Xen(version.map(str::to_owned)));
        }
        let name = *names.first()?;
        Some(match name {
            "linux,kvm" | "epapr,hypervisor" => DtHypervisor::Kvm,
            other => DtHypervisor::Other(other.to_owned()),
        })
    }
}
