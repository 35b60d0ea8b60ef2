//! The router: five ports, XY routing, credits, round robin (`hw/TIMING.md`, section 3).
//!
//! ```text
//!                         north
//!                       in  | ^ out
//!                         v |
//!                      +--------+
//!      west in ------->|        |-------> east out
//!      west out <------| router |<------- east in
//!                      |  x, y  |<------- local in      from the core
//!                      +--------+-------> local out     to the core
//!                         | ^
//!                     out v | in
//!                         south
//!
//!   every port:  in_valid, in_flit   ->   <- in_credit      (the port's buffer)
//!                out_valid, out_flit <-   -> out_credit     (a writer, see `link`)
//!
//!   A and B want one output, which holds one credit    c     c+1   c+2   c+3   c+4
//!   head of west          A .. A                      A
//!   head of north         B .. B                      B     B     B     B
//!   west_in_credit                                  __/~~\__________________
//!   east_out_flit                                            A           B
//!   east_out_credit                                 ______________/~~\______
//!   credits of east                                   1     0     0     1     0
//! ```
//!
//! In each cycle every output with a credit grants one of the heads that ask for it, the first at or after its pointer in
//! the order north, east, south, west, local; the pointer moves to the input after it. Outputs are independent.
//!
//! A flit never turns back the way it came, since XY never asks for it.
//!
//! Latency: a head in cycle c is the head of the next buffer in c + 2.
//! Throughput: one flit an output and cycle.
//! Limits: buffers of 1 to 1024 flits, of which 3 sustain a flit a cycle; columns and rows as wide as the platform's.
//! Undefined: targets outside the mesh (asserted by [`mesh`](super::mesh)); `x` and `y` that change.

use super::fifo::fifo;
use super::flit::Flit;
use super::link::Writer;
use crate::layout::Widths;
use crate::platform::Side;
use rtl::{Def, Errors, Library, Module, U};

/// Ports of a router, in the order of the round robin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// Toward y - 1.
    North,
    /// Toward x + 1.
    East,
    /// Toward y + 1.
    South,
    /// Toward x - 1.
    West,
    /// The core.
    Local,
}

impl Port {
    /// All ports.
    pub const ALL: [Self; 5] = [Self::North, Self::East, Self::South, Self::West, Self::Local];

    /// Name, as it stands before the port's signals.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["north", "east", "south", "west", "local"][self as usize]
    }

    /// The port on a side.
    #[must_use]
    pub fn of(side: Side) -> Self {
        match side {
            Side::North => Self::North,
            Side::East => Self::East,
            Side::South => Self::South,
            Side::West => Self::West,
        }
    }
}

/// A router whose inputs hold `buffer` flits, beside a core whose input port holds `core_buffer`.
///
/// # Errors
/// What is wrong with the description.
pub fn router(library: &mut Library, w: &Widths, buffer: u32, core_buffer: u32) -> Result<Def, Errors> {
    let fifo = fifo(library, buffer.into(), w.flit())?;
    let parameters = [
        ("x", w.x.into()),
        ("y", w.y.into()),
        ("axon", w.axon.into()),
        ("buffer", buffer.into()),
        ("core_buffer", core_buffer.into()),
    ];
    library.define("router", &parameters, |m| build(m, &fifo, w, buffer, core_buffer))
}

/// The head of an input.
struct Head<'m> {
    flit: U<'m>,
    /// For each output, whether it asks for it.
    asks: [U<'m>; 5],
}

fn build(m: &Module, fifo: &Def, w: &Widths, buffer: u32, core_buffer: u32) {
    m.doc("Router of a mesh: five ports, XY routing, credits, round robin.");
    let clear = m.input("clear", 1).doc("A sample begins: pointers go back to north.");
    let parity =
        m.input("parity", 1).doc("Lowest bit of the present step, for the assertions.").may_be_unused();
    let x = m.input("x", w.x).doc("Column of this router.");
    let y = m.input("y", w.y).doc("Row of this router.");

    let mut busy = clear;
    let buffers = Port::ALL.map(|port| m.instance(&format!("{}_buffer", port.name()), fifo));
    let heads = Port::ALL.map(|port| {
        let (side, buffer) = (port.name(), buffers[port as usize]);
        let valid = m.input(&format!("{side}_in_valid"), 1).doc("A flit is on the link.");
        let flit =
            m.input(&format!("{side}_in_flit"), w.flit()).doc("Axon, row, column, parity, from the top.");
        buffer.set("in_valid", valid).set("in_data", flit);
        let (present, word) = (buffer.u("out_valid"), buffer.u("out_data"));
        busy = busy | valid | present;
        let flit = m.unpack(&Flit::of(w), word);
        m.assert(
            &format!("{side}_parity"),
            !present | flit.parity.eq(parity),
            "a flit of another step is in the buffer",
        );
        let (east, west) = (flit.x.gt(x), flit.x.lt(x));
        let row = !east & !west;
        let (south, north) = (row & flit.y.gt(y), row & flit.y.lt(y));
        let local = row & !south & !north;
        let route = [north, east, south, west, local];
        let asks =
            Port::ALL.map(|to| (present & route[to as usize]).named(&format!("{side}_asks_{}", to.name())));
        Head { flit: word, asks }
    });

    let grants = Port::ALL.map(|port| {
        let side = port.name();
        let out = format!("{side}_out");
        let depth = if port == Port::Local { core_buffer } else { buffer };
        let writer = Writer::new(m, &out, depth);
        let pointer = m.reg(&format!("{side}_pointer"), 3, 0).doc("Input that is first in turn.");
        let asks = heads.each_ref().map(|head| head.asks[port as usize]);
        // Those at or after the pointer go first; among equals the lowest.
        let turns: [U<'_>; 5] = std::array::from_fn(|i| asks[i] & pointer.q.le(i as u64));
        let any_turn = any(&turns);
        let mut free = writer.ready;
        let grants: [U<'_>; 5] = std::array::from_fn(|i| {
            let wins = any_turn.mux(turns[i], asks[i]);
            let grant = free & wins;
            free = free & !wins;
            grant.named(&format!("{side}_grants_{}", Port::ALL[i].name()))
        });
        let send = any(&grants).named(&format!("{side}_send"));
        let flits: Vec<_> = (0..4).map(|i| (grants[i], heads[i].flit)).collect();
        let word = m.select(heads[4].flit, &flits);
        let next: Vec<_> = (0..4).map(|i| (grants[i], m.u(i as u64 + 1, 3))).collect();
        pointer.set_first(&[(clear, m.u(0, 3)), (send, m.select(m.u(0, 3), &next))]);
        let credit = m.input(&format!("{out}_credit"), 1).doc("The reader took a flit.");
        busy = busy | writer.drive(&out, send, word, credit);
        m.assert(&format!("{side}_one_grant"), at_most_one(m, &grants), "an output grants two inputs");
        grants
    });
    for port in Port::ALL {
        let (side, buffer) = (port.name(), buffers[port as usize]);
        buffer.set("pop", any(&grants.map(|of_output| of_output[port as usize])));
        m.output(&format!("{side}_in_credit"), buffer.u("credit")).doc("A flit is taken from the buffer.");
    }
    m.idle_when(!busy);
}

fn any<'m>(values: &[U<'m>; 5]) -> U<'m> {
    values[1..].iter().fold(values[0], |a, &b| a | b)
}

fn at_most_one<'m>(m: &'m Module, values: &[U<'m>; 5]) -> U<'m> {
    let (mut one, mut two) = (m.u(0, 1), m.u(0, 1));
    for &value in values {
        two = two | (one & value);
        one = one | value;
    }
    !two
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::test_link::{Links, Sink, Source};
    use super::*;
    use crate::blocks::test::lint;
    use crate::platform::{Platform, Structure};
    use proptest::prelude::*;
    use rtl::Simulator;

    /// A router at (2, 2) of a mesh of 5 x 5 with all its links.
    fn bench(depth: u32, core_depth: u32) -> Links {
        let mut platform = Platform::load("loihi").unwrap();
        (platform.mesh.width, platform.mesh.height) = (5, 5);
        let w = Widths::new(&platform, Structure::RingBuffer);
        let mut sim = Simulator::new(&router(&mut Library::new(), &w, depth, core_depth).unwrap());
        for input in ["x", "y"] {
            let input = sim.input(input).unwrap();
            sim.set(input, 2);
        }
        let names = Port::ALL.map(Port::name);
        let sources = names.map(|n| Source::new(&sim, &format!("{n}_in"), depth)).into();
        let sinks = Port::ALL
            .map(|p| {
                let depth = if p == Port::Local { core_depth } else { depth };
                Sink::new(&sim, &format!("{}_out", p.name()), depth)
            })
            .into();
        Links::new(sim, sources, sinks)
    }

    /// A flit that asks for a port; the tag goes into the axon.
    fn flit(port: Port, tag: u64) -> u64 {
        let (x, y) = [(2, 0), (4, 1), (2, 3), (1, 4), (2, 2)][port as usize];
        tag << 7 | y << 4 | x << 1
    }

    #[test]
    fn a_flit_alone_is_at_the_next_head_two_cycles_after_it_was_at_this_one() {
        for to in Port::ALL {
            let mut links = bench(3, 2);
            links.sources[3].waiting.push_back(flit(to, 9));
            links.run(8);
            // Sent in 0, head of the router's buffer in 2, granted, head of the next buffer in 4.
            assert_eq!(links.sinks[to as usize].taken, [(4, flit(to, 9))]);
        }
    }

    #[test]
    fn depth_sets_the_throughput() {
        for (depth, flits, cycles) in [(1, 20, 60), (2, 40, 60), (3, 60, 60), (4, 60, 60)] {
            let mut links = bench(depth, depth);
            links.sources[1].waiting.extend((0..100).map(|i| flit(Port::West, i)));
            links.run(10 + cycles);
            let taken = &links.sinks[Port::West as usize].taken;
            let count = taken.iter().filter(|t| (10..10 + cycles).contains(&t.0)).count();
            assert_eq!(count, flits, "depth {depth}");
        }
    }

    #[test]
    fn inputs_of_one_output_are_served_in_turn() {
        let mut links = bench(4, 4);
        for (i, source) in links.sources.iter_mut().enumerate() {
            source.waiting.extend((0..20).map(|n| flit(Port::Local, 100 * i as u64 + n)));
        }
        links.run(120);
        let order: Vec<_> = links.sinks[4].taken.iter().map(|t| (t.1 >> 7) / 100).collect();
        let expected: Vec<u64> = (0..100).map(|i| i % 5).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn a_blocked_output_holds_no_other() {
        let mut links = bench(2, 1);
        links.sources[0].waiting.extend((0..9).map(|n| flit(Port::Local, n)));
        links.sources[1].waiting.extend((0..9).map(|n| flit(Port::West, n)));
        // The core never takes anything.
        (0..40).for_each(|_| links.cycle(|i| i != 9));
        assert_eq!((links.sinks[4].taken.len(), links.sinks[3].taken.len()), (0, 9));
        assert_eq!(links.sources[0].sent.len(), 3, "one in the core's port, two in the router");
    }

    #[test]
    fn clear_sets_the_pointers_back() {
        let mut links = bench(4, 4);
        links.sources[2].waiting.push_back(flit(Port::East, 0));
        links.run(10);
        assert_eq!(links.sim.peek("east_pointer").unwrap(), 3);
        let clear = links.sim.input("clear").unwrap();
        links.sim.set(clear, 1);
        links.run(1);
        assert_eq!(links.sim.peek("east_pointer").unwrap(), 0);
    }

    #[test]
    fn a_flit_of_another_step_is_caught() {
        let mut links = bench(2, 2);
        let [valid, word] = ["south_in_valid", "south_in_flit"].map(|n| links.sim.input(n).unwrap());
        links.sim.set(valid, 1);
        links.sim.set(word, flit(Port::Local, 3) | 1);
        links.sim.step().unwrap();
        links.sim.set(valid, 0);
        assert_eq!(links.sim.step().unwrap_err().name, "south_parity");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn delivers_everything_in_order_for_each_pair(
            traffic in proptest::collection::vec((0..5usize, 0..5usize), 1..120),
            depth in 1u32..5,
            core_depth in 1u32..5,
            seed: u64,
        ) {
            let mut links = bench(depth, core_depth);
            for (tag, &(from, to)) in traffic.iter().enumerate() {
                links.sources[from].waiting.push_back(flit(Port::ALL[to], tag as u64));
            }
            links.drain(seed, 4000);
            for to in Port::ALL {
                for from in 0..5 {
                    let expected: Vec<_> = traffic
                        .iter()
                        .enumerate()
                        .filter(|(_, t)| **t == (from, to as usize))
                        .map(|(tag, _)| flit(to, tag as u64))
                        .collect();
                    let found: Vec<_> = links.sinks[to as usize]
                        .taken
                        .iter()
                        .map(|t| t.1)
                        .filter(|f| traffic[(f >> 7) as usize].0 == from)
                        .collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        let w = Widths::new(&Platform::load("loihi").unwrap(), Structure::RingBuffer);
        lint(&router(&mut Library::new(), &w, 1, 4).unwrap());
    }
}
