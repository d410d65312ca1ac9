use super::*;

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

fn error(text: &str) -> String {
    Config::parse(text, "crash.toml").unwrap_err().to_string()
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
    assert_eq!((load.kernel, load.initrd), (None, None));
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
fn errors_name_file_line_and_key() {
    for (text, place, says) in [
        (
            "[save]\ntarget = 'crash'\n",
            "crash.toml, line 2, save.target: ",
            "absolute path",
        ),
        (
            "[save]\n\ntraget = '/x'\n",
            "crash.toml, line 3, save.traget: ",
            "unknown field",
        ),
        ("[sav]\n", "crash.toml, line 1, sav: ", "unknown field"),
        (
            "[load]\ncmdline = 'x'\n",
            "crash.toml, line 1, load",
            "missing field `image`",
        ),
        (
            "[load]\nimage = 'boot/xen'\n",
            "line 2, load.image: ",
            "not an absolute path",
        ),
        (
            "[load]\nimage = '/boot/xen-{relase}'\n",
            "line 2, load.image: ",
            "`{relase}` is not known",
        ),
        (
            "[load]\nimage = '/boot/{xen'\n",
            "line 2, load.image: ",
            "`{xen` is not known",
        ),
        (
            "[load]\nimage = '/x'\noptions = [\n  '-p',\n  3,\n]\n",
            "line 5, load.options: ",
            "expected a string",
        ),
        (
            "[save]\nwatchdog = 5\n",
            "line 2, save.watchdog: ",
            "10 to 3600, or 0",
        ),
        (
            "[save]\nwatchdog = -1\n",
            "line 2, save.watchdog: ",
            "expected u32",
        ),
        (
            "[save]\nwatchdog = 'x'\n",
            "line 2, save.watchdog: ",
            "expected u32",
        ),
        (
            "[save]\nthen = 'halt'\n",
            "line 2, save.then: ",
            "`reboot`, `poweroff`",
        ),
        (
            "[save]\ncollector = ''\n",
            "line 2, save.collector: ",
            "use `copy`",
        ),
        (
            "[save]\ncollector = 'copy -x'\n",
            "line 2, save.collector: ",
            "no options",
        ),
        (
            "[save]\ncollector = 'gzip > x'\n",
            "line 2, save.collector: ",
            "not a shell command",
        ),
        (
            "[save]\ndevice = 'sda'\n",
            "line 2, save.device: ",
            "UUID=...",
        ),
        (
            "[save]\ndevice = 'LABEL=x'\ntarget='ssh://u@h/d'\n",
            "crash.toml, save.device: ",
            "nothing to mount",
        ),
        (
            "[load]\nimage = '/x'\nkernel-cmdline = 'y'\n",
            "crash.toml, load.kernel-cmdline: ",
            "no load.kernel",
        ),
        ("[load]\nimage = \"/x\n", "line 2, load.image: ", ""),
        (
            "[load]\nimage = '/x'\nimage = '/y'\n",
            "line 3, load.image: ",
            "duplicate",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(place), "{text:?}: {error}");
        assert!(error.contains(says), "{text:?}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crash.toml");
    let missing = Config::read(&path).unwrap_err().to_string();
    assert!(missing.contains("crash.toml: no such file"), "{missing}");
    std::fs::write(&path, WHOLE).unwrap();
    assert!(Config::read(&path).unwrap().load.is_some());
    std::fs::write(&path, b"[save]\n\xff").unwrap();
    let binary = Config::read(&path).unwrap_err().to_string();
    assert!(binary.contains("not UTF-8 from byte 7"), "{binary}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[\\[\\]a-z='\"\n{}/ ]{0,80}") {
        let _ = Config::parse(&text, "x");
    }
}
