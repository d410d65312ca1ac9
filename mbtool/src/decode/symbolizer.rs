//! Looks up addresses in all symbol files.

use super::address_map::AddressMap;
use super::symbols::{Symbol, SymbolFile};
use crate::arch::Architecture;

/// Symbol files, including the handoff's own.
#[derive(Debug)]
pub struct Symbolizer {
    own: Option<SymbolFile>,
    files: Vec<SymbolFile>,
    fixed: Vec<bool>,
    architecture: Architecture,
}

impl Symbolizer {
    /// Adds files; those without an address get one from the plan of each load.
    #[must_use]
    pub fn new(files: Vec<SymbolFile>) -> Self {
        Self {
            // without symbols in the blob there are no names
            own: SymbolFile::parse("handoff", handoff::blob::ELF, None).ok(),
            ..Self::without_own(files)
        }
    }

    /// Like [`Self::new`], without the handoff of this build.
    #[must_use]
    pub fn without_own(files: Vec<SymbolFile>) -> Self {
        let fixed = files.iter().map(|file| file.base.is_some()).collect();
        Self {
            own: None,
            files,
            fixed,
            architecture: Architecture::default(),
        }
    }

    /// Sets the file addresses of this load, and the architecture of its dump.
    pub fn place(&mut self, map: &AddressMap) {
        self.architecture = map.architecture;
        if let Some(own) = &mut self.own {
            let fits = Architecture::NATIVE == map.architecture;
            own.base = map.handoff.filter(|_| fits);
        }
        for (file, fixed) in self.files.iter_mut().zip(&self.fixed) {
            if *fixed {
                continue;
            }
            file.base = map.image.as_ref().and_then(|image| {
                let same = if image.xen {
                    file.is_xen()
                } else {
                    file.name == image.name || image.link_base == Some(file.link_base())
                };
                same.then_some(image.base)
            });
        }
    }

    /// Adds a file without an address.
    pub fn add(&mut self, file: SymbolFile) {
        self.files.push(file);
        self.fixed.push(false);
    }

    /// The files, without the handoff's own.
    #[must_use]
    pub fn files(&self) -> &[SymbolFile] {
        &self.files
    }

    /// Sets the difference between virtual and link addresses of all files but Xen's.
    pub fn slide(&mut self, slide: u64) {
        for file in self.files.iter_mut().filter(|file| !file.is_xen()) {
            file.slide = slide;
        }
    }

    /// Returns the virtual address of a function of another kernel than Xen.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<u64> {
        let others = self.files.iter().filter(|file| !file.is_xen());
        others.into_iter().find_map(|file| file.named(name))
    }

    /// Files of the dump's architecture in the order of lookup; the handoff's only if its address is
    /// known.
    fn all(&self) -> impl Iterator<Item = &SymbolFile> {
        let own = self.own.iter().filter(|own| own.base.is_some());
        let fits = |file: &&SymbolFile| {
            file.architecture
                .is_none_or(|architecture| architecture == self.architecture)
        };
        self.files.iter().chain(own).filter(fits)
    }

    /// Looks up `addr`.
    #[must_use]
    pub fn lookup(&self, addr: u64) -> Option<Symbol> {
        self.all().find_map(|file| file.lookup(addr))
    }

    /// Returns at most `len` bytes of code before `addr`, and the code from it
    /// on.
    #[must_use]
    pub fn code(&self, addr: u64, len: usize) -> Option<(&[u8], &[u8])> {
        self.all().find_map(|file| file.code(addr, len))
    }

    /// True if a file has code at this address.
    #[must_use]
    pub fn is_code(&self, addr: u64) -> bool {
        self.all().any(|file| file.is_code(addr))
    }
}
