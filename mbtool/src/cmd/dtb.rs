//! `mbtool dtb`: a device tree as text, or how two of them differ.

use super::{load, plan};
use crate::fdt::{DeviceTree, FdtError, TreeDiff};
use crate::image::{As, Image};
use crate::input;
use crate::request::files::{self, read_tree};
use crate::request::{BootOptions, Files};
use crate::sys::output::{DataOutput, Messages};
use anyhow::{Context, bail};
use handoff::addr::PhysRange;
use std::path::PathBuf;

/// The device tree that the running kernel got.
pub const RUNNING: &str = "/sys/firmware/fdt";

/// Options of `dtb`.
#[derive(Clone, Debug)]
pub struct DtbOptions {
    /// The blob or the image, with the image's options.
    pub boot: BootOptions,
    /// A comparison: with this blob; without one, of what the image gets with what it starts from.
    pub diff: Option<Option<PathBuf>>,
    /// The machine for the image.
    pub memory_map: Option<PathBuf>,
    /// A crash region for the image.
    pub crash_region: Option<PhysRange>,
}

/// Prints the tree, or what the other one has in its place.
///
/// # Errors
///
/// When a file cannot be read, is neither a device tree nor an image that gets one, or when the image cannot be loaded.
pub fn run(
    options: DtbOptions,
    out: &mut DataOutput,
    messages: &mut Messages,
) -> anyhow::Result<()> {
    let diff = options.diff.clone();
    let (bytes, _) = files::read_image(&options.boot.image)?;
    let name = input::display_name(&options.boot.image);
    let (start, tree) = match DeviceTree::read(&bytes) {
        Ok(tree) => (None, tree),
        Err(FdtError::Magic { .. }) if Image::parse_as(&bytes, &name, As::Auto).is_ok() => {
            let (start, tree) = of_image(options, messages)?;
            (Some(start), tree)
        }
        Err(error) => return Err(error).context(name),
    };
    let (old, new) = match (diff, start) {
        (None, _) => {
            out.text(tree);
            return Ok(());
        }
        (Some(Some(other)), _) => (tree, read_tree(&other)?),
        (Some(None), Some(start)) => (start, tree),
        (Some(None), None) => bail!("--diff: give the tree to compare it with"),
    };
    out.text(TreeDiff {
        old: &old,
        new: &new,
    });
    Ok(())
}

/// The tree that an image starts from, and the one that it gets.
fn of_image(
    mut options: DtbOptions,
    messages: &mut Messages,
) -> anyhow::Result<(DeviceTree, DeviceTree)> {
    let (host, warnings) = plan::machine(
        options.memory_map.as_deref(),
        options.crash_region,
        &mut options.boot,
    )?;
    let files = Files::read(&options.boot)?;
    let given = files.device_tree.clone();
    let made = load::make(&options.boot, files, &host, warnings, messages)?;
    let Some(tree) = made.device_tree else {
        bail!("{} gets no device tree", made.report.image.name);
    };
    let start = match (given, &host.device_tree) {
        (Some(given), _) => given.tree,
        (None, Some(blob)) => blob.tree()?,
        (None, None) => DeviceTree::default(),
    };
    Ok((start, tree))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Architecture;
    use crate::fdt::testing::virt;
    use crate::host::device_tree::TreeBlob;
    use crate::host::{self, MapEntry, MemoryKind};
    use std::fs;

    #[test]
    fn a_tree_and_its_differences_are_printed() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let mut tree = DeviceTree::default();
            tree.root.set_string("model", text);
            let path = dir.path().join(name);
            fs::write(&path, tree.write().unwrap()).unwrap();
            path
        };
        let (old, new) = (file("old.dtb", "a"), file("new.dtb", "b"));
        let printed = |diff: Option<&PathBuf>| {
            let mut bytes = Vec::new();
            let mut out = DataOutput::new(&mut bytes);
            let options = DtbOptions {
                boot: BootOptions::new(old.clone()),
                diff: diff.cloned().map(Some),
                memory_map: None,
                crash_region: None,
            };
            run(options, &mut out, &mut Messages::new(&mut Vec::new())).unwrap();
            out.finish().unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(printed(None), "/dts-v1/;\n\n/ {\n\tmodel = \"a\";\n};\n");
        assert_eq!(
            printed(Some(&new)),
            "/:\n-model = \"a\";\n+model = \"b\";\n"
        );
        assert_eq!(printed(Some(&old)), "");
    }

    #[test]
    fn a_file_that_is_no_tree_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine.dts");
        fs::write(
            &path,
            "/dts-v1/;\n/ { model = \"a machine without a blob\"; };\n",
        )
        .unwrap();
        let error = read_tree(&path).unwrap_err();
        let found = u32::from_be_bytes(*b"/dts");
        assert_eq!(error.downcast_ref(), Some(&FdtError::Magic { found }));
        assert_eq!(error.to_string(), path.display().to_string());
    }

    #[test]
    fn what_an_image_gets_is_planned() {
        let dir = tempfile::tempdir().unwrap();
        let host = host::Host {
            arch: Architecture::Riscv64,
            memory_map: vec![MapEntry::new(
                PhysRange {
                    start: 0x8006_0000,
                    end: 0xc000_0000,
                },
                MemoryKind::Ram,
            )],
            device_tree: Some(TreeBlob(virt().write().unwrap())),
            ..host::Host::default()
        };
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let memory_map = file("machine.json", &serde_json::to_vec(&host).unwrap());
        // a header of riscv64 with an image_size of 4 MiB
        let mut kernel = vec![0_u8; 0x1000];
        kernel[8..16].copy_from_slice(&0x20_0000_u64.to_le_bytes());
        kernel[16..24].copy_from_slice(&0x40_0000_u64.to_le_bytes());
        kernel[0x38..0x3c].copy_from_slice(b"RSC\x05");
        let mut boot = BootOptions::new(file("Image", &kernel));
        boot.cmdline = Some("console=ttyS0 root=/dev/vda".to_owned());
        let printed = |diff: Option<Option<PathBuf>>| {
            let options = DtbOptions {
                boot: boot.clone(),
                diff,
                memory_map: Some(memory_map.clone()),
                crash_region: None,
            };
            let mut bytes = Vec::new();
            let mut out = DataOutput::new(&mut bytes);
            run(options, &mut out, &mut Messages::new(&mut Vec::new())).unwrap();
            out.finish().unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let bootargs = "bootargs = \"console=ttyS0 root=/dev/vda\";";
        assert!(printed(None).contains(bootargs));
        let changed = printed(Some(None));
        assert!(changed.contains(&format!("+{bootargs}")), "{changed}");
        assert!(!changed.contains("serial@10000000 {"), "{changed}");
        let itself = file("virt.dtb", &virt().write().unwrap());
        // the other way around
        let changed = printed(Some(Some(itself)));
        assert!(changed.contains(&format!("-{bootargs}")), "{changed}");
    }
}
