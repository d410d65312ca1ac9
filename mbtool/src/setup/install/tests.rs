use super::*;
use crate::image::synth;
use std::os::unix::fs::PermissionsExt as _;

/// A system to set up from outside.
fn system() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["usr/sbin/mbtool", "boot/xen-4.20-amd64.gz"] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    dir
}

fn options(root: &Path) -> InstallOptions {
    InstallOptions {
        root: root.to_owned(),
        image: None,
        cmdline: None,
        target: None,
        device: Some(DeviceSpec::try_from("UUID=1-2".to_owned()).unwrap()),
        program: None,
    }
}

fn run(options: &InstallOptions) -> (anyhow::Result<InstallOutcome>, String) {
    let mut messages = Vec::new();
    let done = install(options, &mut messages);
    (done, String::from_utf8(messages).unwrap())
}

/// All files below `root`, with their contents.
fn contents(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            found.push((path, target.into_os_string().into_encoded_bytes()));
        } else if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

#[test]
fn it_is_installed_once_and_uninstalled() {
    let dir = system();
    let root = dir.path();
    let before = contents(root);
    let (done, messages) = run(&options(root));
    let done = done.unwrap();
    assert!(done.changed);
    assert!(
        messages.contains("enabled mbtool-crash.service"),
        "{messages}"
    );
    let unit = fs::read_to_string(root.join(UNIT_FILE)).unwrap();
    for line in [
        "ExecStart=/usr/sbin/mbtool crash load",
        "ExecStop=/usr/sbin/mbtool unload -p",
        "ConditionKernelCommandLine=!mbtool.crash",
    ] {
        assert!(unit.lines().any(|found| found == line), "{unit}");
    }
    assert!(root.join(WANTED).is_file());
    for name in [
        "hooks/mbtool",
        "scripts/init-premount/mbtool-crash",
        "scripts/local-premount/mbtool-crash",
    ] {
        let path = root.join(CONFDIR_DIR).join(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{name}");
    }
    let load = done.config.load.unwrap();
    assert_eq!(load.image.as_written(), "/boot/xen-4.20-amd64.gz");
    assert_eq!(done.config.save.device.unwrap().to_string(), "UUID=1-2");

    let all = contents(root);
    let again = InstallOptions {
        device: None,
        ..options(root)
    };
    let (done, messages) = run(&again);
    assert!(!done.unwrap().changed, "{messages}");
    assert_eq!((contents(root), messages.as_str()), (all, ""));

    for name in [".img", ".img.made-of", ".img.part"] {
        fs::write(root.join(format!("var/lib/mbtool/crash-6.1{name}")), "x").unwrap();
    }
    let mut messages = Vec::new();
    uninstall(root, &mut messages).unwrap();
    assert_eq!(contents(root), before);
    assert!(!root.join("etc/mbtool").exists() && !root.join("var/lib/mbtool").exists());
    let mut messages = Vec::new();
    uninstall(root, &mut messages).unwrap();
    assert_eq!(messages, b"mbtool: nothing was installed\n");
}

#[test]
fn an_initrd_of_others_is_kept() {
    let dir = system();
    let root = dir.path();
    run(&options(root)).0.unwrap();
    let at = root.join("var/lib/mbtool");
    for name in [
        "crash-6.1.img",
        "crash-6.12.img",
        "crash-6.12.img.made-of",
        "crash-5.10.img.made-of",
        "other.made-of",
    ] {
        fs::write(at.join(name), "x").unwrap();
    }
    uninstall(root, &mut Vec::new()).unwrap();
    let mut left: Vec<_> = fs::read_dir(&at)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["crash-6.1.img", "other.made-of"]);
}

#[test]
fn edited_files_for_the_initrd_are_kept() {
    let dir = system();
    let root = dir.path();
    run(&options(root)).0.unwrap();
    let modules = root.join(CONFDIR_DIR).join("modules");
    let own = fs::read_to_string(&modules).unwrap() + "megaraid_sas\n";
    fs::write(&modules, &own).unwrap();
    let again = InstallOptions {
        device: None,
        ..options(root)
    };
    let (done, messages) = run(&again);
    assert!(!done.unwrap().changed, "{messages}");
    let said = format!("mbtool: {} was edited and is kept\n", modules.display());
    assert_eq!(messages, said);
    assert_eq!(fs::read_to_string(&modules).unwrap(), own);
    // other files must be unchanged
    fs::write(root.join(CONFDIR_DIR).join("hooks/mbtool"), "mine").unwrap();
    let error = run(&again).0.unwrap_err().to_string();
    assert!(error.contains("hooks/mbtool was changed"), "{error}");
    assert!(!error.contains("modules"), "{error}");
    uninstall(root, &mut Vec::new()).unwrap();
    assert_eq!(fs::read_to_string(&modules).unwrap(), own);
}

#[test]
fn an_edited_file_is_not_overwritten_and_nothing_else_is() {
    let dir = system();
    let root = dir.path();
    let unit = root.join(UNIT_FILE);
    fs::create_dir_all(unit.parent().unwrap()).unwrap();
    fs::write(&unit, "mine").unwrap();
    let (done, _) = run(&options(root));
    let error = done.unwrap_err().to_string();
    assert!(
        error.contains("mbtool-crash.service was changed"),
        "{error}"
    );
    assert!(!root.join("etc/mbtool").exists());

    // the file of an older mbtool is replaced
    fs::remove_file(&unit).unwrap();
    run(&options(root)).0.unwrap();
    let mut installed = Installed::read(root).unwrap();
    let old = File {
        path: UNIT_FILE,
        text: "old".to_owned(),
        mode: 0o644,
    };
    installed.write(&old).unwrap();
    installed.save().unwrap();
    let again = InstallOptions {
        device: None,
        ..options(root)
    };
    let (done, messages) = run(&again);
    assert!(
        done.unwrap().changed && messages.contains("replaced"),
        "{messages}"
    );

    // an edited configuration is kept
    let config = root.join(CONFIG_FILE);
    let text = fs::read_to_string(&config).unwrap() + "# mine\n";
    fs::write(&config, &text).unwrap();
    assert!(!run(&again).0.unwrap().changed);
    let error = run(&options(root)).0.unwrap_err().to_string();
    assert!(error.contains("--device would have no effect"), "{error}");
    let mut messages = Vec::new();
    uninstall(root, &mut messages).unwrap();
    let messages = String::from_utf8(messages).unwrap();
    assert!(
        messages.contains("crash.toml was edited and is kept"),
        "{messages}"
    );
    assert_eq!(fs::read_to_string(&config).unwrap(), text);
}

#[test]
fn options_are_written_to_the_configuration() {
    let dir = system();
    let root = dir.path();
    let image = synth::bzimage();
    fs::write(root.join("boot/vmlinuz"), image).unwrap();
    let options = InstallOptions {
        image: Some("/boot/vmlinuz".into()),
        cmdline: Some("console=ttyS0 \"quoted\"".to_owned()),
        target: Some(Target::try_from("ssh://kdump@192.0.2.1/srv/crash".to_owned()).unwrap()),
        device: None,
        ..options(root)
    };
    let (done, _) = run(&options);
    let config = done.unwrap().config;
    let load = config.load.unwrap();
    assert_eq!(load.image.as_written(), "/boot/vmlinuz");
    assert_eq!(load.cmdline, "console=ttyS0 \"quoted\"");
    assert!(load.kernel.is_none());
    assert_eq!(
        config.save.target.to_string(),
        "ssh://kdump@192.0.2.1/srv/crash"
    );
}

#[test]
fn invalid_options_are_refused() {
    let dir = system();
    let root = dir.path();
    let ssh = Target::try_from("ssh://k@h/d".to_owned()).unwrap();
    for (options, says) in [
        (
            InstallOptions {
                program: Some("/opt/my tools/mbtool".into()),
                ..options(root)
            },
            "cannot start mbtool from there",
        ),
        (
            InstallOptions {
                program: Some("/opt/mbtool".into()),
                ..options(root)
            },
            "does not exist",
        ),
        (
            InstallOptions {
                image: Some("/boot/xen-4.20-amd64.gz".into()),
                ..options(root)
            },
            "neither Xen nor Linux",
        ),
        (
            InstallOptions {
                image: Some("/boot/none".into()),
                ..options(root)
            },
            "no such file",
        ),
        (
            InstallOptions {
                target: Some(ssh),
                ..options(root)
            },
            "is for a directory",
        ),
    ] {
        let error = format!("{:#}", run(&options).0.unwrap_err());
        assert!(error.contains(says), "{error}");
        assert!(!root.join("etc").exists());
    }
}

#[test]
fn scripts_are_valid_shell() {
    for script in [
        include_str!("texts/hook"),
        include_str!("texts/stage"),
        include_str!("texts/boot"),
        include_str!("texts/saves"),
        include_str!("texts/initramfs.conf"),
    ] {
        let checked = std::process::Command::new("sh")
            .args(["-n", "-c", script])
            .status()
            .unwrap();
        assert!(checked.success());
    }
}
