//! mbtool on arm64.

use anyhow::Result;
use tests::virt_xen::VirtXen;

tests::cases! {
    linux_starts_xen_and_dom0: booted 45 s;
}

fn linux_starts_xen_and_dom0() -> Result<()> {
    VirtXen::default().check("arm64_xen").map(drop)
}
