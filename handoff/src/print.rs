//! Text without `core::fmt`: the blob prints strings, hexadecimal and decimal numbers.

/// Receives text.
pub trait Print {
    /// Writes one byte; `\n` ends a line.
    fn byte(&mut self, byte: u8);

    /// Writes a string.
    #[inline(never)]
    fn str(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes of text.
    #[inline(never)]
    fn bytes(&mut self, text: &[u8]) -> &mut Self {
        for byte in text {
            self.byte(*byte);
        }
        self
    }

    /// Writes `0x` and at least `digits` lowercase hex digits (1 to 16).
    #[inline(never)]
    fn hex(&mut self, value: u64, digits: u32) -> &mut Self {
        let needed = 16 - value.leading_zeros() / 4;
        self.str("0x").digits(value, digits.max(needed))
    }

    /// Writes exactly `digits` lowercase hex digits (1 to 16).
    fn digits(&mut self, value: u64, digits: u32) -> &mut Self {
        for place in (0..digits).rev() {
            let nibble = (value >> (4 * place) & 15) as u8;
            self.byte(if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' - 10 + nibble
            });
        }
        self
    }

    /// Writes `0x` and as many hex digits as needed.
    #[inline(never)]
    fn addr(&mut self, value: u64) -> &mut Self {
        self.hex(value, 1)
    }

    /// Writes a decimal number.
    fn dec(&mut self, value: u64) -> &mut Self {
        let mut divisor = 1;
        while value / divisor >= 10 {
            divisor *= 10;
        }
        while divisor > 0 {
            self.byte(b'0' + (value / divisor % 10) as u8);
            divisor /= 10;
        }
        self
    }
}

#[cfg(test)]
impl Print for String {
    fn byte(&mut self, byte: u8) {
        self.push(byte as char);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let mut out = String::new();
        out.dec(0)
            .str(" ")
            .dec(u64::MAX)
            .str(" ")
            .addr(0)
            .str(" ")
            .addr(0x9f000)
            .str(" ");
        out.hex(0xab, 4).str(" ").digits(u64::MAX, 16);
        out.str(" ").hex(0x1_2345_6789, 8);
        assert_eq!(
            out,
            "0 18446744073709551615 0x0 0x9f000 0x00ab ffffffffffffffff 0x123456789"
        );
    }
}
