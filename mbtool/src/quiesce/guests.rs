//! Guests besides dom0, which end together with this Xen.

use super::QuiesceStep;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Reports guests that use devices of this dom0 (/sys/bus/xen-backend/devices
/// has `TYPE-DOMAIN-DEVICE`); `None` without any.
pub(super) fn seen(root: &Path) -> Option<QuiesceStep> {
    let listing = fs::read_dir(root.join("sys/bus/xen-backend/devices")).ok()?;
    let domains: BTreeSet<u32> = listing
        .flatten()
        .filter_map(|item| {
            let name = item.file_name();
            let name = name.to_string_lossy();
            let mut parts = name.rsplitn(3, '-');
            let (_, domain, _) = (parts.next()?, parts.next()?, parts.next()?);
            domain.parse().ok()
        })
        .collect();
    if domains.is_empty() {
        return None;
    }
    let domains = domains.into_iter().collect();
    Some(QuiesceStep::Guests { domains })
}
