use super::*;
use crate::image::FileKind;
use crate::image::kind::DataFile;
use crate::image::synth;
use crate::input::InputError;
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

/// The reason of a refusal.
fn refusal(options: &InstallOptions) -> InstallError {
    let error = run(options).0.unwrap_err();
    error.downcast().unwrap()
}

fn run(options: &InstallOptions) -> (anyhow::Result<InstallOutcome>, String) {
    let mut messages = Vec::new();
    let done = install(options, &mut Messages::new(&mut messages));
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
    let done = run(&options(root)).0.unwrap();
    assert!(done.changed);
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
    uninstall(root, &mut Messages::new(std::io::sink())).unwrap();
    assert_eq!(contents(root), before);
    assert!(!root.join("etc/mbtool").exists() && !root.join("var/lib/mbtool").exists());
    // again, without effect
    uninstall(root, &mut Messages::new(std::io::sink())).unwrap();
    assert_eq!(contents(root), before);
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
    uninstall(root, &mut Messages::new(std::io::sink())).unwrap();
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
    let named = modules.display().to_string();
    assert!(
        messages.lines().count() == 1 && messages.contains(&named),
        "{messages}"
    );
    assert_eq!(fs::read_to_string(&modules).unwrap(), own);
    // other files must be unchanged
    let hook = root.join(CONFDIR_DIR).join("hooks/mbtool");
    fs::write(&hook, "mine").unwrap();
    assert_eq!(refusal(&again), InstallError::Edited { paths: vec![hook] });
    uninstall(root, &mut Messages::new(std::io::sink())).unwrap();
    assert_eq!(fs::read_to_string(&modules).unwrap(), own);
}

#[test]
fn an_edited_file_is_not_overwritten_and_nothing_else_is() {
    let dir = system();
    let root = dir.path();
    let unit = root.join(UNIT_FILE);
    fs::create_dir_all(unit.parent().unwrap()).unwrap();
    fs::write(&unit, "mine").unwrap();
    let edited = InstallError::Edited {
        paths: vec![unit.clone()],
    };
    assert_eq!(refusal(&options(root)), edited);
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
    assert!(run(&again).0.unwrap().changed);
    assert_ne!(fs::read_to_string(&unit).unwrap(), old.text);

    // an edited configuration is kept
    let config = root.join(CONFIG_FILE);
    let text = fs::read_to_string(&config).unwrap() + "# mine\n";
    fs::write(&config, &text).unwrap();
    assert!(!run(&again).0.unwrap().changed);
    let configured = InstallError::Configured {
        config: config.clone(),
        options: vec!["--device"],
    };
    assert_eq!(refusal(&options(root)), configured);
    uninstall(root, &mut Messages::new(std::io::sink())).unwrap();
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
    let target = Target::try_from("ssh://k@h/d".to_owned()).unwrap();
    let with_program = |path: &str| InstallOptions {
        program: Some(path.into()),
        ..options(root)
    };
    let with_image = |path: &str| InstallOptions {
        image: Some(path.into()),
        ..options(root)
    };
    let ssh = InstallOptions {
        target: Some(target.clone()),
        ..options(root)
    };
    let device = ssh.device.clone().unwrap();
    let xen = root.join("boot/xen-4.20-amd64.gz");
    for (options, expected) in [
        (
            with_program("/opt/my tools/mbtool"),
            InstallError::ProgramName {
                path: "/opt/my tools/mbtool".into(),
            },
        ),
        (
            with_program("/opt/mbtool"),
            InstallError::NoProgram {
                path: root.join("opt/mbtool"),
            },
        ),
        (
            with_image("/boot/xen-4.20-amd64.gz"),
            InstallError::Image {
                path: xen,
                kind: FileKind::Data(DataFile::Text),
            },
        ),
        (ssh, InstallError::DeviceOfRemote { device, target }),
    ] {
        assert_eq!(refusal(&options), expected);
        assert!(!root.join("etc").exists());
    }
    let error = run(&with_image("/boot/none")).0.unwrap_err();
    let none = root.join("boot/none").display().to_string();
    assert!(
        matches!(error.downcast_ref(), Some(InputError::NotFound { name, .. }) if *name == none),
        "{error:#}"
    );
    assert!(!root.join("etc").exists());
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
