//! Names of bits: flags, control registers, error codes (Intel SDM vol. 3,
//! chapters 2.5, 6.13 and 19.2; AMD APM vol. 2, chapter 8).

const RFLAGS: &[&str] = &[
    "CF", "", "PF", "", "AF", "", "ZF", "SF", "TF", "IF", "DF", "OF", "", "", "NT", "", "RF", "VM",
    "AC", "", "", "ID",
];
const CR0: &[&str] = &[
    "PE", "MP", "EM", "TS", "ET", "NE", "", "", "", "", "", "", "", "", "", "", "WP", "", "AM", "",
    "", "", "", "", "", "", "", "", "", "NW", "CD", "PG",
];
const CR4: &[&str] = &[
    "VME",
    "PVI",
    "TSD",
    "DE",
    "PSE",
    "PAE",
    "MCE",
    "PGE",
    "PCE",
    "OSFXSR",
    "OSXMMEXCPT",
    "UMIP",
    "LA57",
    "VMXE",
    "SMXE",
    "",
    "FSGSBASE",
    "PCIDE",
    "OSXSAVE",
    "",
    "SMEP",
    "SMAP",
    "PKE",
    "CET",
    "PKS",
];
const EFER: &[&str] = &[
    "SCE", "", "", "", "", "", "", "", "LME", "", "LMA", "NXE", "SVME", "", "FFXSR",
];
const DR6: &[&str] = &[
    "B0", "B1", "B2", "B3", "", "", "", "", "", "", "", "", "", "BD", "BS", "BT",
];
const PAGE_FAULT: &[&str] = &[
    "present",
    "write",
    "user",
    "reserved bit",
    "instruction fetch",
    "protection key",
    "shadow stack",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "SGX",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "RMP",
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

/// #PF: the page is mapped.
pub const PF_PRESENT: u64 = 1;
/// #PF: a write.
pub const PF_WRITE: u64 = 2;
/// #PF: a reserved bit is set in a page table.
pub const PF_RESERVED: u64 = 8;
/// #PF: an instruction fetch.
pub const PF_FETCH: u64 = 16;
/// CR0.EM, CR0.TS.
pub const CR0_EM_TS: u64 = 0xc;
/// CR0.PG.
pub const CR0_PG: u64 = 1 << 31;
/// CR4.OSFXSR.
pub const CR4_OSFXSR: u64 = 1 << 9;
/// CR4.OSXSAVE.
pub const CR4_OSXSAVE: u64 = 1 << 18;

/// Returns the names of the set bits, for registers with named bits.
#[must_use]
pub fn of(register: &str, value: u64) -> Option<Vec<&'static str>> {
    let table = match register {
        "rflags" => RFLAGS,
        "cr0" => CR0,
        "cr4" => CR4,
        "efer" => EFER,
        "dr6" => DR6,
        _ => return None,
    };
    Some(names(table, value))
}

/// Returns the names of the set bits, in a table by bit number.
fn names(table: &[&'static str], value: u64) -> Vec<&'static str> {
    let set = |(bit, name): &(usize, &&str)| value >> bit & 1 == 1 && !name.is_empty();
    let named = table.iter().enumerate().filter(set);
    named.map(|(_, name)| *name).collect()
}

/// Decodes an error code; empty for a vector without one.
#[must_use]
pub fn error_code(vector: u8, code: u64) -> Vec<String> {
    match vector {
        14 => {
            let mut parts = vec![
                if code & PF_PRESENT == 0 {
                    "not present"
                } else {
                    "protection"
                },
                match (code & PF_FETCH != 0, code & PF_WRITE != 0) {
                    (true, _) => "instruction fetch",
                    (false, true) => "write",
                    (false, false) => "read",
                },
                if code & 4 == 0 { "supervisor" } else { "user" },
            ];
            parts.extend(names(PAGE_FAULT, code & !0x17));
            parts.into_iter().map(str::to_owned).collect()
        }
        10..=13 if code == 0 => vec!["no selector".to_owned()],
        10..=13 => {
            let (selector, index) = (code & 0xfffc, code >> 3 & 0x1fff);
            let mut parts = vec![match code >> 1 & 3 {
                0 => format!("selector {selector:#06x}: GDT entry {index}"),
                2 => format!("selector {selector:#06x}: LDT entry {index}"),
                _ => format!("gate of vector {index}"),
            }];
            if code & 1 == 1 {
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
