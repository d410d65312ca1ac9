//! Errors of the setup of a machine.

use super::messages;
use mbtool::config::target::{DeviceSpec, Target};
use mbtool::image::FileKind;
use mbtool::image::kind::DataFile;
use mbtool::setup::initrd::InitrdError;
use mbtool::setup::install::InstallError;
use mbtool::setup::install::machine::PlaceError;

#[test]
fn install() {
    let unit = "/etc/systemd/system/mbtool-crash.service";
    let edited = |paths: &[&str]| InstallError::Edited {
        paths: paths.iter().map(Into::into).collect(),
    };
    messages!(InstallError {
        Configured: [InstallError::Configured {
            config: "/etc/mbtool/crash.toml".into(),
            options: vec!["--image", "--device"]
        }],
        Edited: [
            edited(&[unit]),
            edited(&[unit, "/etc/mbtool/initramfs/hooks/mbtool"]),
        ],
        ProgramName: [InstallError::ProgramName {
            path: "/opt/my tools/mbtool".into()
        }],
        NoProgram: [InstallError::NoProgram {
            path: "/mnt/usr/sbin/mbtool".into()
        }],
        Image: [InstallError::Image {
            path: "/boot/initrd.img".into(),
            kind: FileKind::Data(DataFile::Cpio { early: false }),
        }],
        DeviceOfRemote: [InstallError::DeviceOfRemote {
            device: DeviceSpec::try_from("UUID=1-2".to_owned()).unwrap(),
            target: Target::try_from("ssh://kdump@192.0.2.1/srv".to_owned()).unwrap()
        }],
        OtherLink: [InstallError::OtherLink {
            path: unit.into(),
            found: "/dev/null".into(),
            expected: "../mbtool-crash.service".into()
        }],
        NoLink: [InstallError::NoLink { path: unit.into() }],
    });
    messages!(PlaceError {
        Mounts: [PlaceError::Mounts(
            "/proc/self/mountinfo".into(),
            "no such file".into()
        )],
        Kind: [PlaceError::Kind {
            dir: "/var/crash".into(),
            kind: "tmpfs".into(),
            source_name: "none".into()
        }],
    });
}

#[test]
fn initrd() {
    let image = "/var/lib/mbtool/crash-6.1.img";
    messages!(InitrdError {
        NotInstalled: [
            InitrdError::NotInstalled {
                image: image.into(),
                beside: vec![]
            },
            InitrdError::NotInstalled {
                image: "/boot/crash.img".into(),
                beside: vec!["/boot/crash.img-6.1".into()]
            }
        ],
        NoModules: [InitrdError::NoModules {
            path: "/lib/modules/6.1".into()
        }],
        NoMaker: [InitrdError::NoMaker {
            program: "mkinitramfs",
            image: image.into()
        }],
        MakerFailed: [InitrdError::MakerFailed {
            program: "mkinitramfs",
            output: vec!["no space".into(), "gzip: failed".into()]
        }],
        NoKey: [InitrdError::NoKey {
            path: "/etc/mbtool/id".into(),
            key: "save.identity"
        }],
        NoDevice: [InitrdError::NoDevice {
            dir: "/var/crash".into()
        }],
        Blank: [InitrdError::Blank {
            path: "/etc/my key".into()
        }],
        TooManyFiles: [InitrdError::TooManyFiles {
            limit: 1000,
            dir: "/etc/mbtool/initramfs".into()
        }],
    });
}
