//! The agenda of a cycle-level simulation: which component acts in which cycle.
//!
//! A component that is not on the agenda costs nothing. Within a cycle components are visited in
//! the order of their ids; the order does not matter, since nothing that one does in a cycle is
//! visible to another before the next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Cycles that the wheel looks ahead; later ones wait in a heap.
const WINDOW: u64 = 512;

/// Wake-ups by cycle: a wheel of bit sets for the near future, a heap for the rest.
#[derive(Debug, Clone)]
pub struct Agenda {
    words: usize,
    bits: Vec<u64>,
    occupied: [u64; (WINDOW / 64) as usize],
    far: BinaryHeap<Reverse<(u64, u32)>>,
    now: u64,
}

impl Agenda {
    /// An empty agenda for `components` components.
    #[must_use]
    pub fn new(components: usize) -> Self {
        let words = components.div_ceil(64).max(1);
        Self {
            words,
            bits: vec![0; words * WINDOW as usize],
            occupied: [0; (WINDOW / 64) as usize],
            far: BinaryHeap::new(),
            now: 0,
        }
    }

    /// Puts a component on the agenda of cycle `at`, which must not be past. Twice is once.
    pub fn wake(&mut self, component: u32, at: u64) {
        debug_assert!(at >= self.now, "cycle {at} is past: it is {}", self.now);
        if at - self.now < WINDOW {
            let slot = (at % WINDOW) as usize;
            self.bits[slot * self.words + component as usize / 64] |= 1 << (component % 64);
            self.occupied[slot / 64] |= 1 << (slot % 64);
        } else {
            self.far.push(Reverse((at, component)));
        }
    }

    /// Moves to the next cycle that has anything on its agenda.
    pub fn advance(&mut self) -> Option<u64> {
        let near = self.next_near();
        let next = match (near, self.far.peek()) {
            (Some(n), Some(&Reverse((f, _)))) => n.min(f),
            (Some(n), None) => n,
            (None, Some(&Reverse((f, _)))) => f,
            (None, None) => return None,
        };
        self.now = next;
        while let Some(&Reverse((at, component))) = self.far.peek() {
            if at - self.now >= WINDOW {
                break;
            }
            self.far.pop();
            self.wake(component, at);
        }
        Some(next)
    }

    /// Starts anew at a cycle; the agenda must be empty.
    pub fn restart(&mut self, now: u64) {
        debug_assert!(self.next_near().is_none() && self.far.is_empty());
        self.now = now;
    }

    /// Takes the components of the present cycle into `out`, in the order of their ids.
    pub fn take(&mut self, out: &mut Vec<u32>) {
        out.clear();
        let slot = (self.now % WINDOW) as usize;
        for word in 0..self.words {
            let bits = &mut self.bits[slot * self.words + word];
            while *bits != 0 {
                out.push(word as u32 * 64 + bits.trailing_zeros());
                *bits &= *bits - 1;
            }
        }
        self.occupied[slot / 64] &= !(1 << (slot % 64));
    }

    fn next_near(&self) -> Option<u64> {
        let start = (self.now % WINDOW) as usize;
        let groups = self.occupied.len();
        for i in 0..=groups {
            let group = (start / 64 + i) % groups;
            let mut bits = self.occupied[group];
            if i == 0 {
                bits &= u64::MAX << (start % 64);
            } else if i == groups {
                bits &= !(u64::MAX << (start % 64));
            }
            if bits != 0 {
                let slot = group * 64 + bits.trailing_zeros() as usize;
                let ahead = (slot + WINDOW as usize - start) % WINDOW as usize;
                return Some(self.now + ahead as u64);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_come_in_the_order_of_cycles_and_once_a_cycle() {
        let mut agenda = Agenda::new(200);
        for (component, at) in [(3, 7), (199, 7), (3, 7), (5, 2000), (4, 511), (9, 512), (1, 0)] {
            agenda.wake(component, at);
        }
        let (mut seen, mut now) = (Vec::new(), Vec::new());
        while let Some(cycle) = agenda.advance() {
            agenda.take(&mut now);
            seen.extend(now.iter().map(|&c| (cycle, c)));
            if cycle == 7 {
                agenda.wake(8, 8);
                agenda.wake(8, 7 + WINDOW - 1);
            }
        }
        let expected = [(0, 1), (7, 3), (7, 199), (8, 8), (511, 4), (512, 9), (518, 8), (2000, 5)];
        assert_eq!(seen, expected);
    }
}
