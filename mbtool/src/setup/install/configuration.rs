//! Generates the configuration for `crash install` from facts of the machine.

use super::machine::{self, CrashKernel};
use super::{InstallError, InstallOptions, config};
use crate::config::target::Target;
use crate::image::FileKind;
use crate::image::kind::SetupProgram;
use crate::request::files;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use xen_shim::cmdline::Cmdline;

/// Parameters of the running kernel's command line that the crash kernel's
/// initrd needs too.
const KEPT: [&str; 7] = [
    "root=",
    "rootfstype=",
    "rootflags=",
    "cryptopts=",
    "ip=",
    "net.ifnames=",
    "biosdevname=",
];
/// Path of the initrd.
const INITRD: &str = "/var/lib/mbtool/crash-{release}.img";

/// Values of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Path of Xen, or of a Linux kernel.
    pub image: String,
    /// Its command line.
    pub cmdline: String,
    /// dom0's kernel and command line, if the image is Xen.
    pub kernel: Option<(String, String)>,
    /// Target of dumps.
    pub target: String,
    /// Its file system.
    pub device: Option<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl Settings {
    /// Determines values that `options` do not give.
    ///
    /// # Errors
    ///
    /// When the directory is on a file system that a crash kernel cannot mount.
    pub fn of(options: &InstallOptions) -> anyhow::Result<Self> {
        let root = &options.root;
        let mut notes = Vec::new();
        let running = if options.elsewhere() {
            notes.push(format!(
                "the command line of {} is unknown: check load.kernel-cmdline in {}",
                root.display(),
                config::PATH
            ));
            String::new()
        } else {
            machine::cmdline(root)
        };
        let (target, device) = place(options, &mut notes)?;
        let image = match &options.image {
            Some(path) if is_xen(root, path)? => CrashKernel::Xen(path.display().to_string()),
            Some(path) => return Ok(linux(options, &running, path, target, device, notes)),
            None => machine::image(root),
        };
        let CrashKernel::Xen(image) = image else {
            notes.push(
                "there is no Xen in /boot, so this machine's Linux is used as crash kernel; --image names another"
                    .to_owned(),
            );
            let path = Path::new("/boot/vmlinuz-{release}");
            return Ok(linux(options, &running, path, target, device, notes));
        };
        let (console, own) = consoles(&running);
        Ok(Self {
            image,
            cmdline: options.cmdline.clone().unwrap_or(console),
            kernel: Some((
                "/boot/vmlinuz-{release}".to_owned(),
                with_kept(own, &running),
            )),
            target,
            device,
            notes,
        })
    }
}

fn linux(
    options: &InstallOptions,
    running: &str,
    image: &Path,
    target: String,
    device: Option<String>,
    notes: Vec<String>,
) -> Settings {
    let line = Cmdline::linux(running);
    let consoles: Vec<&str> = line.named("console").collect();
    // one CPU is sufficient for a dump, and not all others can be started
    let own = format!("{} nr_cpus=1 reset_devices", consoles.join(" "));
    let own = with_kept(own.trim(), running);
    Settings {
        image: image.display().to_string(),
        cmdline: options.cmdline.clone().unwrap_or(own),
        kernel: None,
        target,
        device,
        notes,
    }
}

/// Returns console parameters for Xen and dom0, and dom0's reset_devices. The
/// serial port is that of the running system, if Xen supports it.
fn consoles(running: &str) -> (String, &'static str) {
    match machine::serial(running) {
        Some((port @ 0..=1, baud)) => {
            let port = port + 1;
            let xen = format!("com{port}={baud},8n1 console=com{port}");
            (xen, "console=hvc0 reset_devices")
        }
        _ => ("console=vga".to_owned(), "console=tty0 reset_devices"),
    }
}

/// Appends the running kernel's parameters about root file system and network
/// to `own`.
fn with_kept(own: &str, running: &str) -> String {
    let mut line = Cmdline::linux(own);
    for parameter in Cmdline::linux(running).own() {
        if KEPT.iter().any(|kept| parameter.starts_with(kept)) {
            line.append(parameter);
        }
    }
    line.to_string()
}

/// True when the file at `path` is Xen, false when it is Linux.
///
/// # Errors
///
/// When the file cannot be read, or is neither.
fn is_xen(root: &Path, path: &Path) -> anyhow::Result<bool> {
    let below = root.join(path.strip_prefix("/").unwrap_or(path));
    let (bytes, _) = files::read_image(&below)?;
    match FileKind::of(&bytes) {
        FileKind::Setup(SetupProgram::Linux64) | FileKind::Vmlinux => Ok(false),
        FileKind::Multiboot2 | FileKind::Multiboot | FileKind::Pvh => Ok(true),
        kind if kind.is_unified_kernel() => Ok(false),
        kind if kind.is_xen_efi() => Ok(true),
        kind => Err(InstallError::Image { path: below, kind }.into()),
    }
}

/// Returns the target and its file system.
fn place(
    options: &InstallOptions,
    notes: &mut Vec<String>,
) -> anyhow::Result<(String, Option<String>)> {
    let default = Target::Directory(PathBuf::from("/var/crash"));
    let target = options.target.clone().unwrap_or(default);
    let Target::Directory(dir) = &target else {
        if let Some(device) = &options.device {
            let device = device.clone();
            return Err(InstallError::DeviceOfRemote { device, target }.into());
        }
        return Ok((target.to_string(), None));
    };
    if let Some(device) = &options.device {
        return Ok((dir.display().to_string(), Some(device.to_string())));
    }
    if options.elsewhere() {
        notes.push(format!(
            "the file system of {} is unknown: write its UUID to save.device in {}",
            dir.display(),
            config::PATH
        ));
        return Ok((dir.display().to_string(), None));
    }
    let place = machine::place(&options.root, dir)?;
    Ok((
        place.path.display().to_string(),
        Some(place.device.to_string()),
    ))
}

/// Formats the configuration.
#[must_use]
pub fn text(settings: &Settings) -> String {
    // a JSON string is also a TOML string
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = "# Crash dumps by mbtool; written by `mbtool crash install`, may be edited.\n# \
        `mbtool crash load --help` and `mbtool crash save --help` say what can stand here.\n\n# \
        The crash kernel, loaded at boot. {release} is the output of `uname -r`.\n[load]\n"
        .to_owned();
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    };
    line("image", &settings.image);
    line("cmdline", &settings.cmdline);
    if let Some((kernel, cmdline)) = &settings.kernel {
        line("kernel", kernel);
        line("kernel-cmdline", cmdline);
    }
    line("initrd", INITRD);
    text += "\n# How the crash kernel saves the memory of the crashed system.\n[save]\n";
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    };
    if let Some(device) = &settings.device {
        line("device", device);
    }
    line("target", &settings.target);
    line("collector", "makedumpfile -l -d 31");
    text +=
        "# seconds without progress until the machine is reset\nwatchdog = 60\nthen = \"reboot\"\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_is_the_running_systems() {
        for (running, xen, dom0) in [
            (
                "console=tty0 console=ttyS1,57600n8",
                "com2=57600,8n1 console=com2",
                "console=hvc0 reset_devices",
            ),
            // Xen supports two serial ports
            ("console=ttyS2", "console=vga", "console=tty0 reset_devices"),
            ("quiet", "console=vga", "console=tty0 reset_devices"),
        ] {
            assert_eq!(consoles(running), (xen.to_owned(), dom0));
        }
    }

    #[test]
    fn parameters_for_root_and_network_are_kept() {
        let running = "BOOT_IMAGE=/vmlinuz root=UUID=1-2 ro quiet crashkernel=512M ip=192.0.2.1::::h:eth0:none";
        assert_eq!(
            with_kept("console=hvc0", running),
            "console=hvc0 root=UUID=1-2 ip=192.0.2.1::::h:eth0:none"
        );
    }
}
