//! The shared queue delivers each event exactly once for each useful delay, in its step, in a fixed order, and loses none.

use super::{Alter, Circuit, Dice, Property, same};
use hw::blocks::shape::Shape;
use hw::blocks::shared_queue::shared_queue;
use hw::{Platform, Structure};
use proptest::collection::vec;
use proptest::prelude::*;
use rtl::Library;
use std::collections::VecDeque;

/// The property.
pub fn property() -> Property {
    Property {
        name: "shared queue",
        claim: "each event is delivered once for each useful delay, in its step and in order; one too many is latched",
        check: |search| search.over(&case(), run),
    }
}

#[derive(Debug)]
struct Case {
    depth: u32,
    longest_delay: u32,
    /// Useful-weight rows.
    rows: Vec<u64>,
    /// Axons of the arrivals of each step.
    steps: Vec<Vec<usize>>,
    stalls: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let delay = prop_oneof![1..6u32, 1..=63u32];
    (1..40u32, delay, 1..17usize, any::<u64>()).prop_flat_map(|(depth, longest_delay, axons, stalls)| {
        let row = 1..=u64::MAX >> (64 - longest_delay);
        let steps = vec(vec(0..axons, 0..6), 1..14);
        (vec(row, axons), steps).prop_map(move |(rows, steps)| Case {
            depth,
            longest_delay,
            rows,
            steps,
            stalls,
        })
    })
}

/// Axon, age, offset.
type Event = (u64, u64, u64);

fn run(case: &Case, alter: Alter<'_>) -> Result<(), String> {
    let mut p = Platform::load("seneca").expect("the preset");
    p.core.input_axons = case.rows.len() as u32;
    (p.shared_queue.depth, p.shared_queue.longest_delay) = (case.depth, case.longest_delay);
    p.shared_queue.axon_synapses = 4 * case.longest_delay;
    let shape = Shape::new(&p, Structure::SharedQueue);
    let mut c = Circuit::new(shared_queue(&mut Library::new(), &shape).expect("a queue"), alter);
    let memory = c.0.memory("useful_weights").expect("the rows");
    c.0.load(memory, &case.rows).expect("they fit");
    let mut dice = Dice::new(case.stalls);
    // The queue that is being filled.
    let mut filling: VecDeque<Event> = VecDeque::new();
    let mut high_water = 0;
    for (step, arrivals) in case.steps.iter().enumerate() {
        let mut due = std::mem::take(&mut filling);
        let mut arrivals: VecDeque<_> = arrivals.iter().copied().collect();
        // The held row; the event in the synapse stage, the cycles that it stays, and its next offset.
        let (mut row, mut stage): (Option<u64>, Option<(Event, u64, u64)>) = (None, None);
        let mut updated = false;
        // The cycle in which the last event left the synapse stage; where there is none, that of the first entry.
        let mut settled = 2;
        for cycle in 0.. {
            if cycle > 4000 {
                return Err(format!("step {step} does not end"));
            }
            if updated && arrivals.is_empty() && stage.is_none() {
                break;
            }
            c.set("start", u64::from(cycle == 0));
            c.set("first", u64::from(cycle == 0 && step == 0));
            let finish = stage.is_some_and(|s| s.1 == 0);
            let free = stage.is_none() || finish;
            let enter = row.is_some() && free;
            let offset = stage.map_or(0, |s| s.2);
            c.set("row_valid", row.is_some());
            c.set("row_ready", row.is_none() || enter);
            c.set("enter", enter);
            c.set("free", free);
            c.set("finish", finish);
            c.set("next_offset", offset);
            let head = arrivals.front().copied().filter(|_| cycle > 0 && dice.below(4) > 0);
            c.set("in_valid", head.is_some());
            c.set("in_axon", head.unwrap_or(0) as u64);
            // What comes to the POQ: the event again, else the arrival.
            let again = stage.filter(|_| finish).map(|s| s.0).filter(|e| case.rows[e.0 as usize] >> e.1 != 0);
            let comes =
                again.map(|(axon, age, _)| (axon, age + 1, offset)).or(head.map(|axon| (axon as u64, 1, 0)));
            same(c.is("take"), head.is_some() && again.is_none(), "an arrival is taken")?;
            let fits = (filling.len() as u64) < u64::from(case.depth);
            same(c.is("write"), comes.is_some() && fits, "an event is written")?;
            if c.is("take") {
                arrivals.pop_front();
            }
            if let Some(event) = comes {
                if !fits {
                    c.step()?;
                    same(c.is("overflow"), true, "the overflow is latched")?;
                    return same(c.get("step"), step as u64, "with its step");
                }
                let written = (c.get("write_axon"), c.get("write_age"), c.get("write_offset"));
                same(written, event, "what is written")?;
                filling.push_back(event);
                high_water = high_water.max(filling.len() as u64);
            }
            settled = if finish { cycle } else { settled };
            stage = stage.filter(|_| !finish).map(|s| (s.0, s.1.saturating_sub(1), s.2));
            if enter {
                let event = (c.get("read_axon"), c.get("read_age"), c.get("offset"));
                same(Some(event), due.pop_front(), "the event whose turn it is")?;
                let useful = case.rows[event.0 as usize] >> (event.1 - 1) & 1;
                same(c.get("useful"), useful, "the filter's bit")?;
                let synapses = useful * (1 + dice.below(3));
                stage = Some((event, synapses.saturating_sub(1) + dice.below(2), event.2 + synapses));
                row = None;
            }
            if c.is("row_read") {
                same(row, None, "the row that waits is kept")?;
                row = Some(c.get("row_axon"));
            }
            if c.is("update") {
                same(
                    (updated, due.len(), row, stage.is_none()),
                    (false, 0, None, true),
                    "the update starts last",
                )?;
                same(cycle, settled + 2, "the cycle of the update")?;
                updated = true;
            }
            c.step()?;
        }
        same(c.is("overflow"), false, "no overflow")?;
        same(c.get("high_water"), high_water, "the high-water mark")?;
    }
    Ok(())
}
