//! Compares all implementations with independent ones, and tests the printed
//! lines.

use super::*;
use crate::abi::RegionRaw;
use crate::verify::{print, segment};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::arch::is_x86_feature_detected;

fn tables() -> Box<CrcTables> {
    let mut tables = Box::new([[0; 256]; 8]);
    crc::init(&mut tables);
    tables
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n * 7 + n / 9) as u8).collect()
}

/// The portable engine, and the special one where this CPU has the instructions.
fn engines(kind: u32, tables: &CrcTables) -> Vec<Engine<'_>> {
    let best = Engine::new(kind, tables);
    let there = match kind {
        abi::VERIFY_SHA256 => {
            is_x86_feature_detected!("sha")
                && is_x86_feature_detected!("ssse3")
                && is_x86_feature_detected!("sse4.1")
        }
        _ => is_x86_feature_detected!("pclmulqdq"),
    };
    assert_eq!(best.special, there, "{:?}: what CPUID says", best.name());
    if !there {
        eprintln!(
            "SKIPPED: this CPU has no instructions for {:?}",
            best.name()
        );
        return vec![best];
    }
    vec![best.portable(), best]
}

fn expected(kind: u32, bytes: &[u8]) -> [u8; abi::DIGEST_LEN] {
    if kind == abi::VERIFY_SHA256 {
        return Sha256::digest(bytes).into();
    }
    let mut digest = [0; abi::DIGEST_LEN];
    digest[..4].copy_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    digest
}

const KINDS: [u32; 2] = [abi::VERIFY_CRC32, abi::VERIFY_SHA256];

#[test]
fn every_length_and_alignment_agrees_with_crc32fast_and_sha2() {
    let tables = tables();
    let bytes = bytes(700 + 16);
    for kind in KINDS {
        for engine in engines(kind, &tables) {
            for len in 0..700 {
                for start in 0..if len < 300 { 16 } else { 1 } {
                    let bytes = &bytes[start..start + len];
                    assert_eq!(
                        engine.digest(bytes),
                        expected(kind, bytes),
                        "{:?}, {len} bytes from {start}",
                        engine.name()
                    );
                }
            }
        }
    }
}

#[test]
fn published_examples() {
    let tables = tables();
    for engine in engines(abi::VERIFY_CRC32, &tables) {
        assert_eq!(engine.crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(engine.crc32(b""), 0);
    }
    for engine in engines(abi::VERIFY_SHA256, &tables) {
        // FIPS 180-2, B.1: "abc"
        let digest = engine.digest(b"abc");
        let mut out = String::new();
        print(&mut out, engine.kind, &digest);
        assert_eq!(
            out,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn long_random_data_agrees(
        data in prop::collection::vec(any::<u8>(), 0..20_000),
        start in 0..64usize,
        flip in any::<prop::sample::Index>(),
    ) {
        let tables = tables();
        let bytes = data.get(start..).unwrap_or(&[]);
        for kind in KINDS {
            let right = expected(kind, bytes);
            for engine in engines(kind, &tables) {
                prop_assert_eq!(engine.digest(bytes), right);
                if !bytes.is_empty() {
                    let mut damaged = bytes.to_vec();
                    damaged[flip.index(bytes.len())] ^= 4;
                    prop_assert_ne!(engine.digest(&damaged), right);
                }
            }
        }
    }
}

fn region(name: &[u8], loaded: u64, digest: [u8; abi::DIGEST_LEN]) -> RegionRaw {
    let mut padded = [0; abi::NAME_LEN];
    padded[..name.len()].copy_from_slice(name);
    RegionRaw {
        name: padded,
        start: 0x20_0000,
        memsz: 12,
        loaded,
        digest,
        zero_pages: 0,
    }
}

#[test]
fn verification_names_the_bad_segment_and_both_checksums() {
    let tables = tables();
    let bytes = b"123456789\0\0\0";
    let mut wrong = [0; abi::DIGEST_LEN];
    wrong[0] = 1;
    let report = |kind| {
        let mut out = String::new();
        let engine = Engine::new(kind, &tables);
        let mut check = |name: &[u8], loaded: usize, digest| {
            segment(
                &mut out,
                &region(name, loaded as u64, digest),
                bytes,
                engine,
            )
        };
        assert!(check(b"xen", 9, expected(kind, &bytes[..9])));
        assert!(!check(b"module 1", 9, wrong));
        assert!(!check(b"mbi", 3, expected(kind, &bytes[..3])));
        out
    };
    assert_eq!(
        report(abi::VERIFY_CRC32),
        "[handoff] verify xen 0x00200000-0x0020000c 9 bytes: crc32 0xcbf43926 ok\n\
         [handoff] verify module 1 0x00200000-0x0020000c 9 bytes: BAD crc32, \
         expected 0x00000001, found 0xcbf43926\n\
         [handoff] verify mbi 0x00200000-0x0020000c 3 bytes: crc32 0x884863d2 ok, BAD zero fill, first at 0x200003\n"
    );
    assert_eq!(
        report(abi::VERIFY_SHA256),
        "[handoff] verify xen 0x00200000-0x0020000c 9 bytes: sha256 \
         15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225 ok\n\
         [handoff] verify module 1 0x00200000-0x0020000c 9 bytes: BAD sha256, \
         expected 0100000000000000000000000000000000000000000000000000000000000000, \
         found 15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225\n\
         [handoff] verify mbi 0x00200000-0x0020000c 3 bytes: sha256 \
         a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3 ok, \
         BAD zero fill, first at 0x200003\n"
    );
}
