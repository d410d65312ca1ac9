//! `mbtool unload`: unloads an image.

use crate::backend::{Backend, BackendError, Unload};
use crate::sys::output::Messages;

/// Unloads; it is not an error if no image was loaded.
///
/// # Errors
///
/// The error of the backend.
pub fn run(
    which: Unload,
    backend: &dyn Backend,
    messages: &mut Messages,
) -> Result<(), BackendError> {
    let what = if which.crash { "crash image" } else { "image" };
    let text = if backend.unload(which)? {
        format!("{what} unloaded")
    } else {
        format!("no {what} was loaded")
    };
    messages.say(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::LoadSummary;
    use crate::plan::Plan;

    /// Has a crash image only.
    struct Crash;

    impl Backend for Crash {
        fn name(&self) -> &str {
            "crash"
        }

        fn load(&self, _: &Plan) -> Result<LoadSummary, BackendError> {
            Err(BackendError::Busy)
        }

        fn unload(&self, which: Unload) -> Result<bool, BackendError> {
            Ok(which.crash)
        }
    }

    #[test]
    fn the_message_names_the_unloaded_image() {
        for (crash, expected) in [
            (true, "mbtool: crash image unloaded\n"),
            (false, "mbtool: no image was loaded\n"),
        ] {
            let mut messages = vec![];
            let which = Unload {
                crash,
                force: false,
            };
            run(which, &Crash, &mut Messages::new(&mut messages)).unwrap();
            assert_eq!(String::from_utf8(messages).unwrap(), expected);
        }
    }
}
