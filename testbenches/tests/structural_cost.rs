//! What circuits are made of, against the layouts of the platform and against what Yosys counted.

use hw::blocks::chip::Chip;
use hw::blocks::core_of;
use hw::layout::{Memory, Widths};
use hw::platform::Ports;
use hw::{Platform, Structure};
use rtl::{Cost, Def, Library, MemoryShape, verilog};
use sim::cost::gates::Gates;
use std::collections::{BTreeMap, BTreeSet};

const PRESETS: [&str; 2] = ["loihi", "seneca"];

#[test]
fn memories_of_a_core_are_those_of_the_layouts() {
    for preset in PRESETS {
        for structure in Structure::ALL {
            let platform = Platform::load(preset).expect("the preset");
            let core = core_of(&mut Library::new(), &platform, structure).expect("a core");
            let mut expected: BTreeMap<_, u64> = BTreeMap::new();
            let mut bits: BTreeMap<_, u64> = BTreeMap::new();
            let (input, memories): (Vec<_>, Vec<_>) = Widths::new(&platform, structure)
                .memories(&platform)
                .into_iter()
                .partition(|m| m.memory == Memory::InputFifo);
            for m in memories {
                let ports = if m.ports == Ports::OneRw { "1rw" } else { "1r1w" };
                *expected.entry(MemoryShape { ports, words: m.words, bits: m.bits }).or_insert(0) += 1;
                *bits.entry(ports).or_insert(0) += m.words * u64::from(m.bits);
            }
            let cost = Cost::of(&core);
            assert_eq!(cost.memories, expected, "{preset}, {structure}");
            assert_eq!(cost.memory_bits(), bits, "{preset}, {structure}");
            // The input port is too small for a memory: it is made of flip-flops, with a level beside the words.
            let [input] = &input[..] else { panic!("one input port: {input:?}") };
            let fifo = core.instances().iter().find(|i| i.def.name() == "fifo").expect("the input port");
            let level = u64::from(rtl::bits_for(input.words + 1));
            assert_eq!(Cost::of(&fifo.def).flip_flops, input.words * u64::from(input.bits) + level);
        }
    }
}

/// All definitions in a circuit by their full name.
fn collect(def: &Def, into: &mut BTreeMap<String, Def>) {
    if into.insert(def.unique_name(), def.clone()).is_none() {
        def.instances().iter().for_each(|i| collect(&i.def, into));
    }
}

/// Where Yosys has other flip-flops than are described: (what the name of a block begins with, how many more, why).
const OTHERWISE: [(&str, i64, &str); 7] = [
    ("barrier_leaves130", -21, "a part that is left over in a level of the tree has its sign twice and more"),
    ("barrier_leaves66", -15, "as above"),
    ("router", 10, "each of five pointers to a port becomes one-hot, 5 bits for 3"),
    ("sender", -1, "the highest bit of `next_route` addresses nothing"),
    ("soma", -1, "the highest bit of `product` is never read"),
    (
        "ring_core",
        -11,
        "those of sender and soma; the others, equal or unread as Yosys finds them, were not traced one by one",
    ),
    ("queue_core", -11, "as above"),
];

#[test]
fn gates_were_counted_of_these_very_blocks_and_their_flip_flops_are_those_described() {
    for preset in PRESETS {
        let platform = Platform::load(preset).expect("the preset");
        let mut blocks = BTreeMap::new();
        for structure in Structure::ALL {
            let mut library = Library::new();
            let core = core_of(&mut library, &platform, structure).expect("a core");
            let chip = Chip::full(&platform, structure).elaborate(&mut library, &core).expect("a chip");
            chip.instances().iter().for_each(|i| collect(&i.def, &mut blocks));
        }
        let gates = Gates::find(&platform, None).expect("readable").expect("counted");
        let counted: BTreeSet<_> = gates.blocks.iter().map(|b| &b.top).collect();
        assert_eq!(counted, blocks.keys().collect(), "{preset}: scripts/gates.sh");
        for block in &gates.blocks {
            let def = &blocks[&block.top];
            let mut files = verilog::emit(def).files;
            files.sort();
            let text: String = files.into_iter().map(|(_, text)| text).collect();
            assert_eq!(
                sim::digest(text.as_bytes()),
                block.sources_sha256,
                "{preset}, {}: the Verilog is another now: scripts/gates.sh",
                block.top
            );
            let otherwise = OTHERWISE.iter().find(|(name, ..)| block.top.starts_with(name));
            let more = block.flip_flops.cast_signed() - Cost::of(def).flip_flops.cast_signed();
            assert_eq!(more, otherwise.map_or(0, |o| o.1), "{preset}, {}: {otherwise:?}", block.top);
        }
    }
}
