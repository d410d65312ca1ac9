use super::*;
use proptest::prelude::*;

const PAGE: u64 = PAGE_SIZE;

/// Pages numbered from address 0, with words given by a test.
struct Pages(Vec<[u64; WORDS]>);

impl SimulatedMemory for Pages {
    fn word(&self, addr: u64) -> Option<u64> {
        let page = self.0.get((addr / PAGE) as usize)?;
        Some(page[(addr % PAGE / 8) as usize])
    }

    fn copy(&mut self, step: PageMove) {
        self.0[(step.to / PAGE) as usize] = self.0[(step.from / PAGE) as usize];
    }

    fn swap(&mut self, step: PageMove) {
        self.0
            .swap((step.to / PAGE) as usize, (step.from / PAGE) as usize);
    }
}

fn steps(head: u64, words: &[u64]) -> Result<Vec<PageMove>, ListError> {
    Walk::new(head, 64, |at| words.get((at / 8) as usize).copied()).collect()
}

#[test]
fn words_are_decoded_as_in_linux() {
    let step = |to, from| PageMove { to, from };
    let list = [
        0x5000 | DESTINATION,
        0x9000 | SOURCE,
        0xa000 | SOURCE,
        0x7000, // no flag: skipped
        0x20 | INDIRECTION,
        0x1000 | 1 << 4, // an unknown flag: skipped
        0xb000 | SOURCE,
        0x4000 | DESTINATION | SOURCE, // the lower flag counts
        0xc000 | SOURCE,
        DONE,
        0xd000 | SOURCE,
    ];
    // flags are in the low 12 bits, so the indirection leads to address 0; the
    // limit ends the walk
    let error = steps(INDIRECTION, &list).unwrap_err();
    assert_eq!(error, ListError::TooLong { limit: 64 });
    let mut straight = list;
    straight[4] = 0;
    assert_eq!(
        steps(INDIRECTION, &straight).unwrap(),
        [
            step(0x5000, 0x9000),
            step(0x6000, 0xa000),
            step(0x7000, 0xb000),
            step(0x4000, 0xc000),
        ]
    );
    assert_eq!(steps(DONE, &[]).unwrap(), []);
}

#[test]
fn a_list_without_end_or_memory_is_an_error() {
    assert_eq!(
        steps(0x1000 | SOURCE, &[]),
        Err(ListError::Head { word: 0x1008 })
    );
    assert_eq!(
        steps(INDIRECTION, &[0x1000 | SOURCE]),
        Err(ListError::NoDestination { from: 0x1000 })
    );
    assert_eq!(
        steps(INDIRECTION, &[0]),
        Err(ListError::Unreadable { at: 8 })
    );
    assert_eq!(
        steps(0x1000 | INDIRECTION, &[]),
        Err(ListError::Unreadable { at: 0x1000 })
    );
    assert_eq!(
        steps(INDIRECTION, &[INDIRECTION]),
        Err(ListError::TooLong { limit: 64 })
    );
}

#[test]
fn the_encoder_refuses_moves_that_depend_on_the_order() {
    let step = |to: u64, from: u64| PageMove {
        to: to * PAGE,
        from: from * PAGE,
    };
    let refused = |steps: &[PageMove], swap| encode(steps, &[0x10_0000], swap).unwrap_err();
    assert_eq!(
        refused(&[step(1, 2), step(2, 3)], false),
        EncodeError::Order { page: 2 * PAGE }
    );
    assert_eq!(
        refused(&[step(1, 2), step(1, 3)], false),
        EncodeError::Twice { page: PAGE }
    );
    assert_eq!(
        refused(&[step(1, 2), step(3, 2)], true),
        EncodeError::Twice { page: 2 * PAGE }
    );
    assert_eq!(
        refused(&[step(256, 2)], false),
        EncodeError::ListMoved { page: 0x10_0000 }
    );
    let odd = PageMove { to: 8, from: 0 };
    assert_eq!(refused(&[odd], false), EncodeError::Unaligned { addr: 8 });
    let many: Vec<PageMove> = (0..511).map(|n| step(n, 1000 + n)).collect();
    assert_eq!(
        refused(&many, false),
        EncodeError::ListPages {
            needed: 2,
            found: 1
        }
    );
    // no other step moves a page that is its own source
    assert!(encode(&[step(1, 1), step(2, 3)], &[0x10_0000], true).is_ok());
    assert_eq!(encode(&[], &[], false).unwrap().head, DONE);
}

/// A permutation of pages, split into pairs.
fn pairs() -> impl Strategy<Value = Vec<PageMove>> {
    let pages = Just((0..1400_u64).collect::<Vec<_>>()).prop_shuffle();
    (pages, 0..600_usize, any::<bool>()).prop_map(|(pages, count, sorted)| {
        let mut steps: Vec<PageMove> = pages
            .chunks_exact(2)
            .take(count)
            .map(|pair| PageMove {
                to: pair[0] * PAGE,
                from: pair[1] * PAGE,
            })
            .collect();
        if sorted {
            // sorted destinations result in consecutive runs
            steps.sort_by_key(|step| step.to);
        }
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_list_has_the_encoded_moves_and_swapping_twice_reverts_it(steps in pairs()) {
        let list_pages: Vec<u64> = (1400..1404).rev().map(|page| page * PAGE).collect();
        let list = encode(&steps, &list_pages, true).unwrap();
        prop_assert_eq!(list.pages.len(), pages_needed(&steps));
        let mut memory = Pages((0..1404).map(|page| [page; WORDS]).collect());
        for (page, words) in &list.pages {
            memory.0[(page / PAGE) as usize] = *words;
        }
        let walk = Walk::new(list.head, list.words, |at| memory.word(at));
        let found: Vec<PageMove> = walk.collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&found, &steps);
        // one word less is not enough: `words` is exact
        let short = Walk::new(list.head, list.words - 1, |at| memory.word(at));
        prop_assert!(short.collect::<Result<Vec<_>, _>>().is_err());

        let before: Vec<u64> = memory.0.iter().map(|page| page[0]).collect();
        interpret(&mut memory, list.head, list.words, true).unwrap();
        for step in &steps {
            prop_assert_eq!(memory.0[(step.to / PAGE) as usize][0], step.from / PAGE);
            prop_assert_eq!(memory.0[(step.from / PAGE) as usize][0], step.to / PAGE);
        }
        interpret(&mut memory, list.head, list.words, true).unwrap();
        let after: Vec<u64> = memory.0.iter().map(|page| page[0]).collect();
        prop_assert_eq!(after, before);
    }
}
