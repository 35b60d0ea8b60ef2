//! Sender: turns the spikes of a step into flits, one for each route entry (`TIMING.md` section 6).
//!
//! ```text
//!                      +-------------------+
//!  in_valid, neuron--->| route_index (1rw) |---> out_valid
//!               pop <--| routes (1rw)      |===> out_flit
//!            parity--->| credits           |---> sent, busy
//!                      |                   |<--- out_credit
//!                      +-------------------+
//!
//!   a spike of two routes (p: row addressed, g: first entry addressed), then one of one route
//!   cycle        p      p+1=g  g+1    g+2    g+3
//!   pop          1      1
//!   route_index         row A  row B
//!   routes                     A0     A1     B0
//!   sent                       1      1      1
//!   out_flit                          A0     A1
//! ```
//! Two stages: a row of the route index that waits at its memory's output, and the route entry that waits at its. The next entry
//! is addressed in the cycle in which the one before is sent, so that flits follow each other without a gap over entries and
//! spikes. A spike without routes takes one empty place.
//!
//! Latency: a spike at the head in c has its first flit sent in c+2, on the link in c+3.
//! Throughput: a flit a cycle as credits allow.
//! Limits: as many rows and entries as the platform has; the entries of a spike lie one after the other.
//! Undefined: a row that points beyond the entries, `parity` that changes while a spike is sent, a credit that was never
//! spent (asserted).

use super::credits::Credits;
use super::shape::{Shape, at_least_two, fit};
use rtl::{Def, Errors, Library, bits_for};

/// The sender of a core.
///
/// # Errors
/// What is wrong with the description.
pub fn sender(library: &mut Library, shape: &Shape) -> Result<Def, Errors> {
    let w = shape.widths;
    let parameters = [
        ("neurons", shape.neurons),
        ("routes", shape.routes),
        ("x", w.x.into()),
        ("y", w.y.into()),
        ("axon", w.axon.into()),
        ("credits", shape.output_depth),
    ];
    library.define("sender", &parameters, |m| {
        m.doc("Sends a flit for each route entry of each spike.");
        let count_bits = w.route_address;
        let in_valid = m.input("in_valid", 1).doc("A spike is at the head of its FIFO.");
        let neuron = m.input("neuron", w.neuron).doc("Its neuron.");
        let parity = m.input("parity", 1).doc("Lowest bit of the step.");
        let out_credit = m.input("out_credit", 1).doc("The router took a flit.");
        let waiting = m.reg("waiting", 1, 0).doc("A row of the route index waits.");
        let active = m.reg("active", 1, 0).doc("A spike's flits are being sent.");
        let remaining = m.reg("remaining", count_bits, 0).doc("Flits of it that are not yet sent.");
        let next = m.reg("next_route", count_bits, 0).doc("Entry that is addressed next.");
        let credits = Credits::new(m, "credits", shape.output_depth);

        let index = m.memory_1rw("route_index", at_least_two(shape.neurons), 2 * count_bits).loadable();
        let entries = m.memory_1rw("routes", at_least_two(shape.routes), w.x + w.y + w.axon).loadable();
        let send = (active.q & remaining.q.any() & credits.usable).named("send").doc("A flit is sent.");
        let is_last = remaining.q.le(1);
        let finish = active.q & is_last & (send | !remaining.q.any());
        let enter =
            (waiting.q & (!active.q | finish)).named("enter").doc("A spike's first entry is addressed.");
        let pop = (in_valid & (!waiting.q | enter)).named("pop").doc("The spike is taken.");
        let row = index.read(neuron, pop).named("row").doc("Base and count from the lowest bit up.");
        let (base, count) = (row.slice(0..count_bits), row.slice(count_bits..2 * count_bits));
        let read =
            ((enter & count.any()) | (send & !is_last)).named("read").doc("A route entry is addressed.");
        let address = enter.mux(base, next.q);
        let target = entries.read(fit(address, bits_for(shape.routes)), read);
        next.set_if(read, address + 1);
        waiting.set_first(&[(pop, m.u(1, 1)), (enter, m.u(0, 1))]);
        active.set_first(&[(enter, m.u(1, 1)), (finish, m.u(0, 1))]);
        remaining.set_first(&[(enter, count), (send, remaining.q - 1)]);
        credits.drive("credits", send, out_credit);

        let out_valid = m.delayed("out_valid", send).doc("A flit is on the link.");
        let out_flit = m.reg("out_flit", shape.flit(), 0).doc("Parity, x, y, axon from the lowest bit up.");
        out_flit.set_if(send, target.cat(parity));
        m.idle_when(!in_valid & !waiting.q & !active.q & !out_valid & !out_credit);
        m.output("pop", pop);
        m.output("out_valid", out_valid);
        m.output("out_flit", out_flit.q);
        m.output("sent", send);
        m.output("busy", waiting.q | active.q).doc("A spike is on its way through.");
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{Random, lint, set, shapes};
    use crate::layout::{RouteRow, Target};
    use rtl::Simulator;

    #[test]
    fn flits_are_sent_in_the_cycles_of_the_timing_under_random_credits() {
        let shape = shapes()[0];
        let def = sender(&mut Library::new(), &shape).expect("a right description");
        for seed in 1..30 {
            let mut random = Random::new(seed);
            let (mut rows, mut entries) = (vec![], vec![]);
            for neuron in 0..shape.neurons {
                let count = random.below(4).min(shape.routes - entries.len() as u64) as u32;
                rows.push(RouteRow { base: entries.len() as u32, count });
                for i in 0..count {
                    let axon = (neuron as u32 + i) % 11;
                    entries.push(Target { x: (i % 3) as u16, y: (neuron % 2) as u16, axon });
                }
            }
            let mut sim = Simulator::new(&def);
            let index: Vec<_> = rows.iter().map(|&r| shape.widths.pack_route_row(r)).collect();
            let words: Vec<_> = entries.iter().map(|&t| shape.widths.pack_target(t)).collect();
            for (name, words) in [("route_index", index), ("routes", words)] {
                let memory = sim.memory(name).unwrap();
                sim.load(memory, &words).unwrap();
            }
            // Spikes by the cycle from which they are visible.
            let mut spikes: Vec<(u64, usize)> = vec![];
            let mut at = 0;
            for neuron in 0..shape.neurons as usize {
                at += 1 + random.below(3);
                spikes.push((at, neuron));
            }
            let (mut got, mut busy, mut returned) = (vec![], vec![], vec![]);
            let (mut head, mut on_link) = (0, 0);
            for cycle in 0..120 {
                let visible = spikes.get(head).filter(|s| s.0 <= cycle);
                set(&mut sim, "in_valid", visible.is_some().into());
                set(&mut sim, "neuron", visible.map_or(0, |s| s.1 as u64));
                set(&mut sim, "parity", seed & 1);
                let credit = on_link > 0 && random.one_in(1 + seed % 4);
                set(&mut sim, "out_credit", credit.into());
                let sent = sim.peek("sent").unwrap() == 1;
                if credit {
                    returned.push(cycle);
                    on_link -= 1;
                }
                on_link += u64::from(sim.peek("out_valid").unwrap() == 1);
                head += usize::from(sim.peek("pop").unwrap() == 1);
                if visible.is_some() || sim.peek("busy").unwrap() == 1 {
                    busy.push(cycle);
                }
                sim.step().expect("no violation");
                if sent {
                    assert_eq!(sim.peek("out_valid").unwrap(), 1);
                    got.push((cycle, sim.peek("out_flit").unwrap()));
                }
            }
            let expected = crate::blocks::test::sends(&shape, &spikes, &rows, &entries, &returned, seed & 1);
            assert_eq!(got, expected.flits, "seed {seed}");
            assert_eq!(busy, expected.busy, "seed {seed}");
        }
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        lint(&sender(&mut Library::new(), &shapes()[0]).expect("a right description"));
    }
}
