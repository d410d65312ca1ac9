//! `known-pages low`: pages below 1 MiB, which Linux does not allocate to
//! programs.

// UNSAFETY: maps physical memory and writes there.
#![expect(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::ptr::{copy_nonoverlapping, null_mut};

use anyhow::{Context, Result, ensure};
use guest_programs::known_pages::{LOW, MARKER, PAGE, page};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Writes pages from `first` up to [`LOW`] with /dev/mem. It must be RAM.
pub fn make(first: u64) -> Result<()> {
    let iomem = std::fs::read_to_string("/proc/iomem").context("/proc/iomem")?;
    ensure!(
        is_ram(&iomem),
        "{LOW:#x?} is not all RAM: {}",
        iomem.lines().take(6).collect::<Vec<_>>().join(", ")
    );
    let mem = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/mem")
        .context("/dev/mem")?;
    let count = (LOW.end - LOW.start) / PAGE as u64;
    for n in 0..count {
        let at = LOW.start + n * PAGE as u64;
        write(&mem, at, &page(first + n)).with_context(|| format!("/dev/mem at {at:#x}"))?;
    }
    println!("{MARKER}low-made={count}");
    Ok(())
}

/// True when one "System RAM" range of /proc/iomem contains all of [`LOW`].
fn is_ram(iomem: &str) -> bool {
    iomem.lines().any(|line| {
        let range = line.strip_suffix(" : System RAM").unwrap_or_default();
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let range = range.split_once('-');
        let range = range.and_then(|(start, last)| Some((hex(start)?, hex(last)?)));
        range.is_some_and(|(start, last)| start <= LOW.start && last + 1 >= LOW.end)
    })
}

/// Writes the page at `at`. (Linux refuses `write` to RAM through /dev/mem, but maps memory below 1
/// MiB.)
fn write(mem: &File, at: u64, bytes: &[u8; PAGE]) -> io::Result<()> {
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping, where the kernel chooses. It is RAM that this Linux does not use.
    let page = unsafe { mmap(null_mut(), PAGE, prot, MapFlags::SHARED, mem, at)? };
    // SAFETY: both have PAGE bytes, and are apart: one is of the new mapping.
    unsafe { copy_nonoverlapping(bytes.as_ptr(), page.cast(), PAGE) };
    // SAFETY: this function made the mapping, and no pointer to it is left.
    unsafe { munmap(page, PAGE) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_memory_must_be_ram() {
        let pc = "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n";
        assert!(is_ram(pc));
        let small = "00001000-00057fff : System RAM\n00059000-0009efff : System RAM\n";
        assert!(!is_ram(small));
        assert!(!is_ram(""));
    }
}
