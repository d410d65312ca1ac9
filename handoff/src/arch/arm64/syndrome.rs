//! Names of exceptions: the vector that was taken, and the class in `ESR_ELx` (Arm Architecture
//! Reference Manual, D1.3 and D24.2.40).

use crate::names::nth;

/// Vectors of one group: synchronous, IRQ, FIQ, SError.
const KINDS: &str = "synchronous|IRQ|FIQ|SError";
/// Groups of vectors: where the exception came from.
const SOURCES: &str = "SP_EL0|SP_ELx|lower level|lower level, 32 bits";

/// Class of `brk`.
pub const CLASS_BRK: u32 = 0x3c;

const CLASSES: &str = "unknown reason|trapped WFI or WFE|reserved|trapped MCR or MRC, cp15|\
    trapped MCRR or MRRC, cp15|trapped MCR or MRC, cp14|trapped LDC or STC|\
    trapped SVE, SIMD or floating point|trapped VMRS|trapped pointer authentication|\
    trapped LD64B or ST64B|reserved|trapped MRRC, cp14|branch target|illegal execution state|\
    reserved|reserved|SVC, 32 bits|HVC, 32 bits|SMC, 32 bits|trapped MSRR or MRRS|SVC|HVC|SMC|\
    trapped MSR, MRS or system instruction|trapped SVE|trapped ERET|reserved|\
    pointer authentication failure|trapped SME|reserved|reserved|instruction abort, lower level|\
    instruction abort|PC alignment|reserved|data abort, lower level|data abort|SP alignment|\
    memory operation|floating point, 32 bits|reserved|reserved|reserved|floating point|guarded control stack|\
    reserved|SError|breakpoint, lower level|breakpoint|software step, lower level|software step|\
    watchpoint, lower level|watchpoint|reserved|reserved|BKPT, 32 bits|reserved|vector catch, 32 bits|\
    reserved|BRK|profiling|reserved|reserved";

/// Returns the exception class of an `ESR_ELx`.
#[must_use]
pub const fn class(esr: u64) -> u32 {
    (esr >> 26 & 0x3f) as u32
}

/// Returns the name of the class of an `ESR_ELx`.
#[must_use]
pub fn class_name(esr: u64) -> &'static [u8] {
    nth(CLASSES, class(esr)).unwrap_or(b"reserved")
}

/// Returns what kind of exception a vector (0 to 15) is for, "?" for another number.
#[must_use]
pub fn vector_kind(vector: u64) -> &'static [u8] {
    if vector > 15 {
        return b"?";
    }
    nth(KINDS, vector as u32 & 3).unwrap_or(b"?")
}

/// Returns where the exceptions of a vector (0 to 15) come from, "?" for another number.
#[must_use]
pub fn vector_source(vector: u64) -> &'static [u8] {
    u32::try_from(vector >> 2)
        .ok()
        .and_then(|source| nth(SOURCES, source))
        .unwrap_or(b"?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::entries;

    #[test]
    fn classes_have_the_names_of_the_manual() {
        assert_eq!(entries(CLASSES).count(), 64);
        for (number, name) in [
            (0x00, "unknown reason"),
            (0x07, "trapped SVE, SIMD or floating point"),
            (0x0e, "illegal execution state"),
            (0x15, "SVC"),
            (0x16, "HVC"),
            (0x17, "SMC"),
            (0x18, "trapped MSR, MRS or system instruction"),
            (0x1a, "trapped ERET"),
            (0x21, "instruction abort"),
            (0x22, "PC alignment"),
            (0x24, "data abort, lower level"),
            (0x25, "data abort"),
            (0x26, "SP alignment"),
            (0x2c, "floating point"),
            (0x2f, "SError"),
            (0x30, "breakpoint, lower level"),
            (0x35, "watchpoint"),
            (0x3c, "BRK"),
            (0x3f, "reserved"),
        ] {
            let esr = number << 26 | 0x1ff_ffff;
            assert_eq!(class_name(esr), name.as_bytes(), "{number:#x}");
        }
        assert_eq!(class(0xf200_0007), CLASS_BRK);
    }

    #[test]
    fn vectors_are_four_kinds_from_four_sources() {
        let name = |vector| {
            let text = [vector_kind(vector), b", ", vector_source(vector)].concat();
            String::from_utf8(text).unwrap()
        };
        assert_eq!(name(0), "synchronous, SP_EL0");
        assert_eq!(name(5), "IRQ, SP_ELx");
        assert_eq!(name(10), "FIQ, lower level");
        assert_eq!(name(15), "SError, lower level, 32 bits");
        assert_eq!((name(16), name(u64::MAX)), ("?, ?".into(), "?, ?".into()));
    }
}
