//! From one Xen to another, and back, by Xen's own kexec.

use anyhow::Result;
use tests::chain::{Chain, ChainKernel};

use ChainKernel::Xen;

tests::cases! {
    from_4_17_to_4_20_and_back_with_2_cpus: booted 40 s;
    from_4_20_to_4_17_and_back_with_4_cpus: booted 45 s, "slow";
}

fn from_4_17_to_4_20_and_back_with_2_cpus() -> Result<()> {
    Chain::new(Xen("4.17"), vec![Xen("4.20"), Xen("4.17")])
        .check("xen_to_xen_2_cpus", 150)
        .map(drop)
}

fn from_4_20_to_4_17_and_back_with_4_cpus() -> Result<()> {
    let chain = Chain {
        cpus: 4,
        ..Chain::new(Xen("4.20"), vec![Xen("4.17"), Xen("4.20")])
    };
    chain.check("xen_to_xen_4_cpus", 400).map(drop)
}
