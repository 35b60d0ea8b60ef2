//! The mesh delivers everything in order for each pair, without deadlock up to saturation and with buffers one deep.

use super::{Alter, Circuit, Dice, Property, same};
use hw::blocks::mesh::mesh;
use hw::layout::{Target, Widths};
use hw::{Platform, Structure};
use proptest::collection::vec;
use proptest::prelude::*;
use rtl::Library;
use std::collections::VecDeque;

/// The property.
pub fn property() -> Property {
    Property {
        name: "mesh",
        claim: "every flit arrives at its core, in order for each pair, without deadlock up to saturation, buffers one deep too",
        check: |search| search.over(&case(), run),
    }
}

#[derive(Debug)]
struct Case {
    size: (u16, u16),
    buffers: (u16, u16),
    /// Source and target of each flit.
    traffic: Vec<(usize, usize)>,
    seed: u64,
    /// Of ten cycles, in how many a core takes what came.
    takes: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let size = prop_oneof![(1..5u16, 1..4u16), Just((1, 1)), Just((2, 1))];
    (size, (1..4u16, 1..4u16), vec((any::<usize>(), any::<usize>()), 1..150), any::<u64>(), 1..=10u64)
        .prop_map(|(size, buffers, traffic, seed, takes)| {
            let cores = usize::from(size.0 * size.1);
            // A third of all go to one core.
            let to = |i: usize, t: usize| if i.is_multiple_of(3) { cores - 1 } else { t % cores };
            let traffic = traffic.iter().enumerate().map(|(i, &(s, t))| (s % cores, to(i, t))).collect();
            Case { size, buffers, traffic, seed, takes }
        })
}

fn run(case: &Case, alter: Alter<'_>) -> Result<(), String> {
    let mut p = Platform::load("loihi").expect("the preset");
    (p.mesh.width, p.mesh.height) = case.size;
    (p.mesh.router_buffer, p.mesh.core_buffer) = case.buffers;
    p.mesh.injectors.clear();
    let w = Widths::new(&p, Structure::RingBuffer);
    let mut c = Circuit::new(mesh(&mut Library::new(), &p, &w).expect("a mesh"), alter);
    let place = |core: usize| (core as u16 % case.size.0, core as u16 / case.size.0);
    let names: Vec<_> = (0..usize::from(case.size.0 * case.size.1))
        .map(place)
        .map(|(x, y)| format!("core_{x}_{y}"))
        .collect();
    // Each core: credits, what it must send, what is on its link, what is in its port, what it took.
    let mut credits = vec![case.buffers.0; names.len()];
    let mut waiting = vec![VecDeque::new(); names.len()];
    for (tag, &(from, to)) in case.traffic.iter().enumerate() {
        let (x, y) = place(to);
        waiting[from].push_back(w.pack_target(Target { x, y, axon: tag as u32 }) << 1);
    }
    let mut links = vec![None; names.len()];
    let mut ports = vec![VecDeque::new(); names.len()];
    let mut taken = vec![Vec::new(); names.len()];
    let mut dice = Dice::new(case.seed);
    let mut left = case.traffic.len();
    // Every flit alone would need far less; the network must not stop before all are there.
    for _ in 0..400 + 200 * case.traffic.len() / case.takes as usize {
        if left == 0 {
            break;
        }
        for (i, name) in names.iter().enumerate() {
            c.set(&format!("{name}_in_valid"), links[i].is_some());
            c.set(&format!("{name}_in_flit"), links[i].unwrap_or(0u64));
            let takes = !ports[i].is_empty() && dice.below(10) < case.takes;
            c.set(&format!("{name}_out_credit"), takes);
            if takes {
                let flit: u64 = ports[i].pop_front().expect("one");
                taken[i].push(flit);
                left -= 1;
            }
        }
        for (i, name) in names.iter().enumerate() {
            let sends = credits[i] > 0 && !waiting[i].is_empty();
            links[i] = if sends { waiting[i].pop_front() } else { None };
            credits[i] = credits[i] - u16::from(sends) + c.get(&format!("{name}_in_credit")) as u16;
            if c.is(&format!("{name}_out_valid")) {
                // Of a flit the core sees axon and parity, still at their places.
                ports[i].push_back(c.get(&format!("{name}_out_flit")));
            }
            if ports[i].len() > usize::from(case.buffers.1) {
                return Err(format!("{name} gets more than its port holds"));
            }
        }
        c.step()?;
    }
    same(left, 0, "flits that never arrived")?;
    for (to, flits) in taken.iter().enumerate() {
        let tags: Vec<_> = flits.iter().map(|f| (f >> (1 + w.x + w.y)) as usize).collect();
        for from in 0..names.len() {
            let found: Vec<_> = tags.iter().copied().filter(|&t| case.traffic[t].0 == from).collect();
            let all = case.traffic.iter().enumerate();
            let expected: Vec<_> = all.filter(|(_, t)| **t == (from, to)).map(|(tag, _)| tag).collect();
            same(found, expected, &format!("flits from core {from} to {to}"))?;
        }
    }
    Ok(())
}
