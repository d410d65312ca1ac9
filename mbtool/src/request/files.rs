//! Image and modules, read and decompressed once.

use super::embedded::{Embedded, EmbeddedLine, EmbeddedNote};
use super::image_file::ImageFile;
use super::initrd::{self, InitrdNote, JoinedInitrd};
use super::{BootOptions, ModuleKind, ModuleSpec};
use crate::decompress::{Compression, decompress, decompress_within};
use crate::fdt::{DeviceTree, SIZE_MAX};
use crate::image::{Image, linux};
use crate::input;
use crate::plan::{GivenTree, InitrdPart, Module};
use crate::sys::meminfo;
use anyhow::{Context, anyhow};
use std::path::{Path, PathBuf};

/// Maximum file size in bytes: the address space of a 32-bit target.
pub(super) const FILE_LIMIT: u64 = 4 << 30;

/// An image and its modules.
#[derive(Clone, Debug)]
pub struct Files {
    /// The image.
    pub image: Image,
    /// Compression formats, outermost first.
    pub layers: Vec<Compression>,
    /// Modules, in order; an initrd is the last one.
    pub modules: Vec<Module>,
    /// Command line in a unified image.
    pub line: Option<EmbeddedLine>,
    /// What is used of a unified image.
    pub embedded: Vec<EmbeddedNote>,
    /// Parts of the initrd, and notes about them, if it was joined from several files.
    pub initrd: (Vec<InitrdPart>, Vec<InitrdNote>),
    /// The device tree to start from, if one is given.
    pub device_tree: Option<GivenTree>,
}

impl Files {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Names the file and the reason.
    pub fn read(options: &BootOptions) -> anyhow::Result<Self> {
        let (bytes, layers) = read_image(&options.image)?;
        let name = input::display_name(&options.image);
        let embedded = Embedded::read(&bytes, &name, options)?;
        let is_initrd = |module: &&ModuleSpec| module.kind == ModuleKind::Initrd;
        let others = options.modules.iter().filter(|module| !is_initrd(module));
        let mut modules = embedded.modules;
        for module in others {
            modules.push(read_module(module)?);
        }
        let mut initrds = embedded.initrd;
        for module in options.modules.iter().filter(is_initrd) {
            initrds.push(read_module(module)?);
        }
        let initrd = match initrds.len() {
            0 | 1 => {
                modules.extend(initrds);
                JoinedInitrd::default()
            }
            _ => {
                let parts = initrds
                    .into_iter()
                    .map(|module| (module.name, module.data.into_vec()));
                let mut joined = initrd::join(parts.collect());
                let names: Vec<&str> = joined.parts.iter().map(|part| &*part.name).collect();
                modules.push(Module {
                    name: names.join("+"),
                    cmdline: String::new(),
                    data: std::mem::take(&mut joined.data).into(),
                });
                joined
            }
        };
        Ok(Self {
            image: Image::parse_as(&bytes, &name, options.image_type)?,
            layers,
            modules,
            line: embedded.line,
            embedded: embedded.notes,
            initrd: (initrd.parts, initrd.notes),
            device_tree: options.dtb.as_deref().map(given_tree).transpose()?,
        })
    }

    /// Approximate size of the loaded data, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let image = self.image.segments.iter().map(|segment| segment.data.len());
        let modules = self.modules.iter().map(|module| module.data.len());
        image.chain(modules).map(|len| len as u64).sum()
    }
}

/// Returns the sum of the sizes of the files, in bytes, without reading them; of an ELF image the size of what is read. A
/// file that is none, such as standard input, counts as 0.
#[must_use]
pub fn sizes(options: &BootOptions) -> u64 {
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |data| data.len());
    let modules = options.modules.iter().map(|module| size(&module.path));
    let image = match ImageFile::open(&options.image) {
        Ok(Some(file)) => file.memory(),
        // an error is reported when the file is read
        Ok(None) | Err(_) => size(&options.image),
    };
    modules.sum::<u64>() + image
}

/// Reads and decompresses the image. Of an ELF file that is not compressed, only headers and segments are read; the other
/// bytes are zeros.
///
/// # Errors
///
/// When the file cannot be read or decompressed.
pub fn read_image(path: &Path) -> anyhow::Result<(Vec<u8>, Vec<Compression>)> {
    if let Some(file) = ImageFile::open(path)? {
        return Ok((file.read(available())?, Vec::new()));
    }
    let bytes = input::read_within(path, FILE_LIMIT, available())?;
    let unpacked = decompress_within(bytes, &input::display_name(path), available())?;
    Ok((unpacked.bytes, unpacked.layers))
}

/// Memory that a file may take.
fn available() -> Option<u64> {
    meminfo::available(Path::new("/"))
}

/// Reads a device tree, compressed or not.
///
/// # Errors
///
/// When the file cannot be read, or is no device tree.
pub fn read_tree(path: &Path) -> anyhow::Result<DeviceTree> {
    let name = input::display_name(path);
    let bytes = input::read(path, SIZE_MAX as u64)?;
    let unpacked = decompress(bytes, &name)?;
    DeviceTree::read(&unpacked.bytes).context(name)
}

/// The tree of `--dtb`.
fn given_tree(path: &Path) -> anyhow::Result<GivenTree> {
    let name = input::display_name(path);
    let tree = read_tree(path).map_err(|error| anyhow!("--dtb {error:#}"))?;
    Ok(GivenTree { name, tree })
}

fn read_module(module: &ModuleSpec) -> anyhow::Result<Module> {
    let path = &module.path;
    let option = module.kind.option();
    let bytes = input::read_within(path, FILE_LIMIT, available());
    let bytes = bytes.map_err(|error| anyhow!("{option} {error}"))?;
    let name = input::display_name(path);
    let data = match module.kind {
        ModuleKind::Module => {
            let bytes = decompress_within(bytes, &name, available())?.bytes;
            linux::unpacked(bytes, &name).map_err(|error| anyhow!("{option} {name}: {error}"))?
        }
        ModuleKind::Raw | ModuleKind::Initrd => bytes,
    };
    // plans, and the 32-byte name field of the handoff, have only the file name
    let name = path
        .file_name()
        .map_or(name, |name| name.to_string_lossy().into_owned());
    Ok(Module {
        name,
        cmdline: module.args.clone(),
        data: data.into(),
    })
}
