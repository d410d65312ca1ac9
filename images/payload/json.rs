//! A JSON writer without allocation.

/// Receives the text.
pub trait Sink {
    /// Takes one byte.
    fn byte(&mut self, byte: u8);

    /// Takes the bytes of `text`.
    fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.byte(byte);
        }
    }
}

/// A JSON writer. Every value of an object is preceded by [`Json::key`].
pub struct Json<'a, S: Sink> {
    sink: &'a mut S,
    comma: bool,
}

impl<'a, S: Sink> Json<'a, S> {
    /// Starts a document.
    pub fn new(sink: &'a mut S) -> Self {
        Self { sink, comma: false }
    }

    /// Opens an object as the next value.
    pub fn object(&mut self) {
        self.open(b'{');
    }

    /// Closes the innermost object.
    pub fn end_object(&mut self) {
        self.close(b'}');
    }

    /// Opens an array as the next value.
    pub fn array(&mut self) {
        self.open(b'[');
    }

    /// Closes the innermost array.
    pub fn end_array(&mut self) {
        self.close(b']');
    }

    /// Writes the name of the next value. `key` needs no escapes.
    pub fn key(&mut self, key: &str) {
        self.open(b'"');
        self.sink.text(key);
        self.sink.text("\":");
    }

    /// Writes `"key":value`.
    pub fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.decimal(value);
    }

    /// Writes `"key":value`, or null.
    pub fn number_or_null(&mut self, key: &str, value: Option<u64>) {
        self.key(key);
        match value {
            Some(value) => self.decimal(value),
            None => self.word("null"),
        }
    }

    /// Writes `"key":true` or `"key":false`.
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.word(if value { "true" } else { "false" });
    }

    /// Writes `"key":"..."`. Every byte outside of printable ASCII becomes
    /// `\u00xx`, so bytes map to the code points of the same value.
    pub fn string(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.sink.byte(b'"');
        for &byte in value {
            match byte {
                b'"' | b'\\' => {
                    self.sink.byte(b'\\');
                    self.sink.byte(byte);
                }
                b' '..=b'~' => self.sink.byte(byte),
                _ => {
                    self.sink.text("\\u00");
                    self.hex(byte);
                }
            }
        }
        self.sink.byte(b'"');
        self.comma = true;
    }

    /// Writes `"key":"..."` with `value` as lower-case hex digits.
    pub fn hex_string(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.sink.byte(b'"');
        for &byte in value {
            self.hex(byte);
        }
        self.sink.byte(b'"');
        self.comma = true;
    }

    fn open(&mut self, bracket: u8) {
        if self.comma {
            self.sink.byte(b',');
        }
        self.sink.byte(bracket);
        self.comma = false;
    }

    fn close(&mut self, bracket: u8) {
        self.sink.byte(bracket);
        self.comma = true;
    }

    fn word(&mut self, word: &str) {
        self.sink.text(word);
        self.comma = true;
    }

    fn hex(&mut self, byte: u8) {
        for digit in [byte >> 4, byte & 0xf] {
            self.sink.byte(if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            });
        }
    }

    fn decimal(&mut self, mut value: u64) {
        // least significant digit first; 20 digits hold any u64
        let mut digits = [b'0'; 20];
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit += (value % 10) as u8;
            value /= 10;
            used += 1;
            if value == 0 {
                break;
            }
        }
        for &digit in digits.iter().skip(20 - used) {
            self.sink.byte(digit);
        }
        self.comma = true;
    }
}
