//! Memory of a chip, exact to the bit: what the platform provides, what the network uses, what a run reached.

use hw::image::{Image, MemoryUse};
use hw::layout::Memory;
use hw::platform::Structure;
use serde::{Deserialize, Serialize};

/// The memories of all cores in use, for one structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memories {
    /// The structure.
    pub structure: Structure,
    /// Why there is no build, where there is none.
    pub refused: Option<String>,
    /// Kinds of memory, in the order of the layout.
    pub kinds: Vec<Kind>,
}

/// Sums over the cores of one kind of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// Which memory.
    pub memory: Memory,
    /// Bits that the platform provides.
    pub allocated_bits: u64,
    /// Bits that the network uses, or that the run reached where that is more.
    pub used_bits: u64,
}

impl Memories {
    /// Those of both structures; `peaks` are the queues' high-water marks of the structure that ran, by core.
    #[must_use]
    pub fn both(image: &Image, ran: Structure, peaks: &[u64]) -> Vec<Self> {
        let of = |structure| Self::new(image, structure, if structure == ran { peaks } else { &[] });
        Structure::ALL.into_iter().map(of).collect()
    }

    fn new(image: &Image, structure: Structure, peaks: &[u64]) -> Self {
        let Some(build) = image.builds.iter().find(|b| b.structure == structure) else {
            let reason = image.refused.iter().find(|r| r.structure == structure);
            let refused = reason.map_or("not compiled".into(), |r| r.reason.clone());
            return Self { structure, refused: Some(refused), kinds: Vec::new() };
        };
        let mut kinds: Vec<Kind> = Vec::new();
        for (i, core) in build.cores.iter().enumerate() {
            for MemoryUse { spec, used } in core.memory_use(&image.platform, build) {
                let queue = matches!(spec.memory, Memory::QueueA | Memory::QueueB);
                let peak = peaks.get(i).copied().filter(|_| queue).unwrap_or(0);
                let bits = |words: u64| words * u64::from(spec.bits);
                let (allocated_bits, used_bits) = (bits(spec.words), bits(used.max(peak)));
                match kinds.iter_mut().find(|k| k.memory == spec.memory) {
                    Some(kind) => {
                        kind.allocated_bits += allocated_bits;
                        kind.used_bits += used_bits;
                    }
                    None => kinds.push(Kind { memory: spec.memory, allocated_bits, used_bits }),
                }
            }
        }
        Self { structure, refused: None, kinds }
    }

    /// Bits of all kinds: that the platform provides, and that are used.
    #[must_use]
    pub fn bits(&self) -> (u64, u64) {
        let sum = |f: fn(&Kind) -> u64| self.kinds.iter().map(f).sum();
        (sum(|k| k.allocated_bits), sum(|k| k.used_bits))
    }

    /// Of one kind.
    #[must_use]
    pub fn of(&self, memory: Memory) -> Option<Kind> {
        self.kinds.iter().find(|k| k.memory == memory).copied()
    }

    /// Every kind that any of some memories has, in the order of the layout.
    #[must_use]
    pub fn kinds_of(all: &[Self]) -> Vec<Memory> {
        let mut kinds: Vec<_> = all.iter().flat_map(|m| m.kinds.iter().map(|k| k.memory)).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }
}
