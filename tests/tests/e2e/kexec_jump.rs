//! Kexec and return with a real Linux: the handoff leaves a kernel with `CONFIG_KEXEC_JUMP`, an
//! image destroys the state of the CPU at an address of a program or of the kernel itself, and
//! Linux continues.
//!
//! Opt-in, because no distribution's kernel has that option: docs/testing.md has how to build one.

use std::time::Duration;

use anyhow::{Context, Result};
use images::guest::Stage1;
use images::jump_kernel;
use tests::dump::HANDOFF;
use tests::jump::{JumpPlace, MARKER, image};
use tests::{Firmware, Machine, jump_guest_bin};

tests::cases! {
    linux_goes_on_after_twenty_jumps_on_one_cpu: booted 14 s, "CONFIG_KEXEC_JUMP";
    linux_goes_on_after_twenty_jumps_on_two_cpus: booted 14 s, "CONFIG_KEXEC_JUMP";
}

const DEADLINE: Duration = Duration::from_secs(300);
const ROUNDS: u32 = 20;

fn there_and_back(test: &str, cpus: u32) -> Result<()> {
    let kernel = jump_kernel::find()?.with_context(|| {
        format!(
            "this needs a Linux kernel with CONFIG_KEXEC_JUMP, which no distribution has. Build one into the cache with \
             `cargo run -p tests --bin build-jump-kernel`, or name a bzImage by {}; see docs/testing.md",
            jump_kernel::VARIABLE
        )
    })?;
    let initrd = Stage1::new(&format!("jump-guest {ROUNDS}\n"))?
        .file("bin/jump-guest", jump_guest_bin()?)?
        .finish()?;
    // not quiet: warnings of the kernel must be visible
    let outcome = Machine::new(Firmware::SeaBios, &kernel)
        .append("console=ttyS0,115200 panic=-1 loglevel=5")
        .initrd(initrd)
        .cpus(cpus)
        .memory_mib(512)
        .run(test, DEADLINE, &["MBTOOL-STAGE1 END"])?
        .ended_with("MBTOOL-STAGE1 END")?;

    let log = outcome.lines.join("\n");
    let start = outcome.value("MBTOOL-JUMP START cpus ").unwrap_or_default();
    let online = if cpus == 1 { "0 " } else { "0-1 " };
    assert!(start.starts_with(online), "{start}");
    let (_, digest) = start.split_once("digest ").expect("a digest");
    for round in 1..=ROUNDS {
        let place = JumpPlace::of(round).name();
        let line = format!("{MARKER}round {round} over {place} at ");
        let line = outcome
            .value(&line)
            .unwrap_or_else(|| panic!("{line}: {log}"));
        assert!(line.ends_with(digest), "{line}");
    }

    // lines of the handoff, in order
    let printed: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with(HANDOFF))
        .collect();
    let entered: Vec<_> = with(&printed, ", entered by linux (");
    let returned: Vec<_> = with(&printed, "target returned, rax ");
    let exchanged: Vec<_> = with(&printed, "relocate: exchange page list ");
    assert_eq!(entered.len(), ROUNDS as usize, "{printed:#?}");
    assert_eq!(exchanged.len(), ROUNDS as usize / 2, "{printed:#?}");
    assert_eq!(returned.len(), ROUNDS as usize, "{printed:#?}");
    for (round, line) in (1..).zip(&returned) {
        let (_, sum) = image(round);
        assert!(
            line.ends_with(&format!("rax {sum:#x}")),
            "round {round}: {line}"
        );
    }
    for bad in ["exception", "BAD", "damaged"] {
        assert!(with(&printed, bad).is_empty(), "{printed:#?}");
    }
    for bad in ["WARNING:", "BUG:", "Oops"] {
        assert!(!log.contains(bad), "{bad}: {log}");
    }
    Ok(())
}

fn with<'a>(lines: &[&'a str], text: &str) -> Vec<&'a str> {
    lines
        .iter()
        .copied()
        .filter(|line| line.contains(text))
        .collect()
}

fn linux_goes_on_after_twenty_jumps_on_one_cpu() -> Result<()> {
    there_and_back("linux_goes_on_after_twenty_jumps_on_one_cpu", 1)
}

fn linux_goes_on_after_twenty_jumps_on_two_cpus() -> Result<()> {
    there_and_back("linux_goes_on_after_twenty_jumps_on_two_cpus", 2)
}
