//! Return from an image: it is exchanged to its destination and called,
//! destroys the state of the CPU, and returns; its caller continues with the
//! previous state.

mod support;

use handoff::abi::Extent;
use handoff::addr::PAGE_SIZE;
use handoff::blob;
use handoff::pagelist::{self, Encoded, PageMove};
use handoff::spec::{Console, Drill, Exit, OnFault, Relocate, Spec, Verify};
use images::launch::{self, plan};
use images::payloads::{DESTROY, DESTROY_PATTERN, LAUNCHER_RETURNED_STATUS, destroy_sum};
use support::run_with;

/// Address of the blob.
const BASE: u64 = 0x600_0000;
/// Address of the called image, which is memory of the caller.
const PLACE: u64 = 0x80_0000;
/// Address of the image's pages before the exchange, in another order.
const SOURCE: u64 = 0xa0_0000;
const LIST: u64 = 0xb0_0000;
const PAGES: u64 = 40;
/// More memory to exchange, with odd lengths.
const EXTENTS: [Extent; 2] = [
    Extent {
        to: 0xc0_0003,
        from: 0xd0_0000,
        len: 0x1_2345,
    },
    Extent {
        to: 0xd8_0000,
        from: 0xc8_0001,
        len: 7,
    },
];

/// Returns the image with its pattern, and the sum that it returns.
fn image() -> (Vec<u8>, u64) {
    let mut bytes = DESTROY.to_vec();
    bytes.resize(DESTROY_PATTERN, 0);
    let count = ((PAGES * PAGE_SIZE) as usize - DESTROY_PATTERN) / 8 - 1;
    let words: Vec<u64> = (1..=count as u64)
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    bytes.extend((count as u64).to_le_bytes());
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    assert_eq!(bytes.len() as u64, PAGES * PAGE_SIZE);
    (bytes, destroy_sum(&words))
}

fn noise(len: u64, seed: u64) -> Vec<u8> {
    (0..len)
        .map(|n| ((n + seed).wrapping_mul(0x9e37_79b9) >> 13) as u8)
        .collect()
}

/// Page list: page `n` of the image is at the last position but `n`.
fn list() -> Encoded {
    let steps: Vec<PageMove> = (0..PAGES)
        .map(|n| PageMove {
            to: PLACE + n * PAGE_SIZE,
            from: SOURCE + (PAGES - 1 - n) * PAGE_SIZE,
        })
        .collect();
    pagelist::encode(&steps, &[LIST], true).unwrap()
}

/// Calls the handoff `rounds` times in `state`; returns the serial output.
fn call(rounds: u32, state: u32, consoles: Vec<Console>) -> String {
    call_on("qemu64", rounds, state, consoles)
}

/// Like [`call`], with an argument for `-cpu`.
fn call_on(cpu: &str, rounds: u32, state: u32, consoles: Vec<Console>) -> String {
    let (image, _) = image();
    let list = list();
    let built = blob::build(&Spec {
        base: BASE,
        consoles,
        on_fault: OnFault::Halt,
        verify: Verify::None,
        regions: vec![],
        relocate: Relocate {
            swap: true,
            list: Some(list.clone()),
            extents: EXTENTS.to_vec(),
            clear: vec![],
        },
        fixups: vec![],
        exit: Exit::Return {
            entry: PLACE as u32,
        },
        drill: Drill::Off,
        guard: false,
    })
    .unwrap();
    let waiting: Vec<u8> = image
        .chunks(PAGE_SIZE as usize)
        .rev()
        .flatten()
        .copied()
        .collect();
    let (page, words) = &list.pages[0];
    let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mine = noise(PAGES * PAGE_SIZE, 1);
    let (one, other) = (noise(0x10_0000, 2), noise(0x10_0000, 3));
    let segments = [
        (PLACE, mine.len() as u64, &mine[..]),
        (SOURCE, waiting.len() as u64, &waiting[..]),
        (*page, PAGE_SIZE, &words[..]),
        (0xc0_0000, one.len() as u64, &one[..]),
        (0xd0_0000, other.len() as u64, &other[..]),
        (BASE, built.memsz, &built.bytes[..]),
    ];
    let run = run_with(
        &["-cpu", cpu],
        &launch::pack_call(&segments, built.entry, rounds, state),
        None,
    );
    assert_eq!(
        run.status.code(),
        Some(LAUNCHER_RETURNED_STATUS),
        "{}",
        run.serial
    );
    run.serial
}

fn all_came_back(serial: &str, rounds: u32) {
    assert!(!serial.contains("differs"), "{serial}");
    let (_, sum) = image();
    let last = format!("returned {rounds:#018x} times, rax {sum:#018x}, digest");
    assert!(serial.contains(&last), "{last}: {serial}");
}

#[test]
fn a_hundred_round_trips_leave_memory_and_state_as_they_were() {
    let serial = call(100, plan::STATE_RICH, vec![]);
    all_came_back(&serial, 100);
}

/// On such a CPU, the handoff changes its page tables, and verifies itself
/// every time.
#[test]
fn a_cpu_without_nx_returns_too() {
    let serial = call_on("qemu64,-nx", 3, plan::STATE_RICH, vec![]);
    all_came_back(&serial, 3);
}

#[test]
fn a_caller_without_a_gdt_gets_its_state_back() {
    let console = Console::Pio {
        port: 0x3f8,
        divisor: None,
    };
    let serial = call(2, plan::STATE_LINUX, vec![console]);
    all_came_back(&serial, 2);
    let (_, sum) = image();
    let lines = [
        "entry cr0 0x80000033 ".to_owned(),
        "gdt 0x0 limit 0x0 idt 0x0 limit 0x0 rax 0xca11000000000000 ".to_owned(),
        format!(
            "relocate: exchange page list {:#x}, 2 extent(s)",
            LIST | pagelist::INDIRECTION
        ),
        format!("jump to {PLACE:#010x} (call, 64-bit)"),
        format!("target returned, rax {sum:#x}"),
    ];
    for line in lines {
        assert_eq!(serial.matches(&line).count(), 2, "{line}: {serial}");
    }
}
