use super::*;

fn log(lines: &[&str]) -> Vec<LoggedBoot> {
    let mut log = BootLog::default();
    for (index, line) in lines.iter().enumerate() {
        let effect = if line.contains("Kernel panic") {
            LineEffect::Ends
        } else {
            LineEffect::None
        };
        log.line(&LogLine::new(index + 1, line), effect);
    }
    log.boots
}

const JUMP: &str = "[handoff] jump to 0x7fa00000 (multiboot2, 32-bit), mbi 0x1000";
const JUMP_LINUX: &str = "[handoff] jump to 0x7c000200 (linux, 64-bit), boot_params 0x155000";

fn stages(boot: &LoggedBoot) -> Vec<(Stage, usize)> {
    boot.stages
        .iter()
        .map(|reached| (reached.stage, reached.line))
        .collect()
}

const JUMP_ARM64_XEN: &str =
    "[handoff] jump to 0x40200000 (xen, translation off), el2-e2h, dtb 0x49000000";
const JUMP_ARM64: &str =
    "[handoff] jump to 0x40200000 (linux, translation off), el2, dtb 0x49000000";

#[test]
fn xen_and_dom0_on_arm64_are_followed() {
    use Stage::{Dom0, Dom0Build, Linux, UserSpace, Xen, XenCpus};
    let boots = log(&[
        JUMP_ARM64_XEN,
        "- UART enabled -",
        "- Current EL 0000000000000008 -",
        " Xen 4.20.5-pre",
        "(XEN) Xen version 4.20.5-pre (Debian)",
        "(XEN) Processor: 00000000411fd070: \"ARM Limited\"",
        "(XEN) Brought up 2 CPUs",
        "(XEN) *** LOADING DOMAIN 0 ***",
        "(XEN) *** Serial input to DOM0 (type 'CTRL-a' three times to switch input)",
        "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x411fd070]",
        "[    0.000000] Linux version 6.12.0",
        "[    4.000000] Freeing unused kernel memory: 3136K",
        "hello from init",
    ]);
    assert_eq!(boots.len(), 1);
    let reached: Vec<_> = stages(&boots[0])
        .into_iter()
        .map(|(stage, _)| stage)
        .collect();
    assert_eq!(
        reached,
        [
            Xen,
            XenCpus,
            Dom0Build,
            Dom0,
            Linux,
            Stage::LinuxReady,
            UserSpace
        ]
    );
    assert_eq!(boots[0].outcome(), BootOutcome::UserSpace);
    assert_eq!(boots[0].output, None);
}

#[test]
fn a_quiet_linux_is_known_by_the_jump_and_xen_is_not() {
    let boots = log(&[JUMP_ARM64, "hello from init"]);
    assert_eq!(boots[0].outcome(), BootOutcome::UserSpace);
    let boots = log(&[JUMP_ARM64_XEN, "hello from something"]);
    assert_eq!(boots[0].outcome(), BootOutcome::Output);
    assert!(boots[0].can_be_xen());
    // a handoff that does not name its target
    let boots = log(&[
        "[handoff] jump to 0x80200000 (translation off), hart 0x0, dtb 0x1",
        "hello from init",
    ]);
    assert_eq!(boots[0].outcome(), BootOutcome::UserSpace);
}

#[test]
fn what_is_printed_behind_the_end_of_the_handoff_is_no_boot() {
    for end in [
        "[handoff] resetting the machine (--on-fault reset)",
        "[handoff] halted (--on-fault halt)",
    ] {
        let boots = log(&[
            JUMP_ARM64,
            "[handoff] EXCEPTION esr 0x2000000",
            end,
            "hello from a monitor",
        ]);
        assert_eq!(
            (boots.len(), boots[0].outcome()),
            (1, BootOutcome::Silent),
            "{end}"
        );
        let boots = log(&[
            JUMP_ARM64,
            end,
            "NOTICE:  BL1: v2.10",
            JUMP_ARM64,
            "hello from init",
        ]);
        assert_eq!(
            (boots.len(), boots[1].outcome()),
            (2, BootOutcome::UserSpace),
            "{end}"
        );
    }
}

#[test]
fn xen_dom0_and_user_space_are_followed() {
    use Stage::{Dom0, Dom0Build, Init, Linux, LinuxCpus, LinuxReady, UserSpace, Xen, XenCpus};
    let boots = log(&[
        JUMP,
        "(XEN) Xen version 4.20.5-pre (Debian)",
        "(XEN) Command line: com1=115200,8n1",
        "(XEN) Brought up 4 CPUs",
        "(XEN) *** Building a PV Dom0 ***",
        "(XEN) *** Serial input to DOM0 (type 'CTRL-a' three times to switch input)",
        "mapping kernel into physical memory",
        "[    0.000000] Linux version 6.12.0",
        "[    0.500000] smp: Brought up 1 node, 4 CPUs",
        "[    4.000000] Freeing unused kernel image (initmem) memory: 2824K",
        "[    4.100000] Run /init as init process",
        "(d1) Linux version 5.0 of a guest",
        "Loading, please wait...",
    ]);
    let want = [
        (Xen, 2),
        (XenCpus, 4),
        (Dom0Build, 5),
        (Dom0, 6),
        (Linux, 8),
        (LinuxCpus, 9),
        (LinuxReady, 10),
        (Init, 11),
        (UserSpace, 13),
    ];
    assert_eq!(boots.len(), 1);
    assert_eq!(stages(&boots[0]), want);
    assert_eq!(
        (boots[0].outcome(), boots[0].lines),
        (BootOutcome::UserSpace, 11)
    );
}

#[test]
fn every_boot_is_one_of_its_own() {
    let boots = log(&[
        "[    0.000000] Linux version 6.1.0",
        "Welcome to Debian GNU/Linux!",
        "mbtool: jumping into the loaded image",
        "[handoff] mbtool 0.1.0 at 0x100000, entered by linux",
        "[handoff] verify xen 0x1-0x2",
        JUMP,
        "(XEN) Xen version 4.17.5",
        "[    0.000000] Linux version 6.12.0",
        "[    9.0] Kernel panic - not syncing: x",
        "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.",
        "(XEN) Xen version 4.17.5",
        "[    0.000000] Linux version 6.12.0",
        "[    9.000000] reboot: Restarting system",
        "[    0.000000] Linux version 6.1.0",
    ]);
    let brief: Vec<_> = boots
        .iter()
        .map(|boot| (boot.line, boot.jump.is_some(), boot.outcome()))
        .collect();
    assert_eq!(
        brief,
        [
            (1, false, BootOutcome::UserSpace),
            (6, true, BootOutcome::Failed),
            (11, false, BootOutcome::Stopped),
            (14, false, BootOutcome::Stopped),
        ]
    );
    assert_eq!(boots[1].failed, Some(9));
    assert_eq!(boots[0].lines, 3, "the handoff's lines do not count");
}

#[test]
fn a_quiet_kernel_boots_without_a_word_of_its_own() {
    let outcome = |lines: &[&str]| log(lines)[0].outcome();
    assert_eq!(outcome(&[JUMP]), BootOutcome::Silent);
    assert_eq!(
        outcome(&[JUMP_LINUX, "", "hello from init"]),
        BootOutcome::UserSpace
    );
    assert_eq!(
        outcome(&[
            JUMP_LINUX,
            "EFI stub: Loaded initrd",
            "Decompressing Linux... "
        ]),
        BootOutcome::Output
    );
    // another image than Xen and Linux
    assert_eq!(outcome(&[JUMP, "hello"]), BootOutcome::Output);
    let dom0 = [
        "(XEN) Xen version 4.17.5",
        "about to get started...",
        "hello from init",
    ];
    assert_eq!(outcome(&dom0), BootOutcome::UserSpace);
    assert_eq!(outcome(&dom0[..2]), BootOutcome::Stopped);
    // a line of user space must not be taken from the middle of a kernel that prints
    let printing = [
        JUMP_LINUX,
        "[    0.000000] Linux version 6.1.0",
        "half a line",
    ];
    assert_eq!(outcome(&printing), BootOutcome::Stopped);
}

#[test]
fn many_boots_take_bounded_memory() {
    let mut log = BootLog::default();
    for number in 1..1000 {
        log.line(&LogLine::new(number, JUMP), LineEffect::None);
    }
    assert_eq!((log.boots.len(), log.dropped), (MAX_BOOTS, 999 - MAX_BOOTS));
    assert_eq!(log.boots.last().unwrap().line, 999);
}
