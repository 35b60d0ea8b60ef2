//! Plain models of both ends of a link, for tests that stand beside a circuit.

use super::test::Random;
use rtl::{Input, Probe, Simulator};
use std::collections::VecDeque;

/// A writer: holds credits, sends what waits.
pub struct Source {
    valid: Input,
    flit: Input,
    credit: Probe,
    credits: u32,
    on_link: Option<u64>,
    /// Flits that wait.
    pub waiting: VecDeque<u64>,
    /// Flits sent, with their cycles.
    pub sent: Vec<(u64, u64)>,
}

impl Source {
    /// The writer at the ports `<name>_valid`, `<name>_flit`, `<name>_credit` of a buffer.
    pub fn new(sim: &Simulator, name: &str, depth: u32) -> Self {
        Self {
            valid: sim.input(&format!("{name}_valid")).unwrap(),
            flit: sim.input(&format!("{name}_flit")).unwrap(),
            credit: sim.probe(&format!("{name}_credit")).unwrap(),
            credits: depth,
            on_link: None,
            waiting: VecDeque::new(),
            sent: Vec::new(),
        }
    }

    /// Sets the link for this cycle.
    pub fn drive(&self, sim: &mut Simulator) {
        sim.set(self.valid, self.on_link.is_some().into());
        sim.set(self.flit, self.on_link.unwrap_or(0));
    }

    /// Ends the cycle; sends the next flit if it may and `willing`.
    pub fn clock(&mut self, sim: &mut Simulator, cycle: u64, willing: bool) {
        let may = willing && self.credits > 0;
        self.on_link = if may { self.waiting.pop_front() } else { None };
        self.credits -= u32::from(self.on_link.is_some());
        self.sent.extend(self.on_link.map(|flit| (cycle, flit)));
        self.credits += sim.get(self.credit) as u32;
    }
}

/// A reader: a buffer of its own, from which it takes.
pub struct Sink {
    valid: Probe,
    flit: Probe,
    credit: Input,
    depth: usize,
    buffer: VecDeque<u64>,
    /// Flits taken, with their cycles.
    pub taken: Vec<(u64, u64)>,
}

impl Sink {
    /// The reader at the ports `<name>_valid`, `<name>_flit`, `<name>_credit` of a writer.
    pub fn new(sim: &Simulator, name: &str, depth: u32) -> Self {
        Self {
            valid: sim.probe(&format!("{name}_valid")).unwrap(),
            flit: sim.probe(&format!("{name}_flit")).unwrap(),
            credit: sim.input(&format!("{name}_credit")).unwrap(),
            depth: depth as usize,
            buffer: VecDeque::new(),
            taken: Vec::new(),
        }
    }

    /// Takes its head in this cycle, if there is one and it is willing.
    pub fn drive(&mut self, sim: &mut Simulator, cycle: u64, willing: bool) {
        let taken = if willing { self.buffer.pop_front() } else { None };
        self.taken.extend(taken.map(|flit| (cycle, flit)));
        sim.set(self.credit, taken.is_some().into());
    }

    /// Ends the cycle: what is on the link goes to the buffer.
    pub fn clock(&mut self, sim: &mut Simulator) {
        if sim.get(self.valid) == 1 {
            self.buffer.push_back(sim.get(self.flit));
            assert!(self.buffer.len() <= self.depth, "a flit came without a credit");
        }
    }
}

/// Many links around one circuit.
pub struct Links {
    /// The circuit.
    pub sim: Simulator,
    /// Its writers.
    pub sources: Vec<Source>,
    /// Its readers.
    pub sinks: Vec<Sink>,
    cycle: u64,
}

impl Links {
    /// Links that are all empty.
    pub fn new(sim: Simulator, sources: Vec<Source>, sinks: Vec<Sink>) -> Self {
        Self { sim, sources, sinks, cycle: 0 }
    }

    /// One cycle; `willing` says of each source, then of each sink, whether it acts.
    pub fn cycle(&mut self, mut willing: impl FnMut(usize) -> bool) {
        let sources = self.sources.len();
        for source in &self.sources {
            source.drive(&mut self.sim);
        }
        for (i, sink) in self.sinks.iter_mut().enumerate() {
            sink.drive(&mut self.sim, self.cycle, willing(sources + i));
        }
        for (i, source) in self.sources.iter_mut().enumerate() {
            source.clock(&mut self.sim, self.cycle, willing(i));
        }
        for sink in &mut self.sinks {
            sink.clock(&mut self.sim);
        }
        self.sim.step().unwrap();
        self.cycle += 1;
    }

    /// Cycles in which everything acts as it can.
    pub fn run(&mut self, cycles: u64) {
        (0..cycles).for_each(|_| self.cycle(|_| true));
    }

    /// Flits that have not been taken yet.
    pub fn left(&self) -> usize {
        let waiting: usize = self.sources.iter().map(|s| s.waiting.len() + s.sent.len()).sum();
        waiting - self.sinks.iter().map(|s| s.taken.len()).sum::<usize>()
    }

    /// Runs under random stalls until everything is taken.
    pub fn drain(&mut self, seed: u64, most: u64) {
        let mut random = Random::new(seed);
        for _ in 0..most {
            if self.left() == 0 {
                return;
            }
            self.cycle(|_| !random.one_in(4));
        }
        panic!("{} flits are stuck", self.left());
    }
}
