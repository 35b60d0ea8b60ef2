//! One side of `scripts/bench_rtl.sh`: a design for both simulators, its Verilog, and a run of it here.
//!
//! ```text
//! bench_rtl emit COPIES DIRECTORY
//! bench_rtl run COPIES all|sparse CYCLES jit|checked|interpreter
//! ```
//! A run prints `HASH CYCLES SECONDS FIRST_CYCLE_SECONDS`; the hash covers the outputs of every cycle.

use rtl::{Def, Errors, Module, ReadDuringWrite, Simulator, verilog};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// Accumulators of 64 neurons for 64 steps: an event is one read-modify-write, a step reads and clears its slot.
fn ring() -> Result<Def, Errors> {
    let m = Module::new("ring", &[("slots", 64), ("neurons", 64)]);
    let event = m.input("event", 1);
    let step = m.input("step", 1);
    let last = m.input("last", 1);
    let (neuron, delay, weight) = (m.input("neuron", 6), m.input("delay", 6), m.input_s("weight", 8));
    let head = m.reg("head", 6, 0);
    head.set_if(last, head.q + 1);
    let slot = step.mux(head.q, head.q + delay);
    let address = neuron.cat(slot);
    let sums = m.memory_1r1w("sums", 64 * 64, 16, ReadDuringWrite::Forward);
    let sum = sums.read(address, event | step).as_s();
    let adds = m.delayed("adds", event);
    let clears = m.delayed("clears", step);
    let to = m.reg("to", 12, 0);
    to.set_if(event | step, address);
    let held = m.reg_s("held", 8, 0);
    held.set_if(event, weight);
    let added = sum.add_wide(held.q.sext(16)).saturate(16);
    sums.write(to.q, adds | clears, clears.mux(m.s(0, 16), added).as_u());
    m.output("sum", sum);
    m.output("valid", clears);
    m.idle_when(!event & !step & !last & !adds & !clears);
    m.finish()
}

/// 64 leaky integrate-and-fire neurons that share one datapath.
fn lif() -> Result<Def, Errors> {
    let m = Module::new("lif", &[("neurons", 64)]);
    let read = m.input("read", 1);
    let neuron = m.input("neuron", 6);
    let valid = m.input("valid", 1);
    let sum = m.input_s("sum", 16);
    let potentials = m.memory_1r1w("potentials", 64, 16, ReadDuringWrite::OldData);
    let v = potentials.read(neuron, read).as_s();
    let at = m.reg("at", 6, 0);
    at.set_if(read, neuron);
    let leaked = v - (v >> 4);
    let next = leaked.add_wide(sum).saturate(16);
    let spike = next.ge(300);
    let kept = spike.mux(m.s(0, 16), next);
    potentials.write(at.q, valid, kept.as_u());
    let spikes = m.reg("spikes", 16, 0);
    spikes.set_if(valid & spike, spikes.q + 1);
    let hash = m.reg("hash", 32, 1);
    hash.set_if(valid, (hash.q << 5 | hash.q >> 27) ^ kept.as_u().cat(spikes.q));
    m.output("hash", hash.q);
    m.idle_when(!read & !valid);
    m.finish()
}

/// Both, with the counter that walks through the neurons at a tick.
fn core(ring: &Def, lif: &Def) -> Result<Def, Errors> {
    let m = Module::new("core", &[]);
    let (event, tick) = (m.input("event", 1), m.input("tick", 1));
    let (neuron, delay, weight) = (m.input("neuron", 6), m.input("delay", 6), m.input_s("weight", 8));
    let stepping = m.reg("stepping", 1, 0);
    let count = m.reg("count", 6, 0);
    let last = stepping.q & count.q.all();
    stepping.set_first(&[(last, m.u(0, 1)), (tick, m.u(1, 1))]);
    count.set_if(stepping.q, count.q + 1);
    let at = stepping.q.mux(count.q, neuron);
    let ring = m.instance("ring", ring);
    ring.set("event", event & !stepping.q).set("step", stepping.q).set("last", last);
    ring.set("neuron", at).set("delay", delay).set("weight", weight);
    let lif = m.instance("lif", lif).set("read", stepping.q).set("neuron", count.q);
    lif.set("valid", ring.u("valid")).set("sum", ring.s("sum"));
    m.output("hash", lif.u("hash"));
    // The ring writes in the cycle after an event.
    let writes = m.delayed("writes", event | stepping.q);
    m.idle_when(!event & !tick & !stepping.q & !writes);
    m.finish()
}

/// Copies that all get each event (turned a little), or only the one that is picked, if it is there.
fn top(copies: u64) -> Result<Def, Errors> {
    let core = core(&ring()?, &lif()?)?;
    let m = Module::new("bench", &[("copies", copies)]);
    let (event, tick, all) = (m.input("event", 1), m.input("tick", 1), m.input("all", 1));
    let picked = m.input("picked", 6);
    let (neuron, delay, weight) = (m.input("neuron", 6), m.input("delay", 6), m.input_s("weight", 8));
    let mut sum = m.u(0, 32);
    for i in 0..copies {
        let on = all | picked.eq(i);
        let copy = m.instance(&format!("core{i}"), &core);
        copy.set("event", event & on).set("tick", tick & on).set("delay", delay);
        copy.set("neuron", neuron ^ m.u(i, 6)).set("weight", weight + m.s(i as i64 % 7, 8));
        sum = sum + (copy.u("hash") ^ m.u(i, 32));
    }
    let total = m.reg("total", 32, 0);
    total.set(sum);
    m.output("total", total.q);
    m.finish()
}

fn run(copies: u64, all: bool, cycles: u64, engine: &str) -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let def = top(copies)?;
    let mut sim = match engine {
        "jit" => Simulator::new(&def).without_checks(),
        "checked" => Simulator::new(&def),
        "interpreter" => Simulator::interpreted(&def).without_checks(),
        _ => return Err(format!("engine {engine}: jit, checked or interpreter").into()),
    };
    sim.step()?;
    let total = sim.probe("total")?;
    black_box(sim.get(total));
    let first = start.elapsed().as_secs_f64();
    sim.reset();
    let [event, tick, picked, neuron, delay, weight] =
        ["event", "tick", "picked", "neuron", "delay", "weight"].map(|n| sim.input(n));
    let (event, tick, picked, neuron, delay, weight) = (event?, tick?, picked?, neuron?, delay?, weight?);
    let input = sim.input("all")?;
    sim.set(input, all.into());
    let (mut random, mut hash) = (0x9e37_79b9_7f4a_7c15u64, 0u64);
    let start = Instant::now();
    for cycle in 0..cycles {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        sim.set(event, u64::from(random & 3 != 0));
        sim.set(neuron, random >> 8 & 63);
        sim.set(delay, random >> 16 & 63);
        sim.set_s(weight, i64::from((random >> 24) as u8 & 127) - 48);
        sim.set(tick, u64::from(cycle & 255 == 128));
        sim.set(picked, cycle >> 8 & 63);
        sim.step()?;
        hash = hash.wrapping_mul(31).wrapping_add(sim.get(total));
    }
    println!("{hash:016x} {cycles} {:.6} {first:.6}", start.elapsed().as_secs_f64());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["emit", copies, directory] => {
            verilog::emit(&top(copies.parse()?)?).write_to(Path::new(directory), |_| None)?;
            Ok(())
        }
        ["run", copies, load @ ("all" | "sparse"), cycles, engine] => {
            run(copies.parse()?, load == "all", cycles.parse()?, engine)
        }
        _ => Err("usage: bench_rtl emit COPIES DIRECTORY | run COPIES all|sparse CYCLES ENGINE".into()),
    }
}
