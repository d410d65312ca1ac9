//! `mbtool dtb`: a device tree as text, or how two of them differ.

use crate::decompress::decompress;
use crate::fdt::{DeviceTree, SIZE_MAX, TreeDiff};
use crate::input;
use crate::sys::output::DataOutput;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// The device tree that the running kernel got.
pub const RUNNING: &str = "/sys/firmware/fdt";

/// Options of `dtb`.
#[derive(Clone, Debug)]
pub struct DtbOptions {
    /// The blob.
    pub file: PathBuf,
    /// A blob to compare it with.
    pub diff: Option<PathBuf>,
}

/// Prints the tree, or what the other one has in its place.
///
/// # Errors
///
/// When a file cannot be read, or is no device tree.
pub fn run(options: &DtbOptions, out: &mut DataOutput) -> anyhow::Result<()> {
    let old = read(&options.file)?;
    match &options.diff {
        None => out.text(old),
        Some(other) => {
            let new = read(other)?;
            out.text(TreeDiff {
                old: &old,
                new: &new,
            });
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<DeviceTree> {
    let name = input::display_name(path);
    let bytes = input::read(path, SIZE_MAX as u64)?;
    let unpacked = decompress(bytes, &name)?;
    DeviceTree::read(&unpacked.bytes).context(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fdt::FdtError;
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
                file: old.clone(),
                diff: diff.cloned(),
            };
            run(&options, &mut out).unwrap();
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
        let error = read(&path).unwrap_err();
        let found = u32::from_be_bytes(*b"/dts");
        assert_eq!(error.downcast_ref(), Some(&FdtError::Magic { found }));
        assert_eq!(error.to_string(), path.display().to_string());
    }
}
