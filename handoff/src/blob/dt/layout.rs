//! Where the parts of a blob's area are.

use super::DtMachine;
use crate::arch::arm::abi::{self as arm, Arm32Area};
use crate::arch::arm64::abi::{self as arm64, Arm64Area};
use crate::arch::riscv64::abi::{self as riscv64, RiscvArea};
use core::mem::offset_of;

/// Identification of a blob, and offsets in its area. The parameters are first.
pub(super) struct BlobLayout {
    /// The architecture.
    pub name: &'static str,
    pub magic: u64,
    pub version: u32,
    /// Bytes of the area.
    pub area: usize,
    pub tables: usize,
    pub scratch: usize,
    pub bounce: usize,
}

impl BlobLayout {
    /// Returns the layout for a machine.
    pub const fn of(machine: DtMachine) -> Self {
        match machine {
            DtMachine::Riscv64 { .. } => Self {
                name: "riscv64",
                magic: riscv64::MAGIC,
                version: riscv64::VERSION,
                area: size_of::<RiscvArea>(),
                tables: offset_of!(RiscvArea, tables),
                scratch: offset_of!(RiscvArea, scratch),
                bounce: offset_of!(RiscvArea, scratch.bounce),
            },
            DtMachine::Arm64 { .. } => Self {
                name: "arm64",
                magic: arm64::MAGIC,
                version: arm64::VERSION,
                area: size_of::<Arm64Area>(),
                tables: offset_of!(Arm64Area, tables),
                scratch: offset_of!(Arm64Area, scratch),
                bounce: offset_of!(Arm64Area, scratch.bounce),
            },
            DtMachine::Arm { .. } => Self {
                name: "32-bit ARM",
                magic: arm::MAGIC,
                version: arm::VERSION,
                area: size_of::<Arm32Area>(),
                tables: offset_of!(Arm32Area, tables),
                scratch: offset_of!(Arm32Area, scratch),
                bounce: offset_of!(Arm32Area, scratch.bounce),
            },
        }
    }
}

const _: () = assert!(
    offset_of!(RiscvArea, params) == 0
        && offset_of!(Arm64Area, params) == 0
        && offset_of!(Arm32Area, params) == 0
);
