// UNSAFETY: signal(2) takes a handler as a number.
#![expect(unsafe_code)]
//! Signals must not end a save.

/// Ignores signals sent by a console, or by an init system that shuts down.
/// Child processes inherit this, except for SIGPIPE.
pub fn ignore() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGPIPE] {
        // SAFETY: SIG_IGN is not a function: no code of this process runs at a
        // signal.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
