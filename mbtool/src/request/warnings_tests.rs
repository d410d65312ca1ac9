use super::*;
use crate::host::xen::XenHost;
use crate::image::synth::bzimage;
use crate::image::{As, Image};
use crate::plan::Module;
use handoff::addr::PhysRange;

fn host(cmdline: &str) -> Host {
    Host {
        cmdline: cmdline.to_owned(),
        ..Host::default()
    }
}

/// A request for an image with modules of these command lines.
fn request(cmdline: &str, modules: &[&str]) -> Request {
    let mut request = Request::new(Image::parse_as(&bzimage(), "bzImage", As::Auto).unwrap());
    request.cmdline = cmdline.to_owned();
    let module = |line: &&str| Module {
        name: "file".to_owned(),
        cmdline: (*line).to_owned(),
        data: vec![1].into(),
    };
    request.modules = modules.iter().map(module).collect();
    request
}

fn linux(cmdline: &str, modules: &[&str], running: &str) -> Vec<BootWarning> {
    missing(
        &request(cmdline, modules),
        ImageKind::Linux,
        true,
        &host(running),
    )
}

#[test]
fn a_kernel_needs_a_root_file_system() {
    let line = LineOwner::Linux;
    assert_eq!(linux("quiet", &[], ""), [BootWarning::NoRoot { line }]);
    assert_eq!(linux("root=/dev/sda1", &[], ""), []);
    assert_eq!(
        linux("-- root=/dev/sda1", &[], ""),
        [BootWarning::NoRoot { line }]
    );
    assert_eq!(linux("quiet", &[""], ""), []);
    for root in [
        "root=UUID=1-2",
        "root=\"LABEL=a b\"",
        "root=/dev/mapper/vg-root",
    ] {
        let parameter = root.to_owned();
        let expected = [BootWarning::RootNeedsInitrd { line, parameter }];
        assert_eq!(linux(root, &[], ""), expected);
        assert_eq!(linux(root, &[""], ""), []);
    }
    assert_eq!(linux("root=PARTUUID=1-2", &[], ""), []);
    let running = "root=/dev/sda1".to_owned();
    assert_eq!(
        linux("quiet", &[""], "quiet root=/dev/sda1"),
        [BootWarning::RootLost { line, running }]
    );
    assert_eq!(linux("rdinit=/bin/sh", &[""], "root=/dev/sda1"), []);
}

#[test]
fn a_console_on_a_serial_port_is_not_lost() {
    let line = LineOwner::Linux;
    let lost = |running: &str| BootWarning::ConsoleLost {
        line,
        running: running.to_owned(),
    };
    let serial = "console=tty0 console=ttyS0,115200";
    assert_eq!(linux("root=a", &[], serial), [lost("console=ttyS0,115200")]);
    assert_eq!(linux("root=a console=tty0", &[], serial), []);
    assert_eq!(linux("root=a earlyprintk=serial", &[], serial), []);
    for running in [
        "",
        "console=ttyS0 console=tty0",
        "console=tty1",
        "console=null",
    ] {
        assert_eq!(linux("root=a", &[], running), [], "{running}");
    }
    let request = request("root=a console=hvc0", &[]);
    let mut dom0 = host("console=hvc0");
    assert_eq!(missing(&request, ImageKind::Linux, true, &dom0), []);
    dom0.xen = Some(XenHost::default());
    let parameter = "console=hvc0".to_owned();
    assert_eq!(
        missing(&request, ImageKind::Linux, true, &dom0),
        [BootWarning::XenConsole {
            parameter,
            serial: None
        }]
    );
    dom0.xen = Some(XenHost {
        command_line: Some("com2=9600 console=com2".to_owned()),
        ..XenHost::default()
    });
    let running = "console=ttyS1,9600n8".to_owned();
    let silent = self::request("root=a", &[]);
    assert_eq!(
        missing(&silent, ImageKind::Linux, true, &dom0),
        [BootWarning::ConsoleLost { line, running }]
    );
    let parameter = "console=hvc0".to_owned();
    assert_eq!(
        missing(&request, ImageKind::Linux, true, &dom0),
        [BootWarning::XenConsole {
            parameter,
            serial: Some("console=ttyS1,9600n8".to_owned())
        }]
    );
}

#[test]
fn a_crash_kernel_needs_panic() {
    let mut crash = request("root=a", &[]);
    crash.crash = PhysRange::new(0x100_0000, 0x200_0000);
    let line = LineOwner::CrashKernel;
    let found = missing(&crash, ImageKind::Linux, true, &host(""));
    assert_eq!(found, [BootWarning::NoPanic { line }]);
    crash.cmdline = "root=a panic=0".to_owned();
    let found = missing(&crash, ImageKind::Linux, true, &host(""));
    assert_eq!(found, [BootWarning::NoPanic { line }]);
    crash.cmdline = "root=a panic=10".to_owned();
    assert_eq!(missing(&crash, ImageKind::Linux, true, &host("")), []);
    // its initrd may save the dump
    let mut crash = request("panic=10", &[""]);
    crash.crash = PhysRange::new(0x100_0000, 0x200_0000);
    assert_eq!(missing(&crash, ImageKind::Linux, true, &host("root=a")), []);
}

#[test]
fn dom0_needs_the_same() {
    let line = LineOwner::Dom0;
    let dom0 = |modules: &[&str], running: &str| {
        let request = request("com1=115200 console=com1", modules);
        missing(&request, ImageKind::Xen, true, &host(running))
    };
    assert_eq!(dom0(&["quiet"], ""), [BootWarning::NoRoot { line }]);
    assert_eq!(dom0(&["quiet", ""], ""), []);
    assert_eq!(dom0(&["root=a"], ""), []);
    let running = "root=a".to_owned();
    assert_eq!(
        dom0(&["", ""], "root=a"),
        [BootWarning::RootLost { line, running }]
    );
    let running = "console=hvc0".to_owned();
    assert_eq!(
        dom0(&["root=a", ""], "console=hvc0"),
        [BootWarning::ConsoleLost { line, running }]
    );
    assert_eq!(dom0(&["root=a console=hvc0", ""], "console=hvc0"), []);
    let other = request("", &[]);
    assert_eq!(missing(&other, ImageKind::Other, false, &host("")), []);
    let image = other.image.name.clone();
    assert_eq!(
        missing(&other, ImageKind::Other, true, &host("")),
        [BootWarning::LineOfLinux { image }]
    );
}
