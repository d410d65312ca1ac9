//! Imports, read from source as text: `use` and paths that begin with `crate` or `super`. Test
//! modules are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Imports of one level: module, the modules that it imports, and a file that does.
pub type Imports = BTreeMap<String, BTreeMap<String, PathBuf>>;

/// Returns the imports between modules directly below `level` of a crate.
pub fn imports(name: &str, level: &str) -> Imports {
    let (src, files) = files(name);
    let prefix: Vec<String> = level
        .split("::")
        .filter(|p| !p.is_empty())
        .map(Into::into)
        .collect();
    let below = |path: &[String]| {
        path.get(prefix.len())
            .filter(|_| path.starts_with(&prefix))
            .cloned()
    };
    let modules: Vec<(PathBuf, Vec<String>)> = files
        .into_iter()
        .map(|file| {
            let path = module(file.strip_prefix(&src).unwrap());
            (file, path)
        })
        .collect();
    let names: BTreeSet<String> = modules.iter().filter_map(|(_, path)| below(path)).collect();
    let mut imports: Imports = names
        .iter()
        .map(|name| (name.clone(), BTreeMap::new()))
        .collect();
    for (file, path) in &modules {
        let Some(from) = below(path) else { continue };
        let code = without_tests(&code(&fs::read_to_string(file).unwrap()));
        for target in targets(&code, path) {
            let Some(to) = below(&target) else { continue };
            if to != from && names.contains(&to) {
                imports.get_mut(&from).unwrap().insert(to, file.clone());
            }
        }
    }
    imports
}

/// Public types of a crate, each with the file that defines it: `struct`, `enum`, `union`, `trait` and `type` behind
/// `pub` or `pub(crate)`, test modules and programs left out.
pub fn types(name: &str) -> Vec<(String, PathBuf)> {
    let (_, files) = files(name);
    let mut found = Vec::new();
    for file in files {
        let text = without_tests(&code(&fs::read_to_string(&file).unwrap()));
        for line in text.lines().map(str::trim_start) {
            let Some(item) = line
                .strip_prefix("pub ")
                .or_else(|| line.strip_prefix("pub(crate) "))
            else {
                continue;
            };
            let mut words = item.split(|c: char| !c.is_alphanumeric() && c != '_');
            if matches!(
                words.next(),
                Some("struct" | "enum" | "union" | "trait" | "type")
            ) {
                found.push((words.next().unwrap().to_owned(), file.clone()));
            }
        }
    }
    found
}

/// The files of a crate that name one of `names` in code, each with the name; test modules left out.
pub fn users(crate_name: &str, names: &[&'static str]) -> Vec<(PathBuf, &'static str)> {
    let (src, mut files) = files(crate_name);
    files.push(src.join("main.rs"));
    let mut found = Vec::new();
    for file in files {
        let text = without_tests(&code(&fs::read_to_string(&file).unwrap()));
        let file = file.strip_prefix(&src).unwrap();
        for name in names {
            let whole = |at: usize| {
                let before = text[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
            };
            if text.match_indices(name).any(|(at, _)| whole(at)) {
                found.push((file.to_owned(), *name));
            }
        }
    }
    found
}

/// The `src` folder of a crate, and its files.
fn files(name: &str) -> (PathBuf, Vec<PathBuf>) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(name)
        .join("src");
    let mut files = Vec::new();
    walk(&src, &mut files);
    (src, files)
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let test = stem.ends_with("tests") || stem == "testing" || stem == "fixtures";
        if test || stem == "bin" || stem == "main" {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Path of the module in a file.
fn module(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "lib")) {
        path.pop();
    }
    path
}

/// The text with blanks for comments, strings and characters.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let starts = |at: usize, what: &[u8]| bytes[at..].starts_with(what);
    let mut at = 0;
    while at < bytes.len() {
        let end = if starts(at, b"//") {
            text[at..].find('\n').map_or(bytes.len(), |len| at + len)
        } else if starts(at, b"/*") {
            text[at..]
                .find("*/")
                .map_or(bytes.len(), |len| at + len + 2)
        } else if starts(at, b"r\"") || starts(at, b"r#") {
            let hashes = bytes[at + 1..].iter().take_while(|b| **b == b'#').count();
            let close = format!("\"{}", "#".repeat(hashes));
            match bytes.get(at + 1 + hashes) {
                Some(b'"') => {
                    let body = at + 2 + hashes;
                    text[body..]
                        .find(&close)
                        .map_or(bytes.len(), |len| body + len + close.len())
                }
                _ => at,
            }
        } else if bytes[at] == b'"' || (bytes[at] == b'\'' && is_char(&bytes[at..])) {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != bytes[at] {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            (end + 1).min(bytes.len())
        } else {
            at
        };
        if end > at {
            out[at..end].fill(b' ');
            at = end;
        } else {
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

/// A character, not a lifetime.
fn is_char(bytes: &[u8]) -> bool {
    bytes.get(1) == Some(&b'\\')
        || bytes
            .iter()
            .skip(2)
            .take(4)
            .position(|b| *b == b'\'')
            .is_some_and(|at| at == 0 || bytes[1] > 0x7f)
}

/// The code without `#[cfg(test)] mod name { ... }`.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let item = from["#[cfg(test)]".len()..].trim_start();
        let open = item.find(['{', ';']).unwrap_or(item.len());
        rest = if item[..open].contains("mod ") && item[open..].starts_with('{') {
            let mut depth = 0;
            let end = item[open..].find(|c| {
                depth += match c {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                depth == 0
            });
            &item[end.map_or(item.len(), |end| open + end + 1)..]
        } else {
            item
        };
    }
    out.push_str(rest);
    out
}

/// All paths that begin with `crate` or `super`, as module paths in the crate.
fn targets(code: &str, path: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate", "super"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            let after = &code[at + start.len()..];
            if before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c))
                || !after.starts_with("::")
            {
                continue;
            }
            let mut tree = Vec::new();
            leaves(&code[at..], &mut Vec::new(), &mut tree);
            for leaf in tree {
                let ups = leaf.iter().take_while(|part| *part == "super").count();
                let base = match ups {
                    0 => &[][..],
                    ups => &path[..path.len().saturating_sub(ups)],
                };
                let rest = leaf.iter().skip(ups.max(1)).cloned();
                found.push(base.iter().cloned().chain(rest).collect());
            }
        }
    }
    found
}

/// The paths of a `use` tree, or the one path, that `code` begins with; returns the rest.
fn leaves<'a>(code: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    let mut rest = code;
    loop {
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        if end > 0 {
            prefix.push(rest[..end].to_owned());
        }
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(more) if more.starts_with('{') => {
                rest = &more[1..];
                loop {
                    rest = leaves(rest.trim_start(), prefix, found).trim_start();
                    // an alias
                    let next = rest.find([',', '}']).unwrap_or(rest.len());
                    rest = &rest[next..];
                    match rest.strip_prefix(',') {
                        Some(more) if !more.trim_start().starts_with('}') => rest = more,
                        Some(more) => {
                            rest = &more.trim_start()[1..];
                            break;
                        }
                        None => {
                            rest = rest.get(1..).unwrap_or("");
                            break;
                        }
                    }
                }
                break;
            }
            Some(more) if more.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                rest = more
            }
            _ => {
                found.push(prefix.clone());
                break;
            }
        }
    }
    prefix.truncate(depth);
    rest
}

#[test]
fn paths_are_found_in_source() {
    let text = "use crate::{a::{self, b as c}, d::*, };\nfn f() { super::super::g::h(); } // crate::no\n\
        const S: &str = \"crate::no\"; const C: char = '\"'; impl<'a> crate::i::T<'a> {}\n\
        #[cfg(test)]\nmod tests { use crate::no; }\nuse crate::j;";
    let path = ["x", "y", "z"].map(String::from);
    let code = without_tests(&code(text));
    let mut found: Vec<String> = targets(&code, &path)
        .iter()
        .map(|path| path.join("::"))
        .collect();
    found.sort_unstable();
    assert_eq!(found, ["a::b", "a::self", "d", "i::T", "j", "x::g::h"]);
}
