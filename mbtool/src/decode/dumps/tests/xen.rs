//! Xen: panics and fatal traps.

use super::*;

/// Registers as Xen prints them: rax is 1, rcx 2 and so on.
pub(super) const XEN: &str = "\
----[ Xen-4.17.3  x86_64  debug=y  Not tainted ]----
CPU:    2
RIP:    e008:[<ffff82d040237cfd>] credit.c#csched_free+0x12/0x14
RFLAGS: 0000000000010202   CONTEXT: hypervisor (d0v2)
rax: 0000000000000001   rbx: 0000000000000004   rcx: 0000000000000002
rdx: 0000000000000003   rsi: 0000000000000007   rdi: 0000000000000008
rbp: 0000000000000006   rsp: ffff831087d7fc90   r8:  0000000000000009
r9:  000000000000000a   r10: 000000000000000b   r11: 000000000000000c
r12: 000000000000000d   r13: 000000000000000e   r14: 000000000000000f
r15: 0000000000000010   cr0: 0000000080050033   cr4: 0000000000b526e0
cr3: 00000009284d8000   cr2: 00007fb535181240
fsb: 00007fb534c5f380   gsb: ffff8881b9d00000   gss: 0000000000000000
ds: 0000   es: 0000   fs: 0000   gs: 0000   ss: e010   cs: e008
Xen code around <ffff82d040237cfd> (credit.c#csched_free+0x12/0x14):
 75 06 e8 19 74 ff ff c3 <0f> 0b f3 0f 1e fa
Xen stack trace from rsp=ffff831087d7fc90:
   ffff82d040247503 0000001300002030 ffff830ad80e8bf0 ffff82d0405a9288
Xen call trace:
   [<ffff82d040237cfd>] R credit.c#csched_free+0x12/0x14
   [<ffff82d040247503>] S sched_move+0x35/0x200
";

/// A panic of Xen with that state, between `before` and its text.
pub(super) fn xen(before: &str, panic: &str) -> String {
    let stars = "****************************************";
    format!(
        "{before}{XEN}\n{stars}\nPanic on CPU 2:\n{panic}\n{stars}\n\nReboot in five seconds...\n"
    )
}

#[track_caller]
fn check_xen(found: &FoundX86) {
    let (dump, details) = (&found.dump, &found.details);
    assert_eq!(
        (found.source, dump.integrity),
        (DumpSource::Xen, Integrity::Whole)
    );
    assert_eq!(dump.rip, Some(0xffff_82d0_4023_7cfd));
    assert_eq!(dump.gpr[4], Some(0xffff_8310_87d7_fc90));
    for number in (0..16).filter(|number| *number != 4) {
        let want = [1, 2, 3, 4, 0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16][number];
        assert_eq!(dump.gpr[number], Some(want), "{number}");
    }
    assert_eq!((dump.sel[0], dump.sel[5]), (Some(0xe008), Some(0xe010)));
    assert_eq!(dump.cr[3], Some(0xb5_26e0));
    assert_eq!(
        dump.code.as_deref(),
        Some(&[0x0f, 0x0b, 0xf3, 0x0f, 0x1e, 0xfa][..])
    );
    assert_eq!(
        details.before,
        [0x75, 0x06, 0xe8, 0x19, 0x74, 0xff, 0xff, 0xc3]
    );
    assert_eq!(dump.stack.as_ref().map(Vec::len), Some(4));
    assert_eq!(
        details.at.as_deref(),
        Some("credit.c#csched_free+0x12/0x14")
    );
    assert_eq!(details.calls.len(), 2);
    assert_eq!(details.calls[1].address, Some(0xffff_82d0_4024_7503));
    assert!(
        details
            .context
            .iter()
            .any(|context| context.contains("hypervisor (d0v2)"))
    );
}

#[test]
fn xen_in_all_kinds_of_noise() {
    let log = xen("", "FATAL TRAP: vec 2, NMI[0000]");
    for label in [
        "(XEN) ",
        "",
        "(XEN) [2026-11-30 01:02:03.456] ",
        "> > (XEN) ",
        "[   12.345678] (XEN)\t",
    ] {
        check_xen(&one(&labelled(&log, label)));
    }
    // with lines of others in between, and tabs
    let noisy: String = log
        .lines()
        .map(|line| {
            format!(
                "(XEN) {}\n[    1.000000] usb 1-1: new device\n",
                line.replace("   ", "\t")
            )
        })
        .collect();
    check_xen(&one(&noisy));
    // pasted from a terminal of 60 columns
    let narrow: String = labelled(&format!("a\nb\nc\n{}\n{log}", "d".repeat(130)), "(XEN) ")
        .lines()
        .flat_map(|line| {
            let chars: Vec<char> = line.chars().collect();
            chars
                .chunks(60)
                .map(|part| part.iter().collect::<String>() + "\n")
                .collect::<Vec<_>>()
        })
        .collect();
    check_xen(&one(&narrow));
}

#[test]
fn xen_tells_vector_error_and_address_in_many_ways() {
    let read = |before: &str, panic: &str| {
        let found = one(&xen(before, panic));
        (found.dump.vector, found.dump.error, found.dump.cr[1])
    };
    let cr2 = Some(0x7fb5_3518_1240);
    for (before, panic, want) in [
        (
            "",
            "FATAL TRAP: vec 2, NMI[0000]",
            (Some(2), Some(None), cr2),
        ),
        (
            "",
            "FATAL TRAP: vec 13, #GP[0208]",
            (Some(13), Some(Some(0x208)), cr2),
        ),
        (
            "",
            "FATAL TRAP: vector = 6 (invalid opcode)",
            (Some(6), Some(None), cr2),
        ),
        (
            "",
            "FATAL PAGE FAULT\n[error_code=0002]\nFaulting linear address: 0000000000000048",
            (Some(14), Some(Some(2)), Some(0x48)),
        ),
        (
            "",
            "GENERAL PROTECTION FAULT\n[error_code=0000]",
            (Some(13), Some(Some(0)), cr2),
        ),
        ("", "DOUBLE FAULT -- system shutdown", (Some(8), None, cr2)),
        (
            "Xen BUG at common/sched/credit.c:1051\n",
            "Xen BUG at common/sched/credit.c:1051",
            (Some(6), Some(None), cr2),
        ),
        (
            "Assertion 'x' failed at a.c:1\n",
            "Assertion 'x' failed at a.c:1",
            (Some(6), Some(None), cr2),
        ),
    ] {
        assert_eq!(read(before, panic), want, "{panic}");
    }
    // registers overwrite the address of an early fault, with the same value in reality
    let early = "Early fatal page fault at e008:ffff82d0403b38e0 (cr2=00007fb535181240, ec=0009)\n";
    let found = one(&format!("{early}{XEN}"));
    assert_eq!(
        (found.dump.vector, found.dump.error),
        (Some(14), Some(Some(9)))
    );
    assert_eq!(found.details.message, [early.trim()]);
    // a guest, as Xen before and after 4.10 tells it
    for text in [
        "d0v0 Unhandled: vec 14, #PF[0003]\n",
        "d0v0 Unhandled page fault fault/trap [#14, ec=0003]\n",
    ] {
        let found = one(&format!(
            "{text}domain_crash called from entry.S: fault\nDomain 0 (vcpu#0) crashed on cpu#0:\n{XEN}"
        ));
        assert_eq!(
            (found.dump.vector, found.dump.error),
            (Some(14), Some(Some(3))),
            "{text}"
        );
        assert_eq!(found.details.message.len(), 3);
    }
}

#[test]
fn warnings_and_debug_keys_of_xen_are_no_dumps() {
    assert!(scan(&format!("Xen WARN at a.c:1\n{XEN}")).is_empty());
    assert!(scan(&format!("*** Dumping CPU0 host state: ***\n{XEN}")).is_empty());
    let two = format!("{XEN}{}", xen("", "FATAL TRAP: vec 2, NMI[0000]"));
    assert_eq!(scan(&two).len(), 2);
    let cut = &XEN[..XEN.find("r9:").unwrap()];
    assert_eq!(one(cut).dump.integrity, Integrity::Truncated);
}
