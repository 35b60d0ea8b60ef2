//! Soma: leak, integrate, saturate, threshold, reset; integrators add to their score (`TIMING.md` section 5).
//!
//! ```text
//!                     +------------------------------+
//!   go, neurons ----->| parameters, membranes, scores|---> read, read_neuron      cycle r
//!   sum (from r+1) ==>|                              |---> write, neuron          cycle r+3
//!   membrane_max ====>|  4 stages                    |===> membrane, spike
//!   integrators ----->|                              |---> done, busy
//!   wipe, address --->|                              |
//!   readout, address->|                              |===> readout_data
//!                     +------------------------------+
//!
//!   two neurons, u = 1
//!   cycle         a      a+1    a+2    a+3    a+4
//!   go            1
//!   read          1      1
//!   read_neuron   0      1
//!   sum                  I(0)   I(1)
//!   product                     p(0)   p(1)
//!   write                              1      1
//!   neuron                             0      1
//!   membrane                           v(0)   v(1)
//!   done                                      1      (the first free cycle is a+5)
//! ```
//! - r: membrane and parameters are addressed here, the accumulator by the delay structure (`read`, `read_neuron`).
//! - r+1: v times (4096 - decay) is registered, with the sum and the parameters.
//! - r+2: divided by 4096 toward zero, the sum added, saturated once, compared, reset; an integrator's score is addressed.
//! - r+3: the membrane is written, the accumulator cleared (`write`), a spike pushed (`spike`), the score written.
//!
//! Arithmetic is the contract's: v <- v (4096 - decay) / 4096 truncated toward zero; v <- saturate(v + I); a lif neuron with
//! v >= threshold spikes, and resets to zero or by subtraction; score <- score + v for an integrator.
//!
//! Latency: 4 cycles a neuron.
//! Throughput: one neuron every u cycles; u = 2 where a memory is 1rw: reads fall on even, writes
//! on odd cycles of the update.
//! Limits: integrators are the last neurons in a row and have scores of the same order. Scores are wide enough for all steps
//! (asserted). `membrane_max` = 2^(membrane bits - 1) - 1; the least value is -membrane_max - 1.
//! Undefined: `go` while busy, `readout` while busy, memories before the first wipe.

use super::shape::{Shape, below};
use super::store::Store;
use crate::layout::DECAY_BITS;
use rtl::{Def, Errors, Library, Module, ReadDuringWrite, S, U};

/// Bits by which a product is shifted: 4096 stands for 1.
const FRACTION: u32 = 12;

/// The soma of a core.
///
/// # Errors
/// What is wrong with the description.
pub fn soma(library: &mut Library, shape: &Shape) -> Result<Def, Errors> {
    let parameters = [
        ("neurons", shape.neurons),
        ("membrane", shape.membrane_bits.into()),
        ("sum", shape.accumulator_bits.into()),
        ("readouts", shape.readouts),
        ("score", shape.score_bits.into()),
        ("wipe", shape.accumulator_address().into()),
        ("interval", shape.neuron_interval()),
        ("ports", if shape.membrane_ports == crate::platform::Ports::OneRw { 1 } else { 2 }),
    ];
    library.define("soma", &parameters, |m| describe(m, shape))
}

fn describe(m: &Module, shape: &Shape) {
    m.doc("Neuron update: leak, integrate, saturate, compare, reset; one neuron after the other.");
    let (neuron_bits, bits, sum_bits) = (shape.widths.neuron, shape.membrane_bits, shape.accumulator_bits);
    let threshold_bits = shape.widths.threshold;
    let go = m.input("go", 1).doc("The update starts with neuron 0.");
    let neurons = m.input("neurons", shape.neuron_count()).doc("Neurons in use.");
    let integrators = m.input("integrators", neuron_bits).doc("The first integrator.");
    let readouts = m.input("readouts", shape.readout_count()).doc("Integrators in use.");
    let membrane_max = m.input("membrane_max", threshold_bits).doc("Largest membrane, 2^(bits - 1) - 1.");
    let sum = m.input_s("sum", sum_bits).doc("What arrived for the neuron that was read in the last cycle.");
    let wipe = m.input("wipe", 1).doc("The reset phase clears a word.");
    let wipe_address = m.input("wipe_address", shape.accumulator_address());
    let readout = m.input("readout", 1).doc("Reads a score.");
    let readout_address = m.input("readout_address", shape.readout_address());

    // r: one neuron after the other is addressed.
    let two = shape.neuron_interval() == 2;
    let counter = m.reg("counter", neuron_bits, 0).doc("Neuron that is addressed next.");
    let running = m.reg("running", 1, 0).doc("Neurons are left.");
    let stage_1 = m.reg("stage_1", 1, 0).doc("A neuron is in the second of the four stages.");
    // With 1rw memories the cycle after a read stays empty.
    let may = if two { (go | running.q) & !stage_1.q } else { go | running.q };
    let read = may.named("read").doc("A neuron is read.");
    let is_last = counter.q.eq((neurons - 1).trunc(neuron_bits)).named("is_last");
    running.set_if(read, !is_last);
    counter.set_if(read, is_last.mux(m.u(0, neuron_bits), counter.q + 1));
    let word_bits = DECAY_BITS + threshold_bits + 2;
    let table = m.memory_1rw("parameters", super::shape::at_least_two(shape.neurons), word_bits).loadable();
    let word = table.read(counter.q, read);
    let rule = ReadDuringWrite::Undefined;
    let membranes = Store::new(m, "membranes", shape.neurons, bits, shape.membrane_ports, rule);
    let scores = Store::new(m, "scores", shape.readouts, shape.score_bits, shape.membrane_ports, rule);

    // r+1: product.
    stage_1.set(read);
    let neuron_1 = m.reg("neuron_1", neuron_bits, 0);
    let last_1 = m.reg("last_1", 1, 0);
    neuron_1.set_if(read, counter.q);
    last_1.set_if(read, is_last);
    let at = DECAY_BITS + threshold_bits;
    let decay = word.slice(0..DECAY_BITS);
    let keep =
        (m.u(1 << FRACTION, DECAY_BITS) - decay).named("keep").doc("What is left of a membrane, in 1/4096.");
    let in_range = !stage_1.q | decay.le(1 << FRACTION);
    m.assert("decay_in_range", in_range, "a decay is above 4096");

    // r+2: the rest of the arithmetic.
    let stage_2 = m.delayed("stage_2", stage_1.q).doc("A neuron is in the third stage.");
    let neuron_2 = m.reg("neuron_2", neuron_bits, 0);
    let last_2 = m.reg("last_2", 1, 0);
    let product = m.reg_s("product", bits + DECAY_BITS + 1, 0).doc("Membrane times keep.");
    let current = m.reg_s("current", sum_bits, 0).doc("What arrived.");
    let threshold = m.reg("threshold", threshold_bits, 0);
    let subtract = m.reg("subtract", 1, 0).doc("Reset by subtraction rather than to zero.");
    let integrator = m.reg("integrator", 1, 0).doc("Never spikes.");
    neuron_2.set_if(stage_1.q, neuron_1.q);
    last_2.set_if(stage_1.q, last_1.q);
    product.set_if(stage_1.q, membranes.data.as_s() * keep.to_s());
    current.set_if(stage_1.q, sum);
    threshold.set_if(stage_1.q, word.slice(DECAY_BITS..at));
    subtract.set_if(stage_1.q, word.bit(at));
    integrator.set_if(stage_1.q, word.bit(at + 1));
    let leaked = leak(m, product.q, bits).named("leaked");
    let wide = bits.max(sum_bits) + 1;
    let total = (leaked.sext(wide) + current.q.sext(wide)).named("total").doc("Before saturation.");
    let most = membrane_max.to_s();
    let least = (!most.as_u()).as_s();
    let (over, under) = (most.sext(wide).lt(total), total.lt(least.sext(wide)));
    let v = over.mux(most, under.mux(least, total.trunc(bits))).named("saturated");
    let level = threshold.q.to_s();
    let fires = (!integrator.q & level.le(v)).named("fires");
    let after = fires.mux(subtract.q.mux(v - level, m.s(0, bits)), v);

    // r+3: results are written.
    let write = m.delayed("write", stage_2).doc("A membrane is written, its accumulator cleared.");
    let neuron = m.reg("neuron", neuron_bits, 0).doc("Neuron that is written.");
    let last_3 = m.reg("last_3", 1, 0);
    let membrane = m.reg_s("membrane", bits, 0).doc("Its new membrane.");
    let fired = m.reg("fired", 1, 0);
    neuron.set_if(stage_2, neuron_2.q);
    last_3.set_if(stage_2, last_2.q);
    membrane.set_if(stage_2, after);
    fired.set_if(stage_2, fires);
    let wipes = (wipe & below(wipe_address, neurons)).named("wipes_membrane");
    let wiped = super::shape::fit(wipe_address, neuron_bits);
    membranes.drive(
        "membranes",
        (counter.q, read),
        (wipe.mux(wiped, neuron.q), write | wipes, wipe.mux(m.u(0, bits), membrane.q.as_u())),
    );
    let score = Score { readouts, wipe, wipe_address, readout, readout_address };
    score.describe(m, shape, scores, [stage_2, integrator.q, write], neuron_2.q - integrators, membrane.q);

    let busy = running.q | stage_1.q | stage_2 | write;
    m.assert("go_when_free", !go | !busy, "an update starts within another");
    m.assert("has_neurons", !go | neurons.any(), "an update of no neurons");
    m.assert("wipe_alone", !wipe | !(busy | go), "memories are cleared during an update");
    m.idle_when(!go & !busy & !wipe & !readout);
    m.output("read", read);
    m.output("read_neuron", counter.q);
    m.output("write", write);
    m.output("neuron", neuron.q);
    m.output("membrane", membrane.q);
    m.output("spike", write & fired.q).doc("The neuron that is written spikes.");
    m.output("done", write & last_3.q).doc("The last neuron is written.");
    m.output("busy", busy);
}

/// A product over 4096, truncated toward zero: a negative one is lifted before the shift.
fn leak<'m>(m: &'m Module, product: S<'m>, bits: u32) -> S<'m> {
    let width = product.width();
    let lift = product.is_negative().mux(m.s((1 << FRACTION) - 1, width), m.s(0, width));
    ((product + lift) >> FRACTION).trunc(bits)
}

/// What the scores need from outside.
struct Score<'m> {
    readouts: U<'m>,
    wipe: U<'m>,
    wipe_address: U<'m>,
    readout: U<'m>,
    readout_address: U<'m>,
}

impl<'m> Score<'m> {
    /// Reads a score in r+2 and writes it in r+3; `index` is that of r+2, `membrane` that of r+3.
    fn describe(
        &self,
        m: &'m Module,
        shape: &Shape,
        scores: Store<'m>,
        [stage_2, integrator, write]: [U<'m>; 3],
        index: U<'m>,
        membrane: S<'m>,
    ) {
        let (bits, address_bits) = (shape.score_bits, shape.readout_address());
        let read = (stage_2 & integrator).named("score_read");
        let address = index.trunc(address_bits);
        m.assert("score_in_range", !read | below(index, self.readouts), "an integrator has no score");
        let kept = m.reg("score_address", address_bits, 0);
        let add = m.delayed("score_write", read).doc("A score is written.");
        kept.set_if(read, address);
        let old = scores.data.as_s();
        let v = if bits >= membrane.width() { membrane.sext(bits) } else { membrane.trunc(bits) };
        let sum = (old + v).named("score");
        // A sum of two values of one sign has that sign; a narrow score holds the membrane.
        let same = old.is_negative().eq(v.is_negative());
        let kept_sign = !same | sum.is_negative().eq(old.is_negative());
        let most = bits.max(membrane.width());
        let holds = v.sext(most).eq(membrane.sext(most));
        m.assert("score_fits", !add | (kept_sign & holds), "a score is wider than its memory");
        m.assert("score_is_written", !add | write, "a score without a membrane");
        let wipes = self.wipe & below(self.wipe_address, self.readouts);
        let wiped = super::shape::fit(self.wipe_address, address_bits);
        scores.drive(
            "scores",
            (read.mux(address, self.readout_address), read | self.readout),
            (self.wipe.mux(wiped, kept.q), add | wipes, self.wipe.mux(m.u(0, bits), sum.as_u())),
        );
        m.assert(
            "readout_alone",
            !self.readout | !(read | add | self.wipe),
            "a score is read while it may change",
        );
        m.output("readout_data", old).doc("The score that was read.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{Random, lint, set, set_s, shapes};
    use crate::layout::NeuronParameters;
    use rtl::Simulator;

    /// The contract's step of a neuron, in 128-bit integers: membrane and spike.
    fn golden(p: NeuronParameters, v: i64, sum: i64, limit: i64) -> (i64, bool) {
        let leaked = i128::from(v) * i128::from(4096 - p.decay) / 4096;
        let v = (leaked + i128::from(sum)).clamp((-limit - 1).into(), limit.into()) as i64;
        let threshold = i64::from(p.threshold);
        match (!p.integrator && v >= threshold, p.subtract) {
            (false, _) => (v, false),
            (true, true) => (v - threshold, true),
            (true, false) => (0, true),
        }
    }

    /// One update; `sums` must be given in the cycle after each read. Returns what is written, with its cycle.
    fn update(sim: &mut Simulator, neurons: usize, u: u64, sums: &[i64]) -> Vec<(u64, u64, i64, bool)> {
        let mut out = vec![];
        set(sim, "go", 1);
        for cycle in 0..(neurons as u64 - 1) * u + 4 {
            if cycle % u == 1 % u {
                let neuron = cycle.saturating_sub(1) / u;
                set_s(sim, "sum", sums[(neuron as usize).min(neurons - 1)]);
            }
            let reads = cycle % u == 0 && cycle / u < neurons as u64;
            assert_eq!(sim.peek("read").unwrap(), u64::from(reads), "cycle {cycle}");
            if sim.peek("write").unwrap() == 1 {
                let membrane = sim.probe("membrane").unwrap();
                let spike = sim.peek("spike").unwrap() == 1;
                out.push((cycle, sim.peek("neuron").unwrap(), sim.get_s(membrane), spike));
            }
            let last = cycle == (neurons as u64 - 1) * u + 3;
            assert_eq!(sim.peek("done").unwrap(), u64::from(last));
            sim.step().expect("no violation");
            set(sim, "go", 0);
        }
        assert_eq!(sim.peek("busy").unwrap(), 0, "the update ends");
        out
    }

    #[test]
    fn every_neuron_takes_the_golden_step_in_its_cycle() {
        for (seed, shape) in shapes().into_iter().enumerate() {
            let mut random = Random::new(seed as u64 + 40);
            let def = soma(&mut Library::new(), &shape).expect("a right description");
            for _ in 0..12 {
                let mut sim = Simulator::new(&def);
                let neurons = 1 + random.below(shape.neurons) as usize;
                let readouts = random.below(1 + shape.readouts.min(neurons as u64)) as usize;
                let first = neurons - readouts;
                let bits = 2 + random.below(u64::from(shape.membrane_bits) - 1) as u32;
                let limit = (1i64 << (bits - 1)) - 1;
                set(&mut sim, "neurons", neurons as u64);
                set(&mut sim, "integrators", if readouts > 0 { first as u64 } else { 0 });
                set(&mut sim, "readouts", readouts as u64);
                set(&mut sim, "membrane_max", limit as u64);
                let corner = |random: &mut Random, low: i64, high: i64| match random.below(5) {
                    0 => low,
                    1 => high,
                    2 => random.range(low.max(-2), high.min(2).max(low.max(-2))),
                    _ => random.range(low, high),
                };
                let parameters: Vec<_> = (0..neurons)
                    .map(|i| NeuronParameters {
                        decay: corner(&mut random, 0, 4096) as u16,
                        threshold: corner(&mut random, 1, limit.max(1)) as i32,
                        subtract: random.one_in(2),
                        integrator: i >= first,
                    })
                    .collect();
                let words: Vec<_> = parameters.iter().map(|&p| shape.widths.pack_parameters(p)).collect();
                let memory = sim.memory("parameters").unwrap();
                sim.load(memory, &words).unwrap();
                // Dirt, which the reset phase must clear.
                for name in ["membranes", "scores"] {
                    let memory = sim.memory(name).unwrap();
                    (0..sim.words(memory)).for_each(|i| sim.set_word(memory, i, 5));
                }
                set(&mut sim, "wipe", 1);
                for address in 0..1u64 << shape.accumulator_address() {
                    set(&mut sim, "wipe_address", address);
                    sim.step().expect("no violation");
                }
                set(&mut sim, "wipe", 0);
                let (mut v, mut scores) = (vec![0i64; neurons], vec![0i64; readouts]);
                let u = shape.neuron_interval();
                for step in 0..6 {
                    let largest = (1i64 << (shape.accumulator_bits - 1)) - 1;
                    let sums: Vec<_> =
                        (0..neurons).map(|_| corner(&mut random, -largest - 1, largest)).collect();
                    let written = update(&mut sim, neurons, u, &sums);
                    for i in 0..neurons {
                        let (next, spike) = golden(parameters[i], v[i], sums[i], limit);
                        v[i] = next;
                        let expected = (i as u64 * u + 3, i as u64, next, spike);
                        assert_eq!(written[i], expected, "step {step}, {:?}", parameters[i]);
                        if i >= first {
                            scores[i - first] += next;
                        }
                    }
                }
                for (i, &score) in scores.iter().enumerate() {
                    set(&mut sim, "readout", 1);
                    set(&mut sim, "readout_address", i as u64);
                    sim.step().expect("no violation");
                    let data = sim.probe("readout_data").unwrap();
                    assert_eq!(sim.get_s(data), score);
                }
            }
        }
    }

    #[test]
    fn an_update_within_another_is_a_violation() {
        let def = soma(&mut Library::new(), &shapes()[0]).expect("a right description");
        let mut sim = Simulator::new(&def);
        set(&mut sim, "neurons", 3);
        set(&mut sim, "go", 1);
        sim.step().expect("the first may start");
        assert_eq!(sim.step().unwrap_err().name, "go_when_free");
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        for shape in shapes() {
            lint(&soma(&mut Library::new(), &shape).expect("a right description"));
        }
    }
}
