//! Every assertion and assumption of every block fails, by its name, when what it forbids happens.
//!
//! Surroundings break their rules, registers are poked to states that a block never reaches, or a signal inside is forced.

use hw::blocks::chip::Chip;
use hw::blocks::core_of;
use hw::blocks::mesh::mesh;
use hw::layout::Widths;
use hw::platform::Ports;
use hw::{Platform, Structure};
use rtl::ir::PropertyKind;
use rtl::{Def, Library, Module, Simulator};
use std::collections::{BTreeMap, BTreeSet};

/// How to break an assertion of a block: in the last of the cycles it must fail, and nothing before.
///
/// `a=5` sets an input or pokes a register, `a[3]=5` sets a word of a memory, `a!` forces all bits of a signal to 1, `/` is the end
/// of a cycle. `ones` are all bits, `top` is the highest, `largest` all but that one. In names `*` stands for a number or a side,
/// which `{0}`, `{1}`, `{2}` bring back.
const BREAKS: &[(&str, &str, &str)] = &[
    ("accumulators", "accumulators_one_port", "add=1 clear=1"),
    ("accumulators", "one_read", "add=1 read=1"),
    ("accumulators", "one_write", "clear=1 wipe=1"),
    ("accumulators", "sum_fits", "accumulators[0]=largest read=1 / read=0 write=1 weight=1"),
    ("axons", "row_is_kept", "valid=1 read=1"),
    ("axons", "enter_is_real", "enter=1"),
    ("barrier", "quiet_*_sends_nothing", "quiet_{0}=1 sent_{0}=1"),
    ("barrier", "none_invented", "under_way=ones"),
    ("barrier", "none_hoarded", "under_way=largest"),
    ("barrier", "one_release", "armed=1 start=1"),
    ("chip", "addressed_*_*", "router_{0}_{1}.local_out_valid=1 router_{0}_{1}.local_out_flit=ones"),
    ("chip", "nothing_leaves_*_*_*", "router_{0}_{1}.{2}_out_valid=1"),
    ("controller", "has_words", "clear=1"),
    ("fifo", "not_over", "level=2 in_valid=1"),
    ("fifo", "not_under", "pop=1"),
    ("fifo", "level_in_range", "level=3"),
    ("injector", "idle_offers_nothing", "idle=1 valid=1"),
    ("injector", "out_credits_spent", "out_credits=0 send!"),
    ("injector", "out_credits_returned", "out_credit=1"),
    ("memory_fifo", "not_over", "level=6 push=1"),
    ("memory_fifo", "not_under", "pop=1"),
    ("memory_fifo", "level_in_range", "level=7"),
    ("mesh", "nothing_leaves_*_*_*", "router_{0}_{1}.{2}_out_valid=1"),
    ("queue_core", "parity_fits", "in_valid=1 in_flit=1 /"),
    ("queue_core", "start_when_quiet", "in_valid=1 / start=1"),
    ("queue_core", "clear_when_quiet", "in_valid=1 / clear=1"),
    ("queue_synapses", "weight_fits", "synapses[0]=top valid=1 useful=1 shift=ones /"),
    ("ring_buffer", "delay_in_range", "add=1"),
    ("ring_core", "parity_fits", "in_valid=1 in_flit=1 / control.kept_state=3"),
    ("ring_core", "start_when_quiet", "in_valid=1 / start=1"),
    ("ring_core", "clear_when_quiet", "in_valid=1 / clear=1"),
    ("ring_synapses", "has_synapses", "valid=1"),
    ("ring_synapses", "weight_fits", "synapses[0]=top valid=1 count=1 shift=ones / valid=0"),
    ("router", "*_parity", "{0}_in_valid=1 {0}_in_flit=1 /"),
    ("router", "*_out_credits_spent", "{0}_out_credits=0 {0}_send!"),
    ("router", "*_out_credits_returned", "{0}_out_credit=1"),
    ("router", "*_one_grant", "{0}_grants_north! {0}_grants_south!"),
    ("sender", "credits_spent", "credits=0 send!"),
    ("sender", "credits_returned", "out_credit=1"),
    ("sequencer", "steps_positive", "steps=0"),
    ("sequencer", "release_in_run", "steps=1 released=1"),
    ("shared_queue", "start_alone", "start=1 in_valid=1"),
    ("shared_queue", "age_in_range", "enter=1"),
    ("shared_queue", "level_in_range", "kept_read_level=ones"),
    ("shared_queue", "order", "row_valid=1"),
    ("soma", "decay_in_range", "parameters[0]=5000 neurons=1 go=1 /"),
    ("soma", "membranes_one_port", "neurons=2 go=1 write=1"),
    ("soma", "score_in_range", "stage_2=1 integrator=1"),
    ("soma", "score_fits", "scores[0]=largest readout=1 / readout=0 score_write=1 membrane=1"),
    ("soma", "score_is_written", "score_write=1"),
    ("soma", "scores_one_port", "readout=1 score_write=1 write=1"),
    ("soma", "readout_alone", "readout=1 wipe=1"),
    ("soma", "go_when_free", "neurons=2 go=1 running=1"),
    ("soma", "has_neurons", "go=1"),
    ("soma", "wipe_alone", "wipe=1 stage_2=1"),
];

/// All blocks, with both structures and both kinds of ports, by their full names.
fn blocks() -> BTreeMap<String, Def> {
    let mut all = BTreeMap::new();
    for (structure, ports) in Structure::ALL.into_iter().flat_map(|s| PORTS.map(|p| (s, p))) {
        let mut p = Platform::load("loihi").expect("the preset");
        (p.mesh.width, p.mesh.height, p.mesh.router_buffer, p.mesh.core_buffer) = (3, 2, 2, 2);
        (p.core.neurons, p.core.input_axons, p.core.output_axons, p.core.readouts) = (6, 11, 13, 3);
        (p.core.membrane_bits_max, p.core.synapse_bits) = (16, 2048);
        (p.mesh.barrier_latency, p.core.membrane_ports) = (1, ports);
        p.mesh.injectors.truncate(1);
        (p.ring_buffer.slots, p.ring_buffer.accumulators, p.ring_buffer.accumulator_bits) = (8, 48, 20);
        (p.shared_queue.longest_delay, p.shared_queue.depth, p.shared_queue.axon_synapses) = (7, 13, 40);
        p.shared_queue.accumulator_bits = 20;
        (p.ring_buffer.accumulator_ports, p.shared_queue.accumulator_ports) = (ports, ports);
        assert!(p.problems().is_empty(), "{:?}", p.problems());
        let library = &mut Library::new();
        let core = core_of(library, &p, structure).expect("a core");
        let chip = Chip::full(&p, structure).elaborate(library, &core).expect("a chip");
        let mesh = mesh(library, &p, &Widths::new(&p, structure)).expect("a mesh");
        for top in [chip, mesh] {
            collect(&top, &format!("{structure} {ports:?} "), &mut all);
        }
    }
    all
}

const PORTS: [Ports; 2] = [Ports::OneRw, Ports::OneReadOneWrite];

/// Definitions without parameters, which may differ from chip to chip, get a prefix.
fn collect(def: &Def, prefix: &str, into: &mut BTreeMap<String, Def>) {
    let name = def.unique_name();
    let name = if name == def.name() { format!("{prefix}{name}") } else { name };
    if into.insert(name, def.clone()).is_none() {
        def.instances().iter().for_each(|i| collect(&i.def, prefix, into));
    }
}

/// Assertions and assumptions of a block.
fn asserted(def: &Def) -> impl Iterator<Item = &str> {
    let wanted = def.properties().iter().filter(|p| p.kind != PropertyKind::Cover);
    wanted.map(|p| p.name.as_str())
}

/// A name with `*` for each number and side in it, and what they were.
fn pattern(name: &str) -> (String, Vec<&str>) {
    let varies = |part: &&str| {
        part.bytes().all(|b| b.is_ascii_digit()) || ["north", "east", "south", "west", "local"].contains(part)
    };
    let parts: Vec<_> = name.split('_').map(|part| if varies(&part) { "*" } else { part }).collect();
    (parts.join("_"), name.split('_').filter(varies).collect())
}

/// Does to a block what a text says; gives the name of what it violates in the last cycle.
fn violated(def: &Def, text: &str) -> String {
    let forced: Vec<_> = text.split(' ').filter_map(|word| word.strip_suffix('!')).collect();
    let force = |m: &Module| forced.iter().for_each(|signal| m.redrive(signal, |value| value | !value));
    let def = &Module::altered(def, "", "forced", force).expect("signals of the block");
    let mut sim = Simulator::interpreted(def);
    for word in text.split(' ').filter(|word| !word.ends_with('!')) {
        match word.split_once('=') {
            Some((name, value)) => set(&mut sim, def, name, value),
            None => sim.step().unwrap_or_else(|early| panic!("{text}: {early}")),
        }
    }
    let violation = sim.step().expect_err(text);
    assert!(!violation.path.contains('.'), "{text}: {violation}");
    violation.name
}

fn set(sim: &mut Simulator, def: &Def, name: &str, value: &str) {
    let ones = |bits: u32| u64::MAX >> (64 - bits);
    let of_width = |bits: u32| match value {
        "ones" => ones(bits),
        "largest" => ones(bits) >> 1,
        "top" => 1 << (bits - 1),
        number => number.parse().expect("a number"),
    };
    if let Some((memory, address)) = name.strip_suffix(']').and_then(|n| n.split_once('[')) {
        let bits = def.memories().iter().find(|m| m.name == memory).expect("a memory").bits;
        let memory = sim.memory(memory).expect("a memory");
        return sim.set_word(memory, address.parse().expect("a number"), of_width(bits));
    }
    let bits = sim.probe(name).expect("a signal").bits();
    match sim.input(name) {
        Ok(input) => sim.set(input, of_width(bits)),
        Err(_) => sim.poke(name, of_width(bits)).expect("a register"),
    }
}

#[test]
fn every_assertion_of_every_block_fails_by_its_name() {
    let mut used = BTreeSet::new();
    for (full, def) in blocks() {
        for name in asserted(&def) {
            let (wanted, parts) = pattern(name);
            let found = BREAKS.iter().position(|b| (b.0, b.1) == (def.name(), &wanted));
            let row = found.unwrap_or_else(|| panic!("nothing here breaks {name} of {full}"));
            used.insert(row);
            let mut text = BREAKS[row].2.to_string();
            for (i, part) in parts.iter().enumerate() {
                text = text.replace(&format!("{{{i}}}"), part);
            }
            assert_eq!(violated(&def, &text), name, "{full}: {text}");
        }
    }
    let unused: Vec<_> = (0..BREAKS.len()).filter(|row| !used.contains(row)).map(|row| BREAKS[row]).collect();
    assert!(unused.is_empty(), "no block has {unused:?}");
}
