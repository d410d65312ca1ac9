use super::*;

fn target(text: &str) -> Result<Target, String> {
    Target::try_from(text.to_owned()).map_err(|error| error.to_string())
}

#[test]
fn targets_are_distinguished() {
    assert_eq!(
        target("/var/crash"),
        Ok(Target::Directory("/var/crash".into()))
    );
    for text in [
        "/",
        "ssh://kdump@dumps.example/srv/crash",
        "ssh://k-d_u.mp@192.0.2.1:2222/a",
        "ssh://k@[2001:db8::1]:2222/a-b/c",
        "ssh://k@[2001:db8::1]/",
    ] {
        assert_eq!(target(text).unwrap().to_string(), text);
    }
    let Ok(Target::Ssh(ssh)) = target("ssh://k@[2001:db8::1]/d") else {
        panic!()
    };
    assert_eq!((ssh.host.as_str(), ssh.port), ("2001:db8::1", 22));
}

#[test]
fn invalid_targets_are_refused() {
    for (text, says) in [
        ("", "neither"),
        ("var/crash", "neither"),
        ("user@host:/dir", "neither"),
        ("/a\nb", "neither"),
        ("nfs://host/dir", "`nfs` is not supported"),
        ("ssh://user@host", "no directory"),
        ("ssh://host/dir", "no user"),
        ("ssh://@host/dir", "the user"),
        ("ssh://-oProxyCommand=x@host/dir", "the user"),
        ("ssh://u@-oProxyCommand=x/dir", "the host"),
        ("ssh://u@/dir", "the host"),
        ("ssh://u@a@b/dir", "the host"),
        ("ssh://u@::1/dir", "the host"),
        ("ssh://u@[::1/dir", "closing ]"),
        ("ssh://u@[host]/dir", "not IPv6"),
        ("ssh://u@[::1]22/dir", "a port"),
        ("ssh://u@host:/dir", "the port"),
        ("ssh://u@host:0/dir", "the port"),
        ("ssh://u@host:+22/dir", "the port"),
        ("ssh://u@host:65536/dir", "the port"),
        ("ssh://u@host/d;reboot", "the directory"),
        ("ssh://u@host/$(x)", "the directory"),
        ("ssh://u@host/a b", "the directory"),
    ] {
        let error = target(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
        assert!(error.contains(text), "{text}: {error}");
    }
}

#[test]
fn devices_are_formatted_for_mount() {
    for text in [
        "UUID=0a1b-2c3d",
        "LABEL=my dumps",
        "PARTUUID=1234",
        "PARTLABEL=x",
        "/dev/vda2",
    ] {
        let device = DeviceSpec::try_from(text.to_owned()).unwrap();
        assert_eq!(device.to_string(), text);
    }
    for text in [
        "",
        "sda1",
        "UUID=",
        "uuid=1",
        "ID=1",
        "UUID=../x",
        "UUID=.",
        "/dev/",
        "/mnt",
        "LABEL=\n",
    ] {
        let error = DeviceSpec::try_from(text.to_owned())
            .unwrap_err()
            .to_string();
        assert!(error.contains("UUID=..."), "{error}");
    }
}
