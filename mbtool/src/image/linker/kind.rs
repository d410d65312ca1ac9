//! Relocation types of riscv64 (RISC-V ELF psABI, section "Relocations") that are applied.

use super::field::Field;
use ::object::elf;

/// A relocation type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelocKind {
    /// Nothing to do: `NONE`, and `RELAX`, which permits what this linker does not do.
    Nothing,
    /// Address of the symbol.
    Absolute(Field),
    /// Distance of the symbol from the place.
    Relative(Field),
    /// Distance of the symbol's slot in the global offset table from the place.
    Slot(Field),
    /// Low part of the distance that the instruction at the symbol has the high part of.
    Low(Field),
    /// The address is added to the number at the place.
    Add(Field),
    /// The address is subtracted from the number at the place.
    Subtract(Field),
    /// Padding up to an alignment.
    Align,
}

impl RelocKind {
    /// The type with the number `kind`, if it is known.
    pub(super) const fn of(kind: u32) -> Option<Self> {
        Some(match elf::RelocationType(kind) {
            elf::R_RISCV_NONE | elf::R_RISCV_RELAX => Self::Nothing,
            elf::R_RISCV_32 => Self::Absolute(Field::Address32),
            elf::R_RISCV_64 => Self::Absolute(Field::Bits64),
            elf::R_RISCV_HI20 => Self::Absolute(Field::Upper),
            elf::R_RISCV_LO12_I => Self::Absolute(Field::LowLoad),
            elf::R_RISCV_LO12_S => Self::Absolute(Field::LowStore),
            elf::R_RISCV_SET6 => Self::Absolute(Field::Bits6),
            elf::R_RISCV_SET8 => Self::Absolute(Field::Bits8),
            elf::R_RISCV_SET16 => Self::Absolute(Field::Bits16),
            elf::R_RISCV_SET32 => Self::Absolute(Field::Bits32),
            elf::R_RISCV_SET_ULEB128 => Self::Absolute(Field::Uleb128),
            elf::R_RISCV_BRANCH => Self::Relative(Field::Branch),
            elf::R_RISCV_JAL => Self::Relative(Field::Jump),
            // without a dynamic linker there are no stubs to call through
            elf::R_RISCV_CALL | elf::R_RISCV_CALL_PLT => Self::Relative(Field::Call),
            elf::R_RISCV_RVC_BRANCH => Self::Relative(Field::ShortBranch),
            elf::R_RISCV_RVC_JUMP => Self::Relative(Field::ShortJump),
            elf::R_RISCV_PCREL_HI20 => Self::Relative(Field::Upper),
            elf::R_RISCV_32_PCREL => Self::Relative(Field::Distance32),
            elf::R_RISCV_GOT_HI20 => Self::Slot(Field::Upper),
            elf::R_RISCV_PCREL_LO12_I => Self::Low(Field::LowLoad),
            elf::R_RISCV_PCREL_LO12_S => Self::Low(Field::LowStore),
            elf::R_RISCV_ADD8 => Self::Add(Field::Bits8),
            elf::R_RISCV_ADD16 => Self::Add(Field::Bits16),
            elf::R_RISCV_ADD32 => Self::Add(Field::Bits32),
            elf::R_RISCV_ADD64 => Self::Add(Field::Bits64),
            elf::R_RISCV_SUB6 => Self::Subtract(Field::Bits6),
            elf::R_RISCV_SUB8 => Self::Subtract(Field::Bits8),
            elf::R_RISCV_SUB16 => Self::Subtract(Field::Bits16),
            elf::R_RISCV_SUB32 => Self::Subtract(Field::Bits32),
            elf::R_RISCV_SUB64 => Self::Subtract(Field::Bits64),
            elf::R_RISCV_SUB_ULEB128 => Self::Subtract(Field::Uleb128),
            elf::R_RISCV_ALIGN => Self::Align,
            _ => return None,
        })
    }
}
