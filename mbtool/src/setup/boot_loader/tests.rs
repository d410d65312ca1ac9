use super::*;
use crate::plan::crash::Reserve;
use handoff::addr::MIB;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

const RELEASE: &str = "6.12.1-amd64";

fn machine(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

fn say(root: &TempDir, loader: &str) {
    let path = root
        .path()
        .join("sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = loader.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
    fs::write(
        path,
        [6, 0, 0, 0].into_iter().chain(text).collect::<Vec<u8>>(),
    )
    .unwrap();
}

/// Returns the detected boot loader, and its commands or descriptions.
fn told(root: &TempDir, xen: bool) -> (BootLoader, Vec<String>) {
    let loader = BootLoader::detect(root.path(), RELEASE, xen);
    let bytes = 512 * MIB;
    let steps = loader.steps(Reserve { bytes, xen });
    let steps = steps
        .into_iter()
        .map(|step| step.command.unwrap_or(step.text));
    (loader, steps.collect())
}

const DEBIAN: &[(&str, &str)] = &[
    ("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
    ("usr/sbin/update-grub", ""),
    (
        "usr/sbin/grub-mkconfig",
        "for x in ${sysconfdir}/default/grub.d/*.cfg ; do\n",
    ),
    ("boot/grub/grub.cfg", ""),
];

#[test]
fn debian() {
    let root = machine(DEBIAN);
    let (loader, steps) = told(&root, false);
    assert_eq!(
        (loader.name(), loader.found.as_str()),
        ("GRUB", "etc/default/grub")
    );
    assert_eq!(
        steps,
        [
            "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=512M\"' > \
             /etc/default/grub.d/zz-mbtool.cfg",
            "update-grub"
        ]
    );
    let (_, steps) = told(&root, true);
    assert_eq!(
        steps[0],
        "echo 'GRUB_CMDLINE_XEN_DEFAULT=\"$GRUB_CMDLINE_XEN_DEFAULT crashkernel=512M,below=4G\"' > \
         /etc/default/grub.d/zz-mbtool.cfg"
    );
}

#[test]
fn the_file_of_an_older_mbtool_is_removed() {
    let line = "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=128M\"\n";
    let with = |text: &str| {
        let root = machine(&[DEBIAN, &[("etc/default/grub.d/mbtool.cfg", text)]].concat());
        let (loader, steps) = told(&root, false);
        (loader.reserving, steps)
    };
    let (reserving, steps) = with(line);
    assert_eq!(steps[0], "rm -f /etc/default/grub.d/mbtool.cfg");
    assert!(
        steps[1].ends_with("/etc/default/grub.d/zz-mbtool.cfg"),
        "{steps:?}"
    );
    assert!(reserving.is_empty());
    // a file with another line was edited, and is kept
    for text in [
        format!("{line}GRUB_TIMEOUT=1\n"),
        line.replace("128M", "128M quiet"),
    ] {
        let (reserving, steps) = with(&text);
        assert_eq!(reserving, ["etc/default/grub.d/mbtool.cfg"]);
        assert!(
            steps[0].contains("/etc/default/grub.d/mbtool.cfg"),
            "{steps:?}"
        );
        assert!(!steps.iter().any(|step| step.contains("rm ")), "{steps:?}");
    }
    // without the drop-in directory no such file is read
    let files = [
        ("etc/default/grub", ""),
        ("usr/bin/grub-mkconfig", "no directory"),
        ("boot/grub/grub.cfg", ""),
        ("etc/default/grub.d/mbtool.cfg", line),
    ];
    let (_, steps) = told(&machine(&files), false);
    assert!(steps[0].starts_with("echo "), "{steps:?}");
}

#[test]
fn existing_crashkernel_parameters_are_named() {
    let root = machine(DEBIAN);
    let dir = root.path().join("etc/default/grub.d");
    fs::create_dir_all(&dir).unwrap();
    let line = "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=128M\"\n";
    // the file of mbtool is rewritten; backups and comments are not read
    for (name, content) in [
        ("kdump-tools.cfg", line.to_owned()),
        ("zz-mbtool.cfg", line.to_owned()),
        ("old.cfg.bak", line.to_owned()),
        ("a.cfg", format!("# {line}")),
    ] {
        fs::write(dir.join(name), content).unwrap();
    }
    let (loader, steps) = told(&root, false);
    assert_eq!(loader.reserving, ["etc/default/grub.d/kdump-tools.cfg"]);
    assert!(
        steps[0].contains("/etc/default/grub.d/kdump-tools.cfg"),
        "{steps:?}"
    );
    // this one is for Linux, not for Xen
    assert!(told(&root, true).0.reserving.is_empty());
}

#[test]
fn grub_of_other_distributions() {
    let arch = machine(&[
        ("etc/default/grub", ""),
        ("usr/bin/grub-mkconfig", "no directory"),
        ("boot/grub/grub.cfg", ""),
    ]);
    let (_, steps) = told(&arch, false);
    assert!(steps[0].ends_with(" >> /etc/default/grub"), "{steps:?}");
    assert_eq!(steps[1], "grub-mkconfig -o /boot/grub/grub.cfg");
    let fedora = machine(&[
        ("etc/default/grub", "GRUB_ENABLE_BLSCFG=true\n"),
        ("usr/sbin/grub2-mkconfig", ""),
        ("usr/sbin/grubby", ""),
        ("boot/grub2/grub.cfg", ""),
        ("boot/loader/entries/x-6.12.1-amd64.conf", ""),
    ]);
    let (loader, steps) = told(&fedora, false);
    assert_eq!(loader.kind, BootLoaderKind::GrubBls);
    assert_eq!(
        steps,
        ["grubby --update-kernel=ALL --args=crashkernel=512M"]
    );
    let (_, steps) = told(&fedora, true);
    assert_eq!(steps[1], "grub2-mkconfig -o /boot/grub2/grub.cfg");
    let bare = machine(&[("boot/grub/grub.cfg", "")]);
    let (loader, steps) = told(&bare, false);
    assert_eq!(loader.kind, BootLoaderKind::GrubByHand);
    assert!(steps[0].contains("/boot/grub/grub.cfg"), "{steps:?}");
}

#[test]
fn systemd_boot() {
    let made = machine(&[
        ("boot/efi/loader/loader.conf", "timeout 3\n"),
        ("boot/efi/loader/entries/0123-6.12.1-amd64.conf", ""),
        ("boot/vmlinuz-6.12.1-amd64", ""),
    ]);
    let (loader, steps) = told(&made, false);
    assert_eq!(loader.name(), "systemd-boot");
    assert!(
        steps[0].contains("/proc/cmdline > /etc/kernel/cmdline"),
        "{steps:?}"
    );
    assert_eq!(
        steps[1],
        "kernel-install add \"$(uname -r)\" /boot/vmlinuz-6.12.1-amd64"
    );
    let unified = machine(&[
        ("efi/EFI/Linux/0123-6.12.1-amd64.efi", ""),
        ("etc/kernel/cmdline", "root=/dev/sda1\n"),
    ]);
    let (_, steps) = told(&unified, false);
    assert!(steps[0].starts_with("sed -i "), "{steps:?}");
    assert!(
        steps[1].ends_with(" /usr/lib/modules/6.12.1-amd64/vmlinuz"),
        "{steps:?}"
    );
    let by_hand = machine(&[
        ("boot/loader/loader.conf", ""),
        ("boot/loader/entries/arch.conf", ""),
    ]);
    let (loader, steps) = told(&by_hand, false);
    assert_eq!(loader.kind, BootLoaderKind::Entries);
    assert!(
        steps[0].contains("/boot/loader/entries/arch.conf"),
        "{steps:?}"
    );
}

#[test]
fn the_efi_variable_has_priority_over_files() {
    let files = [
        DEBIAN,
        &[
            ("boot/efi/loader/loader.conf", ""),
            ("etc/kernel/cmdline", "quiet"),
        ],
    ]
    .concat();
    let root = machine(&files);
    assert_eq!(told(&root, false).0.name(), "GRUB");
    say(&root, "systemd-boot 257.9-1~deb13u1");
    assert_eq!(told(&root, false).0.name(), "systemd-boot");
    // systemd-boot does not start Xen
    assert_eq!(told(&root, true).0.name(), "GRUB");
    say(&root, "GRUB 2.12");
    assert_eq!(told(&root, false).0.name(), "GRUB");
}

#[test]
fn xen_efi_started_by_firmware() {
    let cfg = "[global]\ndefault=debian\n[debian]\noptions=console=vga\nkernel=vmlinuz ro\n";
    let files = [
        DEBIAN,
        &[
            ("boot/efi/EFI/debian/grub.cfg", "search.fs_uuid"),
            ("boot/efi/EFI/xen/xen.cfg", cfg),
        ],
    ]
    .concat();
    let root = machine(&files);
    // started by BIOS, or by GRUB, it is not read
    assert_eq!(told(&root, true).0.name(), "GRUB");
    fs::create_dir_all(root.path().join("sys/firmware/efi")).unwrap();
    let (loader, steps) = told(&root, true);
    assert_eq!(loader.kind, BootLoaderKind::XenCfg);
    assert!(steps[0].contains("/boot/efi/EFI/xen/xen.cfg"), "{steps:?}");
    assert_eq!(told(&root, false).0.name(), "GRUB");
    say(&root, "GRUB 2.12");
    assert_eq!(told(&root, true).0.name(), "GRUB");
}

#[test]
fn extlinux() {
    let debian = machine(&[
        ("etc/default/u-boot", ""),
        ("boot/extlinux/extlinux.conf", ""),
    ]);
    let (_, steps) = told(&debian, false);
    assert_eq!(
        steps,
        [
            "echo 'U_BOOT_PARAMETERS=\"$U_BOOT_PARAMETERS crashkernel=512M\"' >> /etc/default/u-boot",
            "u-boot-update"
        ]
    );
    let alpine = machine(&[(
        "etc/update-extlinux.conf",
        "default_kernel_opts=\"quiet\"\n",
    )]);
    assert_eq!(told(&alpine, false).1[1], "update-extlinux");
    let by_hand = machine(&[("boot/syslinux/syslinux.cfg", "")]);
    let (loader, linux) = told(&by_hand, false);
    assert_eq!(loader.kind, BootLoaderKind::Syslinux);
    let (_, xen) = told(&by_hand, true);
    for steps in [&linux, &xen] {
        assert!(
            steps[0].contains("/boot/syslinux/syslinux.cfg"),
            "{steps:?}"
        );
    }
    assert_ne!(linux, xen);
}

#[test]
fn an_unknown_boot_loader_has_no_steps() {
    let (loader, steps) = told(&machine(&[]), false);
    assert_eq!((loader.kind, steps.len()), (BootLoaderKind::Unknown, 0));
    assert!(
        told(&machine(&[("etc/kernel/cmdline", "")]), true)
            .1
            .is_empty()
    );
}

/// Runs the commands in a shell on files of a temporary directory.
#[test]
fn the_commands_work() {
    let run = |root: &TempDir, command: &str| {
        let at = root.path().to_str().unwrap();
        let here = command
            .replace(" /etc/", &format!(" {at}/etc/"))
            .replace(" /proc/", &format!(" {at}/proc/"));
        let done = Command::new("sh").args(["-ec", &here]).status().unwrap();
        assert!(done.success(), "{here}");
    };
    let read = |root: &TempDir, path: &str| fs::read_to_string(root.path().join(path)).unwrap();

    // sourced like grub-mkconfig does: the file of mbtool comes after Debian's
    // for Xen
    let name = "etc/default/grub.d/xen.cfg";
    let root = machine(&[DEBIAN, &[(name, "GRUB_CMDLINE_XEN_DEFAULT=com1\n")]].concat());
    run(&root, &told(&root, true).1[0]);
    let dir = root.path().join("etc/default/grub.d");
    let script = format!(
        "for x in {}/*.cfg; do . \"$x\"; done; echo \"$GRUB_CMDLINE_XEN_DEFAULT\"",
        dir.display()
    );
    let said = Command::new("sh").args(["-ec", &script]).output().unwrap();
    assert_eq!(said.stdout, b"com1 crashkernel=512M,below=4G\n");

    let root = machine(&[
        ("boot/loader/loader.conf", ""),
        (
            "etc/kernel/cmdline",
            "root=/dev/sda1 crashkernel=64M quiet\n",
        ),
    ]);
    run(&root, &told(&root, false).1[0]);
    let expected = "root=/dev/sda1 quiet crashkernel=512M\n";
    assert_eq!(read(&root, "etc/kernel/cmdline"), expected);

    let root = machine(&[
        ("boot/loader/loader.conf", ""),
        ("boot/loader/entries/x-6.12.1-amd64.conf", ""),
        ("etc/kernel/install.conf", ""),
        (
            "proc/cmdline",
            "BOOT_IMAGE=/vmlinuz initrd=\\x\\initrd root=/dev/sda1 quiet\n",
        ),
    ]);
    run(&root, &told(&root, false).1[0]);
    assert_eq!(read(&root, "etc/kernel/cmdline"), expected);

    for (line, expected) in [
        (
            "default_kernel_opts=\"quiet\"\n",
            "default_kernel_opts=\"quiet crashkernel=512M\"\n",
        ),
        (
            "default_kernel_opts=quiet\n",
            "default_kernel_opts=quiet crashkernel=512M\n",
        ),
    ] {
        let root = machine(&[("etc/update-extlinux.conf", line)]);
        run(&root, &told(&root, false).1[0]);
        assert_eq!(read(&root, "etc/update-extlinux.conf"), expected);
    }
}
