//! The properties of `testbenches::properties`: fixed seeds, then a fresh one, which is printed.

use testbenches::properties::{self, Search};
use testbenches::random::{cases, fresh_seed, rng};

fn holds(name: &str) {
    let property = properties::all().into_iter().find(|p| p.name == name).expect("a property");
    for (cases, seed) in [(cases(48), 7), (cases(16), fresh_seed())] {
        // A case that fails is kept in testbenches/regressions.txt and tried first from then on.
        let mut search = Search::new(cases, rng(seed), true, &|def| def);
        (property.check)(&mut search).unwrap_or_else(|e| panic!("{name}: {}: {e}", property.claim));
    }
}

macro_rules! properties {
    ($($test:ident: $name:literal,)+) => {
        $(#[test]
        fn $test() {
            holds($name);
        })+

        #[test]
        fn every_property_is_tried() {
            let all: Vec<_> = properties::all().iter().map(|p| p.name).collect();
            assert_eq!(all, [$($name),+]);
        }
    };
}

properties! {
    a_ring_buffer_is_an_array_of_sums: "ring buffer",
    a_shared_queue_delivers_every_event_once_for_each_useful_delay: "shared queue",
    a_fifo_is_a_queue: "FIFO",
    a_memory_fifo_is_a_queue: "memory FIFO",
    a_link_conserves_its_credits: "credits",
    a_mesh_delivers_everything_in_order_without_deadlock: "mesh",
    a_soma_takes_the_golden_step: "soma",
    a_barrier_releases_in_its_cycle: "barrier",
}
