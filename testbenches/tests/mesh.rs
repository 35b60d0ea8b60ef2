//! The mesh against a plain one, written from `hw/TIMING.md` line by line: every router in every cycle.

use hw::platform::{Casting, Mesh as Shape};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};
use sim::mesh::{Endpoints, Flit, Mesh};
use sim::probe::{NoProbe, Probe};
use std::collections::VecDeque;
use testbenches::random::{cases, fresh_seed, rng};

/// What a test does: flits by the core that sends them, each with the first cycle in which it may go,
/// and how many cycles each core needs for a flit.
#[derive(Debug, Clone)]
struct Case {
    shape: Shape,
    flits: Vec<Vec<(u64, usize)>>,
    pace: Vec<u64>,
}

fn case() -> impl Strategy<Value = Case> {
    (1..6u16, 1..6u16, 1..5u16, 1..5u16).prop_flat_map(|(width, height, router_buffer, core_buffer)| {
        let routers = usize::from(width * height);
        let flits = vec(vec((0..60u64, 0..routers), 0..25), routers);
        (flits, vec(1..9u64, routers)).prop_map(move |(mut flits, pace)| {
            flits.iter_mut().for_each(|f| f.sort_by_key(|f| f.0));
            let shape = Shape {
                width,
                height,
                router_buffer,
                core_buffer,
                barrier_latency: 1,
                casting: Casting::Unicast,
                injectors: Vec::new(),
            };
            Case { shape, flits, pace }
        })
    })
}

/// (core, flit, cycle in which it is taken), sorted.
type Taken = Vec<(usize, u32, u64)>;

/// The simulator's mesh on a case.
struct Ends<'a> {
    case: &'a Case,
    next: Vec<usize>,
    ready: Vec<u64>,
    port: Vec<u64>,
    taken: Taken,
}

impl Endpoints for Ends<'_> {
    fn next<P: Probe>(&mut self, source: usize, credit: u64, _: &mut P) -> Option<(Flit, u64)> {
        let width = usize::from(self.case.shape.width);
        let number = self.next[source];
        let &(from, to) = self.case.flits[source].get(number)?;
        self.next[source] += 1;
        let sent = from.max(self.ready[source]).max(credit);
        self.ready[source] = sent + 1;
        let name = (source * 100 + number) as u32;
        Some((Flit::new(name, (to % width) as u8, (to / width) as u8), sent))
    }

    fn take<P: Probe>(&mut self, router: usize, flit: Flit, visible: u64, _: &mut P) -> u64 {
        let taken = visible.max(self.port[router]);
        self.port[router] = taken + self.case.pace[router];
        self.taken.push((router, flit.axon(), taken));
        taken
    }
}

/// `expect`: whether the mesh is told all flows, so that buffers where nothing contends may run alone.
fn simulate(case: &Case, expect: bool) -> (Taken, [u64; 3]) {
    let n = case.flits.len();
    let mut mesh = Mesh::new(&case.shape);
    if expect {
        let width = usize::from(case.shape.width);
        let flows = |source: usize| {
            case.flits[source].iter().map(move |f| (source, (f.1 % width) as u8, (f.1 / width) as u8))
        };
        mesh.expect((0..n).flat_map(flows));
    }
    let mut ends = Ends { case, next: vec![0; n], ready: vec![0; n], port: vec![0; n], taken: Vec::new() };
    for source in 0..n {
        mesh.prime(source, &mut ends, &mut NoProbe);
    }
    mesh.run(&mut ends, &mut NoProbe);
    ends.taken.sort_unstable();
    (ends.taken, [mesh.hops(), mesh.stalls(), mesh.grant_stalls()])
}

/// A flit in a buffer: name, target, cycle from which it can be at the head.
type Waiting = VecDeque<(u32, usize, u64)>;

/// What is taken when; hops, cycles that heads waited, and of these those in which another was granted.
fn plain(case: &Case) -> (Taken, [u64; 3]) {
    let (w, h) = (usize::from(case.shape.width), usize::from(case.shape.height));
    let n = w * h;
    let depth = |port: usize| if port == 5 { case.shape.core_buffer } else { case.shape.router_buffer };
    // Buffers 0..5 are a router's inputs (north, east, south, west, local), 5 is the core's port.
    let mut buffers: Vec<[Waiting; 6]> = vec![Default::default(); n];
    // A writer's credits, by the buffer that it fills: those usable now, those from the next cycle on.
    let mut credits: Vec<[u16; 6]> = vec![std::array::from_fn(depth); n];
    let mut turn = vec![[0usize; 5]; n];
    let mut next = vec![0usize; n];
    let mut port = vec![0u64; n];
    let (mut taken, mut hops, mut stalls, mut outdone) = (Taken::new(), 0, 0, 0);
    let all: usize = case.flits.iter().map(Vec::len).sum();
    let mut now = 0;
    while taken.len() < all {
        assert!(now < 1_000_000, "flits do not get through");
        let mut sends: Vec<(usize, usize, u32, usize)> = Vec::new();
        let mut returns: Vec<(usize, usize)> = Vec::new();
        for r in 0..n {
            let (x, y) = (r % w, r / w);
            // The buffer behind each output.
            let behind = |out: usize| match out {
                0 => (r.wrapping_sub(w), 2),
                1 => (r + 1, 3),
                2 => (r + w, 0),
                3 => (r.wrapping_sub(1), 1),
                _ => (r, 5),
            };
            let route = |to: usize| match (to % w, to / w) {
                (tx, _) if tx > x => 1,
                (tx, _) if tx < x => 3,
                (_, ty) if ty > y => 2,
                (_, ty) if ty < y => 0,
                _ => 4,
            };
            let wants: Vec<_> =
                (0..5).map(|i| buffers[r][i].front().filter(|f| f.2 <= now).map(|f| route(f.1))).collect();
            for (out, turn) in turn[r].iter_mut().enumerate() {
                let (to, input) = behind(out);
                let chosen = (0..5).map(|i| (*turn + i) % 5).find(|&i| wants[i] == Some(out));
                let asking = wants.iter().filter(|w| **w == Some(out)).count() as u64;
                let Some(i) = chosen.filter(|_| credits.get(to).is_some_and(|c| c[input] > 0)) else {
                    stalls += asking;
                    continue;
                };
                stalls += asking - 1;
                outdone += asking - 1;
                *turn = (i + 1) % 5;
                let (name, target, _) = buffers[r][i].pop_front().expect("a head");
                returns.push((r, i));
                sends.push((to, input, name, target));
                hops += u64::from(out != 4);
            }
            if let Some(&(from, to)) = case.flits[r].get(next[r])
                && from <= now
                && credits[r][4] > 0
            {
                sends.push((r, 4, (r * 100 + next[r]) as u32, to));
                next[r] += 1;
            }
            if buffers[r][5].front().is_some_and(|f| f.2 <= now) && port[r] <= now {
                let (name, ..) = buffers[r][5].pop_front().expect("a head");
                returns.push((r, 5));
                taken.push((r, name, now));
                port[r] = now + case.pace[r];
            }
        }
        for (to, input, name, target) in sends {
            credits[to][input] -= 1;
            buffers[to][input].push_back((name, target, now + 2));
        }
        for (r, i) in returns {
            credits[r][i] += 1;
        }
        now += 1;
    }
    taken.sort_unstable();
    (taken, [hops, stalls, outdone])
}

/// A mesh gives every flit in the cycle in which a plain one does, whether it is told the flows or not.
fn as_a_plain_mesh(case: &Case) -> Result<(), TestCaseError> {
    let plain = plain(case);
    prop_assert_eq!(&simulate(case, false), &plain);
    prop_assert_eq!(&simulate(case, true), &plain);
    Ok(())
}

fn any_flits(cases: u32, rng: TestRng) {
    TestRunner::new_with_rng(testbenches::keeping(cases), rng)
        .run(&case(), |case| as_a_plain_mesh(&case))
        .unwrap_or_else(|e| panic!("{e}"));
}

/// Few cores send to few, so that buffers run alone.
fn few_flows(cases: u32, rng: TestRng) {
    let strategy = (case(), vec(0..25usize, 1..4), vec(0..25usize, 1..4));
    TestRunner::new_with_rng(testbenches::keeping(cases), rng)
        .run(&strategy, |(mut case, senders, targets)| {
            let n = case.flits.len();
            let target = |to: usize| targets[to % targets.len()] % n;
            case.flits.iter_mut().flatten().for_each(|f| f.1 = target(f.1));
            for core in (0..n).filter(|c| !senders.contains(c)) {
                case.flits[core].clear();
            }
            as_a_plain_mesh(&case)
        })
        .unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn every_flit_is_taken_in_the_cycle_in_which_a_plain_mesh_gives_it_for_a_fixed_seed() {
    any_flits(cases(300), rng(41));
}

#[test]
fn every_flit_is_taken_in_the_cycle_in_which_a_plain_mesh_gives_it_for_a_fresh_seed() {
    any_flits(cases(100), rng(fresh_seed()));
}

#[test]
fn so_it_is_where_few_cores_send_to_few_for_a_fixed_seed() {
    few_flows(cases(300), rng(43));
}

#[test]
fn so_it_is_where_few_cores_send_to_few_for_a_fresh_seed() {
    few_flows(cases(100), rng(fresh_seed()));
}

/// A core that never takes what comes.
#[test]
fn a_mesh_in_which_nothing_moves_says_who_waits_for_whom() {
    let shape = Shape {
        width: 3,
        height: 1,
        router_buffer: 2,
        core_buffer: 1,
        barrier_latency: 1,
        casting: Casting::Unicast,
        injectors: Vec::new(),
    };
    let flits = vec![(0..9).map(|i| (i, 2)).collect(), Vec::new(), Vec::new()];
    let case = Case { shape, flits, pace: vec![1, 1, u64::from(u32::MAX) * 1000] };
    let mut mesh = Mesh::new(&case.shape);
    let mut ends =
        Ends { case: &case, next: vec![0; 3], ready: vec![0; 3], port: vec![0; 3], taken: Vec::new() };
    mesh.prime(0, &mut ends, &mut NoProbe);
    mesh.run(&mut ends, &mut NoProbe);
    // One is taken, one waits in the port of the core, and those behind it for that.
    assert!(mesh.in_flight > 0);
    let waiting = mesh.waiting();
    for says in [
        "router (0, 0) local holds 2 of 2 flits, the first for core (2, 0) waits for router (1, 0) west, which holds 2",
        "router (2, 0) west holds 2 of 2 flits, the first for core (2, 0) waits for the input port of core (2, 0)",
    ] {
        assert!(waiting.iter().any(|w| w == says), "{waiting:?}");
    }
}
