//! Every fault of `testbenches::faults` is caught by the property or the claims that it belongs to; all of them have one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use testbenches::faults::{Catcher, Fault, all};
use testbenches::formal::claims;
use testbenches::{proofs, properties};

/// Tries all faults of a kind, two at a time: z3 has one thread.
fn every_fault_is_caught(by: fn(&Catcher) -> bool) {
    let faults: Vec<_> = all().into_iter().filter(|f| by(&f.caught_by)).collect();
    let next = AtomicUsize::new(0);
    let search = || {
        let mut unseen = Vec::new();
        while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = std::time::Instant::now();
            unseen.extend(fault.caught().err());
            println!("{:?}: {}: {:.1} s", fault.caught_by, fault.name, begun.elapsed().as_secs_f64());
        }
        unseen
    };
    let unseen: Vec<String> = std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(search));
        threads.into_iter().flat_map(|t| t.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
    });
    assert!(unseen.is_empty(), "faults that go unseen: {unseen:#?}");
}

#[test]
fn every_fault_of_a_property_is_caught() {
    every_fault_is_caught(|by| matches!(by, Catcher::Property(_)));
}

#[test]
#[ignore = "needs Yosys and z3: scripts/setup.sh"]
fn every_fault_of_a_proof_breaks_each_of_its_claims_alone() {
    every_fault_is_caught(|by| matches!(by, Catcher::Proof(..)));
}

#[test]
fn every_property_has_a_fault() {
    let of_properties = all().into_iter().filter_map(|f| match f.caught_by {
        Catcher::Property(name) => Some(name),
        Catcher::Proof(..) => None,
    });
    assert_eq!(of_properties.collect::<BTreeSet<_>>(), properties::all().iter().map(|p| p.name).collect());
}

/// Proofs at parameters that ship claim what their small ones do, where the faults are.
#[test]
fn every_claim_of_every_proof_has_a_fault() {
    let mut broken: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for Fault { caught_by, .. } in all() {
        if let Catcher::Proof(name, claims) = caught_by {
            broken.entry(name).or_default().extend(claims);
        }
    }
    for proof in proofs::all() {
        let claims: BTreeSet<_> = claims(&proof.around(&proof.block)).into_iter().collect();
        assert!(!claims.is_empty(), "{} claims nothing", proof.name);
        let faults = &broken[proof.small.unwrap_or(proof.name)];
        assert_eq!(&claims, faults, "{}", proof.name);
        assert!(proof.small.is_none() || !broken.contains_key(proof.name), "{} has a small one", proof.name);
    }
}
