//! QEMU's log, its monitor, and KVM.

use super::*;

/// The state of a CPU as QEMU prints it.
fn qemu_state(rip: &str, hlt: u8) -> String {
    format!(
        "\
RAX=0000000000000001 RBX=0000000000000004 RCX=0000000000000002 RDX=0000000000000003
RSI=0000000000000007 RDI=0000000000000008 RBP=0000000000000006 RSP=0000000000200000
R8 =0000000000000009 R9 =000000000000000a R10=000000000000000b R11=000000000000000c
R12=000000000000000d R13=000000000000000e R14=000000000000000f R15=0000000000000010
RIP={rip} RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT={hlt}
ES =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]
SS =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
GDT=     0000000000001000 0000007f
IDT=     0000000000002000 00000fff
CR0=80010033 CR2=0000000000000010 CR3=0000000000003000 CR4=00000020
DR6=00000000ffff0ff0 DR7=0000000000000400
EFER=0000000000000d01
"
    )
}

#[test]
fn a_triple_fault_in_qemus_log() {
    let state = qemu_state("0000000000101017", 0);
    let entry = |number: u32, vector: &str, error: &str| {
        format!(
            "check_exception old: 0xffffffff new 0x6\n  {number}: v={vector} e={error} i=0 cpl=0 IP=0010:0000000000101017 pc=0 SP=0018:0 env->regs[R_EAX]=0\n{state}"
        )
    };
    let reset = format!("CPU Reset (CPU 0)\n{}", qemu_state("0000000000101017", 0));
    let power_on = format!(
        "CPU Reset (CPU 0)\n{}",
        qemu_state("000000000000fff0", 0).replace("00200000", "00000000")
    );
    let log = format!(
        "{power_on}{}{}{}{}Triple fault\n{reset}",
        // a page fault that the kernel handled
        entry(7, "0e", "0002").replace("101017", "101000"),
        entry(8, "0e", "0002"),
        entry(9, "0d", "0072"),
        entry(10, "08", "0000"),
    );
    let found = one(&log);
    let links: Vec<_> = found
        .details
        .chain
        .iter()
        .map(|link| (link.vector, link.error))
        .collect();
    assert_eq!(links, [(14, 2), (13, 0x72), (8, 0)]);
    assert_eq!(
        (found.dump.rip, found.dump.cr[1]),
        (Some(0x10_1017), Some(0x10))
    );
    assert_eq!(
        (found.dump.mode, found.dump.integrity),
        (Some(Mode::Long), Integrity::Whole)
    );
    assert_eq!(found.details.idt, Some((0x2000, 0xfff)));
    // without a triple fault: the last exception
    let found = one(&format!(
        "{power_on}{}{}",
        entry(7, "0e", "0002"),
        entry(8, "20", "0000")
    ));
    assert_eq!(
        (found.dump.vector, found.details.chain.len()),
        (Some(14), 0)
    );
    // a reset by the program
    let found = one(&format!("{power_on}{reset}"));
    assert_eq!(
        (found.dump.vector, found.details.message[0].as_str()),
        (None, "CPU Reset (CPU 0)")
    );
}

#[test]
fn registers_in_qemus_monitor() {
    let log = format!(
        "(qemu) info registers\n\nCPU#0\n{}FCW=037f FSW=0000\n",
        qemu_state("0000000000101017", 1)
    );
    let found = one(&log);
    assert_eq!((found.source, found.dump.vector), (DumpSource::Qemu, None));
    assert!(found.details.halted);
    let two = format!("CPU#0\n{0}CPU#1\n{0}", qemu_state("0000000000101017", 0));
    let found = scan(&two);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].details.context, ["CPU 1"]);
    // QEMU before 2.12 prints no CPU number
    assert_eq!(one(&qemu_state("0000000000101017", 0)).dump.gpr[0], Some(1));
    let short = "\
EAX=00000001 EBX=00000004 ECX=00000002 EDX=00000003
ESI=00000007 EDI=00000008 EBP=00000006 ESP=00200000
EIP=00007c00 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0
CS =0000 00000000 0000ffff 00009b00 DPL=0 CS16 [-RA]
";
    let found = one(short);
    assert_eq!(
        (found.dump.mode, found.details.real_mode),
        (Some(Mode::Protected), true)
    );
    assert_eq!(found.dump.integrity, Integrity::Whole);
}

#[test]
fn kvm_gives_up() {
    let log = format!(
        "KVM internal error. Suberror: 1\nextra data[0]: 0x0000000000000002\nextra data[1]: 0x0000000000000400\n\
         emulation failure\n{}Code=00 00 <ff> ff 00\n",
        qemu_state("0000000000101017", 0)
    );
    let found = one(&log);
    assert_eq!(
        (found.source, found.dump.integrity),
        (DumpSource::Kvm, Integrity::Whole)
    );
    assert_eq!(found.dump.code.as_deref(), Some(&[0xff, 0xff, 0][..]));
    assert_eq!(found.details.before, [0, 0]);
    let log = format!(
        "KVM: entry failed, hardware error 0x80000021\n\n{}",
        qemu_state("0000000000101017", 0)
    );
    assert_eq!(one(&log).source, DumpSource::Kvm);
    assert!(scan("KVM internal error. Suberror: 1\n").is_empty());
}
