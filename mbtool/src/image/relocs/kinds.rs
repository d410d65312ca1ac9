//! Relocation types that can be applied, and names of the others.

use super::ImageErrorReason;
use ::elf::abi;

/// Separates base-relative relocations from others, and records the first of
/// the others.
pub(super) struct Kinds {
    machine: u16,
    /// Type, count and first address of an unsupported relocation.
    other: Option<(u32, usize, u64)>,
}

impl Kinds {
    pub(super) const fn new(machine: u16) -> Self {
        Self {
            machine,
            other: None,
        }
    }

    /// True for a relocation to apply. `R_*_NONE` is skipped; any other type is
    /// recorded with the address of its first use.
    pub(super) fn is_relative(&mut self, kind: u32, addr: u64) -> bool {
        // R_386_RELATIVE and R_X86_64_RELATIVE, R_386_NONE and R_X86_64_NONE
        // have the same numbers respectively
        if kind == abi::R_X86_64_RELATIVE {
            return true;
        }
        if kind != abi::R_X86_64_NONE {
            let (first, count, _) = self.other.get_or_insert((kind, 0, addr));
            if *first == kind {
                *count += 1;
            }
        }
        false
    }

    /// Fails when an unsupported relocation was found.
    pub(super) fn refuse_others(&self) -> Result<(), ImageErrorReason> {
        let Some((kind, count, first)) = self.other else {
            return Ok(());
        };
        let i386 = self.machine == abi::EM_386;
        let relative = if i386 {
            "R_386_RELATIVE (8)"
        } else {
            "R_X86_64_RELATIVE (8)"
        };
        let name = if i386 {
            i386_name(kind)
        } else {
            x86_64_name(kind)
        };
        Err(ImageErrorReason::RelocationType {
            kind,
            name,
            count,
            first,
            relative,
        })
    }
}

/// Numbers from the System V ABI's Intel386 supplement; the `elf` crate has only
/// those of x86-64.
const fn i386_name(kind: u32) -> &'static str {
    match kind {
        1 => "R_386_32",
        2 => "R_386_PC32",
        5 => "R_386_COPY",
        6 => "R_386_GLOB_DAT",
        7 => "R_386_JMP_SLOT",
        14 => "R_386_TLS_TPOFF",
        35 => "R_386_TLS_DTPMOD32",
        42 => "R_386_IRELATIVE",
        _ => "unknown",
    }
}

const fn x86_64_name(kind: u32) -> &'static str {
    match kind {
        abi::R_X86_64_64 => "R_X86_64_64",
        abi::R_X86_64_PC32 => "R_X86_64_PC32",
        abi::R_X86_64_COPY => "R_X86_64_COPY",
        abi::R_X86_64_GLOB_DAT => "R_X86_64_GLOB_DAT",
        abi::R_X86_64_JUMP_SLOT => "R_X86_64_JUMP_SLOT",
        abi::R_X86_64_32 => "R_X86_64_32",
        abi::R_X86_64_32S => "R_X86_64_32S",
        abi::R_X86_64_DTPMOD64 => "R_X86_64_DTPMOD64",
        abi::R_X86_64_TPOFF64 => "R_X86_64_TPOFF64",
        abi::R_X86_64_IRELATIVE => "R_X86_64_IRELATIVE",
        _ => "unknown",
    }
}
