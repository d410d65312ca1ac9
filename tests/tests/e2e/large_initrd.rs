//! Linux -> mbtool -> Linux with an initrd that is larger than all memory below 4 GiB.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::LINUX_6_12;
use images::guest::{self, LINUX, Stage1};
use tests::{Firmware, Machine, mbtool_bin, serial_cmdline};

tests::cases! {
    initrd_of_280_mb_with_256_mib_below_4_gib: booted 120 s;
    initrd_of_1900_mb_with_256_mib_below_4_gib: booted 900 s, "slow";
}

const DEADLINE: Duration = Duration::from_secs(3000);

/// Memory below 4 GiB in MiB: kernel, boot parameters and handoff fit, the initrd does not.
const LOW_MIB: u32 = 256;

/// Length of the name `big` with its end, and of a header of cpio (newc).
const HEAD: usize = 110 + 4 + 2;

/// Writes the initrd to /large: an archive with the file /big, then /initrd, of which the payload is the last file. So the
/// next Linux has its user space, and the payload, from the end. /big has 1 MiB that does not compress `mib` times, each
/// with its number before it; it is not in memory as a file as well.
fn script(mib: u32) -> String {
    // `block 0001` and a line feed
    let bytes = mib * ((1 << 20) + 11);
    let fields: String = (0..13)
        .map(|field| match field {
            // inode, mode, links, size of the file and of the name
            0 | 4 => "00000001".to_owned(),
            1 => "000081a4".to_owned(),
            6 => format!("{bytes:08x}"),
            11 => "00000004".to_owned(),
            _ => "00000000".to_owned(),
        })
        .collect();
    let pad = "\\0".repeat((4 - bytes as usize % 4) % 4);
    format!(
        "set +x\n\
         dd if=/initrd of=/block bs=1M skip=3 count=1 2>/dev/null\n\
         {{ printf '070701{fields}big\\0\\0\\0'\n\
         for n in $(seq -w 1 9999 | head -n {mib}); do echo \"block $n\"; cat /block; done\n\
         printf '{pad}'; cat /initrd; }} > /large\n\
         echo BIG $(tail -c +{} /large | head -c {bytes} | md5sum)\n\
         echo SIZE $(wc -c < /large)\n\
         set -x\n\
         mbtool load /image --initrd /large --cmdline '{}'\n\
         mbtool exec -f\n",
        HEAD + 1,
        serial_cmdline!()
    )
}

/// Boots with an initrd of `mib` MiB in a machine of `memory_mib`.
fn check(name: &str, mib: u32, memory_mib: u32) -> Result<()> {
    let (initrd, digest) = guest::linux_initrd()?;
    let first = Stage1::new(&script(mib))?
        .file("bin/mbtool", mbtool_bin()?)?
        .file("image", LINUX_6_12.path()?)?
        .bytes("initrd", &initrd)?
        .finish()?;
    let end = format!("{LINUX}END");
    let outcome = Machine::stage1(Firmware::SeaBios, first)?
        .memory_mib(memory_mib)
        .args(["-machine", &format!("max-ram-below-4g={LOW_MIB}M")])
        .run(name, DEADLINE, &[&end])?
        .ended_with(&end)?;
    let verify = || {
        let report: BTreeMap<&str, &str> = outcome
            .lines
            .iter()
            .filter_map(|line| line.split_once(LINUX)?.1.split_once('='))
            .collect();
        let get = |key| {
            report
                .get(key)
                .copied()
                .with_context(|| format!("no {key}"))
        };
        ensure!(get("digest")? == digest.to_string(), "a damaged payload");
        let big = outcome.value("BIG ").context("no initrd was made")?;
        let big = big.split(' ').next().unwrap_or_default();
        ensure!(get("big")? == big, "/big is {}, not {big}", get("big")?);
        // where Linux found it: [mem 0x100000000-0x118ffffff]
        let place = get("ramdisk")?;
        let range = place.trim_start_matches("[mem ").trim_end_matches(']');
        let (start, last) = range.split_once('-').with_context(|| place.to_owned())?;
        let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16);
        let (start, last) = (number(start)?, number(last)?);
        let size: u64 = outcome.value("SIZE ").context("no size")?.trim().parse()?;
        ensure!(start >= 4 << 30, "the initrd is at {place}");
        ensure!(
            size >= u64::from(mib) << 20 && (size..size + 4096).contains(&(last + 1 - start)),
            "the initrd of {size} bytes is at {place}"
        );
        Ok(())
    };
    verify().with_context(|| outcome.describe())
}

fn initrd_of_280_mb_with_256_mib_below_4_gib() -> Result<()> {
    check("initrd_280_mb", 266, 2048)
}

/// As large as Linux takes one: it does not read an initrd of 2 GiB.
fn initrd_of_1900_mb_with_256_mib_below_4_gib() -> Result<()> {
    check("initrd_1900_mb", 1812, 7168)
}
