use super::*;
use crate::input::InputError;

const WHOLE: &str = r#"
[load]
image   = "/boot/xen-4.20-amd64.gz"
cmdline = "console=com1 com1=115200,8n1"
kernel  = "/boot/vmlinuz-{release}"
kernel-cmdline = "console=hvc0 root=UUID=1234"
initrd  = "/var/lib/mbtool/crash-{release}.img"
options = ["--console", "com1"]
[save]
target    = "ssh://kdump@dumps.example:2222/srv/crash"
collector = "copy"
identity  = "/root/key"
known-hosts = "/root/hosts"
watchdog  = 0
then      = "poweroff"
"#;

fn error(text: &str) -> ConfigError {
    Config::parse(text, "crash.toml").unwrap_err()
}

#[test]
fn everything_is_read() {
    let config = Config::parse(WHOLE, "x").unwrap();
    let load = config.load.unwrap();
    assert_eq!(
        load.kernel.as_ref().unwrap().expand("6.12.1-amd64"),
        Path::new("/boot/vmlinuz-6.12.1-amd64")
    );
    assert_eq!(load.kernel_cmdline, "console=hvc0 root=UUID=1234");
    assert_eq!(load.options, ["--console", "com1"]);
    let save = config.save;
    assert!(matches!(&save.target, Target::Ssh(ssh) if ssh.port == 2222));
    assert_eq!((save.watchdog, save.then), (0, Then::Poweroff));
    assert_eq!(save.collector, Collector::Copy);
    assert_eq!(save.identity, Path::new("/root/key"));
    assert_eq!(save.known_hosts, Path::new("/root/hosts"));
}

#[test]
fn missing_keys_have_defaults() {
    let config = Config::parse("[load]\nimage = '/boot/vmlinuz'\n", "x").unwrap();
    let load = config.load.unwrap();
    assert_eq!((load.kernel, load.initrd), (None, vec![]));
    assert!(load.cmdline.is_empty() && load.options.is_empty());
    assert_eq!(config.save, Save::default());
    assert_eq!(config.save.target, Target::Directory("/var/crash".into()));
    assert_eq!(
        config.save.collector,
        Collector::try_from("makedumpfile -l -d 31".to_owned()).unwrap()
    );
    assert_eq!((config.save.watchdog, config.save.then), (60, Then::Reboot));
    // sufficient for a crash kernel
    assert_eq!(Config::parse("", "x").unwrap().load, None);
    let device = Config::parse("[save]\ndevice = 'LABEL=dumps'", "x").unwrap();
    assert_eq!(device.save.device, Some(DeviceSpec::Label("dumps".into())));
}

#[test]
fn an_initrd_is_a_path_or_a_list_of_paths() {
    for (value, expected) in [
        ("'/a-{release}'", &["/a-6.1"][..]),
        ("[ '/ucode',\n '/a-{release}' ]", &["/ucode", "/a-6.1"]),
        ("[]", &[]),
    ] {
        let text = format!("[load]\nimage = '/x'\ninitrd = {value}\n");
        let load = Config::parse(&text, "x").unwrap().load.unwrap();
        let expected: Vec<&Path> = expected.iter().map(Path::new).collect();
        assert_eq!(load.initrds("6.1"), expected);
    }
}

#[test]
fn errors_name_file_line_and_key() {
    for (text, line, key) in [
        ("[save]\ntarget = 'crash'\n", 2, "save.target"),
        ("[save]\n\ntraget = '/x'\n", 3, "save.traget"),
        ("[sav]\n", 1, "sav"),
        ("[load]\ncmdline = 'x'\n", 1, "load"),
        ("[load]\nimage = 'boot/xen'\n", 2, "load.image"),
        ("[load]\nimage = '/boot/xen-{relase}'\n", 2, "load.image"),
        ("[load]\nimage = '/boot/{xen'\n", 2, "load.image"),
        (
            "[load]\nimage = '/x'\noptions = [\n  '-p',\n  3,\n]\n",
            5,
            "load.options",
        ),
        ("[load]\nimage = '/x'\ninitrd = 3\n", 3, "load.initrd"),
        ("[load]\nimage = '/x'\ninitrd = 'a'\n", 3, "load.initrd"),
        (
            "[load]\nimage = '/x'\ninitrd = [\n  '/a',\n  'b',\n]\n",
            3,
            "load.initrd",
        ),
        ("[save]\nwatchdog = 5\n", 2, "save.watchdog"),
        ("[save]\nwatchdog = -1\n", 2, "save.watchdog"),
        ("[save]\nwatchdog = 'x'\n", 2, "save.watchdog"),
        ("[save]\nthen = 'halt'\n", 2, "save.then"),
        ("[save]\ncollector = ''\n", 2, "save.collector"),
        ("[save]\ncollector = 'copy -x'\n", 2, "save.collector"),
        ("[save]\ncollector = 'gzip > x'\n", 2, "save.collector"),
        ("[save]\ndevice = 'sda'\n", 2, "save.device"),
        ("[load]\nimage = \"/x\n", 2, "load.image"),
        ("[load]\nimage = '/x'\nimage = '/y'\n", 3, "load.image"),
    ] {
        let error = error(text);
        assert!(
            matches!(
                &error,
                ConfigError::Line { file, line: at, key: Some(named), what }
                    if file == "crash.toml" && *at == line && named == key && !what.contains('\n')
            ),
            "{text:?}: {error:?}"
        );
    }
    for (text, key) in [
        (
            "[save]\ndevice = 'LABEL=x'\ntarget='ssh://u@h/d'\n",
            "save.device",
        ),
        (
            "[load]\nimage = '/x'\nkernel-cmdline = 'y'\n",
            "load.kernel-cmdline",
        ),
    ] {
        let error = error(text);
        assert!(
            matches!(error, ConfigError::Together { key: named, .. } if named == key),
            "{text:?}: {error:?}"
        );
    }
}

#[test]
fn a_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crash.toml");
    let missing = Config::read(&path).unwrap_err();
    assert!(
        matches!(&missing, ConfigError::Read(InputError::NotFound { name, .. }) if name.ends_with("crash.toml")),
        "{missing:?}"
    );
    std::fs::write(&path, WHOLE).unwrap();
    assert!(Config::read(&path).unwrap().load.is_some());
    std::fs::write(&path, b"[save]\n\xff").unwrap();
    let binary = Config::read(&path).unwrap_err();
    assert!(
        matches!(binary, ConfigError::Utf8 { at: 7, .. }),
        "{binary:?}"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[\\[\\]a-z='\"\n{}/ ]{0,80}") {
        let _ = Config::parse(&text, "x");
    }
}
