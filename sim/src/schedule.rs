//! The agenda of a cycle-level simulation: what happens in which cycle.
//!
//! What is not on the agenda costs nothing, and a cycle in which nothing happens is skipped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Cycles that the wheel looks ahead; later ones wait in a heap.
const WINDOW: u64 = 1024;
const NONE: u32 = u32::MAX;

/// Events by cycle: a wheel of linked lists for the near future, a heap for the rest.
///
/// An event is on the agenda at most once at a time, so that one link for each suffices.
#[derive(Debug, Clone)]
pub struct Agenda {
    /// First event of each cycle of the window.
    first: Box<[u32; WINDOW as usize]>,
    /// Event after this one in the same cycle.
    next: Vec<u32>,
    occupied: [u64; (WINDOW / 64) as usize],
    far: BinaryHeap<Reverse<(u64, u32)>>,
    now: u64,
}

impl Agenda {
    /// An empty agenda for the events `0..events`.
    #[must_use]
    pub fn new(events: usize) -> Self {
        Self {
            first: Box::new([NONE; WINDOW as usize]),
            next: vec![NONE; events],
            occupied: [0; (WINDOW / 64) as usize],
            far: BinaryHeap::new(),
            now: 0,
        }
    }

    /// Puts an event that is not on the agenda on that of cycle `at`, which must be to come.
    #[inline]
    pub fn add(&mut self, event: u32, at: u64) {
        debug_assert!(at > self.now, "cycle {at} is past: it is {}", self.now);
        if at - self.now < WINDOW {
            let slot = (at % WINDOW) as usize;
            self.next[event as usize] = self.first[slot];
            self.first[slot] = event;
            self.occupied[slot / 64] |= 1 << (slot % 64);
        } else {
            self.far.push(Reverse((at, event)));
        }
    }

    /// The next cycle that has anything on its agenda.
    #[inline]
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let far = self.far.peek().map(|&Reverse((at, _))| at);
        match (self.next_near(), far) {
            (Some(near), Some(far)) => Some(near.min(far)),
            (near, far) => near.or(far),
        }
    }

    /// Moves to a cycle, not past the next that has anything on its agenda.
    #[inline]
    pub fn move_to(&mut self, now: u64) {
        self.now = now;
        while let Some(&Reverse((at, event))) = self.far.peek() {
            if at - now >= WINDOW {
                break;
            }
            self.far.pop();
            let slot = (at % WINDOW) as usize;
            self.next[event as usize] = self.first[slot];
            self.first[slot] = event;
            self.occupied[slot / 64] |= 1 << (slot % 64);
        }
    }

    /// Takes an event of the present cycle `now`, in no order that means anything.
    #[inline]
    pub fn pop(&mut self, now: u64) -> Option<u32> {
        debug_assert!(now == self.now);
        let slot = (now % WINDOW) as usize;
        let event = self.first[slot];
        if event == NONE {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            return None;
        }
        self.first[slot] = self.next[event as usize];
        Some(event)
    }

    fn next_near(&self) -> Option<u64> {
        let start = (self.now % WINDOW) as usize;
        let groups = self.occupied.len();
        let bits = self.occupied[start / 64] >> (start % 64);
        if bits != 0 {
            return Some(self.now + u64::from(bits.trailing_zeros()));
        }
        // The group of the present cycle comes again at the end, for what is before it in the group.
        for i in 1..=groups {
            let group = (start / 64 + i) % groups;
            let bits = self.occupied[group];
            if bits != 0 {
                let slot = group * 64 + bits.trailing_zeros() as usize;
                return Some(self.now + ((slot + WINDOW as usize - start) % WINDOW as usize) as u64);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_cycles() {
        let mut agenda = Agenda::new(200);
        for (event, at) in [(3, 7), (199, 7), (5, 3000), (4, 1023), (9, 1024), (1, 1)] {
            agenda.add(event, at);
        }
        let mut seen = Vec::new();
        while let Some(cycle) = agenda.next() {
            agenda.move_to(cycle);
            let mut events: Vec<_> = std::iter::from_fn(|| agenda.pop(cycle)).map(|e| (cycle, e)).collect();
            events.sort_unstable();
            seen.extend(events);
            if cycle == 7 {
                agenda.add(8, 8);
                agenda.add(3, 7 + WINDOW - 1);
            }
        }
        let expected = [(1, 1), (7, 3), (7, 199), (8, 8), (1023, 4), (1024, 9), (1030, 3), (3000, 5)];
        assert_eq!(seen, expected);
    }
}
