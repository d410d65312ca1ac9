//! Errors of the handoff's host side.

use super::{messages, range};
use handoff::abi::Extent;
use handoff::extents::OrderError;
use handoff::pagelist::{EncodeError, ListError};

#[test]
fn moves() {
    let extent = Extent {
        to: 0x1000,
        from: u64::MAX,
        len: 0x2000,
    };
    messages!(OrderError, no fix {
        Wraps: [OrderError::Wraps { extent }],
        Overlap: [OrderError::Overlap {
            first: range(0x1000, 0x3000),
            second: range(0x2000, 0x4000)
        }],
        Bounce: [OrderError::Bounce { bounce: range(0x1000, 0x2000) }],
        TooMany: [OrderError::TooMany { limit: 100 }],
    });
    messages!(ListError, no fix {
        TooLong: [ListError::TooLong { limit: 100 }],
        Head: [ListError::Head { word: 7 }],
        Unreadable: [ListError::Unreadable { at: 0x1008 }],
        NoDestination: [ListError::NoDestination { from: 0x1000 }],
    });
    messages!(EncodeError, no fix {
        Unaligned: [EncodeError::Unaligned { addr: 0x1001 }],
        Twice: [EncodeError::Twice { page: 0x1000 }],
        Order: [EncodeError::Order { page: 0x1000 }],
        ListMoved: [EncodeError::ListMoved { page: 0x1000 }],
        ListPages: [EncodeError::ListPages { needed: 3, found: 2 }],
    });
}
