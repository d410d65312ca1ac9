use super::*;
use crate::host::xen::XenHost;
use crate::plan::cmdline_change::CmdlineEdit;
use crate::request::{ModuleKind, ModuleSpec};
use std::path::PathBuf;

const RUNNING: &str = "BOOT_IMAGE=/vmlinuz root=/dev/sda1 dyndbg=\"file a.c +p  initrd=no\" \
     crashkernel=256M initrd=\\initrd.img acpi_rsdp=0x1 quiet";

fn host(cmdline: &str, xen: Option<&str>) -> Host {
    Host {
        cmdline: cmdline.to_owned(),
        xen: xen.map(|line| XenHost {
            command_line: Some(line.to_owned()),
            ..XenHost::default()
        }),
        ..Host::default()
    }
}

fn options(cmdline: Option<&str>) -> BootOptions {
    BootOptions {
        cmdline: cmdline.map(str::to_owned),
        reuse_cmdline: true,
        ..BootOptions::new(PathBuf::new())
    }
}

fn make(options: &BootOptions, kind: ImageKind, host: &Host) -> Result<Cmdlines, OptionError> {
    let mut modules = options.modules.iter();
    let sources = LineSources {
        bare: modules.next().is_some_and(|module| module.args.is_empty()),
        ..LineSources::default()
    };
    super::make(options, kind, host, sources)
}

/// The line that Linux gets, and the changes but the first: "-removed", "old>new".
fn linux(options: &BootOptions, host: &Host) -> (String, Vec<String>) {
    let lines = make(options, ImageKind::Linux, host).unwrap();
    (lines.image, edits(&lines.changes))
}

fn edits(changes: &[CmdlineChange]) -> Vec<String> {
    let text = |change: &CmdlineChange| match &change.edit {
        CmdlineEdit::Reused { from, .. } => format!("reused {from}"),
        CmdlineEdit::Embedded { from, .. } => format!("embedded {from}"),
        CmdlineEdit::Removed { parameter, .. } => format!("-{parameter}"),
        CmdlineEdit::Replaced { parameter, by, .. } => format!("{parameter}>{by}"),
        CmdlineEdit::Added { parameter, .. } => format!("+{parameter}"),
    };
    changes.iter().map(text).collect()
}

#[test]
fn without_reuse_the_command_line_is_that_of_the_options() {
    for (given, expected) in [
        (None, ""),
        (Some(" a  b "), "a  b"),
        (Some("-x"), "-x"),
        (Some("panic=1 panic=2 -- y"), "panic=1 panic=2 -- y"),
    ] {
        let options = BootOptions {
            reuse_cmdline: false,
            ..options(given)
        };
        for kind in [ImageKind::Linux, ImageKind::Xen, ImageKind::Other] {
            let lines = make(&options, kind, &host(RUNNING, None)).unwrap();
            assert_eq!((lines.image.as_str(), lines.dom0), (expected, None));
            assert_eq!(lines.changes, []);
        }
    }
}

#[test]
fn the_running_command_line_is_reused_without_parameters_for_its_start() {
    let (line, changes) = linux(&options(None), &host(RUNNING, None));
    let reused = "root=/dev/sda1 dyndbg=\"file a.c +p  initrd=no\" crashkernel=256M quiet";
    assert_eq!(line, reused);
    assert_eq!(
        changes,
        [
            "reused Linux",
            "-BOOT_IMAGE=/vmlinuz",
            "-initrd=\\initrd.img",
            "-acpi_rsdp=0x1"
        ]
    );
    let (more, _) = linux(&options(Some("single")), &host(RUNNING, None));
    assert_eq!(more, format!("{reused} single"));
}

#[test]
fn what_is_given_stands_before_the_double_dash() {
    let running = host("root=/dev/sda1 -- single", None);
    let (line, _) = linux(&options(Some("nokaslr")), &running);
    assert_eq!(line, "root=/dev/sda1 nokaslr -- single");
    let (line, _) = linux(&options(Some("nokaslr -- user")), &running);
    assert_eq!(line, "root=/dev/sda1 nokaslr -- single user");
}

#[test]
fn a_parameter_that_is_given_again_replaces_the_old_one() {
    let running = host(
        "panic=5 quiet panic=5 log-buf-len=1M console=tty0 console=ttyS0",
        None,
    );
    let given = options(Some("panic=5 log_buf_len=2M console=tty0 quiet"));
    let (line, changes) = linux(&given, &running);
    assert_eq!(
        line,
        "console=ttyS0 panic=5 log_buf_len=2M console=tty0 quiet"
    );
    assert!(changes.contains(&"log-buf-len=1M>log_buf_len=2M".to_owned()));
    // from one kexec to the next
    let (again, _) = linux(&given, &host(&line, None));
    assert_eq!(again, line);
}

#[test]
fn parameters_that_add_up_are_kept() {
    let line = "hugepagesz=2M hugepages=8 hugepagesz=1G hugepages=8 memmap=1M$1G memmap=1M$2G \
                rd.lvm.lv=a/b rd.lvm.lv=a/c earlycon=uart,io,0x3f8 initcall_blacklist=a";
    let (reused, changes) = linux(&options(None), &host(line, None));
    assert_eq!((reused.as_str(), changes.len()), (line, 1));
}

#[test]
fn a_crash_kernel_gets_nothing_that_uses_memory() {
    let options = BootOptions {
        crash: true,
        ..options(None)
    };
    let running = host(
        "root=/dev/sda1 hugepages=80 default-hugepagesz=1G hugepagesz=2M crashkernel=192M,high \
         mem=4G memmap=64K$0x1000 cma=64M slub_debug=FZ swiotlb=65536 log_buf_len=64M numa=fake=4 \
         quiet",
        None,
    );
    let lines = make(&options, ImageKind::Linux, &running).unwrap();
    assert_eq!(lines.image, "root=/dev/sda1 quiet");
    assert_eq!(edits(&lines.changes).len(), 1 + 11);
    assert_eq!(lines.changes[1].line, LineOwner::CrashKernel);
    assert_eq!(lines.notes.len(), 1);
}

#[test]
fn out_of_xen_its_console_becomes_the_serial_port() {
    let xen = Some("placeholder com1=115200,8n1 console=com1 dom0_mem=1G");
    let running = host(
        "placeholder root=/dev/xvda1 console=tty0 console=hvc0 earlyprintk=xen earlycon=xenboot quiet",
        xen,
    );
    let (line, changes) = linux(&options(None), &running);
    assert_eq!(
        line,
        "root=/dev/xvda1 console=tty0 console=ttyS0,115200n8 quiet"
    );
    assert_eq!(
        changes,
        [
            "reused Linux",
            "-placeholder",
            "console=hvc0>console=ttyS0,115200n8",
            "-earlyprintk=xen",
            "-earlycon=xenboot"
        ]
    );
    // the device once
    let running = host("console=ttyS0 console=hvc0", xen);
    assert_eq!(linux(&options(None), &running).0, "console=ttyS0,115200n8");
    let silent = host("console=hvc0 quiet", Some("dom0_mem=1G"));
    assert_eq!(linux(&options(None), &silent).0, "quiet");
    // a virtio console, without Xen
    assert_eq!(
        linux(&options(None), &host("console=hvc0", None)).0,
        "console=hvc0"
    );
}

fn xen(options: &BootOptions, host: &Host) -> Result<Cmdlines, OptionError> {
    make(options, ImageKind::Xen, host)
}

#[test]
fn xen_gets_the_line_of_xen_and_dom0_that_of_dom0() {
    let module = |args: &str| ModuleSpec {
        path: "vmlinuz".into(),
        args: args.to_owned(),
        kind: ModuleKind::Module,
    };
    let mut options = options(Some("loglvl=all dom0_mem=max:2G console=vga"));
    options.modules = vec![module("")];
    let running = host(
        "placeholder root=/dev/sda1 console=hvc0",
        Some("placeholder com1=115200,8n1 console=com1 dom0_mem=1G crashkernel=256M"),
    );
    let lines = xen(&options, &running).unwrap();
    assert_eq!(
        lines.image,
        "com1=115200,8n1 dom0_mem=1G crashkernel=256M loglvl=all dom0_mem=max:2G console=vga"
    );
    assert_eq!(lines.dom0.as_deref(), Some("root=/dev/sda1 console=hvc0"));
    assert_eq!(
        edits(&lines.changes),
        [
            "reused Xen",
            "-placeholder",
            "console=com1>console=vga",
            "reused dom0",
            "-placeholder"
        ]
    );
    options.modules = vec![module("root=/dev/sdb1")];
    assert_eq!(xen(&options, &running).unwrap().dom0, None);
    options.crash = true;
    options.modules = vec![module("")];
    let lines = xen(&options, &running).unwrap();
    assert_eq!(
        lines.image,
        "com1=115200,8n1 loglvl=all dom0_mem=max:2G console=vga"
    );
}

#[test]
fn a_line_of_xen_that_is_unknown_or_cut_is_refused() {
    let bare = host("root=/dev/sda1", None);
    assert_eq!(xen(&options(None), &bare), Err(OptionError::NoXenLine));
    let mut hidden = host("", Some(""));
    hidden.xen.as_mut().unwrap().command_line = None;
    assert_eq!(
        xen(&options(None), &hidden),
        Err(OptionError::XenLineUnknown)
    );
    let long = "x".repeat(1023);
    let expected = OptionError::LineCut {
        from: "Xen",
        len: 1023,
    };
    assert_eq!(xen(&options(None), &host("", Some(&long))), Err(expected));
}

#[test]
fn a_line_of_linux_that_may_be_cut_is_refused() {
    let long = host(&"x".repeat(2047), None);
    let error = make(&options(None), ImageKind::Linux, &long);
    let (from, len) = ("Linux", 2047);
    assert_eq!(error, Err(OptionError::LineCut { from, len }));
}

#[test]
fn what_was_taken_over_keeps_its_meaning() {
    for line in [
        "nameserver=10.0.0.1 nameserver=10.0.0.2 tsc=reliable tsc=nowatchdog reboot=warm reboot=pci",
        "module-blacklist=x module_blacklist=y mce=nobootlog mce=dont_log_ce panic=5 panic=10",
    ] {
        let (reused, changes) = linux(&options(None), &host(line, None));
        assert_eq!((reused.as_str(), changes.len()), (line, 1));
    }
}

#[test]
fn the_line_does_not_grow_from_one_kexec_to_the_next() {
    for (running, given) in [
        ("root=a hugepages=80", "hugepages=80 panic=5"),
        (
            "root=a hugepagesz=1G hugepages=4",
            "hugepagesz=1G hugepages=8",
        ),
        ("root=a -- single", "quiet -- single"),
        (
            "root=a console=ttyS0,115200 mem=1G",
            "console=ttyS0,9600 mem=8G",
        ),
        ("root=a module-blacklist=x", "module_blacklist=x"),
    ] {
        let given = options(Some(given));
        let (first, _) = linux(&given, &host(running, None));
        let (second, _) = linux(&given, &host(&first, None));
        assert_eq!(first, second);
    }
    let given = options(Some("console=ttyS0,9600 mem=8G hugepagesz=2M hugepages=9"));
    let running = host("console=ttyS0,115200 hugepages=80 mem=1G -- s", None);
    let (line, _) = linux(&given, &running);
    assert_eq!(
        line,
        "console=ttyS0,9600 mem=8G hugepagesz=2M hugepages=9 -- s"
    );
}

#[test]
fn an_open_quote_ends_with_the_running_line() {
    let running = host("root=a x=\"b c", None);
    let (line, _) = linux(&options(Some("panic=10 root=/dev/sdb1")), &running);
    assert_eq!(line, "x=\"b c\" panic=10 root=/dev/sdb1");
}

#[test]
fn parameters_that_save_memory_stay_for_a_crash_kernel() {
    let options = BootOptions {
        crash: true,
        ..options(None)
    };
    let line = "numa=off swiotlb=noforce cma=0 slub_debug=- kmemleak=off quiet";
    let lines = make(&options, ImageKind::Linux, &host(line, None)).unwrap();
    assert_eq!(lines.image, line);
    let uses = "stack_hash_order=20 kfence.num_objects=65535 crashkernel=0 mem=0";
    let lines = make(&options, ImageKind::Linux, &host(uses, None)).unwrap();
    assert_eq!(lines.image, "");
    let xen = Some("dom0_mem=4G conring_size=64M badpage=0x1000 com1=9600");
    let lines = make(&options, ImageKind::Xen, &host("", xen)).unwrap();
    assert_eq!(lines.image, "badpage=0x1000 com1=9600");
}

/// Xen does not know `dom0-mem`, and Linux takes `nr-cpus` for `nr_cpus`.
#[test]
fn dashes_and_underscores_are_the_same_for_linux_only() {
    let mut options = options(Some("sync-console conring_size=2M nr-cpus=2"));
    let running = host(
        "nr_cpus=4 quiet",
        Some("sync_console conring-size=1M nr_cpus=4"),
    );
    let lines = xen(&options, &running).unwrap();
    assert_eq!(
        lines.image,
        "sync_console conring-size=1M nr_cpus=4 sync-console conring_size=2M nr-cpus=2"
    );
    options.cmdline = Some("nr-cpus=2".to_owned());
    assert_eq!(linux(&options, &running).0, "quiet nr-cpus=2");
}

/// Line and changes for an image with this line, of these options: `--cmdline`, `--append`, `-p`.
fn embedded(
    line: &str,
    kind: ImageKind,
    cmdline: Option<&str>,
    append: Option<&str>,
    crash: bool,
) -> (String, Vec<String>) {
    let line = EmbeddedLine {
        from: ".cmdline",
        line: line.to_owned(),
    };
    let options = BootOptions {
        reuse_cmdline: false,
        append: append.map(str::to_owned),
        crash,
        ..options(cmdline)
    };
    let sources = LineSources {
        embedded: Some(&line),
        bare: false,
    };
    let lines = super::make(&options, kind, &host(RUNNING, None), sources).unwrap();
    (lines.image, edits(&lines.changes))
}

#[test]
fn the_line_in_the_image_is_used_replaced_or_appended_to() {
    let (linux, xen) = (ImageKind::Linux, ImageKind::Xen);
    for (line, kind, cmdline, append, expected, changes) in [
        (
            "root=a quiet",
            linux,
            None,
            None,
            "root=a quiet",
            &["embedded .cmdline"][..],
        ),
        ("root=a quiet", linux, Some("root=b"), None, "root=b", &[]),
        ("root=a quiet", linux, Some(""), None, "", &[]),
        (
            "root=a quiet",
            linux,
            Some("root=b"),
            Some("c"),
            "root=b c",
            &[],
        ),
        (
            "root=a quiet -- x",
            linux,
            None,
            Some("root=b debug"),
            "quiet root=b debug -- x",
            &["embedded .cmdline", "root=a>root=b"],
        ),
        (
            "com1=115200",
            xen,
            None,
            Some("noreboot"),
            "com1=115200 noreboot",
            &["embedded .cmdline"],
        ),
    ] {
        let (found, edits) = embedded(line, kind, cmdline, append, false);
        assert_eq!(
            (found.as_str(), edits.as_slice()),
            (
                expected,
                changes
                    .iter()
                    .map(|one| (*one).to_owned())
                    .collect::<Vec<_>>()
                    .as_slice()
            )
        );
    }
}

#[test]
fn the_line_in_a_crash_image_leaves_memory() {
    let line = "root=a crashkernel=256M hugepages=80";
    let (found, changes) = embedded(line, ImageKind::Linux, None, None, true);
    assert!(
        !found.contains("hugepages") && !found.contains("crashkernel"),
        "{found}"
    );
    assert!(changes.contains(&"-hugepages=80".to_owned()), "{changes:?}");
    // what is given is left alone
    let (found, _) = embedded(line, ImageKind::Linux, Some("hugepages=1"), None, true);
    assert_eq!(found, "hugepages=1");
}

/// `--append` alone is the command line of an image without one.
#[test]
fn append_without_a_line_is_the_line() {
    let options = BootOptions {
        reuse_cmdline: false,
        append: Some(" panic=1 panic=2 -- y".to_owned()),
        ..options(None)
    };
    let lines = make(&options, ImageKind::Linux, &host(RUNNING, None)).unwrap();
    assert_eq!(
        (lines.image.as_str(), lines.changes),
        ("panic=1 panic=2 -- y", vec![])
    );
    let options = BootOptions {
        reuse_cmdline: true,
        ..options
    };
    let (line, _) = linux(&options, &host("root=/dev/sda1 panic=5", None));
    assert_eq!(
        line,
        "root=/dev/sda1 panic=1 panic=2 -- y".replace("panic=1 ", "")
    );
}

#[test]
fn a_crash_kernel_gets_no_number_of_cpus_of_the_running_one() {
    let options = BootOptions {
        crash: true,
        ..options(None)
    };
    let running = host(
        "quiet nr_cpus=8 maxcpus=4 possible_cpus=16 nosmp maxcpus=0 nr-cpus=1",
        None,
    );
    let lines = make(&options, ImageKind::Linux, &running).unwrap();
    assert_eq!(lines.image, "quiet nosmp maxcpus=0 nr-cpus=1");
    let removed = ["-nr_cpus=8", "-maxcpus=4", "-possible_cpus=16"];
    assert_eq!(edits(&lines.changes)[1..], removed);
    // dom0's CPUs are virtual, and a normal boot keeps them
    let bare = ModuleSpec {
        path: "vmlinuz".into(),
        args: String::new(),
        kind: ModuleKind::Module,
    };
    let xen_options = BootOptions {
        modules: vec![bare],
        ..options.clone()
    };
    let xen_host = host("quiet nr_cpus=8", Some("com1=115200"));
    let lines = make(&xen_options, ImageKind::Xen, &xen_host).unwrap();
    assert_eq!(lines.dom0.as_deref(), Some("quiet nr_cpus=8"));
    let normal = super::tests::options(None);
    assert_eq!(linux(&normal, &host("nr_cpus=8", None)).0, "nr_cpus=8");
}

#[test]
fn advice_is_about_the_finished_command_line() {
    let running = host("quiet nr_cpus=8", None);
    let notes = |line: Option<&str>, append: Option<&str>, reuse_cmdline: bool, crash: bool| {
        let options = BootOptions {
            crash,
            reuse_cmdline,
            append: append.map(str::to_owned),
            ..options(line)
        };
        make(&options, ImageKind::Linux, &running).unwrap().notes
    };
    let advised = |missing: &str| {
        vec![format!(
            "advised for a crash kernel: {missing} on the crash kernel's command line"
        )]
    };
    let all = advised("reset_devices irqpoll nr_cpus=1");
    let none: Vec<String> = Vec::new();
    assert_eq!(notes(None, None, true, true), all);
    assert_eq!(notes(Some("quiet"), None, false, true), all);
    assert_eq!(notes(None, None, false, true), all);
    assert_eq!(
        notes(None, Some("nr_cpus=1"), true, true),
        advised("reset_devices irqpoll")
    );
    assert_eq!(
        notes(None, Some("irqpoll maxcpus=1"), true, true),
        advised("reset_devices")
    );
    for given in ["reset_devices irqpoll nr_cpus=1", "reset_devices nosmp"] {
        assert_eq!(notes(None, Some(given), true, true), none);
        assert_eq!(notes(Some(given), None, false, true), none);
    }
    assert_eq!(notes(Some("quiet"), None, false, false), none);
}

#[test]
fn with_real_mode_xen_does_not_keep_its_opposite() {
    let running = host("", Some("no-real-mode com1=115200 no-real-mode=1"));
    let real = BootOptions {
        real_mode: true,
        ..options(None)
    };
    let lines = xen(&real, &running).unwrap();
    assert_eq!(lines.image, "com1=115200");
    assert_eq!(
        edits(&lines.changes)[1..],
        ["-no-real-mode", "-no-real-mode=1"]
    );
    let kept = xen(&options(None), &running).unwrap().image;
    assert!(kept.contains("no-real-mode"));
}
