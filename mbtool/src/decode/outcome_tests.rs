//! Whole logs: what is a success, a failure, a reset.

use super::boots::{BootOutcome, LoggedBoot};
use super::known_lines::{self, Speaker};
use super::lines::Lines;
use super::scan::Scanner;
use super::survey::LoggedFailure;

const LINUX: &str = "[handoff] jump to 0x70800200 (linux, 64-bit), boot_params 0x00155000";
const XEN: &str = "[handoff] jump to 0x70800000 (multiboot2, 32-bit), mbi 0x00155000";
const BOOTED: [&str; 3] = [
    "[    0.000000] Linux version 6.12.0",
    "[    1.2] Freeing unused kernel image (initmem) memory: 4K",
    "[    1.3] Run /init as init process",
];

fn read(lines: &[&str]) -> (Vec<LoggedBoot>, Vec<LoggedFailure>) {
    let mut scanner = Scanner::default();
    for (index, line) in lines.iter().enumerate() {
        scanner.line(index + 1, line);
    }
    scanner.end();
    let survey = scanner.survey();
    (survey.boots.boots.clone(), survey.failures.clone())
}

fn outcomes(lines: &[&str]) -> Vec<BootOutcome> {
    read(lines).0.iter().map(LoggedBoot::outcome).collect()
}

fn after_boot<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    [&BOOTED, lines].concat()
}

#[test]
fn firmware_after_a_jump_is_a_reset() {
    for jump in [LINUX, XEN] {
        for (first, by) in [
            ("SeaBIOS (version 1.16.3-debian-1.16.3-2)", "SeaBIOS"),
            ("half a lineSeaBIOS (version 1.16.3)", "SeaBIOS"),
            ("Booting from Hard Disk...", "SeaBIOS"),
            (
                "BdsDxe: loading Boot0001 \"UEFI QEMU HARDDISK\" from PciRoot(0x0)",
                "UEFI firmware",
            ),
            (
                "UEFI firmware (version 2024.02 built at 00:00:00)",
                "UEFI firmware",
            ),
            ("PROGRESS CODE: V03020003 I0", "UEFI firmware"),
            ("Welcome to GRUB!", "GRUB"),
            ("GRUB loading.", "GRUB"),
            ("iPXE initialising devices...ok", "iPXE"),
            (
                "[NOTE ]  coreboot-24.02 bootblock starting (log level: 7)...",
                "coreboot",
            ),
            ("ISOLINUX 6.04", "SYSLINUX"),
            ("U-Boot 2024.01", "U-Boot"),
        ] {
            let (boots, _) = read(&[jump, first, "Welcome to GRUB!", "other"]);
            assert_eq!(boots.len(), 1, "{first}");
            assert_eq!(
                (boots[0].outcome(), boots[0].lines),
                (BootOutcome::Reset, 0)
            );
            let reset = boots[0].reset.as_ref().expect(first);
            assert_eq!((reset.line, reset.by), (2, by));
        }
    }
}

#[test]
fn a_reset_keeps_what_was_reached_before() {
    use BootOutcome::{Failed, Reset, Stopped, UserSpace};
    let bios = "SeaBIOS (version 1.16.3)";
    let dom0 = [
        XEN,
        "(XEN) Xen version 4.20.4",
        "(XEN) *** Serial input to DOM0",
        bios,
        "Welcome to GRUB!",
    ];
    assert_eq!(outcomes(&dom0), [Reset]);
    let kernel = [
        LINUX,
        BOOTED[0],
        "[    1.000000] x",
        bios,
        "Welcome to GRUB!",
    ];
    let (boots, _) = read(&kernel);
    assert_eq!(boots[0].outcome(), Reset);
    assert_eq!(boots[0].last, Some((3, "x".to_owned())));
    // the next boot is one of its own
    assert_eq!(outcomes(&[LINUX, bios, BOOTED[0]]), [Reset, Stopped]);
    assert_eq!(outcomes(&[LINUX, "MBTOOL START", bios]), [UserSpace]);
    let panic = "[    2.0] Kernel panic - not syncing: x";
    assert_eq!(outcomes(&[LINUX, BOOTED[0], panic, bios]), [Failed]);
    let asked = after_boot(&[
        "debian login: ",
        "[    9.0] reboot: Restarting system",
        bios,
    ]);
    let (boots, _) = read(&asked);
    assert_eq!(
        (boots[0].outcome(), boots[0].reset.is_some()),
        (UserSpace, false)
    );
}

#[test]
fn a_dump_after_a_jump_is_no_program() {
    let kvm = [
        LINUX,
        "KVM internal error. Suberror: 1",
        "emulation failure",
        "EAX=00000000 EBX=00000000 ECX=00000000 EDX=00000000",
        "ESI=00000000 EDI=00000000 EBP=00000000 ESP=00000000",
        "EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0",
    ];
    let qemu = [
        LINUX,
        "check_exception old: 0xffffffff new 0xe",
        "     0: v=0e e=0000 i=0 cpl=0 IP=0010:0000000070800200 pc=0000000070800200",
        "RAX=0000000000000000 RBX=0000000000000000 RCX=0000000000000000 RDX=0000000000000000",
        "Triple fault",
        "CPU Reset (CPU 0)",
    ];
    let edk2 = [
        LINUX,
        "!!!! X64 Exception Type - 0E(#PF - Page-Fault)  CPU Apic ID - 00000000 !!!!",
        "RIP  - 0000000070800200, CS  - 0000000000000038, RFLAGS - 0000000000010246",
        "!!!! Can't find image information. !!!!",
    ];
    for log in [&kvm[..], &qemu, &edk2] {
        assert_eq!(outcomes(log), [BootOutcome::Silent], "{}", log[1]);
    }
}

#[test]
fn what_programs_quote_is_no_failure() {
    let quotes = after_boot(&[
        "debian login: root",
        "# grep -r panic /usr/share/doc",
        "Documentation/x: VFS: Unable to mount root fs on",
        "xl create: Domain 0 crashed yesterday, see log",
        "Gave up waiting for root, says the manual",
        "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "# echo hi",
    ]);
    assert_eq!(outcomes(&quotes), [BootOutcome::UserSpace]);
    assert!(read(&quotes).1.is_empty());
    // a panic without times has a dump
    let panic = after_boot(&[
        "debian login: root",
        "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        "CPU: 0 PID: 1 Comm: init Not tainted 6.12.0 #1",
    ]);
    let (boots, failures) = read(&panic);
    assert_eq!(
        (boots[0].outcome(), boots[0].failed),
        (BootOutcome::Failed, Some(5))
    );
    assert_eq!((failures[0].name, failures[0].line), ("linux-init-died", 5));
    // programs of the initrd
    let initrd = after_boot(&[
        "Loading, please wait...",
        "ALERT!  UUID=0000-11 does not exist.  Dropping to a shell!",
    ]);
    assert_eq!(outcomes(&initrd), [BootOutcome::Failed]);
}

#[test]
fn a_message_counts_only_if_the_boot_ends_there() {
    let unpack = [
        BOOTED[0],
        "[    1.000000] Initramfs unpacking failed: Decoding failed",
        BOOTED[1],
        BOOTED[2],
        "debian login: ",
    ];
    let (boots, failures) = read(&unpack);
    assert_eq!(boots[0].outcome(), BootOutcome::UserSpace);
    assert_eq!(
        (failures[0].name, failures[0].fatal),
        ("linux-initrd", false)
    );
    let fatal = [
        BOOTED[0],
        "[    1.0] Can not allocate SWIOTLB buffer earlier and can't now provide you with the DMA bounce buffer",
        BOOTED[1],
        BOOTED[2],
    ];
    let (boots, failures) = read(&fatal);
    assert_eq!(boots[0].outcome(), BootOutcome::Stopped);
    assert!(!failures[0].fatal);
    assert_eq!(outcomes(&fatal[..2]), [BootOutcome::Failed]);
    // no Xen runs there
    let rsdp = [
        "Linux version 6.12.0 (x)",
        "ACPI BIOS Error (bug): A valid RSDP was not found (20240827/tbxfroot-210)",
        "Freeing unused kernel image",
        "Run /init as init process",
        "debian login:",
    ];
    assert_eq!(outcomes(&rsdp), [BootOutcome::UserSpace]);
    let of_linux = |failure: &LoggedFailure| failure.by == Speaker::Linux && !failure.fatal;
    assert!(read(&rsdp).1.iter().all(of_linux));
}

#[test]
fn the_version_that_a_program_prints_is_no_boot() {
    let version = after_boot(&[
        "debian login: root",
        "root@debian:~# cat /proc/version",
        "Linux version 6.12.0 (debian) gcc",
        "root@debian:~# poweroff",
    ]);
    assert_eq!(outcomes(&version), [BootOutcome::UserSpace]);
    let again = after_boot(&["debian login: root", BOOTED[0]]);
    assert_eq!(outcomes(&again).len(), 2);
}

#[test]
fn the_only_output_is_not_joined_to_a_line_of_the_handoff() {
    let log = [
        BOOTED[0],
        "[    0.1] b",
        "[    0.1] c",
        "[    1.3] Run /init as init process",
        LINUX,
        "MBTOOL START",
    ];
    let (boots, _) = read(&log);
    assert_eq!(boots[1].output, Some((6, "MBTOOL START".to_owned())));
}

#[test]
fn a_panic_before_the_jump_hides_no_program_after_it() {
    let log = after_boot(&[
        "debian login: root",
        "[   60.0] sysrq: Trigger a crash",
        "[   60.1] Kernel panic - not syncing: sysrq triggered crash",
        LINUX,
        "MBTOOL START",
        "dmesg tail:",
        "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
    ]);
    let (boots, _) = read(&log);
    assert_eq!(boots[1].output, Some((8, "MBTOOL START".to_owned())));
    assert_eq!(
        (boots[1].outcome(), boots[1].lines),
        (BootOutcome::UserSpace, 3)
    );
}

/// Lines of a boot with their times.
const TIMED: [&str; 8] = [
    "[    0.000000] Linux version 6.12.0",
    "[    0.000000] Command line: quiet",
    "[    0.000012] tsc: Detected 2294.602 MHz processor",
    "[    0.251873] smp: Brought up 1 node, 2 CPUs",
    "[    0.523310] Uhhuh. NMI received for unknown reason 30 on CPU 0.",
    "[    1.200147] Freeing unused kernel image (initmem) memory: 4K",
    "[    1.302226] Run /init as init process",
    "[    2.000001] x",
];

#[test]
fn a_log_that_a_program_prints_is_no_boot() {
    let shell = ["debian login: root", "root@debian:~# dmesg"];
    let after = ["root@debian:~# poweroff", "[   70.1] reboot: Power down"];
    let log = [&TIMED[..], &shell, &TIMED, &after].concat();
    let (boots, failures) = read(&log);
    assert_eq!(boots.len(), 1, "{boots:?}");
    assert_eq!(
        (boots[0].outcome(), boots[0].lines),
        (BootOutcome::UserSpace, log.len())
    );
    assert_eq!(boots[0].last.as_ref().unwrap().0, log.len());
    // what the log repeats is not of a boot of its own
    let counts: Vec<_> = failures.iter().map(|f| (f.line, f.count)).collect();
    assert_eq!(counts, [(5, 2)]);
    // again, and with another boot between
    let twice = [&TIMED[..], &shell, &TIMED, &shell, &TIMED, &after].concat();
    assert_eq!(outcomes(&twice), [BootOutcome::UserSpace]);
}

#[test]
fn the_same_kernel_at_other_times_is_another_boot() {
    let later = [
        TIMED[0],
        TIMED[1],
        "[    0.000013] tsc: Detected 2294.602 MHz processor",
        "[    0.251899] smp: Brought up 1 node, 2 CPUs",
        "[    1.210147] Freeing unused kernel image (initmem) memory: 4K",
        "[    1.312226] Run /init as init process",
        "[    2.010001] x",
    ];
    let log = [&TIMED[..], &["debian login: root"], &later].concat();
    assert_eq!(outcomes(&log).len(), 2);
    // times of a clock with ticks, and lines without a time, are the same in each boot
    let ticks = [
        "[    0.000000] Linux version 6.12.0",
        "[    0.004000] a",
        "[    0.008000] b",
        "[    0.012000] c",
        "[    0.016000] d",
        "[    0.020000] Run /init as init process",
        "debian login: root",
    ];
    assert_eq!(outcomes(&[ticks, ticks].concat()).len(), 2);
}

#[test]
fn firmware_after_user_space_may_be_that_of_a_guest() {
    let certain = |lines: &[&str]| {
        let (boots, _) = read(lines);
        boots[0].reset.as_ref().map(|reset| reset.certain)
    };
    let bios = "SeaBIOS (version 1.16.3)";
    assert_eq!(
        certain(&[XEN, "(XEN) Xen version 4.20.4", bios]),
        Some(true)
    );
    let dom0 = [
        "debian login: root",
        "root@debian:~# xl console guest",
        bios,
    ];
    let guest = after_boot(&[&dom0[..], &["[    0.000000] Linux version 6.1.0"]].concat());
    assert_eq!(certain(&guest), Some(false));
    assert_eq!(outcomes(&guest)[0], BootOutcome::UserSpace);
    // a guest is rarely a Xen
    let reset = after_boot(&[&dom0[..], &["(XEN) Xen version 4.20.4"]].concat());
    assert_eq!(certain(&reset), Some(true));
}

#[test]
fn a_panic_in_the_last_line_is_reported_but_not_as_certain() {
    let panic = "Kernel panic - not syncing: Something new";
    let log = after_boot(&["debian login: root", "# run-it", panic]);
    let (boots, failures) = read(&log);
    assert_eq!(boots[0].outcome(), BootOutcome::UserSpace);
    let found: Vec<_> = failures
        .iter()
        .map(|f| (f.line, f.name, f.fatal, f.text.as_str()))
        .collect();
    assert_eq!(found, [(6, "linux-panic", false, "Something new")]);
    // what follows is evidence, for or against
    for next in ["Rebooting in 10 seconds..", "SeaBIOS (version 1.16.3)"] {
        let (boots, failures) = read(&[&log[..], &[next]].concat());
        assert_eq!(boots[0].outcome(), BootOutcome::Failed, "{next}");
        assert!(failures[0].fatal);
    }
    let (boots, failures) = read(&[&log[..], &["# "]].concat());
    assert_eq!(boots[0].outcome(), BootOutcome::UserSpace);
    assert!(failures.is_empty());
}

#[test]
fn noise_after_a_jump_is_no_program() {
    let after = |jump: &str, noise: &[&[u8]]| {
        let log = [jump.as_bytes(), b"\n", &noise.join(&b"\r\n"[..])].concat();
        let (mut scanner, mut lines) = (Scanner::default(), Lines::of(&log));
        let mut take = |number: usize, line: &str| drop(scanner.line(number, line));
        lines.push(&log, &mut take);
        lines.finish(&mut take);
        scanner.end();
        scanner.survey().boots.boots[0].clone()
    };
    let noise: [&[u8]; 4] = [
        b"\xf8\x80\xfe\xdc\xe6\x98\xff\xfe",
        b"\xff\xfe\xfd",
        b"\x80ab\x02\x01\x1fx",
        b"ab",
    ];
    for jump in [LINUX, XEN] {
        for count in 1..=noise.len() {
            let boot = after(jump, &noise[..count]);
            let found = (boot.outcome(), boot.output.is_some(), boot.lines);
            assert_eq!(found, (BootOutcome::Noise, false, count), "{jump}");
        }
        // control characters alone
        assert_eq!(
            after(jump, &[b"\x02\x1f\x06\x1e"]).outcome(),
            BootOutcome::Noise
        );
        let unknown = after(jump, &[b"~"]);
        assert_eq!(unknown.outcome(), BootOutcome::Output);
    }
    // where the speed is right later
    let text = b"init: 12 services started, 0 failed; the console is on ttyS0 with 115200 baud now"
        .repeat(2);
    let boot = after(LINUX, &[noise[0], &text]);
    assert_eq!(
        (boot.outcome(), boot.output.unwrap().0),
        (BootOutcome::UserSpace, 3)
    );
    // noise of a kernel whose first lines were readable
    let booted = [LINUX.as_bytes(), b"\n", BOOTED.join("\n").as_bytes()].concat();
    let boot = after(str::from_utf8(&booted).unwrap(), &noise);
    assert_eq!(boot.outcome(), BootOutcome::Stopped);
}

#[test]
fn a_program_that_gives_up_is_a_failure_after_other_programs() {
    let after_program = |line: &str| {
        let (boots, failures) = read(&after_boot(&["Loading, please wait...", line]));
        let failure = failures
            .first()
            .map(|failure| (failure.name, failure.fatal));
        (boots[0].outcome(), boots[0].failed, failure)
    };
    for (line, name) in [
        (
            "You are in emergency mode. After logging in, type \"journalctl -xb\" to view",
            "linux-emergency",
        ),
        ("No init found. Try passing init= bootarg.", "linux-no-init"),
        ("(initramfs)", "linux-emergency"),
        ("(initramfs) ls /dev", "linux-emergency"),
        (
            "Entering emergency mode. Exit the shell to continue.",
            "linux-emergency",
        ),
        (
            "dracut: FATAL: Don't know how to handle 'root=x'",
            "linux-emergency",
        ),
        ("Dropping to debug shell.", "linux-emergency"),
        (
            "You are now being dropped into an emergency shell.",
            "linux-emergency",
        ),
        (
            "Mounting boot media failed. initramfs emergency recovery shell launched.",
            "linux-emergency",
        ),
        (
            "Gave up waiting for root file system device.",
            "linux-no-root",
        ),
        ("dracut Warning: Could not boot.", "linux-no-root"),
    ] {
        let failed = (BootOutcome::Failed, Some(5), Some((name, true)));
        assert_eq!(after_program(line), failed, "{line}");
    }
    let programs = known_lines::table().filter(|(_, known)| known.by_program);
    for (_, known) in programs.filter(|(_, known)| known.fatal) {
        let line = known.texts.join(" x ") + " x";
        let failed = (BootOutcome::Failed, Some(5), Some((known.name, true)));
        assert_eq!(after_program(&line), failed, "{line}");
    }
    // messages of kernels, as programs quote them
    for line in [
        "VFS: Unable to mount root fs on",
        "see (initramfs) in the manual",
    ] {
        assert_eq!(after_program(line), (BootOutcome::UserSpace, None, None));
    }
    // the shell was left, and the boot went on
    let went_on = after_boot(&[
        "Loading, please wait...",
        "(initramfs) exit",
        "debian login: ",
    ]);
    let (boots, failures) = read(&went_on);
    assert_eq!(
        (boots[0].outcome(), failures[0].fatal),
        (BootOutcome::UserSpace, false)
    );
    let more = after_boot(&[
        "Loading, please wait...",
        "(initramfs)",
        "Begin: Running /scripts/x",
    ]);
    assert_eq!(outcomes(&more), [BootOutcome::Failed]);
}
