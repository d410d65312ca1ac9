//! Symbol files that are found by the build IDs in the log.

use super::{DecodeOptions, SymbolArg, read_symbols};
use crate::decode::build_id;
use crate::decode::found::DumpSource;
use crate::decode::known_lines::Speaker;
use crate::decode::survey::LoggedBuildId;
use crate::decode::symbolizer::Symbolizer;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A build ID and the file that has its symbols.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FoundSymbols {
    of: Speaker,
    id: String,
    /// Null if none was found.
    file: Option<String>,
}

/// Searches symbol files, each build ID once.
#[derive(Debug)]
pub(super) struct SymbolSearch {
    root: PathBuf,
    beside: Vec<PathBuf>,
    searched: Vec<FoundSymbols>,
}

impl SymbolSearch {
    pub(super) fn new(options: &DecodeOptions) -> Self {
        let given = options.symbols.iter().map(|symbols| symbols.path.as_path());
        let mut beside: Vec<PathBuf> = given
            .chain(options.plan.as_deref())
            .map(|path| {
                if path.is_dir() {
                    path.to_owned()
                } else {
                    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
                    dir.unwrap_or(Path::new(".")).to_owned()
                }
            })
            .collect();
        beside.dedup();
        Self {
            root: options.root.clone().unwrap_or_else(|| PathBuf::from("/")),
            beside,
            searched: Vec::new(),
        }
    }

    /// Loads the files of new build IDs.
    pub(super) fn load(&mut self, ids: &[LoggedBuildId], symbols: &mut Symbolizer) {
        for wanted in ids {
            if self
                .searched
                .iter()
                .any(|searched| searched.id == wanted.id)
            {
                continue;
            }
            let given = symbols
                .files()
                .iter()
                .find(|file| file.build_id.as_ref() == Some(&wanted.id));
            let name = if let Some(given) = given {
                Some(given.name.clone())
            } else {
                let path = build_id::find(&wanted.id, &self.beside, &self.root);
                // a file without symbols is as good as none
                let file = path.and_then(|path| {
                    let file = read_symbols(&SymbolArg {
                        path: path.clone(),
                        base: None,
                    })
                    .ok()?;
                    Some((path, file))
                });
                file.map(|(path, file)| {
                    symbols.add(file);
                    path.display().to_string()
                })
            };
            self.searched.push(FoundSymbols {
                of: wanted.of,
                id: wanted.id.clone(),
                file: name,
            });
        }
    }

    /// The build IDs of the log with their files, as far as searched.
    pub(super) fn found(&self, ids: &[LoggedBuildId]) -> Vec<FoundSymbols> {
        let known = |wanted: &LoggedBuildId| {
            let searched = self
                .searched
                .iter()
                .find(|searched| searched.id == wanted.id);
            searched.cloned().unwrap_or_else(|| FoundSymbols {
                of: wanted.of,
                id: wanted.id.clone(),
                file: None,
            })
        };
        ids.iter().map(known).collect()
    }

    /// What makes the symbols of a dump doubtful, or why there are none.
    pub(super) fn notes(
        &self,
        source: DumpSource,
        ids: &[LoggedBuildId],
        symbols: &Symbolizer,
    ) -> Vec<String> {
        let of = match source {
            DumpSource::Xen => Speaker::Xen,
            DumpSource::LinuxOops => Speaker::Linux,
            _ => return Vec::new(),
        };
        let mut files = symbols
            .files()
            .iter()
            .filter(|file| file.is_xen() == (of == Speaker::Xen));
        let mut wanted = ids.iter().filter(|id| id.of == of).peekable();
        if wanted.peek().is_none() {
            return Vec::new();
        }
        let ids: Vec<&str> = wanted.map(|id| id.id.as_str()).collect();
        let kernel = of.name();
        match files.next() {
            None => vec![format!(
                "no symbols of this {kernel} (build ID {}): looked for them in /usr/lib/debug and /boot, and beside the files \
                 that are given; --symbols names a file",
                ids.join(", ")
            )],
            Some(first) => {
                let fits =
                    |id: &Option<String>| id.as_ref().is_none_or(|id| ids.contains(&id.as_str()));
                if fits(&first.build_id) || files.any(|file| fits(&file.build_id)) {
                    return Vec::new();
                }
                vec![format!(
                    "{} is of another build: its build ID is {}, that of the {kernel} in the log {}",
                    first.name,
                    first.build_id.as_deref().unwrap_or("none"),
                    ids.join(", ")
                )]
            }
        }
    }
}
