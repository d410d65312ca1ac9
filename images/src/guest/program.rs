//! A program of a Debian package with its libraries, for an initramfs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use elf::ElfBytes;
use elf::abi::{DT_NEEDED, PT_INTERP};
use elf::endian::LittleEndian;

use crate::assets::Asset;

/// Library directories of Debian's dynamic linkers. A tree has the libraries of one architecture.
const DIRECTORIES: [&str; 8] = [
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "lib/riscv64-linux-gnu",
    "usr/lib/riscv64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib/arm-linux-gnueabihf",
    "usr/lib/arm-linux-gnueabihf",
];

/// Paths of the dynamic linker in programs of those architectures: links to these directories. In
/// packages of Debian 13 they are in `/usr`.
const LINKERS: [&str; 2] = ["lib64/", "lib/ld-linux-"];

/// Returns the program and its libraries, by path in the guest (relative to the
/// root).
pub fn with_libraries(program: &'static Asset) -> Result<BTreeMap<String, Vec<u8>>> {
    let found = program.find()?;
    let name = found.path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| found.path.display().to_string())?;
    let root = found.root.as_deref().unwrap_or(Path::new("/"));
    let mut files = BTreeMap::new();
    add(root, format!("bin/{name}"), &found.path, &mut files)?;
    Ok(files)
}

/// Adds the file `from` as `path`, and its libraries.
fn add(root: &Path, path: String, from: &Path, to: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    if to.contains_key(&path) {
        return Ok(());
    }
    let shown = || from.display().to_string();
    let bytes = fs::read(from).with_context(shown)?;
    let needed = needed(&bytes).with_context(shown)?;
    to.insert(path, bytes);
    for path in needed {
        let (path, from) = find(root, &path).with_context(|| {
            let from = from.display();
            format!("{from} needs {path}, which is not below {}", root.display())
        })?;
        add(root, path, &from, to)?;
    }
    Ok(())
}

fn is_linker(path: &str) -> bool {
    LINKERS.iter().any(|linker| path.starts_with(linker))
}

/// Returns the path in the guest and on the host of a library, by name, or of the
/// dynamic linker.
fn find(root: &Path, needed: &str) -> Option<(String, PathBuf)> {
    if is_linker(needed) {
        let places = [root.join(needed), root.join("usr").join(needed)];
        let path = places.into_iter().find(|path| path.is_file())?;
        return Some((needed.to_owned(), path));
    }
    DIRECTORIES.iter().find_map(|directory| {
        let path = root.join(directory).join(needed);
        path.is_file()
            .then(|| (format!("{directory}/{needed}"), path))
    })
}

/// Returns the file names of needed libraries, and the path of the interpreter (dynamic linker).
fn needed(bytes: &[u8]) -> Result<Vec<String>> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes)?;
    let mut names = Vec::new();
    let segments = file.segments().context("no program headers")?;
    if let Some(interpreter) = segments.iter().find(|header| header.p_type == PT_INTERP) {
        let path = String::from_utf8_lossy(file.segment_data(&interpreter)?).into_owned();
        let path = path.trim_end_matches('\0').trim_start_matches('/');
        ensure!(is_linker(path), "its interpreter is /{path}");
        names.push(path.to_owned());
    }
    let Some(dynamic) = file.dynamic()? else {
        return Ok(names);
    };
    let (_, strings) = file.dynamic_symbol_table()?.context("no dynamic symbols")?;
    for entry in dynamic.iter().filter(|entry| entry.d_tag == DT_NEEDED) {
        let name = strings.get(entry.d_val() as usize)?;
        ensure!(!name.contains('/'), "needs {name}, which is no file name");
        names.push(name.to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_needs_the_c_library() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let names = needed(&own).unwrap();
        assert!(names.iter().any(|name| name == "libc.so.6"), "{names:?}");
        assert!(
            names.iter().any(|name| name.starts_with("lib64/ld-linux")),
            "{names:?}"
        );
        assert!(needed(b"#!/bin/sh").is_err());
    }

    #[test]
    fn a_missing_library_is_named() {
        let root = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let error = add(root.path(), "bin/x".into(), &program, &mut BTreeMap::new()).unwrap_err();
        assert!(format!("{error:#}").contains("needs"), "{error:#}");
    }
}
