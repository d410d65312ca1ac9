//! Input on a machine's serial port.

use std::io::Write;
use std::process::ChildStdin;

use anyhow::{Context, Result, bail};

/// Ctrl-A three times: switches the input between Xen and dom0.
const SWITCH: &str = "\x01\x01\x01";

/// Input of the serial port. A failure is recorded, and fails the run when it ends.
#[derive(Debug)]
pub struct Keyboard {
    pipe: Option<ChildStdin>,
    failed: Option<anyhow::Error>,
}

impl Keyboard {
    pub(crate) fn new(pipe: Option<ChildStdin>) -> Self {
        Self { pipe, failed: None }
    }

    /// Types `text`.
    pub fn text(&mut self, text: &str) {
        let done = match &mut self.pipe {
            Some(pipe) => pipe
                .write_all(text.as_bytes())
                .and_then(|()| pipe.flush())
                .with_context(|| format!("cannot type {text:?}")),
            None => Err(anyhow::anyhow!(
                "cannot type {text:?}: the machine was made without typing()"
            )),
        };
        if let Err(error) = done {
            self.fail(error);
        }
    }

    /// Presses `key` on Xen's console, and switches back to dom0: 'h' lists the keys, 'C' starts
    /// the crash image.
    pub fn xen(&mut self, key: char) {
        self.text(&format!("{SWITCH}{key}{SWITCH}"));
    }

    /// Ends the run, which fails with `error`, unless an earlier failure was
    /// recorded.
    pub fn fail(&mut self, error: anyhow::Error) {
        self.failed.get_or_insert(error);
    }

    pub(crate) const fn failed(&self) -> bool {
        self.failed.is_some()
    }

    pub(crate) fn check(self) -> Result<()> {
        match self.failed {
            Some(error) => bail!(error),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_without_a_keyboard_fails_the_run() {
        let mut keyboard = Keyboard::new(None);
        keyboard.xen('h');
        let error = keyboard.check().unwrap_err().to_string();
        assert!(error.contains("typing()"), "{error}");
        Keyboard::new(None).check().unwrap();
    }
}
