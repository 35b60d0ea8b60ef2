//! Where the state of a definition lies: one block of bytes that holds its inputs, registers, read data, covers, the
//! blocks of its instances, and its memories, each element at its natural size.

use crate::ir::{Def, Definition, Memory, MemoryPorts, ReadDuringWrite};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of a value: 1, 2, 4 or 8.
pub(super) fn bytes(width: u32) -> u32 {
    width.div_ceil(8).next_power_of_two()
}

/// A value in a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// From the start of the block.
    pub offset: u64,
    pub width: u32,
}

/// Block of a definition.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub inputs: Vec<Place>,
    pub regs: Vec<Place>,
    /// Read data of the memories.
    pub data: Vec<Place>,
    /// A byte for each property; only those of covers are used.
    pub covered: Vec<Place>,
    /// Where the blocks of the instances start.
    pub children: Vec<u64>,
    /// First word of each memory. One word more than it has takes what is not to be written.
    pub memories: Vec<Place>,
    /// A multiple of 8.
    pub size: u64,
}

impl Layout {
    fn new(def: &Definition, child_sizes: impl Iterator<Item = u64>, top: bool) -> Self {
        let mut layout = Self::default();
        for port in &def.inputs {
            let place = layout.take(port.info.width, 1);
            layout.inputs.push(place);
            // Those of the top are the first words, which are set whole from outside.
            layout.size = if top { layout.size.next_multiple_of(8) } else { layout.size };
        }
        layout.regs = def.regs.iter().map(|r| layout.take(r.info.width, 1)).collect();
        layout.data = def.memories.iter().map(|m| layout.take(m.bits, 1)).collect();
        layout.covered = def.properties.iter().map(|_| layout.take(1, 1)).collect();
        for size in child_sizes {
            layout.size = layout.size.next_multiple_of(8);
            layout.children.push(layout.size);
            layout.size += size;
        }
        layout.memories = def.memories.iter().map(|m| layout.take(m.bits, m.words + 1)).collect();
        layout.size = layout.size.next_multiple_of(8);
        layout
    }

    fn take(&mut self, width: u32, words: u64) -> Place {
        let bytes = u64::from(bytes(width));
        let offset = self.size.next_multiple_of(bytes);
        self.size = offset + words * bytes;
        Place { offset, width }
    }
}

/// A definition that is compiled once, whatever the number of its instances.
#[derive(Debug)]
pub(super) struct Unit {
    pub def: Def,
    pub layout: Layout,
    /// Units of its instances.
    pub children: Vec<usize>,
    /// Whether it or anything below it has state.
    pub stateful: bool,
    /// Whether it, or an instance around it somewhere, may say that it is idle.
    pub may_sleep: bool,
    /// Whether it or anything below it has something that a cycle may violate or cover.
    pub checked: bool,
    /// Whether its clock edge is part of that of the definition around its only instance.
    pub inlined: bool,
}

/// Functions are not made larger than this by what they take in, in nodes: the time to compile one grows faster than it.
const INLINED: usize = 2000;

/// All units of a circuit, each after those that it holds; the top is the last.
pub(super) fn units(top: &Def) -> Vec<Unit> {
    let mut units = Vec::new();
    add(top, true, &mut units, &mut HashMap::new());
    for parent in (0..units.len()).rev() {
        for child in units[parent].children.clone() {
            units[child].may_sleep |= units[parent].may_sleep;
        }
    }
    let mut uses = vec![0; units.len()];
    units.iter().flat_map(|u| &u.children).for_each(|&child| uses[child] += 1);
    let mut sizes: Vec<usize> = units.iter().map(|u| u.def.nodes.len()).collect();
    for parent in 0..units.len() {
        for child in units[parent].children.clone() {
            if uses[child] == 1 && sizes[parent] + sizes[child] <= INLINED {
                units[child].inlined = true;
                sizes[parent] += sizes[child];
            }
        }
    }
    for unit in 0..units.len() {
        let below = units[unit].children.iter().any(|&c| units[c].checked);
        units[unit].checked |= below || units[unit].may_sleep && units[unit].stateful;
    }
    units
}

fn add(def: &Def, top: bool, units: &mut Vec<Unit>, known: &mut HashMap<String, usize>) -> usize {
    // A name with its parameters stands for one definition, even where two equal ones were built.
    let name = def.unique_name();
    if let Some(&unit) = known.get(&name) {
        return unit;
    }
    let mut children: Vec<usize> = Vec::with_capacity(def.instances.len());
    for (i, instance) in def.instances.iter().enumerate() {
        let same = def.instances[..i].iter().position(|other| Arc::ptr_eq(&other.def, &instance.def));
        children.push(match same {
            Some(first) => children[first],
            None => add(&instance.def, false, units, known),
        });
    }
    let layout = Layout::new(def, children.iter().map(|&c| units[c].layout.size), top);
    let stateful =
        !def.regs.is_empty() || !def.memories.is_empty() || children.iter().any(|&c| units[c].stateful);
    let checked = !def.properties.is_empty() || def.memories.iter().any(may_fail);
    let may_sleep = def.idle.is_some();
    units.push(Unit { def: Arc::clone(def), layout, children, stateful, may_sleep, checked, inlined: false });
    known.insert(name, units.len() - 1);
    units.len() - 1
}

/// Whether some access of a memory is a violation.
fn may_fail(memory: &Memory) -> bool {
    let undefined =
        matches!(memory.ports, MemoryPorts::OneReadOneWrite { rule: ReadDuringWrite::Undefined, .. });
    undefined || !memory.words.is_power_of_two()
}

/// The blocks of a circuit.
///
/// Words keep the elements aligned and their pages untouched until they are used.
#[derive(Debug)]
pub(super) struct State(Vec<u64>);

impl State {
    pub fn new(bytes: u64) -> Self {
        // Never empty, so that its address is one that may be used.
        Self(vec![0; (bytes / 8) as usize + 1])
    }

    pub fn bytes(&self) -> u64 {
        self.0.len() as u64 * 8
    }

    pub fn pointer(&mut self) -> *mut u64 {
        self.0.as_mut_ptr()
    }

    /// Sets a whole word, and gives what it was.
    ///
    /// # Panics
    /// If it is in no block.
    #[inline]
    pub fn replace(&mut self, word: usize, value: u64) -> u64 {
        std::mem::replace(&mut self.0[word], value)
    }

    /// Where an element lies.
    ///
    /// # Panics
    /// If that is in no block.
    fn address(&self, at: u64) -> usize {
        // No element has more than the eight bytes of the last word, which no block uses.
        assert!(at + 8 <= self.bytes(), "{at} is in no block");
        at as usize
    }

    /// An element of some bytes.
    pub fn get(&self, at: u64, bytes: u32) -> u64 {
        let from = self.0.as_ptr().cast::<u8>().wrapping_add(self.address(at));
        // SAFETY: it lies inside the state, and any bits are a number.
        unsafe {
            match bytes {
                1 => from.read().into(),
                2 => from.cast::<u16>().read_unaligned().into(),
                4 => from.cast::<u32>().read_unaligned().into(),
                _ => from.cast::<u64>().read_unaligned(),
            }
        }
    }

    /// Sets an element, no more than its own bytes: the processor waits where stores and loads of different sizes meet.
    pub fn set(&mut self, at: u64, bytes: u32, value: u64) {
        let at = self.address(at);
        let to = self.pointer().cast::<u8>().wrapping_add(at);
        // SAFETY: as for `get`, and nothing else refers to the state meanwhile.
        unsafe {
            match bytes {
                1 => to.write(value as u8),
                2 => to.cast::<u16>().write_unaligned(value as u16),
                4 => to.cast::<u32>().write_unaligned(value as u32),
                _ => to.cast::<u64>().write_unaligned(value),
            }
        }
    }

    /// An element of an array at `place`.
    pub fn element(place: Place, index: u64) -> u64 {
        place.offset + index * u64::from(bytes(place.width))
    }
}
