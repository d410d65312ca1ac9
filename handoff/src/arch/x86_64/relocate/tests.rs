//! Compares the assembly with the reference implementation on this machine's
//! memory.

use super::*;
use crate::addr::PAGE_SIZE;
use crate::pagelist::{PageMove, SimulatedMemory, WORDS, encode, interpret};
use proptest::prelude::*;

const PAGES: usize = 40;

/// Pages at their own (virtual) addresses.
#[repr(C, align(4096))]
#[derive(Clone)]
struct Pages([[u64; WORDS]; PAGES]);

impl Pages {
    fn new() -> Box<Self> {
        let mut pages = Box::new(Self([[0; WORDS]; PAGES]));
        for (n, word) in pages.0.as_flattened_mut().iter_mut().enumerate() {
            *word = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        pages
    }

    fn address(&self, page: usize) -> u64 {
        self.0.as_ptr() as u64 + page as u64 * PAGE_SIZE
    }
}

/// The same words, addressed as other pages.
struct Reference<'a>(&'a mut Pages, u64);

impl Reference<'_> {
    fn page(&self, addr: u64) -> usize {
        ((addr - self.1) / PAGE_SIZE) as usize
    }
}

impl SimulatedMemory for Reference<'_> {
    fn word(&self, addr: u64) -> Option<u64> {
        let index = addr.checked_sub(self.1)? / 8;
        self.0.0.as_flattened().get(index as usize).copied()
    }

    fn copy(&mut self, step: PageMove) {
        let (to, from) = (self.page(step.to), self.page(step.from));
        self.0.0[to] = self.0.0[from];
    }

    fn swap(&mut self, step: PageMove) {
        let (to, from) = (self.page(step.to), self.page(step.from));
        self.0.0.swap(to, from);
    }
}

/// Runs the list at `head` by the assembly.
fn run(head: u64, words: u64, swap: bool) -> bool {
    // SAFETY: the tests' lists stay within pages that the test owns.
    unsafe { move_list(head, words, swap.into()) == 1 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn lists_match_the_reference(
        order in Just((1..PAGES).collect::<Vec<_>>()).prop_shuffle(),
        count in 0..(PAGES - 1) / 2,
        swap: bool,
    ) {
        let mut memory = Pages::new();
        let steps: Vec<PageMove> = order
            .chunks_exact(2)
            .take(count)
            .map(|pair| PageMove { to: memory.address(pair[0]), from: memory.address(pair[1]) })
            .collect();
        let list = encode(&steps, &[memory.address(0)], swap).unwrap();
        for (_, words) in &list.pages {
            memory.0[0] = *words;
        }
        let mut wanted = memory.clone();
        let base = memory.address(0);
        interpret(&mut Reference(&mut wanted, base), list.head, list.words, swap).unwrap();
        let before = memory.clone();
        prop_assert!(run(list.head, list.words, swap));
        prop_assert!(memory.0 == wanted.0);
        if swap {
            // and back: no state remains between two runs
            prop_assert!(run(list.head, list.words, swap));
            prop_assert!(memory.0 == before.0);
        }
    }

    #[test]
    fn extents_move_as_memmove_does(
        to in 0_usize..3000, from in 0_usize..3000, len in 0_usize..3000,
    ) {
        let mut found: Vec<u8> = (0..6000_u32).map(|n| (n * 7 + n / 256) as u8).collect();
        let mut wanted = found.clone();
        wanted.copy_within(from..from + len, to);
        let base = found.as_mut_ptr() as u64;
        let extent = Extent { to: base + to as u64, from: base + from as u64, len: len as u64 };
        // SAFETY: both parts are in the vector.
        unsafe { move_extents(&raw const extent, 1, 0) };
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn extents_are_exchanged_to_the_byte(
        to in 0_usize..1000, gap in 0_usize..9, len in 0_usize..1000,
    ) {
        let mut found: Vec<u8> = (0..4000_u32).map(|n| (n * 7 + n / 256) as u8).collect();
        let mut wanted = found.clone();
        let from = to + len + gap;
        let (low, high) = wanted.split_at_mut(from);
        low[to..to + len].swap_with_slice(&mut high[..len]);
        let base = found.as_mut_ptr() as u64;
        let extent = Extent { to: base + to as u64, from: base + from as u64, len: len as u64 };
        // SAFETY: both parts are in the vector.
        unsafe { move_extents(&raw const extent, 1, 1) };
        prop_assert_eq!(found, wanted);
    }
}

#[test]
fn a_list_without_end_is_an_error() {
    let mut memory = Pages::new();
    let own = memory.address(0);
    memory.0[0] = [0; WORDS];
    memory.0[0][1] = own | pagelist::INDIRECTION;
    assert!(!run(own | pagelist::INDIRECTION, 1_000_000, false));
    assert!(!run(own | pagelist::SOURCE, 100, false), "no list at all");
    memory.0[0][1] = pagelist::DONE;
    assert!(run(own | pagelist::INDIRECTION, 3, false));
    assert!(!run(own | pagelist::INDIRECTION, 2, false));
    assert!(run(pagelist::DONE, 1, false), "as a crash image has it");
}
