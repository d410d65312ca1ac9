//! Errors that carry their remedy.

use std::borrow::Cow;
use std::fmt;

/// A remedy: an instruction, without a period at its end.
pub type Remedy = Option<Cow<'static, str>>;

/// An error that may know its remedy. `Display` prints `STATEMENT; REMEDY`, or the statement alone.
pub trait Fix: fmt::Display {
    /// The remedy: a command, a kernel parameter or a sentence; `None` if none is known.
    fn fix(&self) -> Remedy;

    /// The error's statement, without the remedy.
    fn statement(&self) -> String {
        let mut text = self.to_string();
        let tail = tail(self.fix()).to_string();
        if text.ends_with(&tail) {
            text.truncate(text.len() - tail.len());
        }
        text
    }
}

/// The end of a message: `; REMEDY`, or nothing.
#[must_use]
pub fn tail(fix: Remedy) -> impl fmt::Display {
    struct Tail(Remedy);
    impl fmt::Display for Tail {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match &self.0 {
                Some(fix) => write!(f, "; {fix}"),
                None => Ok(()),
            }
        }
    }
    Tail(fix)
}
