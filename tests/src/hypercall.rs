//! Hypercalls in dom0: definitions shared by the program in the guest and the test that reads
//! its log.

use xen_shim::hypercall::HypercallError;

/// Prefix of each line of `hypercall-guest`.
pub const MARKER: &str = "MBTOOL-HYPERCALL ";

/// "ok", or the name of Xen's error.
pub fn answer<T>(result: &Result<T, HypercallError>) -> String {
    match result.as_ref().map_err(HypercallError::errno) {
        Ok(_) => "ok".to_owned(),
        Err(Some(errno)) => errno.to_string(),
        Err(None) => "no answer".to_owned(),
    }
}
