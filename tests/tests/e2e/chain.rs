//! Several handovers in one run of QEMU, without loss of data.

use anyhow::Result;
use images::assets::{OVMF, require};
use tests::Firmware;
use tests::chain::{Chain, ChainKernel};

use ChainKernel::{Linux, Xen};

tests::cases! {
    linux_to_linux_to_xen_and_back_on_ovmf: restored 170 s, "slow";
    ten_hand_overs_between_linux_and_xen: restored 100 s;
}

/// UEFI in all stages: only the first one can call firmware.
fn linux_to_linux_to_xen_and_back_on_ovmf() -> Result<()> {
    require(&[&OVMF])?;
    let chain = Chain {
        firmware: Firmware::Ovmf,
        ..Chain::new(Linux, vec![Linux, Xen("4.20"), Linux])
    };
    chain.check("chain_ovmf", 150).map(drop)
}

fn ten_hand_overs_between_linux_and_xen() -> Result<()> {
    let round = [Xen("4.20"), Linux, Xen("4.17"), Linux];
    let hops = round.into_iter().cycle().take(10).collect();
    Chain::new(Linux, hops).check("chain_ten", 45).map(drop)
}
