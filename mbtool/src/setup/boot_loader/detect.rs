//! Detects a [`BootLoader`] from files.

use super::steps::{DROP_IN, OLD_DROP_IN};
use super::{BootLoader, BootLoaderKind};
use crate::sys::file;
use std::fs;
use std::path::Path;

/// EFI variable with the name of the boot loader (UTF-16 after four bytes of
/// attributes).
const LOADER_INFO: &str =
    "sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// Maximum size of a configuration in bytes.
const LIMIT: u64 = 1 << 20;
/// Maximum number of files in a directory.
const MAX_FILES: usize = 256;
/// Mount points of the EFI system partition, or of the extended boot loader
/// partition.
const PARTITIONS: [&str; 3] = ["boot/efi", "efi", "boot"];
/// Directory with additional configuration of Debian's GRUB.
const DROP_INS: &str = "etc/default/grub.d";

/// Detector of one boot loader: returns its type, and the file that identifies
/// it.
type Way<'a> = fn(&Files<'a>) -> Option<(BootLoaderKind, String)>;

/// Files to examine.
pub(super) struct Files<'a> {
    pub root: &'a Path,
    pub release: &'a str,
    pub xen: bool,
}

impl Files<'_> {
    pub(super) fn detect(&self) -> BootLoader {
        let said = self.loader_info();
        let says = |name| said.as_deref().is_some_and(|said| said.starts_with(name));
        let mut ways: Vec<Way<'_>> = match self.xen {
            true => vec![Self::xen_cfg, Self::grub, Self::syslinux],
            false => vec![
                Self::grub,
                Self::systemd_boot,
                Self::u_boot_menu,
                Self::update_extlinux,
                Self::syslinux,
            ],
        };
        if says("GRUB") {
            ways.insert(0, Self::grub);
        } else if says("systemd-boot") && !self.xen {
            ways.insert(0, Self::systemd_boot);
        }
        let unknown = || (BootLoaderKind::Unknown, String::new());
        let (kind, found) = ways
            .iter()
            .find_map(|way| way(self))
            .unwrap_or_else(unknown);
        let old = self.old(&kind);
        let mut reserving = self.reserving(&kind, &found);
        // these are rewritten or removed
        reserving.retain(|path| *path != drop_in(DROP_IN) && Some(path) != old.as_ref());
        BootLoader {
            kind,
            found,
            reserving,
            old,
        }
    }

    /// Returns a file of an older mbtool in a directory where files of others
    /// are read later, unless it was edited.
    fn old(&self, kind: &BootLoaderKind) -> Option<String> {
        let path = drop_in(OLD_DROP_IN);
        let text = match kind {
            BootLoaderKind::Grub { drop_in: true, .. } => self.read(&path)?,
            _ => return None,
        };
        let ours = |name| {
            let name = format!("GRUB_CMDLINE_{name}_DEFAULT");
            let word = text.strip_prefix(&format!("{name}=\"${name} crashkernel="));
            word.and_then(|word| word.strip_suffix("\"\n"))
                .is_some_and(|word| !word.contains(['"', ' ', '\n']))
        };
        (ours("XEN") || ours("LINUX")).then_some(path)
    }

    fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    fn read(&self, path: &str) -> Option<String> {
        file::read(&self.root.join(path), LIMIT).ok()
    }

    /// Paths of the files of a directory, sorted.
    fn list(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(dir)).into_iter().flatten();
        let names = entries
            .flatten()
            .take(MAX_FILES)
            .map(|entry| entry.file_name());
        let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort_unstable();
        names.iter().map(|name| format!("{dir}/{name}")).collect()
    }

    fn loader_info(&self) -> Option<String> {
        let bytes = file::read_bytes(&self.root.join(LOADER_INFO), file::ATTRIBUTE).ok()?;
        let units = bytes.get(4..)?.chunks_exact(2);
        let units: Vec<u16> = units
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
            .collect();
        Some(String::from_utf16_lossy(&units))
    }

    fn grub(&self) -> Option<(BootLoaderKind, String)> {
        const DEFAULT: &str = "etc/default/grub";
        let places = ["boot/grub/grub.cfg", "boot/grub2/grub.cfg"];
        let made = places.iter().find(|path| self.has(path));
        let Some(default) = self.read(DEFAULT) else {
            return made.map(|path| (BootLoaderKind::GrubByHand, (*path).to_owned()));
        };
        let bls = words(&default).any(|line| {
            line.strip_prefix("GRUB_ENABLE_BLSCFG=")
                .is_some_and(|value| value.trim_matches(['"', '\'']) == "true")
        });
        let grubby = ["usr/sbin/grubby", "usr/bin/grubby", "sbin/grubby"];
        // grubby does not support Xen's entries
        if bls && !self.xen && grubby.iter().any(|path| self.has(path)) {
            return Some((BootLoaderKind::GrubBls, DEFAULT.to_owned()));
        }
        let bins = ["usr/sbin", "usr/bin", "sbin"];
        let find = |names: &[&str]| {
            let paths = names
                .iter()
                .flat_map(|name| bins.map(|bin| (*name, format!("{bin}/{name}"))));
            let mut found = paths.into_iter().filter(|(_, path)| self.has(path));
            found.next().map(|(name, path)| (name.to_owned(), path))
        };
        let mkconfig = find(&["grub-mkconfig", "grub2-mkconfig"]);
        // Debian's grub-mkconfig reads the directory, others do not
        let drop_in = mkconfig
            .as_ref()
            .and_then(|(_, path)| self.read(path))
            .is_some_and(|script| script.contains("/default/grub.d"));
        let command = match (find(&["update-grub"]), mkconfig) {
            (Some((name, _)), _) => name,
            (None, mkconfig) => {
                let name = mkconfig.map_or_else(|| "grub-mkconfig".to_owned(), |(name, _)| name);
                let two = name.starts_with("grub2");
                let usual = places[usize::from(two)];
                format!("{name} -o /{}", made.unwrap_or(&usual))
            }
        };
        Some((
            BootLoaderKind::Grub { drop_in, command },
            DEFAULT.to_owned(),
        ))
    }

    fn systemd_boot(&self) -> Option<(BootLoaderKind, String)> {
        let there = |path: &String| self.has(path);
        let confs = PARTITIONS.map(|part| format!("{part}/loader/loader.conf"));
        let entries = PARTITIONS.map(|part| format!("{part}/loader/entries"));
        let conf = confs.iter().find(|path| there(path));
        let mut list: Vec<String> = entries.iter().flat_map(|dir| self.list(dir)).collect();
        list.retain(|path| path.ends_with(".conf"));
        let images = PARTITIONS.map(|part| format!("{part}/EFI/Linux"));
        let images: Vec<String> = images.iter().flat_map(|dir| self.list(dir)).collect();
        let found = conf.or(list.first()).or(images.first())?;
        let (plain, unified) = (
            format!("-{}.conf", self.release),
            format!("-{}.efi", self.release),
        );
        let made = list.iter().any(|path| path.ends_with(&plain))
            || images.iter().any(|path| path.ends_with(&unified));
        let cmdline = self.has("etc/kernel/cmdline");
        if !made && !cmdline {
            let dir = list.first().unwrap_or(found);
            return Some((BootLoaderKind::Entries, dir.clone()));
        }
        let kernels = [
            format!("boot/vmlinuz-{}", self.release),
            format!("usr/lib/modules/{}/vmlinuz", self.release),
        ];
        let kernel = kernels
            .iter()
            .find(|path| there(path))
            .unwrap_or(&kernels[1]);
        let kind = BootLoaderKind::KernelInstall {
            cmdline,
            kernel: format!("/{kernel}"),
        };
        Some((kind, found.clone()))
    }

    fn u_boot_menu(&self) -> Option<(BootLoaderKind, String)> {
        let there = self.has("etc/default/u-boot") && self.has("boot/extlinux/extlinux.conf");
        there.then(|| (BootLoaderKind::UBootMenu, "etc/default/u-boot".to_owned()))
    }

    fn update_extlinux(&self) -> Option<(BootLoaderKind, String)> {
        const CONF: &str = "etc/update-extlinux.conf";
        self.has(CONF)
            .then(|| (BootLoaderKind::UpdateExtlinux, CONF.to_owned()))
    }

    fn syslinux(&self) -> Option<(BootLoaderKind, String)> {
        let places = [
            "boot/extlinux/extlinux.conf",
            "boot/extlinux.conf",
            "boot/syslinux/syslinux.cfg",
            "boot/syslinux.cfg",
        ];
        let path = places.iter().find(|path| self.has(path))?;
        Some((BootLoaderKind::Syslinux, (*path).to_owned()))
    }

    /// Returns the configuration file beside xen.efi, on a machine started by
    /// EFI.
    fn xen_cfg(&self) -> Option<(BootLoaderKind, String)> {
        if !self.has("sys/firmware/efi") {
            return None;
        }
        let dirs = PARTITIONS.map(|part| format!("{part}/EFI"));
        let vendors = dirs.iter().flat_map(|dir| self.list(dir));
        let files = vendors.flat_map(|dir| self.list(&dir));
        let mut files = files.filter(|path| path.ends_with(".cfg"));
        let path = files.find(|path| {
            let text = self.read(path).unwrap_or_default();
            let has = |what: &str| words(&text).any(|line| line.starts_with(what));
            has("[global]") && has("kernel=")
        })?;
        Some((BootLoaderKind::XenCfg, path))
    }

    /// Returns files of this boot loader that contain the parameter already.
    fn reserving(&self, kind: &BootLoaderKind, found: &str) -> Vec<String> {
        let (files, variable) = match kind {
            BootLoaderKind::Grub { drop_in, .. } => {
                let mut files = vec![found.to_owned()];
                if *drop_in {
                    let mut more = self.list(DROP_INS);
                    more.retain(|path| path.ends_with(".cfg"));
                    files.extend(more);
                }
                let variable = if self.xen {
                    "GRUB_CMDLINE_XEN"
                } else {
                    "GRUB_CMDLINE_LINUX"
                };
                (files, variable)
            }
            BootLoaderKind::UBootMenu => (vec![found.to_owned()], "U_BOOT_PARAMETERS"),
            BootLoaderKind::UpdateExtlinux => (vec![found.to_owned()], "default_kernel_opts"),
            BootLoaderKind::XenCfg => (vec![found.to_owned()], "options"),
            // the steps replace it
            _ => return Vec::new(),
        };
        let has = |path: &String| {
            let text = self.read(path).unwrap_or_default();
            words(&text).any(|line| line.starts_with(variable) && line.contains("crashkernel="))
        };
        files.into_iter().filter(has).collect()
    }
}

/// Returns the path of a file in [`DROP_INS`].
fn drop_in(name: &str) -> String {
    format!("{DROP_INS}/{name}")
}

/// Returns the lines that are not comments, trimmed.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.starts_with('#'))
}
