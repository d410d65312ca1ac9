//! Regions that the handoff verifies, and their report.

use super::*;
use handoff::spec::{Digest, Spec, Verify};
use sha2::{Digest as _, Sha256};

/// Returns the plan, and the parameters of its handoff.
fn planned(request: &Request) -> (Plan, Spec) {
    let seen = std::cell::RefCell::new(None);
    let plan = plan_with(request, &bios(), &|spec| {
        *seen.borrow_mut() = Some(spec.clone());
        handoff::blob::build(spec)
    })
    .unwrap();
    (plan, seen.into_inner().unwrap())
}

fn request(verify: Verify, modules: u8) -> Request {
    let mut request = Request::new(payload());
    request.verify = verify;
    request.modules = (0..modules)
        .map(|i| module(&format!("m{i}"), "", vec![i; 10 + usize::from(i)]))
        .collect();
    request
}

#[test]
fn sha256_covers_the_contents_of_each_region() {
    for modules in [2, 60] {
        let (plan, spec) = planned(&request(Verify::Sha256, modules));
        assert_eq!(spec.verify, Verify::Sha256);
        for region in &spec.regions {
            let kernel = plan
                .kernel_segments
                .iter()
                .find(|kernel| kernel.dest.covers(&region.range))
                .unwrap();
            let start = (region.range.start - kernel.dest.start) as usize;
            let mut bytes = kernel.data[start.min(kernel.data.len())..].to_vec();
            bytes.resize(region.loaded as usize, 0);
            let digest = Sha256::digest(&bytes).into();
            assert_eq!(region.digest, Digest::Sha256(digest), "{}", region.name);
        }
    }
}

#[test]
fn the_report_has_sha256_if_requested() {
    let (plan, _) = planned(&request(Verify::Sha256, 2));
    assert_eq!(plan.report.handoff.verify, "sha256");
    for (segment, report) in plan.segments.iter().zip(&plan.report.segments) {
        let digest = Sha256::digest(&segment.data);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = (report.bufsz > 0).then_some(hex);
        assert_eq!(report.sha256, expected, "{}", segment.name);
    }
    let json = serde_json::to_value(&plan.report).unwrap();
    assert_eq!(json["segments"][0]["sha256"].as_str().unwrap().len(), 64);
    for (verify, name) in [(Verify::Crc32, "crc32"), (Verify::None, "none")] {
        let (plan, spec) = planned(&request(verify, 1));
        assert_eq!((spec.verify, plan.report.handoff.verify), (verify, name));
        let json = serde_json::to_value(&plan.report).unwrap();
        assert!(json["segments"][0].get("sha256").is_none());
    }
}
