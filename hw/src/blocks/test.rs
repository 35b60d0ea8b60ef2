//! What the tests of blocks share.

use super::shape::Shape;
use crate::layout::{RouteRow, Target};
use crate::platform::{Platform, Ports, Structure};
use rtl::{Def, Simulator, verilog};
use std::path::Path;
use std::process::Command;

/// A small platform of odd sizes.
pub(crate) fn platform(accumulators: Ports, membranes: Ports) -> Platform {
    let mut p = Platform::load("loihi").expect("the preset");
    (p.mesh.width, p.mesh.height, p.mesh.router_buffer, p.mesh.core_buffer) = (3, 2, 2, 3);
    (p.core.neurons, p.core.input_axons, p.core.output_axons, p.core.readouts) = (6, 11, 13, 3);
    (p.core.membrane_bits_max, p.core.score_bits, p.core.membrane_ports) = (16, 24, membranes);
    p.core.synapse_bits = 2048;
    p.mesh.injectors.truncate(1);
    (p.ring_buffer.slots, p.ring_buffer.accumulators, p.ring_buffer.accumulator_bits) = (8, 45, 20);
    (p.shared_queue.longest_delay, p.shared_queue.depth, p.shared_queue.axon_synapses) = (7, 13, 40);
    p.shared_queue.accumulator_bits = 20;
    (p.ring_buffer.accumulator_ports, p.shared_queue.accumulator_ports) = (accumulators, accumulators);
    assert!(p.problems().is_empty(), "{:?}", p.problems());
    p
}

/// Its shapes with both structures and all kinds of memories.
pub(crate) fn shapes() -> Vec<Shape> {
    let ports = [Ports::OneReadOneWrite, Ports::OneRw];
    let pairs = ports.into_iter().flat_map(|a| ports.map(|m| platform(a, m)));
    pairs.flat_map(|p| Structure::ALL.map(|s| Shape::new(&p, s))).collect()
}

/// A small generator of pseudo-random numbers (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 7 ^ self.0 << 50
    }

    pub fn bits(&mut self, bits: u32) -> u64 {
        self.next() >> (64 - bits)
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// One of `low..=high`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low) as u64 + 1).cast_signed()
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Icarus and Verilator take the emitted Verilog without a warning.
#[track_caller]
pub(crate) fn lint(def: &Def) {
    let dir = tempfile::tempdir().expect("a directory");
    let text = verilog::emit(def);
    text.write_to(dir.path(), |_| None).expect("written");
    let run = |program: &str, options: &[&str]| {
        let files = text.files.iter().map(|(name, _)| name.as_str());
        let arguments: Vec<_> = options.iter().copied().chain(files).collect();
        let all = command(dir.path(), program, &arguments);
        assert!(!all.to_lowercase().contains("warning"), "{program}: {all}");
    };
    run("iverilog", &["-g2005", "-Wall", "-o", "all.vvp"]);
    run("verilator", &["--lint-only", "-Wall", "--top-module", &text.top]);
}

/// Runs a command in a directory and returns what it says; it must succeed.
#[track_caller]
pub(crate) fn command(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).current_dir(dir).output();
    let out = out.unwrap_or_else(|e| panic!("{program}: {e}"));
    let all = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).to_string();
    assert!(out.status.success(), "{program}: {all}");
    all
}

/// Sets an input by name.
#[track_caller]
pub(crate) fn set(sim: &mut Simulator, name: &str, value: u64) {
    let input = sim.input(name).expect("an input");
    sim.set(input, value);
}

/// Sets a signed input by name.
#[track_caller]
pub(crate) fn set_s(sim: &mut Simulator, name: &str, value: i64) {
    let input = sim.input(name).expect("an input");
    sim.set_s(input, value);
}

/// What `TIMING.md` section 6 says of a step's spikes.
pub(crate) struct Sends {
    /// Cycle of each send and its flit.
    pub flits: Vec<(u64, u64)>,
    /// Cycles in which the sender or its FIFO has something to do.
    pub busy: Vec<u64>,
}

/// Section 6 in closed form; `spikes` by the cycle from which each could be at the head, `returned` the cycles of credits.
pub(crate) fn sends(
    shape: &Shape,
    spikes: &[(u64, usize)],
    rows: &[RouteRow],
    entries: &[Target],
    returned: &[u64],
    parity: u64,
) -> Sends {
    let (mut flits, mut busy) = (vec![], vec![]);
    // g and f of the spike before.
    let (mut addressed, mut finished) = (0, 0);
    for &(visible, neuron) in spikes {
        let p = visible.max(addressed);
        let g = (p + 1).max(finished);
        let row = rows[neuron];
        let mut at = g + 1;
        for route in row.base..row.base + row.count {
            // A credit that comes back in a cycle is usable from the next.
            let usable = |cycle: u64| {
                let back = returned.iter().filter(|&&r| r < cycle).count() as u64;
                shape.output_depth + back > flits.len() as u64
            };
            while !usable(at) {
                at += 1;
            }
            let target = shape.widths.pack_target(entries[route as usize]);
            flits.push((at, target << 1 | parity));
            at += 1;
        }
        finished = if row.count == 0 { g + 1 } else { at - 1 };
        addressed = g;
        busy.extend(visible..=finished);
    }
    busy.sort_unstable();
    busy.dedup();
    Sends { flits, busy }
}
