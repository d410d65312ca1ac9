//! Names of bits: flags, control registers, error codes (Intel SDM vol. 3,
//! chapters 2.5, 6.13 and 19.2; AMD APM vol. 2, chapter 8). The bits are those of the crate `x86_64`.

use bitflags::{Bits, Flags};
use x86_64::registers::control::{Cr0Flags, Cr4Flags};
use x86_64::registers::debug::Dr6Flags;
use x86_64::registers::model_specific::EferFlags;
use x86_64::registers::rflags::RFlags;
use x86_64::structures::idt::{DescriptorTable, PageFaultErrorCode, SelectorErrorCode};

/// Flags with the mnemonics of the manuals, from bit 0 on.
type Names<F> = [(F, &'static str)];

const RFLAGS: &Names<RFlags> = &[
    (RFlags::CARRY_FLAG, "CF"),
    (RFlags::PARITY_FLAG, "PF"),
    (RFlags::AUXILIARY_CARRY_FLAG, "AF"),
    (RFlags::ZERO_FLAG, "ZF"),
    (RFlags::SIGN_FLAG, "SF"),
    (RFlags::TRAP_FLAG, "TF"),
    (RFlags::INTERRUPT_FLAG, "IF"),
    (RFlags::DIRECTION_FLAG, "DF"),
    (RFlags::OVERFLOW_FLAG, "OF"),
    (RFlags::NESTED_TASK, "NT"),
    (RFlags::RESUME_FLAG, "RF"),
    (RFlags::VIRTUAL_8086_MODE, "VM"),
    (RFlags::ALIGNMENT_CHECK, "AC"),
    (RFlags::ID, "ID"),
];
const CR0: &Names<Cr0Flags> = &[
    (Cr0Flags::PROTECTED_MODE_ENABLE, "PE"),
    (Cr0Flags::MONITOR_COPROCESSOR, "MP"),
    (Cr0Flags::EMULATE_COPROCESSOR, "EM"),
    (Cr0Flags::TASK_SWITCHED, "TS"),
    (Cr0Flags::EXTENSION_TYPE, "ET"),
    (Cr0Flags::NUMERIC_ERROR, "NE"),
    (Cr0Flags::WRITE_PROTECT, "WP"),
    (Cr0Flags::ALIGNMENT_MASK, "AM"),
    (Cr0Flags::NOT_WRITE_THROUGH, "NW"),
    (Cr0Flags::CACHE_DISABLE, "CD"),
    (Cr0Flags::PAGING, "PG"),
];
const CR4: &Names<Cr4Flags> = &[
    (Cr4Flags::VIRTUAL_8086_MODE_EXTENSIONS, "VME"),
    (Cr4Flags::PROTECTED_MODE_VIRTUAL_INTERRUPTS, "PVI"),
    (Cr4Flags::TIMESTAMP_DISABLE, "TSD"),
    (Cr4Flags::DEBUGGING_EXTENSIONS, "DE"),
    (Cr4Flags::PAGE_SIZE_EXTENSION, "PSE"),
    (Cr4Flags::PHYSICAL_ADDRESS_EXTENSION, "PAE"),
    (Cr4Flags::MACHINE_CHECK_EXCEPTION, "MCE"),
    (Cr4Flags::PAGE_GLOBAL, "PGE"),
    (Cr4Flags::PERFORMANCE_MONITOR_COUNTER, "PCE"),
    (Cr4Flags::OSFXSR, "OSFXSR"),
    (Cr4Flags::OSXMMEXCPT_ENABLE, "OSXMMEXCPT"),
    (Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, "UMIP"),
    (Cr4Flags::L5_PAGING, "LA57"),
    (Cr4Flags::VIRTUAL_MACHINE_EXTENSIONS, "VMXE"),
    (Cr4Flags::SAFER_MODE_EXTENSIONS, "SMXE"),
    (Cr4Flags::FSGSBASE, "FSGSBASE"),
    (Cr4Flags::PCID, "PCIDE"),
    (Cr4Flags::OSXSAVE, "OSXSAVE"),
    (Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, "SMEP"),
    (Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, "SMAP"),
    (Cr4Flags::PROTECTION_KEY_USER, "PKE"),
    (Cr4Flags::CONTROL_FLOW_ENFORCEMENT, "CET"),
    (Cr4Flags::PROTECTION_KEY_SUPERVISOR, "PKS"),
];
const EFER: &Names<EferFlags> = &[
    (EferFlags::SYSTEM_CALL_EXTENSIONS, "SCE"),
    (EferFlags::LONG_MODE_ENABLE, "LME"),
    (EferFlags::LONG_MODE_ACTIVE, "LMA"),
    (EferFlags::NO_EXECUTE_ENABLE, "NXE"),
    (EferFlags::SECURE_VIRTUAL_MACHINE_ENABLE, "SVME"),
    (EferFlags::FAST_FXSAVE_FXRSTOR, "FFXSR"),
];
const DR6: &Names<Dr6Flags> = &[
    (Dr6Flags::TRAP0, "B0"),
    (Dr6Flags::TRAP1, "B1"),
    (Dr6Flags::TRAP2, "B2"),
    (Dr6Flags::TRAP3, "B3"),
    (Dr6Flags::ACCESS_DETECTED, "BD"),
    (Dr6Flags::STEP, "BS"),
    (Dr6Flags::SWITCH, "BT"),
];
/// Those that do not fit one of the first three parts of the text.
const PAGE_FAULT: &Names<PageFaultErrorCode> = &[
    (PageFaultErrorCode::MALFORMED_TABLE, "reserved bit"),
    (PageFaultErrorCode::PROTECTION_KEY, "protection key"),
    (PageFaultErrorCode::SHADOW_STACK, "shadow stack"),
    (PageFaultErrorCode::SGX, "SGX"),
    (PageFaultErrorCode::RMP, "RMP"),
];
/// Values of the low 15 bits of #CP.
const CONTROL: [&str; 6] = [
    "?",
    "near ret",
    "far ret or iret",
    "endbranch missing",
    "rstorssp",
    "setssbsy",
];

/// Returns the names of the set bits, for registers with named bits.
#[must_use]
pub fn of(register: &str, value: u64) -> Option<Vec<&'static str>> {
    Some(match register {
        "rflags" => names(RFLAGS, RFlags::from_bits_retain(value)),
        "cr0" => names(CR0, Cr0Flags::from_bits_retain(value)),
        "cr4" => names(CR4, Cr4Flags::from_bits_retain(value)),
        "efer" => names(EFER, EferFlags::from_bits_retain(value)),
        "dr6" => names(DR6, Dr6Flags::from_bits_retain(value)),
        _ => return None,
    })
}

/// Names of the flags that are set.
fn names<F: Flags>(table: &Names<F>, value: F) -> Vec<&'static str> {
    let set = table
        .iter()
        .filter(|(flag, _)| value.bits() & flag.bits() != F::Bits::EMPTY);
    set.map(|(_, name)| *name).collect()
}

/// Decodes an error code; empty for a vector without one.
#[must_use]
pub fn error_code(vector: u8, code: u64) -> Vec<String> {
    match vector {
        14 => {
            let fault = PageFaultErrorCode::from_bits_retain(code);
            let has = |flag| fault.contains(flag);
            let mut parts = vec![
                if has(PageFaultErrorCode::PROTECTION_VIOLATION) {
                    "protection"
                } else {
                    "not present"
                },
                if has(PageFaultErrorCode::INSTRUCTION_FETCH) {
                    "instruction fetch"
                } else if has(PageFaultErrorCode::CAUSED_BY_WRITE) {
                    "write"
                } else {
                    "read"
                },
                if has(PageFaultErrorCode::USER_MODE) {
                    "user"
                } else {
                    "supervisor"
                },
            ];
            parts.extend(names(PAGE_FAULT, fault));
            parts.into_iter().map(str::to_owned).collect()
        }
        10..=13 if code == 0 => vec!["no selector".to_owned()],
        10..=13 => {
            let selector = SelectorErrorCode::new_truncate(code);
            let (index, value) = (selector.index(), code & 0xfffc);
            let mut parts = vec![match selector.descriptor_table() {
                DescriptorTable::Gdt => format!("selector {value:#06x}: GDT entry {index}"),
                DescriptorTable::Ldt => format!("selector {value:#06x}: LDT entry {index}"),
                DescriptorTable::Idt => format!("gate of vector {index}"),
            }];
            if selector.external() {
                parts.push("caused by an event from outside the program".to_owned());
            }
            parts
        }
        21 => {
            let kind = CONTROL.get((code & 0x7fff) as usize).unwrap_or(&"?");
            let mut parts = vec![(*kind).to_owned()];
            if code >> 15 & 1 == 1 {
                parts.push("in an enclave".to_owned());
            }
            parts
        }
        29 => vec![format!("VM exit code {code:#x}")],
        30 => vec![match code {
            1 => "redirected INIT".to_owned(),
            _ => format!("code {code:#x}"),
        }],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_faults() {
        assert_eq!(error_code(14, 0), ["not present", "read", "supervisor"]);
        assert_eq!(error_code(14, 3), ["protection", "write", "supervisor"]);
        assert_eq!(
            error_code(14, 0x11),
            ["protection", "instruction fetch", "supervisor"]
        );
        assert_eq!(
            error_code(14, 9),
            ["protection", "read", "supervisor", "reserved bit"]
        );
    }

    #[test]
    fn selectors() {
        assert_eq!(error_code(13, 0), ["no selector"]);
        assert_eq!(error_code(13, 0x10), ["selector 0x0010: GDT entry 2"]);
        assert_eq!(error_code(11, 0x2c), ["selector 0x002c: LDT entry 5"]);
        assert_eq!(
            error_code(13, 18 * 8 + 3),
            [
                "gate of vector 18",
                "caused by an event from outside the program"
            ]
        );
        assert_eq!(error_code(21, 3), ["endbranch missing"]);
        assert_eq!(error_code(21, 99), ["?"]);
        assert!(error_code(6, 1).is_empty());
    }

    #[test]
    fn registers() {
        assert_eq!(of("cr0", 0x8000_0011), Some(vec!["PE", "ET", "PG"]));
        assert_eq!(of("efer", 0xd01), Some(vec!["SCE", "LME", "LMA", "NXE"]));
        assert_eq!(of("dr6", 0xffff_0ff1), Some(vec!["B0"]));
        assert_eq!(of("rax", 1), None);
    }
}
