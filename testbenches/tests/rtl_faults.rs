//! Every fault of `testbenches::faults` is caught by the property or proof that it belongs to, and all of them have one.

use std::collections::BTreeSet;
use testbenches::faults::{Catcher, all};
use testbenches::{proofs, properties};

fn every_fault_is_caught(by: fn(&Catcher) -> bool) {
    let mut unseen = Vec::new();
    for fault in all().into_iter().filter(|f| by(&f.caught_by)) {
        match fault.caught() {
            Some(how) => {
                let first = how.lines().next().unwrap_or_default();
                println!("{:?}: {}: {first}", fault.caught_by, fault.name);
            }
            None => unseen.push(format!("{:?}: {}", fault.caught_by, fault.name)),
        }
    }
    assert!(unseen.is_empty(), "faults that go unseen: {unseen:#?}");
}

#[test]
fn every_fault_of_a_property_is_caught() {
    every_fault_is_caught(|by| matches!(by, Catcher::Property(_)));
}

#[test]
#[ignore = "needs Yosys and z3: scripts/setup.sh"]
fn every_fault_of_a_proof_is_caught() {
    every_fault_is_caught(|by| matches!(by, Catcher::Proof(_)));
}

#[test]
fn every_property_and_proof_has_a_fault() {
    let (mut of_properties, mut of_proofs) = (BTreeSet::new(), BTreeSet::new());
    for fault in all() {
        match fault.caught_by {
            Catcher::Property(name) => of_properties.insert(name),
            Catcher::Proof(name) => of_proofs.insert(name),
        };
    }
    assert_eq!(of_properties, properties::all().iter().map(|p| p.name).collect());
    assert_eq!(of_proofs, proofs::all().iter().map(|p| p.name).collect());
}
