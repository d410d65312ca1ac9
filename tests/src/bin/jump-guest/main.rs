//! Runs in a guest whose kernel has `CONFIG_KEXEC_JUMP`, as root: `jump-guest ROUNDS`.
//!
//! Each round loads the handoff and an image that destroys the state of the CPU, with a return
//! (`KEXEC_PRESERVE_CONTEXT`), jumps with `reboot(LINUX_REBOOT_CMD_KEXEC)`, and checks afterwards
//! that user memory, the kernel's code and the CPUs are unchanged. It prints a line per round, and
//! fails at the first difference.
//!
//! The image is reloaded for every round, and never writes the word after the return address:
//! before Linux 6.14 the entry point is garbage after a return, and that word is not part of the
//! image.

mod alive;
mod iomem;
mod memory;
mod round;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use mbtool::arch::Architecture;
use mbtool::backend::syscall::{KexecFlags, KexecSyscalls, LoadCall};
use rustix::system::{RebootCommand, reboot};
use tests::jump::{JumpPlace, MARKER};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [child, cpu] if child == alive::CHILD => cpu
            .parse()
            .context("the number of a CPU")
            .and_then(alive::child),
        [rounds] => rounds.parse().context("a number of rounds").and_then(run),
        _ => Err(anyhow::anyhow!("usage: jump-guest ROUNDS")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{MARKER}FAIL {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(rounds: u32) -> Result<()> {
    let buffer = memory::Buffer::new();
    let before = alive::Signs::see()?;
    let digest = buffer.digest();
    let code = iomem::code_digest()?;
    println!(
        "{MARKER}START cpus {} code {code:#010x} buffer {} MiB digest {digest:#010x}",
        before.cpus,
        buffer.len() >> 20
    );
    for number in 1..=rounds {
        let place = JumpPlace::of(number);
        let round = round::plan(number, place, &buffer)?;
        KexecSyscalls
            .kexec_load(
                round.entry,
                &round.segments,
                KexecFlags::of(Architecture::X86_64) | KexecFlags::PRESERVE_CONTEXT,
            )
            .map_err(std::io::Error::from_raw_os_error)
            .context("kexec_load (EINVAL: the kernel has no CONFIG_KEXEC_JUMP)")?;
        let start = Instant::now();
        reboot(RebootCommand::Kexec).context("reboot(LINUX_REBOOT_CMD_KEXEC)")?;
        let away = start.elapsed();

        let found = buffer.digest();
        if found != digest {
            bail!("round {number}: user memory has digest {found:#010x}, expected {digest:#010x}");
        }
        let found = iomem::code_digest()?;
        if found != code {
            bail!("round {number}: Linux's code has digest {found:#010x}, expected {code:#010x}");
        }
        let after = alive::Signs::see().with_context(|| format!("round {number}"))?;
        if after != before {
            bail!("round {number}: {after:?}, expected {before:?}");
        }
        println!(
            "{MARKER}round {number} over {} at {:#x} handoff {:#x} back after {} ms digest {digest:#010x}",
            place.name(),
            round.place,
            round.base,
            away.as_millis()
        );
    }
    println!("{MARKER}END rounds {rounds}");
    Ok(())
}
