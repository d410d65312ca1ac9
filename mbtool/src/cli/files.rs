//! The files that a command line names, read and unpacked once.

use super::raw::{CommonArgs, ImageType};
use super::request::{self, ModuleArg, read_image};
use crate::decompress::{Compression, decompress};
use crate::image::{As, Image, header};
use crate::input;
use crate::plan::Module;
use anyhow::Context;

/// An image and what goes with it.
#[derive(Clone, Debug)]
pub struct Files {
    /// What is to start.
    pub image: Image,
    /// Its file has a Multiboot2 header, whatever it is taken for.
    pub has_multiboot2: bool,
    /// What was around it.
    pub layers: Vec<Compression>,
    /// Modules, in order.
    pub modules: Vec<Module>,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// Names the file, and what is wrong with it.
    pub fn read(args: &CommonArgs, modules: &[ModuleArg]) -> anyhow::Result<Self> {
        let (bytes, layers) = read_image(&args.image)?;
        let what = match args.image_type {
            ImageType::Auto => As::Auto,
            ImageType::Multiboot2 => As::Multiboot2,
            ImageType::Multiboot => As::Multiboot,
            ImageType::Linux => As::Linux,
            ImageType::Elf => As::Elf,
        };
        Ok(Self {
            image: Image::parse_as(&bytes, &input::display_name(&args.image), what)?,
            has_multiboot2: header::find(&bytes).is_ok(),
            layers,
            modules: modules
                .iter()
                .map(read_module)
                .collect::<anyhow::Result<_>>()?,
        })
    }

    /// Bytes that a kernel keeps for them, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let image = self.image.segments.iter().map(|segment| segment.data.len());
        let modules = self.modules.iter().map(|module| module.data.len());
        image.chain(modules).map(|len| len as u64).sum()
    }
}

fn read_module(module: &ModuleArg) -> anyhow::Result<Module> {
    let path = &module.file.path;
    let bytes = input::read(path, request::FILE_LIMIT).context("module")?;
    let name = input::display_name(path);
    let data = if module.unpack {
        decompress(bytes, &name)?.bytes
    } else {
        bytes
    };
    // plans, and the 32 bytes that the handoff prints, name the file alone
    let name = path
        .file_name()
        .map_or(name, |name| name.to_string_lossy().into_owned());
    Ok(Module {
        name,
        cmdline: module.file.args.clone(),
        data: data.into(),
    })
}
