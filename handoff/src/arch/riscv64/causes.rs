//! Names of exceptions and interrupts (RISC-V Privileged Architecture, table 29
//! of `scause`; H extension, table 43).

use super::registers::SCAUSE_INTERRUPT;
use crate::names::nth;

const EXCEPTIONS: &str = "instruction address misaligned|instruction access fault|\
    illegal instruction|breakpoint|load address misaligned|load access fault|\
    store address misaligned|store access fault|environment call from U-mode|\
    environment call from S-mode|environment call from VS-mode|environment call from M-mode|\
    instruction page fault|load page fault|reserved|store page fault|double trap|reserved|\
    software check|hardware error|instruction guest-page fault|load guest-page fault|\
    virtual instruction|store guest-page fault";

const INTERRUPTS: &str = "reserved|supervisor software interrupt|VS software interrupt|\
    machine software interrupt|reserved|supervisor timer interrupt|VS timer interrupt|\
    machine timer interrupt|reserved|supervisor external interrupt|VS external interrupt|\
    machine external interrupt|supervisor guest external interrupt|counter overflow interrupt";

/// Returns the name of a value of `scause`.
#[must_use]
pub fn cause_name(scause: u64) -> &'static [u8] {
    let interrupt = scause & SCAUSE_INTERRUPT != 0;
    let list = if interrupt { INTERRUPTS } else { EXCEPTIONS };
    u32::try_from(scause & !SCAUSE_INTERRUPT)
        .ok()
        .and_then(|code| nth(list, code))
        .unwrap_or(b"reserved")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_the_specification() {
        for (code, name) in [
            (0, "instruction address misaligned"),
            (2, "illegal instruction"),
            (3, "breakpoint"),
            (7, "store access fault"),
            (9, "environment call from S-mode"),
            (12, "instruction page fault"),
            (13, "load page fault"),
            (15, "store page fault"),
            (0x14, "instruction guest-page fault"),
            (0x15, "load guest-page fault"),
            (0x16, "virtual instruction"),
            (0x17, "store guest-page fault"),
            (24, "reserved"),
            (u64::MAX >> 1, "reserved"),
            (SCAUSE_INTERRUPT | 5, "supervisor timer interrupt"),
            (SCAUSE_INTERRUPT | 13, "counter overflow interrupt"),
            (SCAUSE_INTERRUPT | 99, "reserved"),
        ] {
            assert_eq!(cause_name(code), name.as_bytes(), "{code:#x}");
        }
    }
}
