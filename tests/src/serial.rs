//! Follows a serial log while a machine writes it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A growing log. Yields each line once, when it is complete.
#[derive(Debug)]
pub struct LineFollower {
    file: Option<File>,
    pending: Vec<u8>,
}

impl LineFollower {
    /// Follows the file at `path`, which may not exist yet.
    pub fn new() -> Self {
        Self {
            file: None,
            pending: Vec::new(),
        }
    }

    /// The lines that were completed since the last call.
    pub fn lines(&mut self, path: &Path) -> std::io::Result<Vec<String>> {
        if self.file.is_none() {
            self.file = File::open(path).ok();
        }
        let Some(file) = &mut self.file else {
            return Ok(Vec::new());
        };
        file.read_to_end(&mut self.pending)?;
        let Some(end) = self.pending.iter().rposition(|&b| b == b'\n') else {
            return Ok(Vec::new());
        };
        let whole: Vec<u8> = self.pending.drain(..=end).collect();
        Ok(String::from_utf8_lossy(&whole).lines().map(clean).collect())
    }

    /// Output after the last complete line.
    pub fn rest(&self) -> String {
        clean(&String::from_utf8_lossy(&self.pending))
    }
}

impl Default for LineFollower {
    fn default() -> Self {
        Self::new()
    }
}

/// The text of a line without terminal control: escape sequences (ECMA-48 CSI) and control characters.
pub fn clean(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            if chars.peek() == Some(&'[') {
                chars.next();
                // parameter and intermediate bytes are 0x20..=0x3f, the final character is
                // 0x40..=0x7e
                while chars.next_if(|c| ('\x20'..='\x3f').contains(c)).is_some() {}
            }
            chars.next();
        } else if c == '\t' || !c.is_control() {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_is_returned_once_and_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut follow = LineFollower::new();
        assert!(follow.lines(&path).unwrap().is_empty());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\r\ntw").unwrap();
        assert_eq!(follow.lines(&path).unwrap(), ["one"]);
        assert_eq!(follow.rest(), "tw");
        file.write_all(b"o\n\xff\nend").unwrap();
        assert_eq!(follow.lines(&path).unwrap(), ["two", "\u{fffd}"]);
        assert!(follow.lines(&path).unwrap().is_empty());
        assert_eq!(follow.rest(), "end");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn terminal_control_is_removed() {
        assert_eq!(
            clean("\x1b[2J\x1b[01;01H\x1bcSeaBIOS\t1\r\x07"),
            "SeaBIOS\t1"
        );
        assert_eq!(clean("\x1b["), "");
        assert_eq!(clean("\x1b"), "");
    }
}
