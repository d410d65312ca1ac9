//! Console output of the saver: permanent lines, and a status line.

use crate::sys::output;
use rustix::termios::{ControlModes, InputModes, OptionalActions, tcgetattr, tcsetattr};
use std::fmt::{self, Display};
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Refresh interval of the status line on a terminal.
const REFRESH: Duration = Duration::from_millis(500);
/// Refresh interval where each status is a new line.
const LINES: Duration = Duration::from_secs(5);

/// A console. Write errors are ignored: they cannot be reported, and the dump
/// is more important.
pub struct ProgressConsole {
    terminal: bool,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    /// Width of the current status line.
    columns: usize,
    /// Time of the last refresh.
    shown: Option<Instant>,
}

impl fmt::Debug for ProgressConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}

impl ProgressConsole {
    /// A console on standard error.
    #[must_use]
    pub fn stderr() -> Self {
        let (stderr, is_terminal) = output::terminal();
        Self::new(Box::new(stderr), is_terminal)
    }

    /// A console on `out`; on a `terminal`, `\r` overwrites the status line.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, terminal: bool) -> Self {
        let state = State {
            out,
            columns: 0,
            shown: None,
        };
        Self {
            terminal,
            state: Mutex::new(state),
        }
    }

    /// Prints a line of mbtool.
    pub fn say(&self, text: impl Display) {
        self.line(format_args!("mbtool: {text}"));
    }

    /// Prints a line of a child process.
    pub fn line(&self, text: impl Display) {
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        let text = text.to_string();
        let rest = " ".repeat(state.columns.saturating_sub(text.chars().count()));
        let back = if state.columns > 0 { "\r" } else { "" };
        let _ = writeln!(state.out, "{back}{text}{rest}");
        let _ = state.out.flush();
        state.columns = 0;
    }

    /// Prints the status line, if a refresh is due or it is the `last` one.
    pub fn status(&self, text: &str, last: bool) {
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        let pause = if self.terminal { REFRESH } else { LINES };
        if !last && state.shown.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        state.shown = Some(Instant::now());
        let columns = text.chars().count();
        let _ = if self.terminal {
            let rest = " ".repeat(state.columns.saturating_sub(columns));
            let end = if last { "\n" } else { "" };
            state.columns = if last { 0 } else { columns };
            write!(state.out, "\r{text}{rest}{end}")
        } else {
            writeln!(state.out, "{text}")
        };
        let _ = state.out.flush();
    }
}

/// Disables flow control of the terminal on standard error: a stray Ctrl-S
/// would stop the save.
pub fn never_stop() {
    let (stderr, _) = output::terminal();
    let Ok(mut settings) = tcgetattr(&stderr) else {
        return;
    };
    settings.input_modes -= InputModes::IXON;
    settings.control_modes -= ControlModes::CRTSCTS;
    let _ = tcsetattr(&stderr, OptionalActions::Now, &settings);
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use std::io;
    use std::sync::Arc;

    /// Captured output.
    #[derive(Clone, Default)]
    pub struct Heard(Arc<Mutex<Vec<u8>>>);

    impl Heard {
        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        pub fn console(&self, terminal: bool) -> ProgressConsole {
            ProgressConsole::new(Box::new(self.clone()), terminal)
        }
    }

    impl Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Heard;

    #[test]
    fn a_terminal_has_one_line_that_changes() {
        let heard = Heard::default();
        let console = heard.console(true);
        console.status("10 %, a long one", false);
        console.status("too soon", false);
        console.say("stays");
        console.status("end", true);
        assert_eq!(
            heard.text(),
            "\r10 %, a long one\rmbtool: stays   \n\rend\n"
        );
    }

    #[test]
    fn elsewhere_each_state_is_a_line() {
        let heard = Heard::default();
        let console = heard.console(false);
        console.status("1 %", false);
        console.status("2 %", false);
        console.status("100 %", true);
        console.say("done");
        assert_eq!(heard.text(), "1 %\n100 %\nmbtool: done\n");
    }
}
