//! Values of control and status registers.

use super::super::address_map::{AddressMap, MappedPlace};
use super::super::handoff_log::RiscvEntryText;
use super::super::symbolizer::Symbolizer;
use super::super::symbols::Symbol;
use handoff::arch::riscv64::paging::{MODES, PagingMode};
use handoff::arch::riscv64::registers::{
    SATP_MODE_SHIFT, SATP_PPN, SSTATUS_FS, SSTATUS_SIE, SSTATUS_SPP,
};
use handoff::names::nth;
use serde::Serialize;
use std::collections::BTreeMap;

/// Physical addresses have at most this number of bits (Sv39, Sv48 and Sv57).
pub const PHYSICAL_BITS: u32 = 56;

/// Flags of `sstatus` of one bit.
const FLAGS: [(u64, &str); 9] = [
    (SSTATUS_SIE, "SIE"),
    (1 << 5, "SPIE"),
    (1 << 6, "UBE"),
    (SSTATUS_SPP, "SPP"),
    (1 << 18, "SUM"),
    (1 << 19, "MXR"),
    (1 << 23, "SPELP"),
    (1 << 24, "SDT"),
    (1 << 63, "SD"),
];

/// Fields of `sstatus` of two bits: shift, and names of the values 1 to 3.
const FIELDS: [(u32, [&str; 3]); 4] = [
    (9, ["VS initial", "VS clean", "VS dirty"]),
    (
        SSTATUS_FS.trailing_zeros(),
        ["FS initial", "FS clean", "FS dirty"],
    ),
    (15, ["XS initial", "XS clean", "XS dirty"]),
    (32, ["UXL 32", "UXL 64", "UXL 128"]),
];

/// Names of what is set in `sstatus`.
#[must_use]
pub fn sstatus(value: u64) -> Vec<&'static str> {
    let flags = FLAGS.iter().filter(|(flag, _)| value & flag != 0);
    let fields = FIELDS.iter().filter_map(|(shift, names)| {
        let field = (value >> shift & 3) as usize;
        names.get(field.checked_sub(1)?).copied()
    });
    flags.map(|(_, name)| *name).chain(fields).collect()
}

/// The value of `satp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedSatp {
    /// "bare", "sv39", "sv48" or "sv57"; null for a number without a meaning.
    pub mode: Option<&'static str>,
    /// Number of the address space.
    pub asid: u64,
    /// Physical address of the root table; null if translation is off.
    pub root: Option<String>,
    /// Location of the root table.
    pub place: Option<MappedPlace>,
}

/// The name of a paging mode by its index.
#[must_use]
pub fn mode_name(mode: u32) -> Option<&'static str> {
    str::from_utf8(nth(MODES, mode)?).ok()
}

/// The physical address of the root table; `None` if translation is off.
#[must_use]
pub const fn root(satp: u64) -> Option<u64> {
    match satp >> SATP_MODE_SHIFT {
        0 => None,
        _ => Some((satp & SATP_PPN) << 12),
    }
}

impl DecodedSatp {
    /// Decodes a value.
    #[must_use]
    pub fn new(satp: u64, map: &AddressMap) -> Self {
        let mode = match PagingMode::of_satp(satp) {
            Some(mode) => mode_name(mode.levels() - 2),
            None if satp >> SATP_MODE_SHIFT == 0 => mode_name(0),
            None => None,
        };
        let root = root(satp);
        Self {
            mode,
            asid: satp >> SATP_PPN.count_ones() & 0xffff,
            root: root.map(|root| format!("{root:#x}")),
            place: root.and_then(|root| map.at(root)),
        }
    }
}

/// The value of `stvec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedStvec {
    /// Address of the trap handler.
    pub base: String,
    /// "direct" or "vectored"; null for a reserved value.
    pub mode: Option<&'static str>,
    /// Location of the handler.
    pub place: Option<MappedPlace>,
    /// Function of the handler.
    pub symbol: Option<Symbol>,
}

/// State at the handoff's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedEntry {
    /// Number of the SBI implementation.
    pub sbi: Option<u64>,
    /// Values of `satp`, `sstatus`, `stvec` and `sie`.
    pub registers: BTreeMap<&'static str, String>,
    /// Names of what is set in `sstatus`.
    pub sstatus: Vec<&'static str>,
    /// Address translation of the old kernel.
    pub satp: Option<DecodedSatp>,
    /// Trap handler of the old kernel.
    pub stvec: Option<DecodedStvec>,
}

impl DecodedEntry {
    /// Decodes what the log has.
    #[must_use]
    pub fn new(text: &RiscvEntryText, map: &AddressMap, symbols: &Symbolizer) -> Self {
        let names = super::super::handoff_log::ENTRY_REGISTERS;
        let values = names.into_iter().zip(text.registers);
        let stvec = text.register("stvec").map(|stvec| {
            let base = stvec & !3;
            DecodedStvec {
                base: format!("{base:#x}"),
                mode: ["direct", "vectored"].get((stvec & 3) as usize).copied(),
                place: map.at(base),
                symbol: symbols.lookup(base),
            }
        });
        Self {
            sbi: text.sbi,
            registers: values
                .filter_map(|(name, value)| Some((name, format!("{:#x}", value?))))
                .collect(),
            sstatus: text.register("sstatus").map(sstatus).unwrap_or_default(),
            satp: text
                .register("satp")
                .map(|satp| DecodedSatp::new(satp, map)),
            stvec,
        }
    }
}
