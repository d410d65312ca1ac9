//! Error numbers, which Xen shares with Linux.

use std::fmt;

/// An error number, positive (xen/include/public/errno.h).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        impl Errno {
            $(#[doc = $doc] pub const $name: Self = Self($value);)*

            /// Its name, where it is one that Xen uses.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Not permitted.";
    ENOENT = 2, "Nothing there.";
    ESRCH = 3, "No such domain.";
    EIO = 5, "Input or output failed.";
    ENXIO = 6, "No such device or address.";
    E2BIG = 7, "A list is too long.";
    EAGAIN = 11, "Not now.";
    ENOMEM = 12, "No memory.";
    EACCES = 13, "Not permitted; for sysctl: another interface version.";
    EFAULT = 14, "A pointer leads nowhere.";
    EBUSY = 16, "In use.";
    EEXIST = 17, "There already.";
    ENODEV = 19, "No such device.";
    EINVAL = 22, "An argument is wrong.";
    ENOTTY = 25, "The device has no such call.";
    ENOSPC = 28, "No space.";
    EROFS = 30, "Read-only.";
    ERANGE = 34, "Out of range.";
    ENOSYS = 38, "No such hypercall.";
    ENODATA = 61, "No data.";
    EOPNOTSUPP = 95, "Not supported.";
    EADDRNOTAVAIL = 99, "An address is not available.";
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<rustix::io::Errno> for Errno {
    fn from(errno: rustix::io::Errno) -> Self {
        Self(errno.raw_os_error())
    }
}

impl From<&std::io::Error> for Errno {
    /// An error without a number becomes EIO.
    fn from(error: &std::io::Error) -> Self {
        error.raw_os_error().map_or(Self::EIO, Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_linuxs() {
        assert_eq!(
            Errno::from(rustix::io::Errno::ADDRNOTAVAIL),
            Errno::EADDRNOTAVAIL
        );
        assert_eq!(Errno::from(rustix::io::Errno::OPNOTSUPP), Errno::EOPNOTSUPP);
        assert_eq!(Errno::from(rustix::io::Errno::NOSYS), Errno::ENOSYS);
        assert_eq!(Errno::EINVAL.to_string(), "EINVAL");
        assert_eq!(format!("{:?}", Errno(4095)), "error 4095");
    }
}
