//! QEMU without firmware and kernel: an ELF file with code of a test, bytes at addresses, and the output of the UART.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use elf::ElfBytes;
use elf::endian::LittleEndian;
use handoff::abi::Extent;
use handoff::pagelist::{self, PageMove};
use handoff::spec::Relocate;

/// Timeout; a run takes well under a second.
const DEADLINE: Duration = Duration::from_secs(60);
/// Bytes of a page.
const PAGE: usize = 4096;

/// Bytes at an address.
#[derive(Clone)]
pub struct SegmentAt(pub u64, pub Vec<u8>);

/// An ELF file of one segment.
pub struct BareImage(pub Vec<u8>);

impl BareImage {
    fn elf(&self) -> ElfBytes<'_, LittleEndian> {
        ElfBytes::minimal_parse(&self.0).unwrap()
    }

    /// The address of a symbol.
    pub fn address(&self, name: &str) -> u64 {
        let elf = self.elf();
        let (symbols, names) = elf.symbol_table().unwrap().unwrap();
        let symbol = symbols
            .iter()
            .find(|symbol| names.get(symbol.st_name as usize).unwrap() == name);
        symbol
            .unwrap_or_else(|| panic!("no symbol {name}"))
            .st_value
    }

    /// The segment.
    pub fn loaded(&self) -> SegmentAt {
        let elf = self.elf();
        let segments: Vec<_> = elf.segments().unwrap().iter().collect();
        assert_eq!(segments.len(), 1);
        let bytes = elf.segment_data(&segments[0]).unwrap().to_vec();
        SegmentAt(segments[0].p_paddr, bytes)
    }

    /// The page of a symbol.
    pub fn page(&self, name: &str) -> Vec<u8> {
        let SegmentAt(start, bytes) = self.loaded();
        let at = (self.address(name) - start) as usize;
        bytes[at..at + PAGE].to_vec()
    }
}

/// Runs a machine with these segments until it ends, or until the output contains `until`; returns
/// the output. The machine's arguments are those of `qemu`.
pub fn run(mut qemu: Command, segments: &[SegmentAt], until: Option<&str>) -> String {
    let directory = tempfile::tempdir().unwrap();
    for (n, SegmentAt(at, bytes)) in segments.iter().enumerate() {
        let file = directory.path().join(format!("segment{n}"));
        fs::write(&file, bytes).unwrap();
        qemu.arg("-device").arg(format!(
            "loader,file={},addr={at:#x},force-raw=on",
            file.display()
        ));
    }
    let log = directory.path().join("serial");
    qemu.args(["-display", "none", "-monitor", "none"])
        .args(["-net", "none", "-no-reboot", "-serial"])
        .arg(format!("file:{}", log.display()))
        .stdin(Stdio::null());
    let mut child = qemu.spawn().unwrap();
    let started = Instant::now();
    loop {
        let exited = child.try_wait().unwrap().is_some();
        let output = fs::read(&log).unwrap_or_default();
        let output = String::from_utf8_lossy(&output).replace('\r', "");
        let found = until.is_some_and(|end| output.contains(end));
        let late = started.elapsed() > DEADLINE;
        if !exited && (found || late) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(exited || !late, "no end within {DEADLINE:?}:\n{output}");
        if exited || found {
            return output;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The move of the page at `from` to `to`, by an extent and by a page list; the list's pages are what else is loaded.
pub fn moves(from: u64, to: u64) -> (Vec<Relocate>, Vec<SegmentAt>) {
    let extent = Extent {
        to,
        from,
        len: PAGE as u64,
    };
    let list = pagelist::encode(&[PageMove { to, from }], &[from + 0x10_0000], false).unwrap();
    let pages = list.pages.iter();
    let pages = pages
        .map(|(at, words)| SegmentAt(*at, words.iter().flat_map(|w| w.to_le_bytes()).collect()))
        .collect();
    let by_extent = Relocate {
        extents: vec![extent],
        ..Relocate::default()
    };
    let by_list = Relocate {
        list: Some(list),
        ..Relocate::default()
    };
    (vec![by_extent, by_list], pages)
}
