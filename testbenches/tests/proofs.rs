//! The proofs of `testbenches::proofs`, each with its time.

use testbenches::formal::{Verdict, prove};
use testbenches::proofs;

fn proves(name: &str) {
    let proof = proofs::all().into_iter().find(|p| p.name == name).expect("a proof");
    let (verdict, time) = prove(&proof.around(&proof.block), proof.method, proof.small.is_none());
    println!("{name}: {}, {:.1} s", proof.method, time.as_secs_f64());
    assert_eq!(verdict, Verdict::Holds, "{name}");
}

macro_rules! proofs {
    ($($test:ident: $name:literal,)+) => {
        $(#[test]
        #[ignore = "needs Yosys and z3: scripts/setup.sh"]
        fn $test() {
            proves($name);
        })+

        #[test]
        fn every_proof_is_run() {
            let listed = [$($name),+];
            let all: Vec<_> = proofs::all().iter().map(|p| p.name).collect();
            assert_eq!(all, listed);
        }
    };
}

proofs! {
    a_fifo_keeps_order: "FIFO",
    a_memory_fifo_keeps_order: "memory FIFO",
    a_memory_fifo_of_three_words_keeps_order: "memory FIFO, three words",
    a_whole_memory_fifo_keeps_order: "memory FIFO, whole",
    a_link_conserves_its_credits: "link",
    a_link_one_deep_conserves_its_credits: "link, one deep",
    a_ring_slot_holds_what_came_and_is_cleared: "ring buffer",
    a_ring_slot_of_one_port_holds_what_came_and_is_cleared: "ring buffer, one port",
    a_whole_ring_buffer_holds_what_came_and_is_cleared: "ring buffer, whole",
    a_whole_ring_buffer_of_one_port_holds_what_came_and_is_cleared: "ring buffer, whole, one port",
    a_shared_queue_loses_and_invents_nothing: "shared queue",
    a_shared_queue_of_two_places_loses_and_invents_nothing: "shared queue, two places",
    a_whole_shared_queue_delivers_an_event_in_every_step: "shared queue, whole",
    a_router_is_fair_and_grants_one_input: "router",
    a_router_one_deep_is_fair_and_grants_one_input: "router, one deep",
    a_barrier_releases_in_its_cycle: "barrier",
    a_barrier_of_one_cycle_releases_in_its_cycle: "barrier, one cycle",
}
