//! Addresses of the running kernel, and its contents.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ::tests::jump::IMAGE_PAGES;
use anyhow::{Context, Result, ensure};
use handoff::addr::{PAGE_SIZE, PhysRange};

/// Returns the whole pages of /proc/iomem's entry `name`, for instance "Kernel
/// code".
pub fn kernel(name: &str) -> Result<PhysRange> {
    let content = std::fs::read_to_string("/proc/iomem").context("cannot read /proc/iomem")?;
    parse(&content, name)
}

/// CRC-32 of the kernel code that an image of the test replaces.
pub fn code_digest() -> Result<u32> {
    let mut code = vec![0; IMAGE_PAGES * PAGE_SIZE as usize];
    let start = kernel("Kernel code")?.start;
    File::open("/dev/mem")
        .and_then(|memory| memory.read_exact_at(&mut code, start))
        .context("cannot read the kernel's code in /dev/mem")?;
    Ok(crc32fast::hash(&code))
}

fn parse(content: &str, name: &str) -> Result<PhysRange> {
    let line = content
        .lines()
        .filter_map(|line| line.trim().split_once(" : "))
        .find(|(_, found)| *found == name)
        .with_context(|| format!("/proc/iomem has no {name}"))?;
    let (start, last) = line.0.split_once('-').context("no range in /proc/iomem")?;
    let start = u64::from_str_radix(start, 16)?.next_multiple_of(PAGE_SIZE);
    let end = (u64::from_str_radix(last, 16)? + 1) / PAGE_SIZE * PAGE_SIZE;
    ensure!(
        start > 0 && start < end,
        "/proc/iomem hides addresses: run as root"
    );
    PhysRange::new(start, end).context("a range that ends before it starts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_found_in_whole_pages() {
        let text = "00100000-0fffffff : System RAM\n  01000000-012034ff : Kernel code\n";
        let range = parse(text, "Kernel code").unwrap();
        assert_eq!((range.start, range.end), (0x100_0000, 0x120_3000));
        assert!(parse(text, "Kernel data").is_err());
        assert!(parse("00000000-00000000 : Kernel code\n", "Kernel code").is_err());
    }
}
