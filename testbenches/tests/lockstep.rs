//! Lockstep can fail: a fault of one bit or one cycle, seeded into either side, is told at its cycle and signal.
//!
//! Long because every kind of fault has a watch of its own beside its test.

use hw::image::{CoreImage, Image};
use hw::layout::{Memory, Widths};
use hw::machine::{Cycle, Machine};
use hw::{Platform, Structure};
use sim::lockstep::{Also, Change, Components, Difference, Lockstep, Signal, Value, Watch};
use sim::probe::{NoProbe, Probe, SynapticOperation};
use sim::steps::Recorder;
use sim::{Error, Options, Simulator};
use std::ops::ControlFlow;
use testbenches::golden::Vector;

/// `recurrent_subtract` on a few small cores.
fn image() -> (Vector, Image) {
    let vector = Vector::load("recurrent_subtract");
    let mut platform = Platform::parse("tiny.toml", include_str!("../platforms/tiny.toml")).expect("valid");
    (platform.mesh.width, platform.mesh.height) = (3, 3);
    (platform.core.neurons, platform.core.readouts) = (3, 3);
    platform.mesh.injectors.truncate(1);
    (platform.mesh.injectors[0].x, platform.mesh.injectors[0].y) = (2, 0);
    assert_eq!(platform.problems(), Vec::<String>::new());
    let image = compiler::image(&vector.network, b"", &platform, Structure::RingBuffer).expect("fits");
    (vector, image)
}

fn side_by_side(fast: &Image, rtl: &Image, structure: Structure, components: &Components) -> Lockstep {
    let simulator = Simulator::new(fast, structure, Options::default()).expect("built");
    Lockstep::new(simulator, Machine::new(rtl, structure).expect("a circuit"), components).expect("fits")
}

/// The difference that a run ends with.
fn difference(both: &mut Lockstep, vector: &Vector, watch: &mut impl Watch) -> Difference {
    let report = both.run(&vector.binned(0), watch).expect("runs");
    assert!(report.outcome.is_none());
    report.difference.expect("a difference")
}

/// One bit of a word of a core's memory.
fn flipped(image: &Image, structure: Structure, core: usize, memory: Memory, word: usize, bit: u32) -> Image {
    let mut image = image.clone();
    let build = image.builds.iter_mut().find(|b| b.structure == structure).expect("built");
    let contents = build.cores[core].contents.iter_mut().find(|c| c.0 == memory).expect("has contents");
    contents.1[word] ^= 1 << bit;
    image
}

/// The first synaptic operation of a run: its cycle, core and address.
#[derive(Default)]
struct First(Option<(u64, usize, u32)>);

impl Probe for First {
    fn synapse(&mut self, cycle: u64, core: usize, operation: SynapticOperation) {
        let this = (cycle, core, operation.synapse);
        self.0 = Some(self.0.map_or(this, |first| first.min(this)));
    }
}

#[test]
fn a_wrong_bit_of_a_weight_on_either_side_is_told_where_it_is_first_added() {
    let (vector, whole) = image();
    for structure in Structure::ALL {
        let mut simulator = Simulator::new(&whole, structure, Options::default()).expect("built");
        let mut first = First::default();
        simulator.run_with(&vector.binned(0), &mut first).expect("runs");
        let (cycle, core, address) = first.0.expect("an operation");
        // A high bit of the weight.
        let bit = Widths::new(&whole.platform, structure).synapse() - 2;
        let wrong = flipped(&whole, structure, core, Memory::Synapses, address as usize, bit);
        let (x, y) = simulator.program().place(core);
        let of = |fast, rtl| {
            difference(&mut side_by_side(fast, rtl, structure, &Components::All), &vector, &mut ())
        };
        let (in_rtl, in_fast) = (of(&whole, &wrong), of(&wrong, &whole));
        for found in [&in_rtl, &in_fast] {
            assert_eq!(
                found.cycle,
                cycle + 2,
                "{structure}: written two cycles after it is addressed: {found}"
            );
            assert_eq!(found.component, format!("core_{x}_{y}"), "{structure}: {found}");
            assert_eq!(found.signal, "accumulator.weight", "{structure}: {found}");
        }
        assert_eq!((in_rtl.step, in_rtl.others), (in_fast.step, in_fast.others));
    }
}

#[test]
fn spikes_of_the_wrong_neurons_are_told_though_their_number_is_right() {
    let (vector, right) = image();
    for structure in Structure::ALL {
        // Two cores of the RTL change names: no signal shows it, and there are as many spikes.
        let mut wrong = right.clone();
        let build = wrong.builds.iter_mut().find(|b| b.structure == structure).expect("built");
        let twin = |a: &CoreImage, b: &CoreImage| {
            let shape =
                |c: &CoreImage| -> Vec<_> { c.segments.iter().map(|s| (s.population, s.count)).collect() };
            shape(a) == shape(b)
        };
        let pairs = (0..build.cores.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let (a, b) = pairs.into_iter().find(|&(a, b)| twin(&build.cores[a], &build.cores[b])).expect("twins");
        let first = build.cores[a].segments.clone();
        build.cores[a].segments = std::mem::replace(&mut build.cores[b].segments, first);
        let mut both = side_by_side(&right, &wrong, structure, &Components::All);
        let found = difference(&mut both, &vector, &mut ());
        assert_eq!(found.component, "chip", "{found}");
        assert!(found.signal.starts_with("spike_"), "{structure}: {found}");
        assert_eq!(found.rtl + found.fast, 1, "one side has it: {found}");
    }
}

/// Flips a bit of a register in a cycle.
struct Flip(&'static str, i64);

impl Watch for Flip {
    fn rtl(&mut self, cycle: &mut Cycle<'_>) -> ControlFlow<()> {
        if cycle.cycle == self.1 {
            let value = cycle.circuit.peek(self.0).expect("there");
            cycle.circuit.poke(self.0, value ^ 1).expect("a register");
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn a_bit_that_flips_in_a_register_is_told_in_its_cycle() {
    let (vector, image) = image();
    for structure in Structure::ALL {
        let mut both = side_by_side(&image, &image, structure, &Components::All);
        for (register, component, signal) in [
            ("router_1_0.west_out_credits", "router_1_0", "west_credits"),
            ("core_1_0.sender.credits", "core_1_0", "output.credits"),
            ("core_1_0.control.kept_state", "core_1_0", "state"),
            ("router_0_1.south_buffer.level", "router_0_1", "south_in_level"),
        ] {
            let found = difference(&mut both, &vector, &mut Flip(register, 300));
            assert_eq!((found.cycle, &found.component[..], &found.signal[..]), (300, component, signal));
            assert_eq!(found.rtl ^ found.fast, 1);
        }
        // What broke off leaves nothing behind.
        let report = both.run(&vector.binned(0), &mut ()).expect("runs");
        assert_eq!(report.difference, None);
    }
}

/// Flips a bit of what the fast model says of a signal that a step sets.
struct Misread {
    step: u32,
    signal: (&'static str, &'static str),
    /// The cycle in which it is wrong.
    cycle: Option<u64>,
}

impl Watch for Misread {
    fn fast(&mut self, step: u32, signals: &[Signal], changes: &mut Vec<Change>) {
        if step < self.step || self.cycle.is_some() {
            return;
        }
        let is = |s: &Signal| (&s.component[..], &s.name[..]) == self.signal;
        let signal = signals.iter().position(is).expect("there") as u32;
        if let Some(change) = changes.iter_mut().find(|c| c.signal == signal)
            && let Value::Set(value) = &mut change.value
        {
            *value ^= 1;
            self.cycle = Some(change.cycle);
        }
    }
}

#[test]
fn a_bit_that_flips_in_the_fast_model_is_told_in_its_cycle() {
    let (vector, image) = image();
    for structure in Structure::ALL {
        let mut both = side_by_side(&image, &image, structure, &Components::All);
        for signal in [
            ("router_2_0", "west_out_flit"),
            ("core_1_0", "soma.membrane"),
            ("core_1_0", "state"),
            ("core_0_0", "accumulator.data"),
            ("core_0_0", "input.axon"),
        ] {
            let mut wrong = Misread { step: 4, signal, cycle: None };
            let found = difference(&mut both, &vector, &mut wrong);
            assert_eq!(Some(found.cycle), wrong.cycle, "{structure}: {found}");
            assert_eq!((&found.component[..], &found.signal[..]), signal, "{structure}: {found}");
            assert_eq!((found.rtl ^ found.fast, found.others), (1, 0), "{structure}: {found}");
        }
    }
}

/// Holds the first flit of a step back for a cycle in the register of a link in RTL.
struct Held {
    step: u32,
    valid: &'static str,
    /// When it should have come.
    cycle: Option<i64>,
}

impl Watch for Held {
    fn rtl(&mut self, cycle: &mut Cycle<'_>) -> ControlFlow<()> {
        let valid = cycle.circuit.peek(self.valid).expect("there");
        match self.cycle {
            None if cycle.step >= self.step && valid == 1 => {
                cycle.circuit.poke(self.valid, 0).expect("a register");
                self.cycle = Some(cycle.cycle);
            }
            Some(at) if cycle.cycle == at + 1 => cycle.circuit.poke(self.valid, 1).expect("a register"),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn a_flit_that_comes_a_cycle_late_in_rtl_is_told_in_the_cycle_in_which_it_should_have_come() {
    let (vector, image) = image();
    for structure in Structure::ALL {
        let mut both = side_by_side(&image, &image, structure, &Components::All);
        for (component, signal, valid) in [
            ("router_2_0", "west_out_valid", "router_2_0.west_out_valid"),
            ("injector_0", "valid", "injector_0.out_valid"),
        ] {
            let mut held = Held { step: 4, valid, cycle: None };
            let found = difference(&mut both, &vector, &mut held);
            assert_eq!(Some(found.cycle.cast_signed()), held.cycle, "{structure}: {found}");
            assert_eq!(
                (&found.component[..], &found.signal[..], found.rtl, found.fast),
                (component, signal, 0, 1)
            );
        }
    }
}

/// Lets the first flit of a step come a cycle late on one link of the fast model.
struct Late {
    step: u32,
    signal: (&'static str, &'static str),
    /// Where it should have come.
    cycle: Option<u64>,
}

impl Watch for Late {
    fn fast(&mut self, step: u32, signals: &[Signal], changes: &mut Vec<Change>) {
        if step < self.step || self.cycle.is_some() {
            return;
        }
        let is = |s: &Signal| (&s.component[..], &s.name[..]) == self.signal;
        let signal = signals.iter().position(is).expect("there") as u32;
        let Some(at) = changes.iter().position(|c| c.signal == signal && c.value == Value::Set(1)) else {
            return;
        };
        let cycle = changes[at].cycle;
        self.cycle = Some(cycle);
        for change in changes.iter_mut().filter(|c| c.signal == signal && c.cycle <= cycle + 1) {
            change.cycle += 1;
        }
        changes.sort_by_key(|c| c.cycle);
    }
}

#[test]
fn what_comes_a_cycle_late_is_told_in_the_cycle_in_which_it_should_have_come() {
    let (vector, image) = image();
    for structure in Structure::ALL {
        let mut both = side_by_side(&image, &image, structure, &Components::All);
        for signal in
            [("router_2_0", "west_out_valid"), ("core_1_0", "soma.spike"), ("core_0_0", "input.taken")]
        {
            let mut late = Late { step: 4, signal, cycle: None };
            let found = difference(&mut both, &vector, &mut late);
            assert_eq!(Some(found.cycle), late.cycle, "{structure}: {found}");
            assert_eq!(
                (&found.component[..], &found.signal[..], found.rtl, found.fast),
                (signal.0, signal.1, 1, 0)
            );
            assert!(found.step >= 4);
        }
    }
}

#[test]
fn a_barrier_that_is_a_cycle_late_is_told_at_its_release() {
    let (vector, image) = image();
    let mut slow = image.clone();
    slow.platform.mesh.barrier_latency += 1;
    for structure in Structure::ALL {
        for (fast, rtl, values) in [(&slow, &image, (1, 0)), (&image, &slow, (0, 1))] {
            let mut both = side_by_side(fast, rtl, structure, &Components::Named(vec!["injector_0".into()]));
            let mut first = Barrier(None);
            let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
            simulator.run_with(&vector.binned(0), &mut first).expect("runs");
            let found = difference(&mut both, &vector, &mut ());
            let expected = (first.0.expect("a step"), "chip", "step", values.0, values.1);
            assert_eq!(
                (found.cycle, &found.component[..], &found.signal[..], found.rtl, found.fast),
                expected
            );
            assert_eq!(found.others, 2, "the start of the step and the release");
        }
    }
}

/// The first release.
struct Barrier(Option<u64>);

impl Probe for Barrier {
    fn barrier(&mut self, _quiet: u64, release: u64) {
        self.0.get_or_insert(release);
    }
}

#[test]
fn waves_around_a_difference_hold_both_sides() {
    let (vector, image) = image();
    let mut both = side_by_side(&image, &image, Structure::RingBuffer, &Components::All);
    let found = difference(&mut both, &vector, &mut Flip("router_1_0.west_out_credits", 300));
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("lockstep.vcd");
    both.waves(std::fs::File::create(&path).expect("file")).expect("written");
    let mut wave = wellen::simple::read(&path).expect("wellen reads it");
    let mut value = |name: &str| {
        let h = wave.hierarchy();
        let var = h
            .all_vars()
            .map(|v| &h[v])
            .find(|v| v.full_name(h) == name)
            .unwrap_or_else(|| panic!("no {name}"));
        let signal = var.signal_ref();
        wave.load_signals(&[signal]);
        let times = wave.time_table().to_vec();
        let signal = wave.get_signal(signal).expect("loaded");
        let changes: Vec<_> = signal
            .iter_changes()
            .filter_map(|(t, v)| {
                Some((times[t as usize] / 10_000, u64::from_str_radix(&v.to_bit_string()?, 2).ok()?))
            })
            .collect();
        changes.iter().rev().find(|c| c.0 <= 300).expect("a value").1
    };
    assert_eq!(value("lockstep.rtl.router_1_0.west_credits"), found.rtl);
    assert_eq!(value("lockstep.fast.router_1_0.west_credits"), found.fast);
    assert_eq!(value("lockstep.differs"), 1);
    assert_eq!(value("lockstep.fast.chip.step"), u64::from(found.step));
}

/// Sets a register in a cycle.
struct Poke(&'static str, i64, u64);

impl Watch for Poke {
    fn rtl(&mut self, cycle: &mut Cycle<'_>) -> ControlFlow<()> {
        if cycle.cycle == self.1 {
            cycle.circuit.poke(self.0, self.2).expect("a register");
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn what_the_command_calls_ends_with_status_1_and_leaves_waves() {
    let (vector, image) = image();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("lockstep.vcd");
    let ends_with = |components: &str, fault: Poke| {
        let _ = std::fs::remove_file(&path);
        let components = components.parse().expect("anything parses");
        let mut both = side_by_side(&image, &image, Structure::RingBuffer, &components);
        let also = Also { recorder: None, probe: &mut NoProbe };
        let error = both.check(&vector.binned(0), &path, &mut { fault }, also).expect_err("a fault");
        assert_eq!(error.status(), 1);
        assert!(error.to_string().contains("lockstep.vcd"), "{error}");
        wellen::simple::read(&path).expect("wellen reads it");
        error
    };
    // A register that is compared.
    let error = ends_with("all", Poke("router_1_0.west_out_credits", 300, 0));
    assert!(matches!(&error, Error::Parted { difference, .. } if difference.cycle == 300), "{error}");
    assert!(error.to_string().contains("cycle 300: router_1_0.west_credits is 0x0 in RTL"), "{error}");
    // One that is not, but violates a property of the circuit.
    let error = ends_with("injector_0", Poke("router_0_1.south_buffer.level", 300, 3));
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    // Without a fault there is nothing to leave.
    std::fs::remove_file(&path).expect("there");
    let mut both = side_by_side(&image, &image, Structure::RingBuffer, &Components::All);
    let also = Also { recorder: None, probe: &mut NoProbe };
    both.check(&vector.binned(0), &path, &mut (), also).expect("agrees");
    assert!(!path.exists());
    // A fast model that holds a wait of two cycles for a deadlock: it is compared up to there.
    for structure in Structure::ALL {
        let options = Options { patience: Some(2), ..Options::default() };
        let fast = Simulator::new(&image, structure, options).expect("built");
        let machine = Machine::new(&image, structure).expect("a circuit");
        let mut both = Lockstep::new(fast, machine, &Components::All).expect("fits");
        let also = Also { recorder: None, probe: &mut NoProbe };
        let error = both.check(&vector.binned(0), &path, &mut (), also).expect_err("impatient");
        assert_eq!(error.status(), 1);
        let Error::Stopped { source, .. } = &error else { panic!("{error}") };
        let Error::Deadlock { cycle, .. } = **source else { panic!("{error}") };
        let wave = wellen::simple::read(&path).expect("wellen reads it");
        assert_eq!(wave.time_table().last().map(|t| t / 10_000), Some(cycle), "{error}");
        std::fs::remove_file(&path).expect("there");
    }
}

#[test]
fn what_is_recorded_by_step_in_lockstep_is_what_is_recorded_without() {
    let (vector, image) = image();
    let input = vector.binned(0);
    for structure in Structure::ALL {
        let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
        let mut recorder = Recorder::new(&simulator);
        let (_, alone) = recorder.run(&mut simulator, &input, &mut NoProbe).expect("runs");
        let mut both = side_by_side(&image, &image, structure, &Components::All);
        let waves = std::path::Path::new("never written");
        let also = Also { recorder: Some(&mut recorder), probe: &mut NoProbe };
        let report = both.check(&input, waves, &mut (), also).expect("agrees");
        assert_eq!(report.record, Some(alone), "{structure}");
    }
}

/// An image whose queues hold so many events.
fn of_depth(image: &Image, depth: u32) -> Image {
    let mut image = image.clone();
    image.platform.shared_queue.depth = depth;
    image
}

#[test]
fn the_step_in_which_a_queue_overflows_is_compared_to_its_end() {
    let (vector, image) = image();
    let structure = Structure::SharedQueue;
    let input = vector.binned(0);
    let peaks = |depth: u32| {
        let image = of_depth(&image, depth);
        let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
        simulator.run(&input).expect("runs").overflows
    };
    // A depth from which on every queue is deep enough; one less is not, by one event in one core.
    let most = peaks(2).iter().map(|o| o.needed).max().expect("an overflow");
    let depth = most - 1;
    let overflow = peaks(depth)[0];
    let short = of_depth(&image, depth);
    let mut both = side_by_side(&short, &short, structure, &Components::All);
    let report = both.run(&input, &mut ()).expect("runs");
    assert_eq!(report.difference, None);
    assert_eq!(report.outcome.expect("agrees").overflows, peaks(depth));
    let mut steps = Releases(Vec::new());
    let mut simulator = Simulator::new(&short, structure, Options::default()).expect("built");
    simulator.run_with(&input, &mut steps).expect("runs");
    assert_eq!(report.cycles, steps.0[overflow.step as usize] + 1, "to the release of that step");

    // The latch, its step, and the event that has no room, on either side.
    let core = format!("core_{}_{}", overflow.x, overflow.y);
    let deep = of_depth(&image, most);
    assert_eq!(deep.platform.shared_queue.depth.ilog2(), depth.ilog2(), "pointers are as wide");
    for (fast, rtl) in [(&short, &deep), (&deep, &short)] {
        let found = difference(&mut side_by_side(fast, rtl, structure, &Components::All), &vector, &mut ());
        assert_eq!((found.step, &found.component[..]), (overflow.step, &core[..]), "{found}");
        assert_eq!(found.signal, "queue.write", "{found}");
    }
    for signal in ["queue.overflow", "queue.overflow_step"] {
        let mut early = Latch { step: overflow.step, signal, cycle: None };
        let mut both = side_by_side(&short, &short, structure, &Components::All);
        let found = difference(&mut both, &vector, &mut early);
        assert_eq!((&found.component[..], &found.signal[..]), (&core[..], signal), "{found}");
        assert_eq!(Some(found.cycle), early.cycle, "{found}");
    }
}

/// The releases of all steps.
struct Releases(Vec<u64>);

impl Probe for Releases {
    fn barrier(&mut self, _quiet: u64, release: u64) {
        self.0.push(release);
    }
}

/// Changes what the fast model latches in a step.
struct Latch {
    step: u32,
    signal: &'static str,
    /// When it does.
    cycle: Option<u64>,
}

impl Watch for Latch {
    fn fast(&mut self, step: u32, signals: &[Signal], changes: &mut Vec<Change>) {
        if step != self.step {
            return;
        }
        let latched = changes.iter_mut().find(|c| signals[c.signal as usize].name == self.signal);
        let change = latched.expect("it is latched");
        if let Value::Set(value) = &mut change.value {
            *value ^= 1;
        }
        self.cycle = Some(change.cycle);
    }
}

#[test]
fn names_choose_components_and_wrong_ones_are_refused_with_those_there_are() {
    let (_, image) = image();
    let signals = |text: &str| {
        let components = text.parse().expect("anything parses");
        let simulator = Simulator::new(&image, Structure::SharedQueue, Options::default()).expect("built");
        let machine = Machine::new(&image, Structure::SharedQueue).expect("a circuit");
        Lockstep::new(simulator, machine, &components).map(|both| {
            let mut names: Vec<_> = both.signals().iter().map(|s| s.component.clone()).collect();
            names.dedup();
            names
        })
    };
    assert_eq!(signals("1_0,router_2_2").expect("there"), ["chip", "core_1_0", "router_1_0", "router_2_2"]);
    assert_eq!(signals("injector_0").expect("there"), ["chip", "injector_0"]);
    let Err(Error::Component { name, known }) = signals("0_0,core_7_7") else { panic!("refused") };
    assert_eq!(name, "core_7_7");
    assert!(known.contains("router_2_2") && known.contains("core_0_0"), "{known}");
}
