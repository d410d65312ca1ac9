//! The `mbtool` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mbtool::cli::main()
}
