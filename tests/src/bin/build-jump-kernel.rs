//! Builds the Linux kernel of the `kexec_jump` test, once: see docs/testing.md.

use std::process::ExitCode;

use images::jump_kernel;

fn main() -> ExitCode {
    match jump_kernel::build() {
        Ok(image) => {
            println!("{}", image.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("build-jump-kernel: {error:#}");
            ExitCode::FAILURE
        }
    }
}
