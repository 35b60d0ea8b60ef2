//! The waves of the two delay structures alone, in `waves/`: made anew, read by a reader that is not ours, and held to
//! what the timing diagrams of the blocks and `TIMING.md` say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use testbenches::structures::{ADDS, ARRIVALS, PERIOD_PS, ROWS, SLOTS, WAVES};
use wellen::simple::Waveform;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace").into()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn read(name: &str) -> Waveform {
    wellen::simple::read(root().join("waves").join(name)).expect("wellen reads it")
}

/// Names without the top's and widths of all signals.
fn signals(wave: &Waveform) -> HashMap<String, u32> {
    let h = wave.hierarchy();
    let name = |v: &wellen::Var| v.full_name(h).split_once('.').expect("in a scope").1.to_string();
    h.all_vars().map(|v| (name(&h[v]), h[v].length(h).expect("bits"))).collect()
}

/// Signals of the top by cycle.
struct Table {
    values: HashMap<String, Vec<u64>>,
    bits: HashMap<String, u32>,
    cycles: usize,
}

impl Table {
    fn read(name: &str) -> Self {
        let mut wave = read(name);
        let bits = signals(&wave);
        let h = wave.hierarchy();
        let refs: Vec<_> = h.all_vars().map(|v| (h[v].full_name(h), h[v].signal_ref())).collect();
        wave.load_signals(&refs.iter().map(|r| r.1).collect::<Vec<_>>());
        let times = wave.time_table();
        // The file counts nanoseconds.
        let period = PERIOD_PS / 1000;
        let cycles = (times.last().expect("not empty") / period + 1) as usize;
        let values = refs.iter().map(|(path, signal)| {
            let mut by_cycle = vec![None; cycles];
            for (at, value) in wave.get_signal(*signal).expect("loaded").iter_changes() {
                let value = value.to_bit_string().and_then(|b| u64::from_str_radix(&b, 2).ok());
                let first = times[at as usize].div_ceil(period) as usize;
                by_cycle[first.min(cycles)..].fill(value);
            }
            let known = by_cycle.into_iter().map(|v| v.expect("known in every cycle")).collect();
            (path.split_once('.').expect("in a scope").1.to_string(), known)
        });
        Self { values: values.collect(), bits, cycles }
    }

    fn at(&self, name: &str, cycle: usize) -> u64 {
        self.values.get(name).unwrap_or_else(|| panic!("no {name}"))[cycle]
    }

    fn signed(&self, name: &str, cycle: usize) -> i64 {
        let unused = 64 - self.bits[name];
        (self.at(name, cycle) << unused).cast_signed() >> unused
    }

    /// Cycles in which a signal is 1.
    fn when(&self, name: &str) -> Vec<usize> {
        (0..self.cycles).filter(|&c| self.at(name, c) == 1).collect()
    }
}

#[test]
fn the_waves_of_the_structures_are_made_anew_byte_for_byte() {
    for (name, make) in WAVES {
        let made = String::from_utf8(make().expect("no violation")).expect("text");
        assert!(made.len() < 8192, "{name}: {} bytes are not small", made.len());
        let again = "cargo run -p testbenches --example structure_waves";
        assert!(made == text(&format!("waves/{name}")), "waves/{name} differs; make it anew: {again}");
    }
}

#[test]
fn a_weight_is_written_one_cycle_after_it_comes_in_the_slot_of_its_step() {
    let ring = Table::read("ring-buffer-block.vcd");
    let adds = ring.when("add");
    assert_eq!(adds.len(), ADDS.iter().map(|(adds, _)| adds.len()).sum::<usize>());
    assert_eq!(ring.when("write"), adds.iter().map(|c| c + 1).collect::<Vec<_>>());
    let places = adds.iter().map(|&c| (ring.at("head", c) + ring.at("add_delay", c), ring.at("slot", c + 1)));
    let places: Vec<_> = places.collect();
    assert!(places.iter().all(|(ahead, slot)| ahead % SLOTS == *slot), "{places:?}");
    assert!(places.iter().any(|(ahead, _)| *ahead >= SLOTS), "one goes around the ring");
}

#[test]
fn two_adds_to_one_word_one_after_the_other_are_forwarded_as_in_the_diagram() {
    let ring = Table::read("ring-buffer-block.vcd");
    let c = ring.when("add")[0];
    // The diagram of `accumulators.rs`.
    assert_eq!([0, 1, 2].map(|i| ring.at("add", c + i)), [1, 1, 0]);
    assert_eq!([0, 1].map(|i| ring.signed("add_weight", c + i)), [5, 7]);
    assert_eq!([1, 2].map(|i| ring.signed("sum", c + i)), [0, 5]);
    assert_eq!([1, 2].map(|i| ring.at("write", c + i)), [1, 1]);
    assert_eq!([1, 2].map(|i| ring.signed("data", c + i)), [5, 12]);
}

#[test]
fn the_head_moves_in_the_cycle_in_which_the_barrier_releases_and_in_no_other() {
    let ring = Table::read("ring-buffer-block.vcd");
    let starts = ring.when("start");
    assert_eq!(starts.len(), ADDS.len());
    for cycle in 0..ring.cycles {
        let step = starts.iter().filter(|&&s| s <= cycle).count() as u64 - 1;
        assert_eq!(ring.at("head", cycle), step % SLOTS, "cycle {cycle}");
    }
    assert!(starts.windows(2).any(|s| s[1] - s[0] > 8), "it stays in a long wait, too");
}

#[test]
fn the_slot_of_a_step_is_read_and_cleared() {
    let ring = Table::read("ring-buffer-block.vcd");
    let mut sums = HashMap::new();
    for (step, (adds, _)) in ADDS.iter().enumerate() {
        for (neuron, delay, weight) in *adds {
            *sums.entry((step as u64 + delay, *neuron)).or_insert(0) += weight;
        }
    }
    let starts = ring.when("start");
    let mut read = HashMap::new();
    for c in ring.when("read") {
        let step = starts.iter().filter(|&&s| s <= c).count() as u64 - 1;
        let (neuron, sum) = (ring.at("read_neuron", c), ring.signed("sum", c + 1));
        assert_eq!((ring.at("clear", c + 3), ring.at("clear_neuron", c + 3)), (1, neuron));
        if sum != 0 {
            read.insert((step, neuron), sum);
        }
    }
    assert_eq!(read, sums);
    // Slot 1 was read as 12 and is used again: the next add to it finds 0.
    let last = *ring.when("write").last().expect("adds");
    assert_eq!((ring.at("slot", last), ring.signed("sum", last)), (1, 0));
}

/// An event as the waves show it: axon, age, offset.
type Event = (u64, u64, u64);

/// What comes out of the queue and goes into it in each step.
fn events(queue: &Table) -> Vec<(Vec<Event>, Vec<Event>)> {
    let starts = queue.when("start");
    let event = |kind: &str, c| {
        let [axon, age, offset] = ["axon", "age", "offset"].map(|f| queue.at(&format!("{kind}_{f}"), c));
        (axon, age, offset)
    };
    let mut steps = vec![(Vec::new(), Vec::new()); starts.len()];
    for c in 0..queue.cycles {
        let step = &mut steps[starts.iter().filter(|&&s| s <= c).count() - 1];
        if queue.at("enter", c) == 1 {
            step.0.push(event("read", c));
        }
        if queue.at("write", c) == 1 {
            step.1.push(event("write", c));
        }
    }
    steps
}

#[test]
fn events_come_in_the_cycles_of_the_diagram() {
    let queue = Table::read("shared-queue-block.vcd");
    // Step 1 has the two events of the diagram of `shared_queue.rs`; A is axon 2, B is axon 5.
    let s = queue.when("start")[1];
    let [a, b] = [2, 5];
    assert_eq!([0, 1, 2].map(|i| queue.at("fetch", s + i)), [1, 1, 0]);
    assert_eq!([0, 1].map(|i| queue.at("fetch_address", s + i)), [0, 1]);
    assert_eq!([0, 1, 2, 3].map(|i| queue.at("row_read", s + i)), [0, 1, 1, 0]);
    assert_eq!([1, 2].map(|i| queue.at("row_axon", s + i)), [a, b]);
    assert_eq!([1, 2, 3, 4].map(|i| queue.at("enter", s + i)), [0, 1, 1, 0]);
    assert_eq!([2, 3].map(|i| queue.at("read_axon", s + i)), [a, b]);
    assert_eq!([2, 3, 4, 5].map(|i| queue.at("finish", s + i)), [0, 1, 1, 0]);
    assert_eq!([2, 3, 4].map(|i| queue.at("requeue", s + i)), [0, 1, 0]);
    assert_eq!((queue.at("write_axon", s + 3), queue.at("write_age", s + 3)), (a, 2));
    let updates: Vec<_> = queue.when("update").into_iter().filter(|c| (s..s + 8).contains(c)).collect();
    assert_eq!(updates, [s + 4 + 2]);
}

#[test]
fn an_event_is_delivered_skipped_or_dropped_as_its_row_says() {
    let queue = Table::read("shared-queue-block.vcd");
    let mut delivered = Vec::new();
    for (step, (out, into)) in events(&queue).into_iter().enumerate() {
        // What is queued again, in the order in which it came out; each list has one synapse.
        let useful = |axon: u64, age: u64| ROWS[axon as usize] >> (age - 1) & 1;
        let again: Vec<_> = out
            .iter()
            .filter(|(axon, age, _)| ROWS[*axon as usize] >> age != 0)
            .map(|&(axon, age, offset)| (axon, age + 1, offset + useful(axon, age)))
            .collect();
        let (requeued, arrived): (Vec<_>, Vec<_>) = into.into_iter().partition(|e| e.1 > 1);
        assert_eq!(requeued, again, "step {step}");
        let flits = ARRIVALS[step].iter().map(|(_, axon)| (*axon, 1, 0));
        assert_eq!(arrived, flits.collect::<Vec<_>>(), "step {step}");
        delivered.extend(out.iter().filter(|e| useful(e.0, e.1) == 1).map(|e| (step as u64, e.0, e.1)));
    }
    // Axon 2 is skipped in step 2, axon 7 too; both are delivered in step 3.
    assert_eq!(delivered, [(1, 2, 1), (1, 5, 1), (3, 2, 3), (3, 7, 2)]);
}

#[test]
fn what_is_written_in_a_step_is_read_in_the_next_since_the_barrier_swaps() {
    let queue = Table::read("shared-queue-block.vcd");
    let steps = events(&queue);
    for (step, pair) in steps.windows(2).enumerate() {
        assert_eq!(pair[0].1, pair[1].0, "step {step}");
    }
    let starts = queue.when("start");
    for cycle in 0..queue.cycles {
        let step = starts.iter().filter(|&&s| s <= cycle).count() as u64 - 1;
        assert_eq!(queue.at("selected", cycle), step % 2, "cycle {cycle}");
    }
    // The level of one before the barrier is that of the other after it.
    for &s in &starts[1..] {
        assert_eq!(queue.at("write_pointer", s - 1), queue.at("read_level", s));
        assert_eq!(queue.at("write_pointer", s), 0);
    }
}

#[test]
fn a_flit_waits_for_an_event_that_is_queued_again() {
    let queue = Table::read("shared-queue-block.vcd");
    let waits: Vec<_> = queue.when("in_valid").into_iter().filter(|&c| queue.at("requeue", c) == 1).collect();
    assert_eq!(waits.len(), 1);
    let c = waits[0];
    assert_eq!([c, c + 1].map(|c| queue.at("take", c)), [0, 1]);
    assert_eq!([c, c + 1].map(|c| queue.at("write_age", c)), [2, 1]);
}

#[test]
fn the_layouts_of_the_structures_name_signals_that_their_waves_have() {
    for (name, _) in WAVES {
        let layout = name.replace(".vcd", ".gtkw");
        let wave = read(name);
        let bits = signals(&wave);
        let h = wave.hierarchy();
        let top = h.scopes().next().map(|s| h[s].full_name(h)).expect("a top");
        let lines = text(&format!("waves/{layout}"));
        let wanted: Vec<_> = lines.lines().filter_map(|l| l.strip_prefix(&format!("{top}."))).collect();
        let shown = lines.lines().filter(|l| !l.starts_with(['[', '*', '@', '-'])).count();
        assert_eq!(wanted.len(), shown, "{layout}: a signal of another circuit");
        assert!(wanted.len() > 10, "{layout}: {} signals", wanted.len());
        for signal in wanted {
            let (signal, width) = match signal.split_once('[') {
                Some((signal, range)) => {
                    let high = range.strip_suffix(":0]").and_then(|r| r.parse::<u32>().ok());
                    (signal, high.expect("from the highest bit to 0") + 1)
                }
                None => (signal, 1),
            };
            assert_eq!(bits.get(signal), Some(&width), "{layout}: {signal}");
        }
    }
}

#[test]
fn the_symbols_on_the_front_page_are_those_of_the_blocks() {
    let page = text("README.md");
    for block in ["ring_buffer", "shared_queue"] {
        let file = text(&format!("hw/src/blocks/{block}.rs"));
        let lines = file.lines().skip_while(|l| *l != "//! ```text").skip(1);
        let symbol: Vec<_> =
            lines.map(|l| l.trim_start_matches("//!")).take_while(|l| !l.is_empty()).collect();
        assert!(symbol.len() > 5, "{block}: a symbol");
        let symbol = symbol.iter().map(|l| format!("   {l}\n")).collect::<String>();
        assert!(page.contains(&symbol), "README.md lacks the symbol of {block}.rs:\n{symbol}");
    }
}
