//! The program that reads and filters the dump, usually makedumpfile.

use super::context::SaveContext;
use super::error::SaveError;
use super::process::{self, Output};
use anyhow::{Result, ensure};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The program with known options.
const MAKEDUMPFILE: &str = "makedumpfile";
/// Minimum size of a dump in bytes: less than any header.
const LEAST: u64 = 4096;

/// Runs `words` on the dump `vmcore` to write `output`, which does not exist
/// before and is removed after a failure. Returns the time in seconds, after
/// writing the data to disk.
///
/// # Errors
///
/// When it is not found, fails, hangs, or writes nothing.
pub fn collect(run: &SaveContext, words: &[String], vmcore: &Path, output: &Path) -> Result<f64> {
    let remove = || match fs::remove_file(output) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    remove()?;
    let started = Instant::now();
    let done = attempt(run, words, vmcore, output);
    if done.is_err() {
        let _ = remove();
    }
    done.map(|()| started.elapsed().as_secs_f64())
}

fn attempt(run: &SaveContext, words: &[String], vmcore: &Path, output: &Path) -> Result<()> {
    let (program, args) = words.split_first().expect("at least one word");
    let mut command = Command::new(program);
    command.args(args).arg(vmcore).arg(output);
    let size = || fs::metadata(output).map_or(0, |found| found.len());
    process::run(run, command, Output::Show, size)?;
    let bytes = size();
    let program = program.clone();
    ensure!(bytes >= LEAST, SaveError::TooShort { program, bytes });
    super::flush::flush(run, &File::open(output)?)
}

/// True when `words` run makedumpfile, whose options are known.
#[must_use]
pub fn is_makedumpfile(words: &[String]) -> bool {
    let name = words.first().map(Path::new).and_then(Path::file_name);
    name.is_some_and(|name| name == MAKEDUMPFILE)
}

/// Writes the kernel log in the dump to `output`.
///
/// # Errors
///
/// As [`collect`].
pub fn dmesg(run: &SaveContext, vmcore: &Path, output: &Path) -> Result<()> {
    let _ = fs::remove_file(output);
    let mut command = Command::new(MAKEDUMPFILE);
    command.arg("--dump-dmesg").arg(vmcore).arg(output);
    let size = || fs::metadata(output).map_or(0, |found| found.len());
    process::run(run, command, Output::Keep, size)?;
    let program = format!("{MAKEDUMPFILE} --dump-dmesg");
    ensure!(size() > 0, SaveError::TooShort { program, bytes: 0 });
    super::flush::flush(run, &File::open(output)?)
}

/// Returns the last lines of a log.
#[must_use]
pub fn tail(text: &str, lines: usize) -> Vec<&str> {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::save::ChildError;
    use crate::save::context::testing;

    fn words(script: &str) -> Vec<String> {
        ["sh", "-c", script, "sh"].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_output_is_kept_and_removed_after_a_failure() {
        let (run, _) = testing::run();
        let dir = tempfile::tempdir().unwrap();
        let vmcore = dir.path().join("vmcore");
        let output = dir.path().join("output");
        fs::write(&vmcore, vec![3; 10000]).unwrap();
        collect(&run, &words("cp $1 $2"), &vmcore, &output).unwrap();
        assert_eq!(fs::read(&output).unwrap().len(), 10000);
        let failure = |words: &[String]| {
            let error = collect(&run, words, &vmcore, &output).unwrap_err();
            assert!(!output.exists(), "{words:?}");
            error
        };
        let error = failure(&words("cp $1 $2; echo no memory >&2; exit 1"));
        assert!(
            matches!(error.downcast_ref(), Some(ChildError::Failed { output, .. })
                if *output == ["no memory"]),
            "{error}"
        );
        for script in [":", ": > $2"] {
            let error = failure(&words(script));
            assert!(
                matches!(error.downcast_ref(), Some(SaveError::TooShort { program, bytes: 0 })
                    if program == "sh"),
                "{error}"
            );
        }
        let error = failure(&words("cp $1 $2; sleep 100"));
        assert!(
            matches!(error.downcast_ref(), Some(ChildError::Stalled { .. })),
            "{error}"
        );
        let error = failure(&["/no/makedumpfile".to_owned()]);
        assert!(
            matches!(error.downcast_ref(), Some(ChildError::NotStarted { .. })),
            "{error}"
        );
    }

    #[test]
    fn makedumpfile_is_detected_by_its_name() {
        let is = |word: &str| is_makedumpfile(&[word.to_owned(), "-l".to_owned()]);
        assert!(is("makedumpfile") && is("/usr/bin/makedumpfile"));
        assert!(!is("makedumpfile.sh") && !is("sh"));
    }

    #[test]
    fn the_tail_is_the_end() {
        assert_eq!(tail("a\nb\nc\n", 2), ["b", "c"]);
        assert_eq!(tail("a", 2), ["a"]);
    }
}
