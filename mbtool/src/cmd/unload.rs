//! `mbtool unload`: takes back a loaded image.

use crate::backend::{Backend, BackendError, Unload};
use std::io::Write;

/// Unloads; that there was nothing is no error.
///
/// # Errors
///
/// What the backend says.
pub fn run(which: Unload, backend: &dyn Backend, talk: &mut dyn Write) -> Result<(), BackendError> {
    let what = if which.crash { "crash image" } else { "image" };
    let text = if backend.unload(which)? {
        format!("{what} unloaded")
    } else {
        format!("no {what} was loaded")
    };
    // a closed stderr changes nothing about what was done
    let _ = writeln!(talk, "mbtool: {text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Done;
    use crate::plan::Plan;

    /// Has a crash image, and nothing else.
    struct Crash;

    impl Backend for Crash {
        fn name(&self) -> &str {
            "crash"
        }

        fn load(&self, _: &Plan) -> Result<Done, BackendError> {
            Err(BackendError::Busy)
        }

        fn unload(&self, which: Unload) -> Result<bool, BackendError> {
            Ok(which.crash)
        }
    }

    #[test]
    fn it_says_what_was_there() {
        for (crash, expected) in [
            (true, "mbtool: crash image unloaded\n"),
            (false, "mbtool: no image was loaded\n"),
        ] {
            let mut talk = vec![];
            let which = Unload {
                crash,
                force: false,
            };
            run(which, &Crash, &mut talk).unwrap();
            assert_eq!(String::from_utf8(talk).unwrap(), expected);
        }
    }
}
