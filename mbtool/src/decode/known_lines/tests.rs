use super::*;

fn name(text: &str) -> Option<(Speaker, &'static str, bool)> {
    let (speaker, line) = find(&LogLine::new(1, text), true)?;
    Some((speaker, line.name, line.fatal))
}

#[test]
fn known_lines_are_found_with_their_speaker() {
    use Speaker::{Linux, Xen};
    for (text, want) in [
        (
            "(XEN) IO-APIC + timer doesn't work!  Boot with apic_verbosity=debug and send a report",
            (Xen, "xen-io-apic-timer", true),
        ),
        (
            "[    0.1] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug",
            (Linux, "linux-io-apic-timer", true),
        ),
        (
            "Kernel panic - not syncing: IO-APIC + timer doesn't work!",
            (Linux, "linux-io-apic-timer", true),
        ),
        (
            "(XEN) dom0 kernel not specified. Check bootloader configuration",
            (Xen, "xen-no-dom0", true),
        ),
        (
            "dom0 kernel not specified. Check bootloader configuration",
            (Xen, "xen-no-dom0", true),
        ),
        (
            "(XEN) Not enough RAM for domain 0 allocation",
            (Xen, "xen-dom0-memory", true),
        ),
        (
            "(XEN) ELF: not an ELF binary",
            (Xen, "xen-dom0-no-elf", true),
        ),
        (
            "(XEN) [2026-11-30 01:02:03] Couldn't enable IOMMU and iommu=required/force",
            (Xen, "xen-iommu", true),
        ),
        (
            "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.",
            (Xen, "dom0-crashed", true),
        ),
        (
            "(XEN) Domain 0 crashed: rebooting machine in 5 seconds.",
            (Xen, "dom0-crashed", true),
        ),
        (
            "Xen hypervisor allocated kernel memory conflicts with E820 map",
            (Linux, "linux-e820-conflict", true),
        ),
        (
            "[    3.9] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            (Linux, "linux-no-root", true),
        ),
        (
            "ALERT!  UUID=0000-11 does not exist.  Dropping to a shell!",
            (Linux, "linux-no-root", true),
        ),
        (
            "[    9.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
            (Linux, "linux-init-died", true),
        ),
        (
            "[    1.0] Kernel panic - not syncing: System is deadlocked on memory",
            (Linux, "linux-memory", true),
        ),
        (
            "[    1.0] Out of memory: Killed process 77 (cp)",
            (Linux, "linux-memory", false),
        ),
        (
            "[    1.0] Initramfs unpacking failed: junk within compressed archive",
            (Linux, "linux-initrd", false),
        ),
        (
            "[    1.0] kernel BUG at arch/arm/xen/enlighten.c:475!",
            (Linux, "linux-xen-twice", true),
        ),
        (
            "[    5.1] pc : trans_pgd_create_copy+0x1f8/0x790",
            (Linux, "linux-kexec-lpa2", false),
        ),
        (
            "[    1.0] SMP: failed to stop secondary CPUs 1",
            (Linux, "linux-stale-cpus", false),
        ),
        (
            "[    1.0] Kernel panic - not syncing: Asynchronous SError Interrupt",
            (Linux, "linux-serror", true),
        ),
        (
            "[    1.0] kexec: Can't kexec: CPUs are stuck in the kernel.",
            (Linux, "linux-cpus-stuck", false),
        ),
        (
            "[    0.0] CPU0: Booted with LPIs enabled, memory probably corrupted",
            (Linux, "linux-lpi", false),
        ),
        (
            "(XEN) CPU0: Unexpected Trap: Data Abort",
            (Xen, "xen-trap", true),
        ),
        (
            "(XEN) Failed to allocate requested dom0 memory. 128MB unallocated",
            (Xen, "xen-dom0-memory", true),
        ),
        (
            "(XEN) Invalid device tree blob at physical address 0x49000000.",
            (Xen, "xen-dtb", true),
        ),
        (
            "- Xen must be entered in NS EL2 mode -",
            (Xen, "xen-needs-el2", true),
        ),
        ("[    1.0] Run /init as init process", (Linux, "", false)),
    ] {
        let got = name(text);
        if want.1.is_empty() {
            assert_eq!(got, None, "{text}");
        } else {
            assert_eq!(got, Some(want), "{text}");
        }
    }
}

#[test]
fn lines_of_the_handoff_depend_on_the_architecture() {
    use crate::arch::Architecture::{Arm64, Riscv64, X86_64};
    let name = |text, architecture| find_handoff(text, architecture).map(|known| known.name);
    for (text, names) in [
        (
            "handoff itself is damaged: expected 0x1, found 0x2",
            [Some("handoff-damaged"), Some("handoff-damaged")],
        ),
        (
            "runs at 0x1, but was made for 0x2",
            [Some("handoff-misplaced"), Some("handoff-misplaced")],
        ),
        (
            "Xen needs EL2, and this CPU is at EL1: not starting it",
            [None, Some("xen-needs-el2")],
        ),
        (
            "Xen needs EL2 without E2H, and hcr is 0x480000000 on this CPU: not starting it",
            [None, Some("xen-needs-e2h-clear")],
        ),
        (
            "page tables: this CPU has no 4 KiB granule: caches stay off",
            [None, Some("no-4k-granule")],
        ),
        (
            "page tables: this CPU does not take satp 0x9: translation stays off",
            [Some("satp-refused"), None],
        ),
        (
            "the firmware does not reset it",
            [None, Some("firmware-no-reset")],
        ),
        (
            "nested exception, esr 0x96000006, elr 0x8",
            [None, Some("handoff-nested")],
        ),
        (
            "nested exception, cause 0xd, sepc 0x8",
            [Some("handoff-nested"), None],
        ),
    ] {
        assert_eq!([Riscv64, Arm64].map(|of| name(text, of)), names, "{text}");
        assert_eq!(name(text, X86_64), None, "{text}");
    }
}

#[test]
fn lines_that_all_handoffs_share() {
    use crate::arch::Architecture::{Arm, Arm64, Riscv64};
    for architecture in [Arm, Arm64, Riscv64] {
        let found = find_handoff(
            "verify kernel 0x1000-0x2000 16 bytes: BAD crc32",
            architecture,
        );
        assert_eq!(found.map(|known| known.name), Some("segment-damaged"));
    }
}

#[test]
fn what_others_say_is_not_taken_for_it() {
    for text in [
        // Xen prints for a guest
        "(d1) Kernel panic - not syncing: VFS: Unable to mount root fs",
        // a kernel that quotes
        "[    1.0] dom0 kernel not specified",
        "(XEN) VFS: Unable to mount root fs",
        "mbtool: Not enough RAM for domain 0",
        "[handoff] Not enough RAM for domain 0",
        "failed at Assertion '",
    ] {
        assert_eq!(name(text), None, "{text}");
    }
}

#[test]
fn every_entry_is_found_by_its_own_texts() {
    for (speaker, known) in table() {
        let label = if speaker == Speaker::Xen {
            "(XEN) "
        } else {
            "[    1.000000] "
        };
        let text = format!("{label}{}", known.texts.join(" x ") + " x");
        let (found_speaker, found) = find(&LogLine::new(1, &text), true).expect(&text);
        assert_eq!((found_speaker, found.name), (speaker, known.name), "{text}");
        assert!(!known.meaning.is_empty() && !known.advice.is_empty());
        assert!(
            !known.meaning.ends_with('.') && !known.advice.ends_with('.'),
            "{}",
            known.name
        );
    }
}
