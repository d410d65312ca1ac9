use super::*;
use handoff::ramlog as format;
use proptest::prelude::*;

/// A log of `text`, written by `handoffs` handoffs.
#[expect(unsafe_code)] // the writer is the handoff's own
pub(super) fn written(size: u32, text: &[u8], handoffs: usize) -> Vec<u8> {
    let mut region = vec![0x5a5a_5a5a_5a5a_5a5a_u64; size as usize / 8];
    let log = region.as_mut_ptr().cast();
    let chunk = text.len().div_ceil(handoffs).max(1);
    for part in text.chunks(chunk) {
        // SAFETY: the vector has `size` bytes, aligned to 8.
        unsafe { format::attach(log, size) };
        for byte in part {
            // SAFETY: as above.
            unsafe { format::append(log, size, *byte) };
        }
    }
    region.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn a_log_of_several_handoffs_reads_back() {
    let log = parse(0x1000, &written(4096, b"first\nsecond\n", 2)).unwrap();
    assert_eq!(log.text, b"first\nsecond\n");
    assert_eq!((log.handoffs, log.total, log.addr), (2, 13, 0x1000));
    let log = parse(0x1000, &written(4096, b"a\x1b[2J\xff\tb\n", 1)).unwrap();
    assert_eq!(log.printable(), "a\u{fffd}[2J\u{fffd}\tb\n");
}

#[test]
fn invalid_logs_are_refused() {
    let error = |bytes: &[u8]| parse(0x1000, bytes).unwrap_err();
    assert!(matches!(
        error(&[]),
        RamLogError::Magic { addr: 0x1000, .. }
    ));
    assert!(matches!(
        error(&[0xff; 4096]),
        RamLogError::Magic {
            found: u64::MAX,
            ..
        }
    ));
    let good = written(4096, b"text", 1);
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        error(&bytes)
    };
    assert!(matches!(
        changed(8, 2),
        RamLogError::Version { found: 2, .. }
    ));
    assert!(matches!(
        changed(13, 0x11),
        RamLogError::Damaged { size: 0x1100, .. }
    ));
    assert!(matches!(
        changed(16, 9),
        RamLogError::Damaged { total: 9, .. }
    ));
    assert!(matches!(error(&good[..4095]), RamLogError::Damaged { .. }));
}

#[test]
fn reserved_memory_is_found_on_a_command_line() {
    let found = reserved("quiet memmap=64K$0x10000000 memmap=1M!4G,4096$1G memmap=x$y memmap=0$1M");
    let range = |start, len| PhysRange::from_len(start, len).unwrap();
    assert_eq!(found, [range(256 << 20, 64 << 10), range(1 << 30, 4096)]);
    assert!(EXAMPLE.starts_with("memmap="));
    assert_eq!(reserved(EXAMPLE).len(), 1);
    for bad in [
        "",
        "memmap=$",
        "memmap=K$M",
        "memmap=64K$99999999999T",
        "memmap=é$é",
    ] {
        assert_eq!(reserved(bad), [], "{bad}");
    }
}

#[test]
fn a_log_fits_the_reserved_memory() {
    let log = |start, len| console_in(PhysRange::from_len(start, len).unwrap());
    let ram_log = |addr, size| Some(Console::RamLog { addr, size });
    assert_eq!(log(0x10_0800, 0x2000), ram_log(0x10_1000, 0x1000));
    assert_eq!(log(0x10_0000, 1 << 30), ram_log(0x10_0000, 1 << 20));
    assert_eq!(log(0x10_0000, 100), None);
    assert_eq!(log(0, 0x1000), None);
}

proptest! {
    #[test]
    fn the_newest_bytes_are_read_back(
        text in proptest::collection::vec(any::<u8>(), 0..9000),
        handoffs in 1_usize..4,
        pages in 1_u32..3,
    ) {
        let size = pages * 4096;
        let bytes = written(size, &text, handoffs);
        prop_assume!(!text.is_empty());
        let log = parse(0, &bytes).unwrap();
        let kept = text.len().min(size as usize - HEADER_LEN);
        prop_assert_eq!(&log.text[..], &text[text.len() - kept..]);
        prop_assert_eq!(log.total, text.len() as u64);
    }

    #[test]
    fn no_bytes_make_it_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..4200),
        size in any::<u32>(),
        total in any::<u64>(),
    ) {
        let _ = parse(0, &bytes);
        if bytes.len() >= HEADER_LEN {
            bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
            bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
            bytes[12..16].copy_from_slice(&size.to_le_bytes());
            bytes[16..24].copy_from_slice(&total.to_le_bytes());
            bytes[24..32].copy_from_slice(&(!total).to_le_bytes());
            let _ = parse(0, &bytes);
            bytes[12..16].copy_from_slice(&4096_u32.to_le_bytes());
            prop_assert_eq!(parse(0, &bytes).is_ok(), bytes.len() >= 4096);
        }
    }
}
