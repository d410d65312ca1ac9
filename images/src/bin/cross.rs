//! `cargo cross ARCH`: mbtool for another architecture; the last line on stdout is its path.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use images::cross::{Cross, CrossTarget};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let (Some(name), None) = (arguments.next(), arguments.next()) else {
        let names = CrossTarget::ALL.map(CrossTarget::name).join("|");
        anyhow::bail!("usage: cargo cross {names}");
    };
    let target: CrossTarget = name.parse()?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the workspace has a directory")?;
    let target_dir =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), Into::into);
    let binary = Cross::new(target, &target_dir.join("cross"))?.mbtool("release", workspace)?;
    println!("{}", binary.display());
    Ok(())
}
