//! Kexec out of Linux and back: definitions shared by the program in the guest and the test that
//! reads its log.

use images::payloads::{DESTROY, DESTROY_PATTERN, destroy_sum};

/// Prefix of each line of `jump-guest`.
pub const MARKER: &str = "MBTOOL-JUMP ";

/// Number of pages of the called image.
pub const IMAGE_PAGES: usize = 40;

const PAGE: usize = 4096;

/// Location of the image of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JumpPlace {
    /// On pages of the program's buffer: Linux exchanges them for the image, and back.
    User,
    /// On Linux's own code, with some of Linux's data exchanged too: the handoff exchanges them,
    /// and back.
    Kernel,
}

impl JumpPlace {
    /// The place of round `round`, counted from 1.
    pub fn of(round: u32) -> Self {
        if round.is_multiple_of(2) {
            Self::Kernel
        } else {
            Self::User
        }
    }

    /// Its name in a line of `jump-guest`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Kernel => "kernel",
        }
    }
}

/// Returns the image of round `round`, and its expected result: the image destroys the state of the
/// CPU and returns.
pub fn image(round: u32) -> (Vec<u8>, u64) {
    let mut bytes = DESTROY.to_vec();
    bytes.resize(DESTROY_PATTERN, 0);
    let count = (IMAGE_PAGES * PAGE - DESTROY_PATTERN) / 8 - 1;
    let words: Vec<u64> = (1..=count as u64)
        .map(|n| (n + u64::from(round)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    bytes.extend((count as u64).to_le_bytes());
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    (bytes, destroy_sum(&words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_a_different_image() {
        let (first, sum) = image(1);
        assert_eq!(first.len(), IMAGE_PAGES * PAGE);
        assert!(first.starts_with(DESTROY));
        let (second, other) = image(2);
        assert_ne!(sum, other);
        assert_ne!(first, second);
        assert_eq!(
            (JumpPlace::of(1), JumpPlace::of(2)),
            (JumpPlace::User, JumpPlace::Kernel)
        );
    }
}
