//! Memory of a chip, exact to the bit: what the platform provides, what the network uses, what a run reached.

use hw::image::{Image, MemoryUse};
use hw::layout::Memory;
use hw::platform::Structure;
use serde::Serialize;

/// One memory of one core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Column of the core.
    pub x: u16,
    /// Row of the core.
    pub y: u16,
    /// Which memory.
    pub memory: Memory,
    /// Ports: `1rw` or `1r1w`.
    pub ports: hw::platform::Ports,
    /// Width of a word in bits.
    pub word_bits: u32,
    /// Words that the platform provides.
    pub allocated_words: u64,
    /// Words that the network uses, known without a run.
    pub used_words: u64,
    /// Most words that the run used at once; only for queues, and only where this structure ran.
    pub peak_words: Option<u64>,
}

impl Line {
    /// Bits that the platform provides.
    #[must_use]
    pub fn allocated_bits(&self) -> u64 {
        self.allocated_words * u64::from(self.word_bits)
    }

    /// Bits that the network uses, or that the run reached where that is more.
    #[must_use]
    pub fn used_bits(&self) -> u64 {
        self.used_words.max(self.peak_words.unwrap_or(0)) * u64::from(self.word_bits)
    }
}

/// All memories of the cores in use, for one structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// The structure.
    pub structure: Structure,
    /// Why there is no build, where there is none.
    pub refused: Option<String>,
    /// One line for each core and memory.
    pub lines: Vec<Line>,
}

/// Sums over the cores of one memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Which memory.
    pub memory: Memory,
    /// Bits that the platform provides.
    pub allocated_bits: u64,
    /// Bits that the network uses or the run reached.
    pub used_bits: u64,
}

impl Table {
    /// Tables of both structures; `peaks` are the queues' high-water marks of the structure that ran, by core.
    #[must_use]
    pub fn both(image: &Image, ran: Structure, peaks: &[u64]) -> Vec<Self> {
        Structure::ALL
            .into_iter()
            .map(|structure| {
                let peaks = (structure == ran).then_some(peaks);
                Self::new(image, structure, peaks)
            })
            .collect()
    }

    fn new(image: &Image, structure: Structure, peaks: Option<&[u64]>) -> Self {
        let Some(build) = image.builds.iter().find(|b| b.structure == structure) else {
            let reason = image.refused.iter().find(|r| r.structure == structure);
            let refused = reason.map_or("not compiled".into(), |r| r.reason.clone());
            return Self { structure, refused: Some(refused), lines: Vec::new() };
        };
        let mut lines = Vec::new();
        for (i, core) in build.cores.iter().enumerate() {
            for MemoryUse { spec, used } in core.memory_use(&image.platform, build) {
                let queue = matches!(spec.memory, Memory::QueueA | Memory::QueueB);
                lines.push(Line {
                    x: core.x,
                    y: core.y,
                    memory: spec.memory,
                    ports: spec.ports,
                    word_bits: spec.bits,
                    allocated_words: spec.words,
                    used_words: used,
                    peak_words: peaks.filter(|_| queue).map(|p| p.get(i).copied().unwrap_or(0)),
                });
            }
        }
        Self { structure, refused: None, lines }
    }

    /// Sums over the cores, in the order of the layout.
    #[must_use]
    pub fn totals(&self) -> Vec<Total> {
        let mut totals: Vec<Total> = Vec::new();
        for line in &self.lines {
            let (allocated_bits, used_bits) = (line.allocated_bits(), line.used_bits());
            match totals.iter_mut().find(|t| t.memory == line.memory) {
                Some(t) => {
                    t.allocated_bits += allocated_bits;
                    t.used_bits += used_bits;
                }
                None => totals.push(Total { memory: line.memory, allocated_bits, used_bits }),
            }
        }
        totals
    }
}
