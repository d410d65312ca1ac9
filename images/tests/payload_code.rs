//! Parts of the payload that do not depend on a machine, compiled for the host.

#[path = "../payload/json.rs"]
mod json;
#[path = "../payload/mb2/mbi.rs"]
mod mbi;
#[path = "../payload/sha256.rs"]
mod sha256;

use images::launch::{self, plan::Plan};
use images::report::{MbiReport, PayloadReport, TagBody};
use json::{Json, Sink};
use proptest::prelude::*;
use sha2::Digest;

/// Address of the boot information in these tests.
const ADDRESS: u64 = 0x1000;

#[derive(Default)]
struct Text(Vec<u8>);

impl Sink for Text {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

/// The payload's output for `bytes` as boot information.
fn decode(bytes: &[u8]) -> MbiReport {
    let memory = |start: u64, len: u64| {
        let start = usize::try_from(start.checked_sub(ADDRESS)?).ok()?;
        bytes.get(start..start.checked_add(len as usize)?)
    };
    let mut text = Text::default();
    let mut json = Json::new(&mut text);
    json.object();
    mbi::write(&mut json, ADDRESS, &memory);
    json.end_object();
    let mut value: serde_json::Value = serde_json::from_slice(&text.0).unwrap();
    serde_json::from_value(value["mbi"].take()).unwrap()
}

fn mbi(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn defects_of_boot_information_are_reported() {
    let fault = |bytes: &[u8]| decode(bytes).fault;
    let said = |text: &str| Some(text.to_string());
    assert_eq!(fault(&[]), said("address cannot be read"));
    assert_eq!(fault(&mbi(&[15, 0])), said("total_size is below 16"));
    assert_eq!(
        fault(&mbi(&[0x100_0008, 0])),
        said("total_size is above 16 MiB")
    );
    assert_eq!(
        fault(&mbi(&[24, 0, 0, 8])),
        said("total_size reaches beyond memory")
    );
    assert_eq!(
        fault(&mbi(&[16, 0, 77, 8])),
        said("no end tag within total_size")
    );
    assert_eq!(
        fault(&mbi(&[16, 0, 77, 7])),
        said("a tag is smaller than its header")
    );
    assert_eq!(
        fault(&mbi(&[16, 0, 77, 9])),
        said("a tag reaches beyond total_size")
    );
    assert_eq!(
        fault(&mbi(&[16, 0, 77, u32::MAX])),
        said("a tag reaches beyond total_size")
    );
    assert_eq!(fault(&mbi(&[16, 0, 0, 8])), None);
}

#[test]
fn the_end_tag_ends_the_walk_even_before_total_size() {
    let found = decode(&mbi(&[40, 0, 4, 16, 1, 2, 0, 8, 4, 16]));
    assert_eq!((found.tags.len(), found.fault), (2, None));
}

#[test]
fn invalid_memory_map_and_modules() {
    // entries smaller than their fields are not walked, a module that ends
    // before it starts has no digest
    let found = decode(&mbi(&[
        64, 0, 6, 32, 8, 0, 1, 2, 3, 4, 3, 16, 0x2000, 0x1000, 0, 8,
    ]));
    let TagBody::Mmap {
        entries,
        trailing_bytes,
        ..
    } = &found.tags[0].body
    else {
        panic!("{found:?}")
    };
    assert_eq!((entries.len(), *trailing_bytes), (0, 16));
    let Some(TagBody::Module {
        sha256,
        terminated: false,
        ..
    }) = found.of_type(3).next()
    else {
        panic!("{found:?}")
    };
    assert_eq!(sha256, "");
}

#[test]
fn a_report_must_be_whole_and_single() {
    let error = |text: &str| PayloadReport::parse(text).unwrap_err().to_string();
    assert!(error("").contains("no line"));
    assert!(error("MBTOOL-PAYLOAD {\r\n").contains("END"));
    assert!(error("MBTOOL-PAYLOAD {}\nMBTOOL-PAYLOAD END\n").contains("not what was expected"));
    let twice = "MBTOOL-PAYLOAD {}\nMBTOOL-PAYLOAD END\n".repeat(2);
    assert!(error(&twice).contains("second payload"));
}

proptest! {
    #[test]
    fn hostile_boot_information_gives_json(
        mut words in proptest::collection::vec(prop_oneof![0..32_u32, any::<u32>()], 2..64),
        honest_size in any::<bool>(),
    ) {
        if honest_size {
            words[0] = words.len() as u32 * 4;
        }
        let found = decode(&mbi(&words));
        // every tag takes eight bytes of the input at least
        prop_assert!(found.tags.len() <= words.len() / 2);
    }

    #[test]
    fn strings_round_trip_through_json(bytes in proptest::collection::vec(any::<u8>(), 0..64), n in any::<u64>()) {
        let mut text = Text::default();
        let mut json = Json::new(&mut text);
        json.object();
        json.string("s", &bytes);
        json.number_or_null("n", Some(n));
        json.number_or_null("none", None);
        json.end_object();
        let value: serde_json::Value = serde_json::from_slice(&text.0).unwrap();
        let back: Vec<u32> = value["s"].as_str().unwrap().chars().map(u32::from).collect();
        prop_assert_eq!(back, bytes.iter().map(|&b| u32::from(b)).collect::<Vec<_>>());
        prop_assert_eq!(value["n"].as_u64(), Some(n));
        prop_assert!(value["none"].is_null() && text.0.is_ascii());
    }

    #[test]
    fn sha256_agrees_with_sha2(parts in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..150), 0..5))
    {
        let mut sha = sha256::Sha256::new();
        parts.iter().for_each(|part| sha.update(part));
        prop_assert_eq!(&sha.finish()[..], &sha2::Sha256::digest(parts.concat())[..]);
    }

    #[test]
    fn plans_are_read_as_written(
        segments in proptest::collection::vec(
            (any::<u64>(), 0..99_u64, proptest::collection::vec(any::<u8>(), 0..50)), 0..5),
        entry in any::<u64>(),
    ) {
        let list: Vec<_> = segments.iter()
            .map(|(destination, more, bytes)| (*destination, bytes.len() as u64 + more, &bytes[..]))
            .collect();
        let file = launch::pack(&list, entry);
        let plan = Plan::parse(&file).unwrap();
        prop_assert_eq!((plan.entry, plan.count), (entry, list.len()));
        for (i, wanted) in list.iter().enumerate() {
            let found = plan.segment(i).unwrap();
            prop_assert_eq!((found.destination, found.memsz, found.bytes), *wanted);
        }
        // shorter files are refused
        for len in 0..file.len() {
            prop_assert!(Plan::parse(&file[..len]).is_none());
        }
    }

    #[test]
    fn hostile_plans_are_handled(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let magic = &launch::plan::MAGIC;
        let len = bytes.len().min(8);
        bytes[..len].copy_from_slice(&magic[..len]);
        if let Some(plan) = Plan::parse(&bytes) {
            prop_assert!(plan.count <= bytes.len() / launch::plan::SEGMENT_LEN);
        }
    }
}
