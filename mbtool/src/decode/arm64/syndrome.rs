//! Values of `ESR_ELx`, and the vector that was taken.

use super::abort::Abort;
use super::sysreg::{SystemEncoding, spelled};
use handoff::arch::arm64::syndrome::{class, class_name, vector_kind, vector_source};
use serde::Serialize;

/// Classes with an immediate of 16 bits: SVC, HVC and SMC, of 32 bits too, and BRK.
const CALLS: [u32; 7] = [0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x3c];

/// The syndrome of an exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedSyndrome {
    /// `ESR`.
    pub value: String,
    /// Exception class (EC).
    pub class: u32,
    /// Name of the class by the manual.
    pub name: &'static str,
    /// The rest (ISS).
    pub iss: String,
    /// The rest, decoded.
    pub parts: Vec<String>,
}

/// The vector that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedException {
    /// Number: 0 to 15.
    pub vector: u64,
    /// "synchronous", "IRQ", "FIQ" or "SError".
    pub kind: &'static str,
    /// Where it came from: "SP_EL0", "SP_ELx", "lower level" or "lower level, 32 bits".
    pub source: &'static str,
}

/// Kinds of vectors without a syndrome.
pub(super) const fn is_interrupt(vector: Option<u64>) -> bool {
    matches!(vector, Some(vector) if matches!(vector & 3, 1 | 2))
}

impl DecodedException {
    /// Names a vector.
    #[must_use]
    pub fn new(vector: u64) -> Self {
        let text = |name| str::from_utf8(name).unwrap_or("?");
        Self {
            vector,
            kind: text(vector_kind(vector)),
            source: text(vector_source(vector)),
        }
    }
}

impl DecodedSyndrome {
    /// Decodes `ESR` of an exception that has one: `vector` is not that of an interrupt.
    #[must_use]
    pub fn new(esr: u64, vector: Option<u64>) -> Option<Self> {
        if is_interrupt(vector) {
            return None;
        }
        Some(Self {
            value: format!("{esr:#x}"),
            class: class(esr),
            name: str::from_utf8(class_name(esr)).unwrap_or("?"),
            iss: format!("{:#x}", esr & 0x1ff_ffff),
            parts: parts(esr),
        })
    }
}

/// True if `FAR` is an address.
#[must_use]
pub const fn has_address(esr: u64) -> bool {
    match Abort::of(esr) {
        Some(abort) => abort.has_address,
        None => matches!(class(esr), 0x22 | 0x34 | 0x35),
    }
}

/// The register of a trapped MRS, MSR or system instruction; true if it is read.
#[must_use]
pub fn system_access(esr: u64) -> Option<(SystemEncoding, bool)> {
    if class(esr) != 0x18 {
        return None;
    }
    let field = |shift: u32, mask: u64| (esr >> shift & mask) as u32;
    Some((
        (
            field(20, 3),
            field(14, 7),
            field(10, 15),
            field(1, 15),
            field(17, 7),
        ),
        esr & 1 == 1,
    ))
}

/// The rest of a syndrome as text.
fn parts(esr: u64) -> Vec<String> {
    if let Some(abort) = Abort::of(esr) {
        return abort.text();
    }
    if let Some((encoding, read)) = system_access(esr) {
        let name = spelled(encoding);
        return vec![match encoding.0 {
            1 => name,
            _ if read => format!("mrs {name}"),
            _ => format!("msr {name}"),
        }];
    }
    let bit = |bit: u32| esr >> bit & 1 == 1;
    let named = |bits: &[(u32, &str)]| -> Vec<String> {
        let set = bits.iter().filter(|(number, _)| bit(*number));
        set.map(|(_, name)| (*name).to_owned()).collect()
    };
    match class(esr) {
        class if CALLS.contains(&class) => vec![format!("#{:#x}", esr & 0xffff)],
        0x01 => vec![["wfi", "wfe", "wfit", "wfet"][(esr & 3) as usize].to_owned()],
        0x0d => vec![format!("BTYPE {}", esr & 3)],
        0x1a => vec![["eret", "eret", "eretaa", "eretab"][(esr & 3) as usize].to_owned()],
        0x1c => vec![
            [
                "instruction key A",
                "instruction key B",
                "data key A",
                "data key B",
            ][(esr & 3) as usize]
                .to_owned(),
        ],
        0x1d => {
            let reasons = [
                "SME is disabled",
                "not allowed in streaming mode",
                "not in streaming mode",
                "ZA is off",
                "ZT0 is disabled",
            ];
            let reason = reasons.get((esr & 7) as usize);
            reason.iter().map(|text| (**text).to_owned()).collect()
        }
        0x2c if bit(23) => named(&[
            (0, "invalid operation"),
            (1, "division by zero"),
            (2, "overflow"),
            (3, "underflow"),
            (4, "inexact"),
            (7, "denormal input"),
        ]),
        0x2f => serror(esr),
        0x34 | 0x35 => vec![if bit(6) { "write" } else { "read" }.to_owned()],
        _ => Vec::new(),
    }
}

/// SError: what the CPU knows of it.
fn serror(esr: u64) -> Vec<String> {
    if esr >> 24 & 1 == 1 {
        return vec!["implementation defined".to_owned()];
    }
    if esr & 0x3f != 0x11 {
        return vec!["uncategorized".to_owned()];
    }
    let state = match esr >> 10 & 7 {
        0 => "uncontainable",
        1 => "unrecoverable",
        2 => "restartable",
        3 => "recoverable",
        6 => "corrected",
        _ => "reserved type",
    };
    vec![format!("asynchronous, {state}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(esr: u64) -> String {
        let syndrome = DecodedSyndrome::new(esr, None).unwrap();
        format!("{}: {}", syndrome.name, syndrome.parts.join(", "))
    }

    #[test]
    fn syndromes_of_the_manual() {
        for (esr, expected) in [
            (0x5600_0007, "SVC: #0x7"),
            (0x5a00_4a48, "HVC: #0x4a48"),
            (0x5e00_0000, "SMC: #0x0"),
            (0xf200_0800, "BRK: #0x800"),
            (0x0200_0000, "unknown reason: "),
            (0x0600_0001, "trapped WFI or WFE: wfe"),
            // mrs x5, sctlr_el1: op0 3, op1 0, CRn 1, CRm 0, op2 0
            (
                0x6230_04a1,
                "trapped MSR, MRS or system instruction: mrs sctlr_el1",
            ),
            (
                0x6234_1023,
                "trapped MSR, MRS or system instruction: mrs s3_0_c4_c1_2",
            ),
            (
                0x6211_ddfd & !1,
                "trapped MSR, MRS or system instruction: s1_7_c7_c14_0",
            ),
            (0xbe00_0000, "SError: uncategorized"),
            (0xbe00_0011, "SError: asynchronous, uncontainable"),
            (0xbf00_0002, "SError: implementation defined"),
            (0x7000_0002, "pointer authentication failure: data key A"),
            (0x3400_0002, "branch target: BTYPE 2"),
            (0x7400_0002, "trapped SME: not in streaming mode"),
            (0xb080_0011, "floating point: invalid operation, inexact"),
            (0xd600_0040, "watchpoint: write"),
            (0x3a00_0000, "illegal execution state: "),
        ] {
            assert_eq!(text(esr), expected, "{esr:#x}");
        }
    }

    #[test]
    fn an_interrupt_has_no_syndrome() {
        let of = |vector| DecodedSyndrome::new(0x9600_0005, Some(vector)).is_some();
        assert_eq!(
            [4, 5, 6, 7, 0, 1].map(of),
            [true, false, false, true, true, false]
        );
        let exception = DecodedException::new(10);
        assert_eq!((exception.kind, exception.source), ("FIQ", "lower level"));
    }

    #[test]
    fn the_address_is_that_of_aborts_and_alignment() {
        for (esr, expected) in [
            (0x9600_0005, true),
            (0x9600_0410, false),
            (0x8a00_0000, true),
            (0x5600_0000, false),
            (0xbe00_0000, false),
            (0xd600_0000, true),
        ] {
            assert_eq!(has_address(esr), expected, "{esr:#x}");
        }
    }
}
