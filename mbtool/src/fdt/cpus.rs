//! CPUs (3.8 of the specification; Linux, Documentation/devicetree/bindings/riscv/cpus.yaml).

use super::error::DtValueError;
use super::tree::DeviceTree;
use std::fmt;

/// A CPU: a hart of RISC-V, or a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Path of its node.
    pub name: String,
    /// Its number: the hart ID, or MPIDR of ARM.
    pub id: u64,
    /// False when firmware or its owner has disabled it.
    pub available: bool,
    /// The largest virtual address space of a hart; `None` if the tree does not name one that is known.
    pub mmu: Option<MmuMode>,
    /// Instruction set of a hart: `riscv,isa`, or else base and extensions as one string.
    pub isa: Option<String>,
}

/// Largest translation scheme of a hart. It supports the smaller ones, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MmuMode {
    /// No translation.
    None,
    /// 32 bits.
    Sv32,
    /// 39 bits.
    Sv39,
    /// 48 bits.
    Sv48,
    /// 57 bits.
    Sv57,
}

impl MmuMode {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "riscv,none" => Self::None,
            "riscv,sv32" => Self::Sv32,
            "riscv,sv39" => Self::Sv39,
            "riscv,sv48" => Self::Sv48,
            "riscv,sv57" => Self::Sv57,
            _ => return None,
        })
    }
}

impl fmt::Display for MmuMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Sv32 => "Sv32",
            Self::Sv39 => "Sv39",
            Self::Sv48 => "Sv48",
            Self::Sv57 => "Sv57",
        })
    }
}

impl DeviceTree {
    /// The CPUs of `/cpus`, in the order of the tree.
    ///
    /// # Errors
    ///
    /// When a property that they depend on is wrong.
    pub fn cpus(&self) -> Result<Vec<Cpu>, DtValueError> {
        let Some(parent) = self.top().child("cpus") else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for node in parent.children() {
            if node.node().property("device_type") != Some(b"cpu\0") {
                continue;
            }
            let Some(reg) = node.ranges_of("reg")?.first().copied() else {
                return Err(node.error("reg", super::DtValueProblem::Missing));
            };
            let isa = match node.string("riscv,isa")? {
                Some(isa) => Some(isa.to_owned()),
                None => node.string("riscv,isa-base")?.map(|base| {
                    let extensions = node.node().strings("riscv,isa-extensions");
                    let longer = extensions.filter(|name| !base.ends_with(*name));
                    longer.fold(base.to_owned(), |isa, name| format!("{isa}_{name}"))
                }),
            };
            all.push(Cpu {
                name: node.to_string(),
                id: reg.address,
                available: node.node().is_available(),
                mmu: node.string("mmu-type")?.and_then(MmuMode::of),
                isa,
            });
        }
        Ok(all)
    }

    /// Frequency of the timer of all CPUs in Hz (`timebase-frequency`).
    ///
    /// # Errors
    ///
    /// When the property is wrong.
    pub fn timebase(&self) -> Result<Option<u64>, DtValueError> {
        match self.top().child("cpus") {
            Some(cpus) => cpus.number("timebase-frequency"),
            None => Ok(None),
        }
    }
}
