//! Bytes as pairs of hexadecimal digits.

use super::number;

/// Two digits for each byte.
#[must_use]
pub fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of `digits`; `None` for anything but pairs of digits.
#[must_use]
pub fn parse(digits: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| match pair {
        [_, _] => u8::try_from(number::hex(str::from_utf8(pair).ok()?)?).ok(),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_of_digits_are_bytes() {
        assert_eq!(digits(&[0, 0x7f, 0xa5]), "007fa5");
        assert_eq!(parse("007Fa5"), Some(vec![0, 0x7f, 0xa5]));
        assert_eq!(parse(""), Some(vec![]));
        for wrong in ["0", "007", "zz", "+1", " 1", "\u{e9}"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
