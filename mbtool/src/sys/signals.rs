// UNSAFETY: signal(2) takes a handler as a number.
#![expect(unsafe_code)]
//! Signals that must not end a command in the middle of its work.

use std::ffi::c_int;

/// Signals of a console, of an init system that shuts down, and of a pipe: none may end the save of a dump.
pub const OF_A_SHUTDOWN: [c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGPIPE];
/// A write past the limit of file sizes; ignored, it is an error of that write (EFBIG).
pub const FILE_SIZE: [c_int; 1] = [libc::SIGXFSZ];

/// Ignores these signals. Child processes inherit this, except for SIGPIPE.
pub fn ignore(signals: &[c_int]) {
    for signal in signals {
        // SAFETY: SIG_IGN is not a function: no code of this process runs at a
        // signal.
        unsafe { libc::signal(*signal, libc::SIG_IGN) };
    }
}
