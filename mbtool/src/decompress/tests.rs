//! The fixtures were written by gzip 1.12, xz 5.4, zstd 1.5, lz4 1.9 and
//! bzip2 1.0 from `plain.txt`; large inputs are made with the crates' encoders.

use super::*;
use proptest::prelude::*;
use std::io::Write;

const PLAIN: &[u8] = include_bytes!("fixtures/plain.txt");

/// Name, container, bytes, and whether the format has a checksum of its data.
const FIXTURES: [(&str, Compression, &[u8], bool); 9] = [
    (
        "gzip",
        Compression::Gzip,
        include_bytes!("fixtures/plain.txt.gz"),
        true,
    ),
    (
        "xz crc64",
        Compression::Xz,
        include_bytes!("fixtures/plain.txt.xz"),
        true,
    ),
    (
        "xz x86 sha256",
        Compression::Xz,
        include_bytes!("fixtures/bcj-sha256.xz"),
        true,
    ),
    (
        "zstd",
        Compression::Zstd,
        include_bytes!("fixtures/plain.txt.zst"),
        true,
    ),
    (
        "lz4",
        Compression::Lz4,
        include_bytes!("fixtures/plain.txt.lz4"),
        true,
    ),
    (
        "lz4 linked",
        Compression::Lz4,
        include_bytes!("fixtures/linked.lz4"),
        true,
    ),
    (
        "lz4 legacy",
        Compression::Lz4Legacy,
        include_bytes!("fixtures/legacy.lz4"),
        false,
    ),
    (
        "bzip2",
        Compression::Bzip2,
        include_bytes!("fixtures/plain.txt.bz2"),
        true,
    ),
    (
        "lzma",
        Compression::Lzma,
        include_bytes!("fixtures/plain.txt.lzma"),
        false,
    ),
];

fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpack(bytes: &[u8]) -> Result<Unpacked, DecompressError> {
    decompress_capped(bytes.to_vec(), "test", 1 << 20)
}

#[test]
fn every_format_is_detected_and_unpacked() {
    for (name, format, bytes, _) in FIXTURES {
        let unpacked = unpack(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(unpacked.bytes, PLAIN, "{name}");
        assert_eq!(unpacked.layers, [format], "{name}");
        assert_eq!(unpacked.raw_tail, 0, "{name}");
    }
}

#[test]
fn every_proper_prefix_is_truncated() {
    for (name, format, bytes, _) in FIXTURES {
        // shorter prefixes cannot be distinguished from uncompressed data
        for len in 14..bytes.len() {
            if format == Compression::Lz4Legacy && len == 4 {
                continue;
            }
            let error = unpack(&bytes[..len]).expect_err(name);
            assert!(
                matches!(error, DecompressError::Truncated { .. }),
                "{name} {len}: {error}"
            );
        }
        let error = unpack(&bytes[..bytes.len() - 1]).unwrap_err();
        assert!(
            matches!(&error, DecompressError::Truncated { what, .. } if what == "test"),
            "{error}"
        );
    }
}

#[test]
fn corruption_is_detected_in_formats_with_a_checksum() {
    for (name, _, bytes, checked) in FIXTURES {
        for at in 0..bytes.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut bad = bytes.to_vec();
                bad[at] ^= flip;
                // without the magic number it is uncompressed data; no panic in
                // any case
                if let Ok(unpacked) = unpack(&bad)
                    && checked
                    && !unpacked.layers.is_empty()
                {
                    assert_eq!(unpacked.bytes, PLAIN, "{name}: byte {at} ^ {flip:#x}");
                }
            }
        }
    }
}

#[test]
fn concatenated_members_are_unpacked_and_trailing_data_is_kept() {
    for (name, format, bytes, _) in FIXTURES {
        for tail in [&b""[..], b"\0\0\0\0\0\0\0\0", b"070701 an archive"] {
            let input = [bytes, bytes, tail].concat();
            let unpacked = unpack(&input).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(unpacked.bytes, [PLAIN, PLAIN, tail].concat(), "{name}");
            assert_eq!(unpacked.layers, [format], "{name}");
            assert_eq!(unpacked.raw_tail, tail.len(), "{name}");
        }
    }
}

#[test]
fn a_truncated_second_member_is_an_error_with_its_offset() {
    let first = FIXTURES[0].2;
    let input = [first, &first[..40]].concat();
    let error = unpack(&input).unwrap_err();
    assert_eq!(
        error,
        DecompressError::Truncated {
            what: "test".into(),
            format: Compression::Gzip,
            len: first.len() + 40,
            start: first.len(),
        }
    );
}

#[test]
fn only_one_layer_is_unpacked() {
    let twice = gzip_of(FIXTURES[1].2);
    let unpacked = unpack(&twice).unwrap();
    assert_eq!(unpacked.bytes, FIXTURES[1].2);
    assert_eq!(unpacked.layers, [Compression::Gzip]);
}

#[test]
fn uncompressed_data_is_unchanged() {
    let mut ext4 = vec![0; 4096];
    ext4[0x438] = 0x53;
    ext4[0x439] = 0xef;
    let plain: [&[u8]; 9] = [
        b"",
        b"\x1f\x8b",
        b"\x7fELF\x01\x01\x01",
        b"070701",
        &[0; 64],
        &ext4,
        // properties, dictionary, size or first byte that no compressor writes
        b"\x5d\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0",
        b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\x7f\0",
        b"BZh9 is how this text begins",
    ];
    for bytes in plain {
        let unpacked = unpack(bytes).unwrap();
        assert_eq!(
            unpacked,
            Unpacked {
                bytes: bytes.to_vec(),
                layers: vec![],
                raw_tail: 0
            }
        );
    }
}

#[test]
fn a_decompression_bomb_stops_at_the_limit() {
    let bomb = gzip_of(&vec![0; 3 << 20]);
    assert!(bomb.len() < 32 << 10, "{}", bomb.len());
    let error = unpack(&bomb).unwrap_err();
    assert_eq!(
        error,
        DecompressError::TooLarge {
            what: "test".into(),
            format: Compression::Gzip,
            limit: 1 << 20,
        }
    );
    assert_eq!(
        decompress_capped(bomb, "test", 3 << 20).unwrap().bytes,
        vec![0; 3 << 20]
    );
}

#[test]
fn a_size_field_above_the_limit_is_refused_before_unpacking() {
    for (name, _, bytes, _) in [FIXTURES[3], FIXTURES[4]] {
        let limit = u64::try_from(PLAIN.len()).unwrap() - 1;
        let error = decompress_capped(bytes.to_vec(), name, limit).unwrap_err();
        assert!(matches!(error, DecompressError::TooLarge { .. }), "{error}");
    }
    // size field of 200 GiB, in 14 bytes
    let lzma = b"\x5d\0\0\x80\0\0\0\0\0\x32\0\0\0\0\0\0\0\0\0";
    let error = unpack(lzma).unwrap_err();
    assert!(matches!(error, DecompressError::TooLarge { .. }), "{error}");
}

#[test]
fn a_huge_dictionary_or_window_is_refused_with_its_size() {
    // xz block header with dictionary size code 40: 4 GiB - 1
    let mut xz = FIXTURES[1].2.to_vec();
    assert_eq!(xz[16], 28);
    xz[16] = 40;
    let crc = crc32fast::hash(&xz[12..20]);
    xz[20..24].copy_from_slice(&crc.to_le_bytes());
    let error = unpack(&xz).unwrap_err();
    assert!(
        matches!(error, DecompressError::Unsupported { .. }),
        "{error}"
    );
    // zstd: no single segment, window descriptor 0xb0 = 4 GiB
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xb0, 1, 0, 0, 0];
    let error = unpack(&zstd).unwrap_err();
    assert!(
        matches!(&error, DecompressError::Unsupported { detail, .. } if detail.contains("4294967296")),
        "{error}"
    );
}

#[test]
fn skippable_zstd_frames_are_skipped() {
    let skip = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let bytes = [&skip, FIXTURES[3].2, &skip, FIXTURES[3].2, &skip].concat();
    assert_eq!(unpack(&bytes).unwrap().bytes, [PLAIN, PLAIN].concat());
    // without a zstd frame they are not treated as zstd
    assert!(unpack(&skip).unwrap().layers.is_empty());
}

#[test]
fn large_data_round_trips_in_every_format_with_an_encoder() {
    let mut state: u32 = 1;
    let data: Vec<u8> = (0..600_000_u32)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if i % 3 == 0 {
                u8::try_from(state >> 24).unwrap()
            } else {
                7
            }
        })
        .collect();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&data).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&data).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(
        data.as_slice(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    xz.write_all(&data).unwrap();
    let options = lzma_rust2::LzmaOptions::with_preset(1);
    let size = Some(u64::try_from(data.len()).unwrap());
    let mut lzma = lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &options, size).unwrap();
    lzma.write_all(&data).unwrap();
    let packed = [
        gzip_of(&data),
        bzip2.finish().unwrap(),
        lz4.finish().unwrap(),
        zstd,
        xz.finish().unwrap(),
        lzma.finish().unwrap(),
    ];
    for bytes in packed {
        let format = Compression::sniff(&bytes).unwrap();
        assert_eq!(unpack(&bytes).unwrap().bytes, data, "{format}");
        let error = unpack(&bytes[..bytes.len() / 2]).unwrap_err();
        assert!(
            matches!(error, DecompressError::Truncated { .. }),
            "{format}: {error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Random corruption of a valid file: an error or data, never a panic.
    #[test]
    fn damaged_files_never_panic(
        which in 0..FIXTURES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = FIXTURES[which].2.to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Ok(unpacked) = unpack(&bytes) {
            prop_assert!(unpacked.bytes.len() <= 1 << 20);
        }
    }

    /// Compressed data unpacks to the original.
    #[test]
    fn gzip_round_trips(data in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(unpack(&gzip_of(&data)).unwrap().bytes, data);
    }
}

#[test]
fn a_prefix_is_the_start_of_the_output() {
    for (name, _, bytes, _) in FIXTURES {
        let whole = decompress(bytes.to_vec(), name).unwrap().bytes;
        let len = u64::try_from(whole.len()).unwrap();
        for prefix in [0, 1, 100, len - 1, len, len + 1, u64::MAX] {
            let start = decompress_prefix(bytes, name, prefix).unwrap();
            let expected = usize::try_from(prefix.min(len)).unwrap();
            assert_eq!(start, whole[..expected], "{name}: {prefix}");
        }
    }
    assert_eq!(decompress_prefix(b"plain", "", 3).unwrap(), b"pla");
}

/// Bytes after the prefix are not read: a file that is truncated there,
/// with larger input than decoders read ahead.
#[test]
fn a_prefix_needs_no_more_than_its_part_of_the_file() {
    let plain: Vec<u8> = (0_u32..1 << 20)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&plain).unwrap();
    let packed = encoder.finish().unwrap();
    let half = &packed[..packed.len() / 2];
    assert_eq!(
        decompress_prefix(half, "half", 1 << 20).unwrap(),
        plain[..1 << 20]
    );
    assert!(matches!(
        decompress_prefix(half, "half", 4 << 20),
        Err(DecompressError::Truncated { .. })
    ));
}

#[test]
fn available_memory_limits_what_is_unpacked() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&[b'a'; 5000]).unwrap();
    let packed = gzip.finish().unwrap();
    let unpack = |available| decompress_within(packed.clone(), "x", available);
    for available in [None, Some(5000), Some(u64::MAX)] {
        assert_eq!(unpack(available).unwrap().bytes.len(), 5000);
    }
    let error = unpack(Some(4999)).unwrap_err();
    assert!(
        matches!(
            error,
            DecompressError::TooLittleMemory {
                available: 4999,
                ..
            }
        ),
        "{error}"
    );
}
