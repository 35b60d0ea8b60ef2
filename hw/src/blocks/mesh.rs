//! The mesh: routers in columns and rows, linked to their neighbours (`hw/TIMING.md`, sections 2 and 3).
//!
//! ```text
//!       injector                      x ->
//!          |                       y  core_0_0      core_1_0
//!   +------v-----+   +----------+  |     |             |
//!   | router_0_0 |===| router_1_0 | v    local ports: one for each core
//!   +-----||-----+   +----||----+
//!   | router_0_1 |===| router_1_1 |
//!   +------------+   +------------+
//!
//!   a flit over h links, alone
//!   cycle                            c     c+2                      c+2(h+1)    c+2(h+2)
//!   sent by the core                 1
//!   head of a router's buffer              first .. every 2 cycles  last
//!   head of the target's port                                                   here
//! ```
//!
//! [`Mesh`] places the routers in any module; [`mesh`] makes a module of them alone. Sides at the edge are open for
//! injectors; what is not connected is tied off, and no flit may ever go there (asserted). Routers may be left out.
//!
//! Order is kept for each pair of source and target.
//! XY routing has no cycle of waiting links, so there is no deadlock while cores take what comes.
//!
//! Latency: for a flit that meets no other 2 (h + 2) cycles from the cycle in which it is sent to the cycle in which it is
//! the head of the target's input port, over h links between routers.
//! Throughput: a flit a link and cycle with buffers of 3 flits or more; two in three cycles with 2, one in three with 1.
//! Limits: 1 to 64 columns and rows.
//! Undefined: a target outside the mesh (asserted where its flit leaves), a flit that is sent without a credit (asserted in
//! the buffer).

use super::router::{Port, router};
use crate::layout::Widths;
use crate::platform::Platform;
use rtl::{Def, Errors, Inst, Library, Module, U};

/// What a router gives at one of its ports.
#[derive(Clone, Copy)]
pub struct Outgoing<'m> {
    /// A flit is on the link.
    pub valid: U<'m>,
    /// The flit.
    pub flit: U<'m>,
    /// A flit was taken from the input buffer.
    pub credit: U<'m>,
}

/// Routers placed in a module, linked to each other. Every local port and every side at the edge is then either connected
/// or tied off.
pub struct Mesh<'m> {
    m: &'m Module,
    /// By row and column; some may be left out.
    routers: Vec<Option<Inst<'m>>>,
    width: u16,
    height: u16,
}

impl<'m> Mesh<'m> {
    /// Places routers named `router_X_Y` in a mesh of `width` x `height`: those whose place is `there`. A side toward one
    /// that is not is tied off.
    #[track_caller]
    pub fn new(
        m: &'m Module,
        router: &Def,
        w: &Widths,
        (width, height): (u16, u16),
        there: impl Fn(u16, u16) -> bool,
        clear: U<'m>,
        parity: U<'m>,
    ) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let routers = places.map(|(x, y)| {
            let place = (m.u(x.into(), w.x), m.u(y.into(), w.y));
            there(x, y).then(|| {
                let router = m.instance(&format!("router_{x}_{y}"), router);
                router.set("clear", clear).set("parity", parity).set("x", place.0).set("y", place.1)
            })
        });
        let mesh = Self { m, routers: routers.collect(), width, height };
        for y in 0..height {
            for x in 0..width {
                if x + 1 < width {
                    mesh.link((x, y, Port::East), (x + 1, y, Port::West));
                }
                if y + 1 < height {
                    mesh.link((x, y, Port::South), (x, y + 1, Port::North));
                }
            }
        }
        mesh
    }

    fn at(&self, x: u16, y: u16) -> Option<Inst<'m>> {
        self.routers[usize::from(y) * usize::from(self.width) + usize::from(x)]
    }

    fn router(&self, x: u16, y: u16) -> Inst<'m> {
        self.at(x, y).unwrap_or_else(|| panic!("router_{x}_{y} is left out"))
    }

    fn link(&self, a: (u16, u16, Port), b: (u16, u16, Port)) {
        for ((x, y, port), (to_x, to_y, to)) in [(a, b), (b, a)] {
            match (self.at(x, y), self.at(to_x, to_y)) {
                (Some(_), Some(_)) => self.connect(x, y, port, self.outgoing(to_x, to_y, to)),
                (Some(_), None) => self.tie_off(x, y, port),
                (None, _) => {}
            }
        }
    }

    /// Places of the routers, row by row.
    pub fn places(&self) -> impl Iterator<Item = (u16, u16)> {
        let all = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        all.filter(|&(x, y)| self.at(x, y).is_some())
    }

    /// What a router gives at a port.
    #[track_caller]
    pub fn outgoing(&self, x: u16, y: u16, port: Port) -> Outgoing<'m> {
        let (router, side) = (self.router(x, y), port.name());
        Outgoing {
            valid: router.u(&format!("{side}_out_valid")),
            flit: router.u(&format!("{side}_out_flit")),
            credit: router.u(&format!("{side}_in_credit")),
        }
    }

    /// Connects a port to what its neighbour gives.
    #[track_caller]
    pub fn connect(&self, x: u16, y: u16, port: Port, from: Outgoing<'m>) {
        let side = port.name();
        self.router(x, y)
            .set(&format!("{side}_in_valid"), from.valid)
            .set(&format!("{side}_in_flit"), from.flit)
            .set(&format!("{side}_out_credit"), from.credit);
    }

    /// Closes a port behind which nothing is.
    #[track_caller]
    pub fn tie_off(&self, x: u16, y: u16, port: Port) {
        let out = self.outgoing(x, y, port);
        let none = self.m.u(0, 1);
        let zero = self.m.u(0, out.flit.width());
        self.connect(x, y, port, Outgoing { valid: none, flit: zero, credit: none });
        self.closed(x, y, port);
    }

    /// Asserts that nothing leaves through a port.
    #[track_caller]
    pub fn closed(&self, x: u16, y: u16, port: Port) {
        let valid = self.outgoing(x, y, port).valid;
        let name = format!("nothing_leaves_{x}_{y}_{}", port.name());
        self.m.assert(&name, !valid, "a flit leaves where nothing is");
    }

    /// All sides at the edge, with the place of their router.
    pub fn edges(&self) -> impl Iterator<Item = (u16, u16, Port)> {
        let (width, height) = (self.width, self.height);
        let rows = (0..width).flat_map(move |x| [(x, 0, Port::North), (x, height - 1, Port::South)]);
        let all = rows.chain((0..height).flat_map(move |y| [(0, y, Port::West), (width - 1, y, Port::East)]));
        all.filter(|&(x, y, _)| self.at(x, y).is_some())
    }
}

/// The mesh of a platform as a module of its own. Ports: `core_X_Y_in_*` and `core_X_Y_out_*` (`valid`, `flit`, `credit`)
/// for the local port of each router, `injector_I_*` (`valid`, `flit`, `credit`) for each injector's side.
///
/// # Errors
/// What is wrong with the description.
pub fn mesh(library: &mut Library, platform: &Platform, w: &Widths) -> Result<Def, Errors> {
    let p = &platform.mesh;
    let router = router(library, w, p.router_buffer.into(), p.core_buffer.into())?;
    let m = Module::new("mesh", &[("width", p.width.into()), ("height", p.height.into())]);
    m.doc("Routers of a mesh; local ports and injectors' sides are open.");
    let clear = m.input("clear", 1).doc("A sample begins.");
    let parity = m.input("parity", 1).doc("Lowest bit of the present step.");
    let bits = w.flit();
    let mesh = Mesh::new(&m, &router, w, (p.width, p.height), |_, _| true, clear, parity);
    for y in 0..p.height {
        for x in 0..p.width {
            let name = format!("core_{x}_{y}");
            let out = mesh.outgoing(x, y, Port::Local);
            let from = Outgoing {
                valid: m.input(&format!("{name}_in_valid"), 1),
                flit: m.input(&format!("{name}_in_flit"), bits),
                credit: m.input(&format!("{name}_out_credit"), 1),
            };
            mesh.connect(x, y, Port::Local, from);
            m.output(&format!("{name}_in_credit"), out.credit);
            m.output(&format!("{name}_out_valid"), out.valid);
            m.output(&format!("{name}_out_flit"), out.flit);
        }
    }
    for (x, y, port) in mesh.edges() {
        let injector = p.injectors.iter().position(|i| (i.x, i.y, Port::of(i.side)) == (x, y, port));
        let Some(i) = injector else {
            mesh.tie_off(x, y, port);
            continue;
        };
        let from = Outgoing {
            valid: m.input(&format!("injector_{i}_valid"), 1),
            flit: m.input(&format!("injector_{i}_flit"), bits),
            credit: m.u(0, 1),
        };
        mesh.connect(x, y, port, from);
        mesh.closed(x, y, port);
        m.output(&format!("injector_{i}_credit"), mesh.outgoing(x, y, port).credit);
    }
    m.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::test_link::{Links, Sink, Source};
    use super::*;
    use crate::blocks::test::lint;
    use crate::layout::Target;
    use crate::platform::{Injector, Side, Structure};
    use proptest::prelude::*;
    use rtl::Simulator;

    fn platform(width: u16, height: u16, buffer: u16, core_buffer: u16) -> Platform {
        let mut p = Platform::load("loihi").unwrap();
        (p.mesh.width, p.mesh.height) = (width, height);
        (p.mesh.router_buffer, p.mesh.core_buffer) = (buffer, core_buffer);
        p.mesh.injectors = vec![Injector { x: width - 1, y: 0, side: Side::North }];
        p
    }

    /// A mesh with a source and a sink at each local port, and the injector as the last source.
    fn bench(platform: &Platform) -> (Links, Widths) {
        let w = Widths::new(platform, Structure::RingBuffer);
        let sim = Simulator::new(&mesh(&mut Library::new(), platform, &w).unwrap());
        let p = &platform.mesh;
        let (buffer, core_buffer) = (p.router_buffer.into(), p.core_buffer.into());
        let places = (0..p.height).flat_map(|y| (0..p.width).map(move |x| format!("core_{x}_{y}")));
        let places: Vec<_> = places.collect();
        let mut sources: Vec<_> =
            places.iter().map(|n| Source::new(&sim, &format!("{n}_in"), buffer)).collect();
        sources.push(Source::new(&sim, "injector_0", buffer));
        let sinks = places.iter().map(|n| Sink::new(&sim, &format!("{n}_out"), core_buffer)).collect();
        (Links::new(sim, sources, sinks), w)
    }

    fn flit(w: &Widths, width: u16, to: usize, tag: usize) -> u64 {
        let (x, y) = (to as u16 % width, to as u16 / width);
        w.pack_target(Target { x, y, axon: tag as u32 }) << 1
    }

    #[test]
    fn a_flit_alone_takes_two_cycles_a_link() {
        let platform = platform(3, 2, 2, 1);
        for from in 0..7usize {
            for to in 0..6usize {
                let (mut links, w) = bench(&platform);
                let word = flit(&w, 3, to, 5);
                links.sources[from].waiting.push_back(word);
                // The injector sits above (2, 0).
                let place = if from == 6 { 2 } else { from };
                let hops = (place % 3).abs_diff(to % 3) + (place / 3).abs_diff(to / 3);
                links.run(16);
                assert_eq!(links.sinks[to].taken, [(2 * (hops as u64 + 2), word)], "{from} to {to}");
            }
        }
    }

    #[test]
    fn a_target_outside_the_mesh_is_caught() {
        let (mut links, w) = bench(&platform(3, 2, 2, 1));
        links.sources[0].waiting.push_back(w.pack_target(Target { x: 3, y: 0, axon: 1 }) << 1);
        let mut outcome = Ok(());
        for _ in 0..20 {
            links.sources[0].drive(&mut links.sim);
            links.sources[0].clock(&mut links.sim, 0, true);
            outcome = outcome.and(links.sim.step());
        }
        assert_eq!(outcome.unwrap_err().name, "nothing_leaves_2_0_east");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]
        #[test]
        fn random_traffic_arrives_in_order_for_each_pair(
            (width, height) in (1u16..4, 1u16..4),
            buffer in 1u16..4,
            core_buffer in 1u16..3,
            traffic in proptest::collection::vec((any::<u16>(), any::<u16>()), 1..200),
            seed: u64,
        ) {
            let (mut links, w) = bench(&platform(width, height, buffer, core_buffer));
            let sites = usize::from(width * height);
            let pairs: Vec<_> =
                traffic.iter().map(|t| (usize::from(t.0) % (sites + 1), usize::from(t.1) % sites)).collect();
            for (tag, &(from, to)) in pairs.iter().enumerate() {
                links.sources[from].waiting.push_back(flit(&w, width, to, tag));
            }
            links.drain(seed, 20_000);
            for to in 0..sites {
                let tags: Vec<_> = links.sinks[to]
                    .taken
                    .iter()
                    .map(|t| w.target(t.1 >> 1).axon as usize)
                    .collect();
                for from in 0..=sites {
                    let expected: Vec<_> =
                        (0..pairs.len()).filter(|&tag| pairs[tag] == (from, to)).collect();
                    let found: Vec<_> = tags.iter().copied().filter(|&tag| pairs[tag].0 == from).collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        let platform = platform(3, 2, 2, 1);
        let w = Widths::new(&platform, Structure::RingBuffer);
        lint(&mesh(&mut Library::new(), &platform, &w).unwrap());
    }
}
