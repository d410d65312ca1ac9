use super::*;
use crate::config::Config;
use crate::sys::testing::put_script;

/// A system with a fake mkinitramfs that records its arguments.
struct System {
    dir: tempfile::TempDir,
    config: PathBuf,
}

/// Output of the fake mkinitramfs.
const OUTPUT: &str = "output-of-it";

/// Writes its arguments into the image; fails as often as the number in the file FAILS.
const MKINITRAMFS: &str = r#"#!/bin/sh
echo output-of-it >&2
if [ "$MBTOOL_CRASH_MODULES" = dep ] && [ -e ROOT/dep-fails ]; then exit 1; fi
if [ -e ROOT/all-fails ]; then exit 1; fi
env | grep ^MBTOOL >"$4"
echo "args $1 $2 $3 $5" >>"$4"
"#;

impl System {
    fn new(save: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["conf/hooks", "modules/6.1", "bin"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("conf/hooks/mbtool"), "x").unwrap();
        let script = MKINITRAMFS.replace("ROOT", root.to_str().unwrap());
        put_script(&root.join("bin/mkinitramfs"), &script);
        let config = root.join("crash.toml");
        fs::write(&config, save).unwrap();
        Self { dir, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self) -> (anyhow::Result<bool>, String) {
        let maker = Maker {
            root: self.dir.path(),
            confdir: &self.path("conf"),
            modules: &self.path("modules"),
            path: format!("{}:/usr/bin:/bin", self.path("bin").display()).into(),
        };
        let config = Config::read(&self.config).unwrap();
        let image = self.path("lib/crash-6.1.img");
        let wanted = InitrdRequest {
            image: &image,
            release: "6.1",
            config: &self.config,
            save: &config.save,
        };
        let mut messages = Vec::new();
        let made = maker.run(&wanted, &mut Messages::new(&mut messages));
        (made, String::from_utf8(messages).unwrap())
    }

    /// The reason of a refusal.
    fn refusal(&self) -> InitrdError {
        self.run().0.unwrap_err().downcast().unwrap()
    }

    fn made(&self) -> bool {
        let (made, messages) = self.run();
        made.unwrap_or_else(|error| panic!("{error:#}\n{messages}"))
    }

    fn image(&self) -> String {
        fs::read_to_string(self.path("lib/crash-6.1.img")).unwrap()
    }
}

const DISK: &str = "[save]\ndevice = 'UUID=1-2'\n";

#[test]
fn it_is_rebuilt_when_an_input_has_changed() {
    let system = System::new(DISK);
    assert!(system.made());
    let image = system.image();
    assert!(image.contains("MBTOOL_CRASH_DEVICE=UUID=1-2"), "{image}");
    assert!(image.contains("MBTOOL_CRASH_MODULES=dep"), "{image}");
    assert!(image.contains(&format!("args -d {} -o 6.1", system.path("conf").display())));
    assert!(!system.made());
    // an additional file, a changed configuration, a missing image
    fs::write(system.path("conf/modules"), "").unwrap();
    assert!(system.made() && !system.made());
    fs::write(&system.config, format!("{DISK}watchdog = 0\n")).unwrap();
    assert!(system.made() && !system.made());
    fs::remove_file(system.path("lib/crash-6.1.img")).unwrap();
    assert!(system.made() && !system.made());
    // but an image of others is kept
    fs::remove_file(system.path("lib/crash-6.1.img.made-of")).unwrap();
    fs::write(system.path("conf/modules"), "more").unwrap();
    assert!(!system.made());
    fs::remove_dir_all(system.path("conf")).unwrap();
    assert!(!system.made());
    fs::remove_file(system.path("lib/crash-6.1.img")).unwrap();
    let image = system.path("lib/crash-6.1.img");
    let expected = InitrdError::NotInstalled {
        image,
        beside: vec![],
    };
    assert_eq!(system.refusal(), expected);
}

#[test]
fn an_image_without_a_record_is_rebuilt() {
    let system = System::new(DISK);
    assert!(system.made());
    // the state after a kill between image and record
    fs::write(system.path("lib/crash-6.1.img.made-of"), "").unwrap();
    assert!(system.made() && !system.made());
    // the record exists before the image
    let system = System::new(DISK);
    fs::create_dir_all(system.path("lib/crash-6.1.img.made-of")).unwrap();
    let error = system.run().0.unwrap_err();
    let kind = error.downcast_ref().map(std::io::Error::kind);
    assert_eq!(kind, Some(std::io::ErrorKind::IsADirectory), "{error:#}");
    assert!(!system.path("lib/crash-6.1.img").exists());
    // no record remains when the image could not be written
    let system = System::new(DISK);
    fs::create_dir_all(system.path("lib/crash-6.1.img")).unwrap();
    assert!(system.run().0.is_err());
    for name in [".made-of", ".part"] {
        let name = format!("lib/crash-6.1.img{name}");
        assert!(!system.path(&name).exists(), "{name}");
    }
}

/// Adds a driver to the disk.
fn connect(system: &System, module: &str) {
    let disk = system.path("sys/devices/pci/block/vda");
    let (module, driver) = (system.path(&format!("sys/module/{module}")), "driver");
    for dir in [
        &module,
        &disk,
        &system.path("sys/class/block"),
        &system.path("dev/disk/by-uuid"),
    ] {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(system.path("dev/vda"), "").unwrap();
    let below = disk.parent().unwrap().join(driver);
    let at = match below.exists() {
        true => disk.join(driver),
        false => below,
    };
    fs::create_dir(&at).unwrap();
    let links = [
        (module, at.join("module")),
        (disk, system.path("sys/class/block/vda")),
        (system.path("dev/vda"), system.path("dev/disk/by-uuid/1-2")),
    ];
    for (to, link) in links {
        if !link.is_symlink() {
            std::os::unix::fs::symlink(to, link).unwrap();
        }
    }
}

#[test]
fn it_is_rebuilt_for_new_hardware() {
    let system = System::new(DISK);
    assert!(system.made());
    connect(&system, "ahci");
    assert!(system.made() && !system.made());
    // missing hardware may appear later
    let sys = system.path("sys");
    fs::rename(&sys, system.path("no-sys")).unwrap();
    assert!(!system.made());
    fs::rename(system.path("no-sys"), &sys).unwrap();
    // an outdated image is better than none
    connect(&system, "megaraid_sas");
    fs::write(system.path("all-fails"), "").unwrap();
    let outdated = system.image();
    assert!(!system.made());
    assert_eq!(system.image(), outdated);
    fs::remove_file(system.path("all-fails")).unwrap();
    assert!(system.made() && !system.made());
    fs::write(system.path("all-fails"), "").unwrap();
    fs::write(system.path("conf/modules"), "").unwrap();
    assert!(system.run().0.is_err());
}

#[test]
fn more_modules_are_tried_before_it_fails() {
    let system = System::new(DISK);
    fs::write(system.path("dep-fails"), "").unwrap();
    let (made, messages) = system.run();
    assert!(made.unwrap() && messages.contains(OUTPUT), "{messages}");
    assert!(system.image().contains("MBTOOL_CRASH_MODULES=most"));
    // a complete image is kept
    fs::write(system.path("all-fails"), "").unwrap();
    fs::write(system.path("conf/modules"), "").unwrap();
    let failed = InitrdError::MakerFailed {
        program: MAKER,
        output: vec![OUTPUT.to_owned()],
    };
    assert_eq!(system.refusal(), failed);
    assert!(system.image().contains("MBTOOL_CRASH"));
    assert!(!system.path("lib/crash-6.1.img.part").exists());
}

#[test]
fn missing_files_are_named() {
    for (save, expected) in [
        (
            "[save]\ntarget = '/var/crash'\n",
            InitrdError::NoDevice {
                dir: "/var/crash".into(),
            },
        ),
        (
            "[save]\ntarget = 'ssh://k@h/d'\nidentity = '/no/key'\n",
            InitrdError::NoKey {
                path: "/no/key".into(),
                key: "save.identity",
            },
        ),
    ] {
        assert_eq!(System::new(save).refusal(), expected);
    }
    let system = System::new("[save]\ndevice = 'UUID=1'\ncollector = 'no-such-program -x'\n");
    let (made, messages) = system.run();
    assert!(
        made.unwrap() && messages.contains("no-such-program"),
        "{messages}"
    );
    let system = System::new(DISK);
    let path = system.path("modules/6.1");
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(system.refusal(), InitrdError::NoModules { path });
}

#[test]
fn ssh_gets_its_keys() {
    let system = System::new("");
    let (key, hosts) = (system.path("key"), system.path("hosts"));
    for path in [&key, &hosts] {
        fs::write(path, "x").unwrap();
    }
    let text = format!(
        "[save]\ntarget = 'ssh://k@h/d'\nidentity = '{}'\nknown-hosts = '{}'\n",
        key.display(),
        hosts.display()
    );
    fs::write(&system.config, text).unwrap();
    assert!(system.made());
    let files = format!("MBTOOL_CRASH_FILES={} {}", key.display(), hosts.display());
    assert!(system.image().contains(&files), "{}", system.image());
    assert!(system.image().contains("MBTOOL_CRASH_NETWORK=yes"));
}

#[test]
fn images_of_removed_kernels_are_removed() {
    let system = System::new(DISK);
    assert!(system.made());
    for name in ["crash-5.10.img", "crash-5.10.img.made-of", "crash-4.19.img"] {
        fs::write(system.path("lib").join(name), "").unwrap();
    }
    fs::write(system.path("conf/modules"), "").unwrap();
    assert!(system.made());
    assert!(!system.path("lib/crash-5.10.img").exists());
    // an image of others is kept
    assert!(system.path("lib/crash-4.19.img").exists());
}
