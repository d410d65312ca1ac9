use super::*;
use proptest::prelude::*;

const BOUNCE: u64 = 200;

fn moved(moves: &[Extent], memory: &mut [u8]) {
    for m in moves {
        let (to, from, len) = (m.to as usize, m.from as usize, m.len as usize);
        memory.copy_within(from..from + len, to);
    }
}

/// Executes moves at once: every byte is read before any is written.
fn at_once(moves: &[Extent], memory: &mut [u8]) {
    let before = memory.to_vec();
    for m in moves {
        let (to, from, len) = (m.to as usize, m.from as usize, m.len as usize);
        memory[to..to + len].copy_from_slice(&before[from..from + len]);
    }
}

fn extent(to: u64, from: u64, len: u64) -> Extent {
    Extent { to, from, len }
}

/// Moves with disjoint destinations, which are cut from a line.
fn moves() -> impl Strategy<Value = Vec<Extent>> {
    let one = (0_u64..12, 0_u64..24, 0_u64..176);
    prop::collection::vec(one, 0..10).prop_map(|parts| {
        let mut to = 0;
        let mut moves = Vec::new();
        for (gap, len, from) in parts {
            to += gap;
            if to + len > BOUNCE || from + len > BOUNCE {
                break;
            }
            moves.push(extent(to, from, len));
            to += len;
        }
        moves
    })
}

proptest! {
    #[test]
    fn any_order_of_overlaps_is_the_same_as_all_at_once(
        moves in moves(), bounce in 1_u64..16, turn in 0_usize..10,
    ) {
        let mut moves = moves;
        let turn = turn % moves.len().max(1);
        moves.rotate_left(turn);
        let bounce = PhysRange::from_len(BOUNCE, bounce).unwrap();
        let ordered = order(&moves, bounce, usize::MAX).unwrap();
        let mut wanted: Vec<u8> = (0..=255).collect();
        let mut found = wanted.clone();
        at_once(&moves, &mut wanted);
        moved(&ordered, &mut found);
        prop_assert_eq!(&found[..BOUNCE as usize], &wanted[..BOUNCE as usize], "{:?}", ordered);
    }
}

#[test]
fn a_rotation_takes_three_extents_when_one_part_fits_the_buffer() {
    // a large block up by one, the byte after it to its front
    let moves = [extent(1, 0, 100), extent(0, 100, 1)];
    let bounce = PhysRange::from_len(BOUNCE, 8).unwrap();
    let ordered = order(&moves, bounce, 3).unwrap();
    assert_eq!(
        ordered,
        [extent(200, 100, 1), extent(1, 0, 100), extent(0, 200, 1)]
    );
}

#[test]
fn invalid_moves_are_refused() {
    let bounce = PhysRange::from_len(BOUNCE, 8).unwrap();
    let twice = [extent(0, 50, 10), extent(9, 70, 10)];
    assert!(
        order(&twice, bounce, 9)
            .unwrap_err()
            .to_string()
            .contains("same bytes")
    );
    let into = [extent(195, 0, 6)];
    assert!(
        order(&into, bounce, 9)
            .unwrap_err()
            .to_string()
            .contains("bounce buffer")
    );
    let wraps = [extent(u64::MAX, 0, 2)];
    assert!(
        order(&wraps, bounce, 9)
            .unwrap_err()
            .to_string()
            .contains("2^64")
    );
    // exchanging 50 bytes through 8 takes 7 saves of three extents each
    let exchange = [extent(0, 50, 50), extent(50, 0, 50)];
    assert!(
        order(&exchange, bounce, 20)
            .unwrap_err()
            .to_string()
            .contains("more than 20")
    );
    assert_eq!(order(&exchange, bounce, 21).unwrap().len(), 21);
}
