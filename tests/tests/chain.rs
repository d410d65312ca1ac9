//! Hand-overs in a row, in one run of QEMU: nothing is lost on the way.

use anyhow::Result;
use tests::chain::{Chain, Kernel};

use Kernel::{Linux, Xen};

#[test]
fn ten_hand_overs_between_linux_and_xen() -> Result<()> {
    let round = [Xen("4.20"), Linux, Xen("4.17"), Linux];
    let hops = round.into_iter().cycle().take(10).collect();
    Chain::new(Linux, hops).check("chain_ten", 120).map(drop)
}
