//! Share of bytes that are no text: a wrong baud rate makes noise.

/// Counts the bytes of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteCount {
    /// All.
    pub total: u64,
    /// Those that no console prints: control characters but line ends, tabs, escapes and
    /// backspaces, and bytes that are not UTF-8.
    pub other: u64,
}

impl ByteCount {
    /// Counts more bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        for chunk in bytes.utf8_chunks() {
            let controls = chunk.valid().bytes().filter(|byte| is_no_text(*byte));
            let controls = controls.count();
            self.other += (controls + chunk.invalid().len()) as u64;
        }
    }

    /// Counts the characters of a line of which U+FFFD stands for what is no text.
    pub fn add_line(&mut self, line: &str) {
        let no_text = |c: &char| *c == char::REPLACEMENT_CHARACTER;
        self.total += line.chars().count() as u64;
        self.other += line.chars().filter(no_text).count() as u64;
    }

    /// Percentage of bytes that are no text, rounded.
    #[must_use]
    pub const fn percent(&self) -> u64 {
        if self.total == 0 {
            return 0;
        }
        (self.other * 100 + self.total / 2) / self.total
    }

    /// True if a wrong baud rate, or a file that is no log, is likely.
    #[must_use]
    pub const fn is_noise(&self) -> bool {
        self.percent() >= 10
    }
}

/// True for a control character that no console prints.
pub(super) const fn is_no_text(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, 7..=13 | 0x1b) || byte == 0x7f
}

/// Number of characters of the words by which a text of a program is known from noise.
const WORD: usize = 2;

/// True for a line that can be text of a program: it has a word, and no byte that is no text.
#[must_use]
pub fn is_readable(line: &str) -> bool {
    let word = || {
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        words.any(|word| word.chars().nth(WORD - 1).is_some())
    };
    !line.contains(char::REPLACEMENT_CHARACTER) && word()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_baud_rate_is_noise_and_a_console_is_not() {
        let count = |bytes: &[u8]| {
            let mut count = ByteCount::default();
            count.add(bytes);
            count
        };
        let text = "\x1b[2J\x1b[01;01H(XEN) Xen version\r\n\tGrüße\x08\r\n".as_bytes();
        assert_eq!(count(text).other, 0);
        let noise = b"\x00\xf8\x80\xfe\x00x\x9c\xe6\x98~\x00f\x06\x1e\xf8\x80";
        assert!(count(noise).is_noise(), "{:?}", count(noise));
        assert_eq!(count(b"").percent(), 0);
        let mut half = count(&[0xff; 5]);
        half.add(b"abcde");
        assert_eq!((half.percent(), half.total), (50, 10));
    }

    #[test]
    fn a_line_of_noise_is_not_readable() {
        for line in [
            "hello",
            "# ls",
            "sh-5.2#",
            "OK",
            "Привет",
            "1: lo: <LOOPBACK>",
        ] {
            assert!(is_readable(line), "{line}");
        }
        for line in ["", "~", "\u{fffd}", "hello\u{fffd}", "x~f`8", "/ #"] {
            assert!(!is_readable(line), "{line}");
        }
    }
}
