//! Structural cost: what a circuit is made of, before any technology.

use crate::ir::{Def, Definition, MemoryPorts, Op, ReadDuringWrite};
use std::collections::BTreeMap;
use std::fmt;

/// Memories of one shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemoryShape {
    /// `1rw` or `1r1w`.
    pub ports: &'static str,
    /// Words.
    pub words: u64,
    /// Bits of a word.
    pub bits: u32,
}

/// What a circuit is made of, everything below it included.
///
/// Operators are counted as they are described, after sharing equal ones in a definition; wiring (slices, extensions,
/// concatenations, shifts by a constant) costs nothing. Assertions and what only they need are not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bits of registers, the forwarding of memories included.
    pub flip_flops: u64,
    /// How many memories of each shape.
    pub memories: BTreeMap<MemoryShape, u64>,
    /// How many operators of each kind and width: (name, bits of the wider operand).
    pub operators: BTreeMap<(&'static str, u32), u64>,
}

impl Cost {
    /// Cost of a circuit.
    #[must_use]
    pub fn of(def: &Def) -> Self {
        let mut known = BTreeMap::new();
        let mut cost = Self::default();
        cost.add(def, &mut known);
        cost
    }

    /// Memory bits by port kind.
    #[must_use]
    pub fn memory_bits(&self) -> BTreeMap<&'static str, u64> {
        let mut out = BTreeMap::new();
        for (shape, count) in &self.memories {
            *out.entry(shape.ports).or_insert(0) += shape.words * u64::from(shape.bits) * count;
        }
        out
    }

    fn add(&mut self, def: &Def, known: &mut BTreeMap<String, Cost>) {
        let name = def.unique_name();
        if !known.contains_key(&name) {
            let mut own = own(def);
            for instance in &def.instances {
                own.add(&instance.def, known);
            }
            known.insert(name.clone(), own);
        }
        let other = &known[&name];
        self.flip_flops += other.flip_flops;
        for (&shape, count) in &other.memories {
            *self.memories.entry(shape).or_insert(0) += count;
        }
        for (&operator, count) in &other.operators {
            *self.operators.entry(operator).or_insert(0) += count;
        }
    }
}

/// Cost of a definition without what its instances hold.
fn own(def: &Definition) -> Cost {
    let flip_flops = def.regs.iter().map(|r| u64::from(r.info.width)).sum();
    let mut cost = Cost { flip_flops, ..Cost::default() };
    for memory in &def.memories {
        let shape = MemoryShape { ports: memory.ports.name(), words: memory.words, bits: memory.bits };
        *cost.memories.entry(shape).or_insert(0) += 1;
        if let MemoryPorts::OneReadOneWrite { rule: ReadDuringWrite::Forward, .. } = memory.ports {
            // The forwarded word, the flag that selects it, and the comparator before them.
            cost.flip_flops += u64::from(memory.bits) + 1;
            *cost.operators.entry(("mux", memory.bits)).or_insert(0) += 1;
            *cost.operators.entry(("equal", crate::bits_for(memory.words))).or_insert(0) += 1;
        }
    }
    for id in def.hardware(false) {
        let node = def.node(id);
        let constant = |id| matches!(def.node(id).op, Op::Const(_));
        let free = match node.op {
            Op::Slice(..) | Op::Zext(_) | Op::Sext(_) | Op::Cat(..) => true,
            Op::Shl(_, by) | Op::Shr(_, by) | Op::Sar(_, by) => constant(by),
            op => op.is_leaf(),
        };
        if !free {
            let widest = match node.op {
                Op::Mux(..) => node.width,
                op => op.operands().map(|o| def.width(o)).max().unwrap_or(node.width),
            };
            *cost.operators.entry((node.op.name(), widest)).or_insert(0) += 1;
        }
    }
    cost
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "flip-flops: {} bits", self.flip_flops)?;
        for (shape, count) in &self.memories {
            let bits = shape.words * u64::from(shape.bits) * count;
            writeln!(
                f,
                "memory {}: {count} x {} words of {} bits = {bits} bits",
                shape.ports, shape.words, shape.bits
            )?;
        }
        for ((name, width), count) in &self.operators {
            writeln!(f, "{name}, {width} bits: {count}")?;
        }
        Ok(())
    }
}
