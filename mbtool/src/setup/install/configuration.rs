//! The configuration that `crash install` writes, from what it knows of the
//! machine.

use super::machine::{self, Image};
use super::{Options, config};
use crate::config::target::Target;
use crate::image::sniff::{self, Kind};
use crate::sys::kernel_cmdline;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Words of the running kernel's command line that a crash kernel's initial RAM
/// disk needs, too.
const KEPT: [&str; 7] = [
    "root=",
    "rootfstype=",
    "rootflags=",
    "cryptopts=",
    "ip=",
    "net.ifnames=",
    "biosdevname=",
];
/// Where the initial RAM disk is made.
const INITRD: &str = "/var/lib/mbtool/crash-{release}.img";

/// What goes into the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Xen, or a Linux kernel.
    pub image: String,
    /// Its command line.
    pub cmdline: String,
    /// dom0's kernel and command line, where the image is Xen.
    pub kernel: Option<(String, String)>,
    /// Where dumps go.
    pub target: String,
    /// On which file system.
    pub device: Option<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Facts {
    /// Asks the machine for what `options` leave open.
    ///
    /// # Errors
    ///
    /// A directory on a file system that a crash kernel cannot mount.
    pub fn of(options: &Options) -> anyhow::Result<Self> {
        let root = &options.root;
        let mut notes = Vec::new();
        let running = if options.elsewhere() {
            notes.push(format!(
                "what {} boots with is not known: see to load.kernel-cmdline in {}",
                root.display(),
                config::PATH
            ));
            String::new()
        } else {
            machine::cmdline(root)
        };
        let (target, device) = place(options, &mut notes)?;
        let image = match &options.image {
            Some(path) if is_xen(root, path)? => Image::Xen(path.display().to_string()),
            Some(path) => return Ok(linux(options, &running, path, target, device, notes)),
            None => machine::image(root),
        };
        let Image::Xen(image) = image else {
            notes.push(
                "there is no Xen in /boot, so this machine's own Linux is taken as crash kernel; --image names another"
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
    options: &Options,
    running: &str,
    image: &Path,
    target: String,
    device: Option<String>,
    notes: Vec<String>,
) -> Facts {
    let consoles: Vec<&str> = kernel_cmdline::split(running)
        .into_iter()
        .filter(|word| word.starts_with("console="))
        .collect();
    // one CPU is enough for a dump, and the others cannot all be started
    let own = format!("{} nr_cpus=1 reset_devices", consoles.join(" "));
    let own = with_kept(own.trim(), running);
    Facts {
        image: image.display().to_string(),
        cmdline: options.cmdline.clone().unwrap_or(own),
        kernel: None,
        target,
        device,
        notes,
    }
}

/// A console for Xen, and what dom0 is told: its own, and that devices are as the
/// system that crashed has left them. The serial port of the running system, where
/// Xen knows it.
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

/// `own`, and what the running system says of its root file system and network.
fn with_kept(own: &str, running: &str) -> String {
    let kept = kernel_cmdline::split(running)
        .into_iter()
        .filter(|word| KEPT.iter().any(|kept| word.starts_with(kept)));
    let all: Vec<&str> = [own].into_iter().chain(kept).collect();
    all.join(" ")
}

/// Whether the file at `path` is another kernel than Linux.
///
/// # Errors
///
/// A file that cannot be read, or is no kernel.
fn is_xen(root: &Path, path: &Path) -> anyhow::Result<bool> {
    let below = root.join(path.strip_prefix("/").unwrap_or(path));
    let (bytes, _) = crate::cli::request::read_image(&below)?;
    match sniff::kind(&bytes) {
        Kind::Linux => Ok(false),
        Kind::Multiboot2 | Kind::Multiboot | Kind::Pvh => Ok(true),
        Kind::Pe | Kind::Elf | Kind::Unknown => anyhow::bail!(
            "{}: neither Xen nor Linux: `mbtool inspect` says what it is",
            below.display()
        ),
    }
}

/// The target, and the file system that it is on.
fn place(options: &Options, notes: &mut Vec<String>) -> anyhow::Result<(String, Option<String>)> {
    let default = Target::Directory(PathBuf::from("/var/crash"));
    let target = options.target.clone().unwrap_or(default);
    let Target::Directory(dir) = &target else {
        if let Some(device) = &options.device {
            anyhow::bail!("--device {device} is for a directory, not for {target}: leave it out");
        }
        return Ok((target.to_string(), None));
    };
    if let Some(device) = &options.device {
        return Ok((dir.display().to_string(), Some(device.to_string())));
    }
    if options.elsewhere() {
        notes.push(format!(
            "which file system {} is on is not known: write its UUID to save.device in {}",
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

/// The text of the configuration.
#[must_use]
pub fn text(facts: &Facts) -> String {
    // a string of JSON is one of TOML
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut text =
        "# Crash dumps by mbtool; written by `mbtool crash install`, now yours to edit.\n\
        # `mbtool crash load --help` and `mbtool crash save --help` say what can stand here.\n\n\
        # The crash kernel, loaded at boot. {release} is what `uname -r` says.\n[load]\n"
            .to_owned();
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    };
    line("image", &facts.image);
    line("cmdline", &facts.cmdline);
    if let Some((kernel, cmdline)) = &facts.kernel {
        line("kernel", kernel);
        line("kernel-cmdline", cmdline);
    }
    line("initrd", INITRD);
    text += "\n# What it does with the memory of the system that crashed.\n[save]\n";
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    };
    if let Some(device) = &facts.device {
        line("device", device);
    }
    line("target", &facts.target);
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
            // Xen has two
            ("console=ttyS2", "console=vga", "console=tty0 reset_devices"),
            ("quiet", "console=vga", "console=tty0 reset_devices"),
        ] {
            assert_eq!(consoles(running), (xen.to_owned(), dom0));
        }
    }

    #[test]
    fn what_finds_root_and_network_is_kept() {
        let running = "BOOT_IMAGE=/vmlinuz root=UUID=1-2 ro quiet crashkernel=512M ip=192.0.2.1::::h:eth0:none";
        assert_eq!(
            with_kept("console=hvc0", running),
            "console=hvc0 root=UUID=1-2 ip=192.0.2.1::::h:eth0:none"
        );
    }
}
