//! A sequence of kernels in one run of QEMU, each started by the previous one, with a state in the
//! initrd that grows at each step; each of them runs `chain.sh`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets;
use images::guest::{self, Stage1};
use sha2::{Digest, Sha256};

use crate::guest_binary::mbtool_bin;
use crate::machine::{EMULATED_DOM0, FIRST_LINUX, Firmware, Machine, SERIAL_CMDLINE};
use crate::outcome::Outcome;

/// Prefix of each line of a stage.
const CHAIN: &str = "MBTOOL-CHAIN ";
/// Size of the seed for blocks in bytes: larger than one page, to detect page errors, and ten of
/// them are still small.
const SEED_BYTES: usize = 1 << 20;
/// Distance between the starts of successive blocks in the seed.
const STEP: usize = 4099;

/// A kernel of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKernel {
    /// [`FIRST_LINUX`] on the bare machine.
    Linux,
    /// Xen of this release with that Linux as dom0.
    Xen(&'static str),
}

impl ChainKernel {
    /// Returns its name in the stages' script.
    const fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Xen(version) => version,
        }
    }
}

/// A chain and the machine it runs on.
#[derive(Clone, Debug)]
pub struct Chain {
    /// First kernel, started by QEMU.
    pub first: ChainKernel,
    /// Subsequent kernels.
    pub hops: Vec<ChainKernel>,
    /// Number of CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Firmware, for a machine that starts with Linux.
    pub firmware: Firmware,
}

/// Values reported by a stage, by key.
type Stage = BTreeMap<String, String>;

impl Chain {
    /// A BIOS machine with 2 CPUs and 2 GiB.
    pub fn new(first: ChainKernel, hops: Vec<ChainKernel>) -> Self {
        Self {
            first,
            hops,
            cpus: 2,
            memory_mib: 2048,
            firmware: Firmware::SeaBios,
        }
    }

    fn kernels(&self) -> impl Iterator<Item = ChainKernel> + '_ {
        std::iter::once(self.first).chain(self.hops.iter().copied())
    }

    /// Time for `seconds` per stage.
    fn deadline(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds * (self.hops.len() as u64 + 1))
    }

    fn machine(&self) -> Result<Machine> {
        let script = include_str!("chain.sh")
            .replace("@LINUX_CMDLINE@", SERIAL_CMDLINE)
            .replace("@DOM0_CMDLINE@", EMULATED_DOM0);
        let mut stage = Stage1::new(&script)?
            .file("bin/mbtool", mbtool_bin()?)?
            .file("vmlinuz", FIRST_LINUX.path()?)?
            // for the stages in a dom0
            .archive(guest::xen_modules(FIRST_LINUX)?)
            .bytes("state/seed", &seed())?
            .bytes("state/count", b"0\n")?
            .bytes("state/digests", digests(0).as_bytes())?;
        let mut versions: Vec<&str> = self
            .hops
            .iter()
            .filter(|hop| **hop != ChainKernel::Linux)
            .map(|hop| hop.name())
            .collect();
        versions.sort_unstable();
        versions.dedup();
        for version in versions {
            let path = assets::xen(version)?.path()?;
            stage = stage.file(&format!("xen-{version}.gz"), path)?;
        }
        let hops: String = self
            .hops
            .iter()
            .map(|hop| format!("{}\n", hop.name()))
            .collect();
        let initrd = stage.bytes("state/hops", hops.as_bytes())?.finish()?;
        let machine = match self.first {
            ChainKernel::Linux => Machine::stage1(self.firmware, initrd)?,
            ChainKernel::Xen(version) => {
                Machine::xen(version, "crashkernel=128M@256M", "", initrd)?
            }
        };
        Ok(machine.cpus(self.cpus).memory_mib(self.memory_mib))
    }

    /// Runs it as `name` and checks the reports of all stages. `seconds`: timeout of one stage.
    pub fn check(&self, name: &str, seconds: u64) -> Result<Outcome> {
        let end = format!("{CHAIN}END");
        let outcome = self
            .machine()?
            .run(name, self.deadline(seconds), &[&end])?
            .ended_with(&end)?;
        self.verify(&outcome)
            .with_context(|| format!("see {}", outcome.log.display()))?;
        Ok(outcome)
    }

    fn verify(&self, outcome: &Outcome) -> Result<()> {
        let stages = reports(outcome, CHAIN);
        // the state of the last stage has the reports of all stages
        let history = reports(outcome, &format!("{CHAIN}history "));
        ensure!(
            history == stages,
            "the history is not what was reported: {history:#?}"
        );
        ensure!(
            stages.len() == self.hops.len() + 1,
            "{} stages reported, not {}",
            stages.len(),
            self.hops.len() + 1
        );
        let mut bare_ram = None;
        for (n, (stage, kernel)) in stages.iter().zip(self.kernels()).enumerate() {
            self.verify_stage(n, stage, kernel)
                .with_context(|| format!("stage {n}: {stage:?}"))?;
            if kernel == ChainKernel::Linux {
                let ram: u64 = get(stage, "ram")?.parse()?;
                // partial pages may be rounded away; on UEFI the first kernel, started by firmware,
                // has 132 KiB more than the later ones
                let tolerance = match self.firmware {
                    Firmware::SeaBios => 64,
                    Firmware::Ovmf => 256,
                };
                let before = *bare_ram.get_or_insert(ram);
                ensure!(
                    ram.abs_diff(before) <= tolerance,
                    "{ram} KiB of RAM, before {before}"
                );
            }
        }
        Ok(())
    }

    fn verify_stage(&self, n: usize, stage: &Stage, kernel: ChainKernel) -> Result<()> {
        let on = match kernel {
            ChainKernel::Linux => "linux".to_owned(),
            ChainKernel::Xen(version) => format!("xen-{version}"),
        };
        ensure!(get(stage, "n")? == n.to_string(), "not stage {n}");
        ensure!(get(stage, "on")? == on, "not on {on}");
        ensure!(
            get(stage, "cpus")? == self.cpus.to_string(),
            "not {} CPUs",
            self.cpus
        );
        ensure!(get(stage, "acpi")?.parse::<u32>()? > 3, "ACPI is missing");
        let mem: u64 = get(stage, "mem")?.parse()?;
        let all = u64::from(self.memory_mib) * 1024;
        // Xen, its crash region and the kernel reserve some memory
        ensure!(mem > all / 8 * 6 && mem <= all, "{mem} KiB of {all}");
        ensure!(get(stage, "blocks")? == n.to_string(), "blocks are missing");
        let digest = hex(&Sha256::digest(digests(n)));
        ensure!(get(stage, "digest")? == digest, "the state is not {digest}");
        Ok(())
    }
}

fn get<'a>(stage: &'a Stage, key: &str) -> Result<&'a str> {
    let value = stage.get(key).with_context(|| format!("no {key}"))?;
    Ok(value)
}

/// Returns the reports on lines with `prefix` and a stage number after it.
fn reports(outcome: &Outcome, prefix: &str) -> Vec<Stage> {
    let words = |line: &String| {
        let (_, words) = line.split_once(prefix)?;
        words.starts_with("n=").then(|| {
            words
                .split_whitespace()
                .filter_map(|word| word.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        })
    };
    outcome.lines.iter().filter_map(words).collect()
}

fn seed() -> Vec<u8> {
    let mut seed = guest::payload();
    seed.truncate(SEED_BYTES);
    seed
}

/// Returns the expected `digests` file after `blocks` blocks, in the format of
/// `sha256sum`.
fn digests(blocks: usize) -> String {
    let seed = seed();
    let mut text = format!("{}  seed\n", hex(&Sha256::digest(&seed)));
    for n in 1..=blocks {
        let (head, tail) = seed.split_at(n * STEP);
        let mut block = format!("block {n}\n").into_bytes();
        block.extend(tail);
        block.extend(head);
        let _ = writeln!(text, "{}  block.{n}", hex(&Sha256::digest(&block)));
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_grows_by_a_line_for_each_stage() {
        let (one, two) = (digests(1), digests(2));
        assert!(two.starts_with(&one));
        assert_eq!(two.lines().count(), 3);
        assert!(
            two.lines()
                .all(|line| line.len() > 64 && &line[64..66] == "  ")
        );
        let digests: Vec<&str> = two.lines().map(|line| &line[..64]).collect();
        assert!(digests[0] != digests[1] && digests[1] != digests[2]);
    }
}
