//! Holds `PROOFS.md` to the lists of proofs, properties, faults and blocks. `DELAYLINE_BLESS=1` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use testbenches::faults::{self, Catcher};
use testbenches::formal::{Method, embedded};
use testbenches::{proofs, properties};

const HEAD: &str = "\
# What is proved of the RTL

Written from the lists in `testbenches/src/proofs`, `properties`, `faults` and `tests/proofs_table.rs`; a test holds this page to them.

- **Induction**: for runs of any length, at the parameters that ship in a preset; `one port`, `one deep`, `three words` and `two
  places` are other or small variants beside them. A memory is replaced by one that knows a single word, at a place that may be
  any; all else that it gives may be anything. So the proof holds at any place of the memory, and its depth costs nothing.
- **Cycles**: for all runs of so many cycles after reset, with the whole memory and small parameters. Covers show that such a run
  goes around more than twice, or swaps more than twice. The barrier is bounded and not by induction: its invariant would tie every
  register of the tree and of the way back to the history of all leaves; runs of several latencies, and the property over random
  trees, stand in for it.
- **Tested**: random parameters and stimulus against a plain model, fixed and fresh seeds.

A large block has a proof of the same harness at small parameters beside it. There its covers are reached (a full queue of 4096
events takes a run too long for the solver) and its faults are seeded, so that a short run shows them. Its claims are the same.

The solver is z3, by `yosys-smtbmc`, on the emitted Verilog. Run them, with their times:

    cargo test -p testbenches --test proofs -- --ignored --nocapture
    cargo test -p testbenches --test rtl_faults -- --include-ignored --nocapture

";

const EMBEDDED: &str = "
# Assertions inside the blocks

A block asserts what it keeps and what it asks of its surroundings, and every simulation watches it. These hold in the same
proofs, as does that a block which says it is idle changes no state, and that an address is inside its memory. What a harness takes
for the promise of somebody else (a comment there says whose) is assumed and not in the list. No fault is charged with them: what they
ask of the surroundings follows from what the harness assumes. Nor can one of them fail in place of a claim, since each
claim is looked at alone. `tests/assertions.rs` makes each assertion and assumption of every block fail by its name: it breaks the rules
for the surroundings, pokes registers to what a block never reaches, or forces a signal inside.

| proof | assertions |
|---|---|
";

const FAULTS: &str = "
# Seeded faults

A property must find its fault. Of a proof, every claim (an assertion of the harness) has a fault; with all other assertions
taken away, those of the block too, a run of up to 24 cycles must break that one.

| caught by | fault | breaks |
|---|---|---|
";

const BLOCKS: &str = "
# What each block rests on

| block | how | proofs | properties | tests |
|---|---|---|---|---|
";

/// What holds up a block.
struct Row {
    /// Its file in `hw/src/blocks`; the last row is of the emitter.
    block: &'static str,
    proofs: &'static [&'static str],
    properties: &'static [&'static str],
    /// (file, test).
    tests: &'static [(&'static str, &'static str)],
}

/// The file in which whole cores are tested.
const CORE: &str = "hw/src/blocks/core_test.rs";
const RING_CORE: (&str, &str) = (CORE, "a_ring_core_does_everything_in_the_cycle_of_the_timing");
const QUEUE_CORE: (&str, &str) = (CORE, "a_queue_core_does_everything_in_the_cycle_of_the_timing");
const ADDS: (&str, &str) =
    ("hw/src/blocks/accumulators.rs", "adds_to_the_same_word_one_after_the_other_lose_nothing");
const GOLDEN_STEP: (&str, &str) =
    ("hw/src/blocks/soma.rs", "every_neuron_takes_the_golden_step_in_its_cycle");
const NETWORKS: (&str, &str) =
    ("testbenches/tests/rtl.rs", "random_networks_run_as_in_the_golden_model_for_a_fixed_seed");

const RINGS: &[&str] =
    &["ring buffer", "ring buffer, one port", "ring buffer, whole", "ring buffer, whole, one port"];

const fn row(
    block: &'static str,
    proofs: &'static [&'static str],
    properties: &'static [&'static str],
    tests: &'static [(&'static str, &'static str)],
) -> Row {
    Row { block, proofs, properties, tests }
}

const ROWS: &[Row] = &[
    row("accumulators", RINGS, &["ring buffer"], &[ADDS]),
    row(
        "axons",
        &[],
        &[],
        &[("hw/src/blocks/axons.rs", "a_row_is_there_after_one_cycle_and_stays_until_its_event_goes_on")],
    ),
    row(
        "barrier",
        &["barrier", "barrier, one cycle"],
        &["barrier"],
        &[("hw/src/blocks/barrier.rs", "releases_once_exactly_latency_cycles_after_the_last_leaf_is_quiet")],
    ),
    row(
        "chip",
        &[],
        &[],
        &[
            ("hw/src/blocks/chip.rs", "flits_reach_their_cores_and_steps_end_when_they_are_taken"),
            NETWORKS,
            ("testbenches/tests/rtl.rs", "a_population_that_spikes_into_itself_across_nine_cores"),
        ],
    ),
    row(
        "controller",
        &[],
        &[],
        &[("hw/src/blocks/controller.rs", "phases_change_in_the_cycle_of_their_cause")],
    ),
    row("core", &[], &[], &[RING_CORE, QUEUE_CORE, (CORE, "a_step_that_begins_too_early_is_a_violation")]),
    row(
        "credits",
        &["link", "link, one deep"],
        &["credits"],
        &[("hw/src/blocks/credits.rs", "a_credit_is_spent_from_the_next_cycle_and_comes_back_from_the_next")],
    ),
    row(
        "fifo",
        &["FIFO"],
        &["FIFO"],
        &[("hw/src/blocks/fifo.rs", "it_keeps_order_and_a_word_is_at_the_head_one_cycle_after_it_came")],
    ),
    row(
        "injector",
        &[],
        &[],
        &[
            ("hw/src/blocks/injector.rs", "sends_a_flit_a_cycle_while_credits_last"),
            ("hw/src/blocks/injector.rs", "a_credit_too_many_is_caught"),
        ],
    ),
    row("link", &["link", "link, one deep"], &["credits"], &[]),
    row(
        "memory_fifo",
        &["memory FIFO", "memory FIFO, three words", "memory FIFO, whole"],
        &["memory FIFO"],
        &[(
            "hw/src/blocks/memory_fifo.rs",
            "it_keeps_order_and_a_word_is_at_the_head_in_the_cycle_after_its_push",
        )],
    ),
    row(
        "mesh",
        &[],
        &["mesh"],
        &[
            ("hw/src/blocks/mesh.rs", "random_traffic_arrives_in_order_for_each_pair"),
            ("hw/src/blocks/mesh.rs", "a_target_outside_the_mesh_is_caught"),
        ],
    ),
    row("queue_core", &[], &[], &[QUEUE_CORE, (CORE, "the_smallest_core_works"), NETWORKS]),
    row(
        "readout",
        &[],
        &[],
        &[("hw/src/blocks/readout.rs", "the_chosen_core_answers_after_two_cycles"), NETWORKS],
    ),
    row(
        "ring_buffer",
        RINGS,
        &["ring buffer"],
        &[("hw/src/blocks/ring_buffer.rs", "every_weight_is_summed_in_the_step_in_which_it_is_due")],
    ),
    row("ring_core", &[], &[], &[RING_CORE, (CORE, "the_smallest_core_works"), NETWORKS]),
    row(
        "router",
        &["router", "router, one deep"],
        &["mesh"],
        &[("hw/src/blocks/router.rs", "delivers_everything_in_order_for_each_pair")],
    ),
    row(
        "sender",
        &[],
        &[],
        &[("hw/src/blocks/sender.rs", "flits_are_sent_in_the_cycles_of_the_timing_under_random_credits")],
    ),
    row(
        "sequencer",
        &[],
        &[],
        &[("hw/src/blocks/sequencer.rs", "a_sample_has_its_steps_and_can_be_run_again")],
    ),
    row(
        "shared_queue",
        &["shared queue", "shared queue, two places", "shared queue, whole"],
        &["shared queue"],
        &[(
            "hw/src/blocks/shared_queue.rs",
            "every_event_is_delivered_once_for_each_useful_delay_in_its_step",
        )],
    ),
    row("soma", &[], &["soma"], &[GOLDEN_STEP]),
    row("store", &[], &[], &[ADDS, GOLDEN_STEP]),
    row(
        "synapses",
        &[],
        &[],
        &[(
            "hw/src/blocks/synapses.rs",
            "lists_follow_each_other_without_a_gap_and_every_synapse_comes_once",
        )],
    ),
    row(
        VERILOG,
        &[],
        &[],
        &[
            (REPLAY, "icarus_runs_every_block_and_chip_to_the_same_outputs_every_cycle"),
            (REPLAY, "verilator_runs_every_block_and_chip_to_the_same_outputs_every_cycle"),
            ("hw/rtl/tests/fuzz.rs", "icarus_agrees_on_random_circuits"),
            ("hw/rtl/tests/fuzz.rs", "verilator_agrees_on_random_circuits"),
        ],
    ),
];

/// The row that is of no block, but of all: the emitted Verilog is equal to what the simulator runs.
const VERILOG: &str = "Verilog of every block and chip";
const REPLAY: &str = "testbenches/tests/replay.rs";

/// Files of the blocks that describe no circuit.
const NO_CIRCUIT: [&str; 2] = ["flit", "shape"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    let mut out = HEAD.to_string();
    out += "| block | what holds | how | parameters | covers and faults |\n|---|---|---|---|---|\n";
    let proofs = proofs::all();
    for kind in [true, false] {
        for p in proofs.iter().filter(|p| matches!(p.method, Method::Induction(_)) == kind) {
            let how = if kind { format!("proved: {}", p.method) } else { format!("bounded: {}", p.method) };
            let small = p.small.map_or("here".into(), |small| format!("in: {small}"));
            _ = writeln!(out, "| {} | {} | {how} | {} | {small} |", p.name, p.claim, p.parameters);
        }
    }
    for p in properties::all() {
        _ = writeln!(out, "| {} | {} | tested | random | here |", p.name, p.claim);
    }
    out += BLOCKS;
    for row in ROWS {
        let how = match (row.proofs, row.properties) {
            ([], []) => "only tested",
            ([], _) => "tested at random",
            _ => "proved",
        };
        let names = |names: &[&str]| names.join("; ");
        let tests: Vec<_> = row.tests.iter().map(|(file, test)| format!("`{file}`: `{test}`")).collect();
        let (proofs, properties) = (names(row.proofs), names(row.properties));
        _ = writeln!(out, "| {} | {how} | {proofs} | {properties} | {} |", row.block, tests.join("; "));
    }
    out += EMBEDDED;
    for p in &proofs {
        let names: Vec<_> = embedded(&p.around(&p.block)).iter().map(|name| format!("`{name}`")).collect();
        _ = writeln!(out, "| {} | {} |", p.name, names.join(", "));
    }
    out += FAULTS;
    for f in faults::all() {
        let (by, claims) = match f.caught_by {
            Catcher::Property(name) => (format!("test: {name}"), String::new()),
            Catcher::Proof(name, claims) => {
                let claims: Vec<_> = claims.iter().map(|c| format!("`{c}`")).collect();
                (format!("proof: {name}"), claims.join(", "))
            }
        };
        _ = writeln!(out, "| {by} | {} | {claims} |", f.name);
    }
    out
}

#[test]
fn the_page_of_proofs_is_what_the_lists_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PROOFS.md");
    if std::env::var_os("DELAYLINE_BLESS").is_some() {
        std::fs::write(&path, page()).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page(), "PROOFS.md is not up to date: run this test with DELAYLINE_BLESS=1");
}

#[test]
fn every_block_has_a_row() {
    let list = std::fs::read_to_string(root().join("hw/src/blocks/mod.rs")).expect("the list of blocks");
    let public = list.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'));
    let blocks: Vec<_> = public.filter(|name| !NO_CIRCUIT.contains(name)).chain([VERILOG]).collect();
    assert!(blocks.len() > 15, "the list of blocks is read: {blocks:?}");
    assert_eq!(ROWS.iter().map(|row| row.block).collect::<Vec<_>>(), blocks);
}

#[test]
fn every_proof_and_property_is_in_a_row_and_every_test_of_a_row_is_there() {
    let of = |names: fn(&Row) -> &'static [&'static str]| -> BTreeSet<_> {
        ROWS.iter().flat_map(|row| names(row).iter().copied()).collect()
    };
    assert_eq!(of(|row| row.proofs), proofs::all().iter().map(|p| p.name).collect());
    assert_eq!(of(|row| row.properties), properties::all().iter().map(|p| p.name).collect());
    for row in ROWS {
        let held_up = row.proofs.len() + row.properties.len() + row.tests.len();
        assert!(held_up > 0, "{} rests on nothing", row.block);
        for (file, test) in row.tests {
            let text = std::fs::read_to_string(root().join(file)).expect("a file of tests");
            assert!(text.contains(&format!("fn {test}(")), "{}: {file} has no test {test}", row.block);
        }
    }
}
