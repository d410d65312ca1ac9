// UNSAFETY: signal(2) takes a handler as a number.
#![expect(unsafe_code)]
//! Nothing but the end of the machine ends a save.

/// Ignores the signals that a console, or an init system that shuts down, sends.
/// A child that is started later ignores them too, but for SIGPIPE.
pub fn ignore() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGPIPE] {
        // SAFETY: SIG_IGN is no function: nothing of this process runs at a signal.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
