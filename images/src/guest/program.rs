//! A program of a Debian package with the libraries that it needs, for an initial RAM disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use elf::ElfBytes;
use elf::abi::{DT_NEEDED, PT_INTERP};
use elf::endian::LittleEndian;

use crate::assets::Asset;

/// Where Debian's dynamic linker looks for libraries.
const DIRECTORIES: [&str; 3] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"];

/// The program and all that it needs, by path in the guest (relative to the root).
pub fn with_libraries(program: &'static Asset) -> Result<BTreeMap<String, Vec<u8>>> {
    let found = program.find()?;
    let name = found.path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| found.path.display().to_string())?;
    let root = found.root.as_deref().unwrap_or(Path::new("/"));
    let mut files = BTreeMap::new();
    add(root, format!("bin/{name}"), &found.path, &mut files)?;
    Ok(files)
}

/// Adds the file `from` as `path`, and what it needs.
fn add(root: &Path, path: String, from: &Path, to: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    if to.contains_key(&path) {
        return Ok(());
    }
    let shown = || from.display().to_string();
    let bytes = fs::read(from).with_context(shown)?;
    let needed = needed(&bytes).with_context(shown)?;
    to.insert(path, bytes);
    for name in needed {
        let (directory, from) = find(root, &name).with_context(|| {
            format!(
                "{} needs {name}, which is not below {}",
                from.display(),
                root.display()
            )
        })?;
        add(root, format!("{directory}/{name}"), &from, to)?;
    }
    Ok(())
}

fn find(root: &Path, name: &str) -> Option<(&'static str, PathBuf)> {
    DIRECTORIES.iter().find_map(|&directory| {
        let path = root.join(directory).join(name);
        path.is_file().then_some((directory, path))
    })
}

/// File names of the libraries that an ELF file needs, and of its interpreter.
fn needed(bytes: &[u8]) -> Result<Vec<String>> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes)?;
    let mut names = Vec::new();
    let segments = file.segments().context("no program headers")?;
    if let Some(interpreter) = segments.iter().find(|header| header.p_type == PT_INTERP) {
        let path = String::from_utf8_lossy(file.segment_data(&interpreter)?).into_owned();
        let path = path.trim_end_matches('\0');
        let name = path.strip_prefix("/lib64/");
        names.push(name.with_context(|| path.to_owned())?.to_owned());
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
            names.iter().any(|name| name.starts_with("ld-linux")),
            "{names:?}"
        );
        assert!(needed(b"#!/bin/sh").is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let root = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let error = add(root.path(), "bin/x".into(), &program, &mut BTreeMap::new()).unwrap_err();
        assert!(format!("{error:#}").contains("needs"), "{error:#}");
    }
}
