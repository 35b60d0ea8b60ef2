//! The mesh alone, under random traffic: how latency grows with load.
//!
//! The routers and links are those of a chip's run ([`crate::mesh`]). Every core offers flits in a Bernoulli
//! process, to cores drawn uniformly, itself included, and takes a flit a cycle. Flits wait in a source
//! queue without bound, and their latency counts from their creation. Each core draws from a stream of its
//! own, so that the traffic does not depend on the order in which the simulation asks.

use crate::mesh::{Endpoints, Flit, Mesh};
use crate::probe::{NoProbe, Probe};
use hw::platform::{Casting, Mesh as Shape};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;

/// What to simulate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    /// Columns, 1..=64.
    pub width: u16,
    /// Rows, 1..=64.
    pub height: u16,
    /// Depth of each router input buffer in flits.
    pub router_buffer: u16,
    /// Depth of each core's input port in flits.
    pub core_buffer: u16,
    /// Cycles before measuring.
    pub warmup: u64,
    /// Cycles in which flits are created that are measured.
    pub cycles: u64,
    /// Seed of the traffic.
    pub seed: u64,
}

/// What came of one load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Flits that each core offers a cycle.
    pub rate: f64,
    /// Flits that were offered and taken, warm-up included; they are equal, or flits were lost.
    pub offered: u64,
    /// See `offered`.
    pub taken: u64,
    /// Flits taken a core and cycle within the measured cycles.
    pub accepted: f64,
    /// Mean latency in cycles, from creation to being taken.
    pub latency: f64,
    /// Latency that 99 % of the flits do not exceed, in cycles; at most 65536.
    pub latency_p99: u64,
    /// Mean latency in cycles from being sent into the router.
    pub network_latency: f64,
    /// Mean number of routers that a flit passed.
    pub routers: f64,
    /// Routers passed by all flits: the work of the simulation.
    pub flit_hops: u64,
    /// Whether the mean latency is over [`SATURATED`].
    pub saturated: bool,
}

/// Mean latency in cycles above which a load counts as more than the mesh carries, as in `BookSim2`.
pub const SATURATED: f64 = 500.0;

/// Runs one load until every flit is taken.
///
/// # Panics
/// If the rate is not within 0..=1, or a size is 0 or above its limit.
#[must_use]
pub fn measure(setup: &Setup, rate: f64) -> Point {
    assert!((0.0..=1.0).contains(&rate), "a rate of {rate} flits a cycle");
    let shape = Shape {
        width: setup.width,
        height: setup.height,
        router_buffer: setup.router_buffer,
        core_buffer: setup.core_buffer,
        barrier_latency: 1,
        casting: Casting::Unicast,
        injectors: Vec::new(),
    };
    let mut mesh = Mesh::new(&shape);
    let mut traffic = Traffic::new(setup, rate, mesh.routers);
    for source in 0..mesh.routers {
        mesh.prime(source, &mut traffic, &mut NoProbe);
    }
    mesh.run(&mut traffic, &mut NoProbe);
    let measured = traffic.measured.max(1) as f64;
    let latency = traffic.latency as f64 / measured;
    Point {
        rate,
        offered: traffic.offered,
        taken: traffic.taken,
        accepted: traffic.within as f64 / (mesh.routers as f64 * setup.cycles as f64),
        latency,
        latency_p99: traffic.percentile(99),
        network_latency: latency - traffic.queued as f64 / measured,
        routers: (mesh.hops() + traffic.taken) as f64 / traffic.taken.max(1) as f64,
        flit_hops: mesh.hops() + traffic.taken,
        saturated: latency > SATURATED,
    }
}

/// The highest load that the mesh carries and the lowest that it does not, `within` apart at most.
#[must_use]
pub fn saturation(setup: &Setup, mut carried: f64, mut not: f64, within: f64) -> (f64, f64) {
    while not - carried > within {
        let rate = f64::midpoint(carried, not);
        if measure(setup, rate).saturated {
            not = rate;
        } else {
            carried = rate;
        }
    }
    (carried, not)
}

/// One core as it offers and takes flits.
#[derive(Debug, Clone)]
struct Terminal {
    random: ChaCha8Rng,
    /// Cycle in which its next flit is created.
    created: u64,
    /// First cycle in which it can send, and in which its port can take.
    ready: u64,
    port: u64,
}

struct Traffic {
    terminals: Vec<Terminal>,
    width: u64,
    /// ln(1 - rate).
    log: f64,
    warmup: u64,
    end: u64,
    offered: u64,
    taken: u64,
    /// Flits taken within the measured cycles.
    within: u64,
    /// Cycles that measured flits waited in their source queues.
    queued: u64,
    /// Measured flits, their latencies added up, and how many had which; what is longer stands in the last.
    measured: u64,
    latency: u64,
    latencies: Vec<u64>,
}

/// Latencies that are told apart, in cycles.
const LONGEST: usize = 1 << 16;

impl Traffic {
    fn new(setup: &Setup, rate: f64, routers: usize) -> Self {
        let log = (-rate).ln_1p();
        let terminals = (0..routers as u64)
            .map(|i| {
                let mut random = ChaCha8Rng::seed_from_u64(setup.seed);
                random.set_stream(i);
                let created = gap(&mut random, log);
                Terminal { random, created, ready: 0, port: 0 }
            })
            .collect();
        Self {
            terminals,
            width: setup.width.into(),
            log,
            warmup: setup.warmup,
            end: setup.warmup + setup.cycles,
            offered: 0,
            taken: 0,
            within: 0,
            queued: 0,
            measured: 0,
            latency: 0,
            latencies: vec![0; LONGEST + 1],
        }
    }
}

impl Traffic {
    /// The latency that so many percent of the measured flits do not exceed.
    fn percentile(&self, percent: u64) -> u64 {
        let mut left = (self.measured * percent).div_ceil(100);
        let found = self.latencies.iter().position(|&n| {
            let here = n >= left;
            left = left.saturating_sub(n);
            here
        });
        found.unwrap_or(0) as u64
    }
}

/// Cycles without a flit before the next one: geometric, of the rate whose `ln(1 - rate)` is given.
fn gap(random: &mut ChaCha8Rng, log: f64) -> u64 {
    // In (0, 1], so that the logarithm is finite.
    let uniform = ((random.next_u64() >> 11) + 1) as f64 * (-53f64).exp2();
    // A cast saturates: a rate of 0 gives a flit that never comes.
    (uniform.ln() / log) as u64
}

impl Endpoints for Traffic {
    fn next<P: Probe>(&mut self, source: usize, credit: u64, _probe: &mut P) -> Option<(Flit, u64)> {
        let routers = self.terminals.len() as u64;
        let terminal = &mut self.terminals[source];
        let created = terminal.created;
        if created >= self.end {
            return None;
        }
        let to = (u64::from(terminal.random.next_u32()) * routers) >> 32;
        terminal.created = created.saturating_add(1).saturating_add(gap(&mut terminal.random, self.log));
        let sent = created.max(terminal.ready).max(credit);
        terminal.ready = sent + 1;
        self.offered += 1;
        if created >= self.warmup {
            self.queued += sent - created;
        }
        Some((Flit::new(created as u32, (to % self.width) as u8, (to / self.width) as u8), sent))
    }

    fn take<P: Probe>(&mut self, router: usize, flit: Flit, visible: u64, _probe: &mut P) -> u64 {
        let terminal = &mut self.terminals[router];
        let taken = visible.max(terminal.port);
        terminal.port = taken + 1;
        self.taken += 1;
        self.within += u64::from((self.warmup..self.end).contains(&taken));
        // A flit carries the cycle of its creation where a spike's carries its axon.
        let created = u64::from(flit.axon());
        if created >= self.warmup {
            self.measured += 1;
            self.latency += taken - created;
            self.latencies[(taken - created).min(LONGEST as u64) as usize] += 1;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETUP: Setup =
        Setup { width: 8, height: 8, router_buffer: 4, core_buffer: 4, warmup: 500, cycles: 3000, seed: 42 };

    #[test]
    fn no_flit_is_lost_at_any_load() {
        for (width, height, router_buffer, rate) in
            [(8, 8, 4, 0.1), (8, 8, 4, 0.6), (3, 7, 1, 0.9), (1, 1, 2, 1.0), (64, 2, 3, 0.02)]
        {
            let setup = Setup { width, height, router_buffer, cycles: 600, ..SETUP };
            let point = measure(&setup, rate);
            assert_eq!(point.offered, point.taken, "{setup:?} at {rate}");
            let expected = rate * f64::from(width) * f64::from(height) * 1100.0;
            let spread = 6.0 * expected.sqrt();
            assert!((point.offered as f64 - expected).abs() <= spread, "{point:?}, expected {expected}");
        }
    }

    #[test]
    fn latency_without_load_is_two_cycles_a_router_and_two_links_more() {
        let point = measure(&Setup { cycles: 20_000, ..SETUP }, 0.001);
        // A link into the mesh, one for each router passed: 2 (h + 2) for h hops between h + 1 routers.
        let expected = 2.0 * (point.routers + 1.0);
        assert!((point.latency - expected).abs() < 0.05, "{point:?}, expected {expected}");
        assert!((point.routers - 6.25).abs() < 0.2, "two times 2.625 links on average, and one: {point:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_traffic_and_another_gives_another() {
        let point = measure(&SETUP, 0.15);
        assert_eq!(point, measure(&SETUP, 0.15));
        assert_ne!(point, measure(&Setup { seed: 43, ..SETUP }, 0.15));
    }

    #[test]
    fn a_load_that_the_mesh_cannot_carry_is_saturated() {
        let setup = Setup { cycles: 20_000, ..SETUP };
        assert!(!measure(&setup, 0.22).saturated);
        let above = measure(&setup, 0.5);
        assert!(above.saturated && above.accepted < 0.5, "{above:?}");
    }
}
