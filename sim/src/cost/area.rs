//! Layers 3 and 4: square micrometres of memories, and of logic where a node has a measured library.
//!
//! `A = a w b + p b + q w + r` for w words of b bits, fitted on the 28 SRAM macros of the IHP SG13G2 open
//! process kit (LEF sizes; relative least squares). `sim/COST.md` has macros, errors and sources.

use super::interval::Interval;
use hw::platform::Ports;
use serde::Serialize;

/// The four-term model of one kind of port.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FourTerm {
    /// um2 a bit.
    pub a: f64,
    /// um2 a column.
    pub p: f64,
    /// um2 a row.
    pub q: f64,
    /// um2 a macro.
    pub r: f64,
    /// Relative error that is stated, as a share.
    pub error: f64,
    /// Words of the smallest and largest macro that it was fitted on.
    pub words: (u64, u64),
    /// Widths of the narrowest and widest, in bits.
    pub bits: (u32, u32),
}

impl FourTerm {
    /// Area of one macro in um2.
    #[must_use]
    pub fn um2(&self, words: u64, bits: u32) -> f64 {
        let (w, b) = (words as f64, f64::from(bits));
        self.a * w * b + self.p * b + self.q * w + self.r
    }
}

/// Single-port macros of IHP SG13G2: largest error 9.2 %, left one out 11.6 %.
pub const IHP_ONE_RW: FourTerm =
    FourTerm { a: 3.321, p: 492.0, q: 8.66, r: 4845.0, error: 0.12, words: (64, 8192), bits: (8, 64) };
/// Two-port macros of IHP SG13G2: largest error 1.6 %, left one out 2.9 %.
pub const IHP_TWO_PORT: FourTerm =
    FourTerm { a: 5.981, p: 849.6, q: 30.69, r: 10919.0, error: 0.03, words: (64, 1024), bits: (16, 32) };
/// NAND2 of the IHP SG13G2 standard cells in um2: one gate equivalent.
pub const IHP_NAND2_UM2: f64 = 7.258;
/// Gate equivalents of one bit of a flip-flop memory with its multiplexers and enables: 64 x 16, one read and one write port,
/// synthesised with three open libraries and two versions of Yosys (9.4 to 11.3); the point is IHP's 79 um2.
pub const FLIP_FLOP_BIT_GE: Interval = Interval { point: 10.9, low: 9.4, high: 11.3 };
/// Error of a memory outside the sizes that the model was fitted on, as a share. An assumption: nothing was measured there.
pub const EXTRAPOLATION_ERROR: f64 = 0.30;
/// Error of gate equivalents: typical, and the worst that was seen upward.
pub const LOGIC_ERROR: (f64, f64) = (0.15, 0.25);

/// A process node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Name on the command line.
    pub name: &'static str,
    /// Layer of the report: 3 for measured macros, 4 for scaled ones.
    pub layer: u8,
    /// What it is and where its numbers come from.
    pub source: &'static str,
    /// Single-port memories.
    pub one_rw: FourTerm,
    /// Memories with a read and a write port.
    pub two_port: FourTerm,
    /// um2 of a gate equivalent; none where logic is not converted.
    pub gate_um2: Option<f64>,
}

/// The fitted shape at another node: everything relative to the area of a bit, `a` um2 (single port); two ports take 1.80 x.
const fn scaled(name: &'static str, source: &'static str, a: f64) -> Node {
    let b = 1.80 * a;
    Node {
        name,
        layer: 4,
        source,
        one_rw: FourTerm {
            a,
            p: 148.0 * a,
            q: 2.6 * a,
            r: 1459.0 * a,
            error: 0.40,
            words: (64, 8192),
            bits: (8, 64),
        },
        two_port: FourTerm {
            a: b,
            p: 142.0 * b,
            q: 5.1 * b,
            r: 1826.0 * b,
            error: 0.40,
            words: (64, 1024),
            bits: (16, 32),
        },
        gate_um2: None,
    }
}

/// um2 a bit of the shape above for a macro of 2048 x 64, the size at which scaled nodes are tied to their source.
const TIE: f64 = 1.124;

/// All nodes.
pub const NODES: [Node; 4] = [
    Node {
        name: "ihp130",
        layer: 3,
        source: "IHP SG13G2, 130 nm, open process kit: four-term fit on its SRAM macros, standard-cell NAND2 7.258 um2",
        one_rw: IHP_ONE_RW,
        two_port: IHP_TWO_PORT,
        gate_um2: Some(IHP_NAND2_UM2),
    },
    scaled(
        "22fdx-scaled",
        "IHP's shape tied to 0.19 um2/bit at 2048 x 64: CACTI 7 at 22 nm (0.118..0.130) times the ratio of the 6T cells, 0.110 um2 (22FDX, literature) to CACTI's 0.071",
        0.19 / TIE,
    ),
    scaled(
        "45nm-scaled",
        "IHP's shape tied to CACTI 7 at 45 nm, 0.44..0.51 um2/bit, at 2048 x 64",
        0.475 / TIE,
    ),
    scaled(
        "65nm-scaled",
        "IHP's shape tied to CACTI 7 at 65 nm, 0.91..1.03 um2/bit, at 2048 x 64",
        0.97 / TIE,
    ),
];

/// How a memory is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Build {
    /// SRAM macros.
    Sram,
    /// Flip-flops.
    FlipFlops,
}

/// Area of one memory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MemoryArea {
    /// How it is built: what is smaller.
    pub build: Build,
    /// Macros that it is cut into; 0 for flip-flops.
    pub macros: u64,
    /// Square micrometres.
    pub um2: Interval,
    /// Whether its macro is outside the sizes that the model was fitted on.
    pub extrapolated: bool,
}

impl Node {
    /// A node by name.
    ///
    /// # Errors
    /// A sentence with the names there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let names: Vec<_> = NODES.iter().map(|n| n.name).collect();
        NODES
            .into_iter()
            .find(|n| n.name == name)
            .ok_or_else(|| format!("--node {name}: no such node; there are {}", names.join(", ")))
    }

    /// Area of a memory of `words` words of `bits` bits: cut into macros no larger than the largest that was measured,
    /// or flip-flops where these are smaller and the node has a library.
    #[must_use]
    pub fn memory(&self, words: u64, bits: u32, ports: Ports) -> MemoryArea {
        if words == 0 || bits == 0 {
            let um2 = Interval::default();
            return MemoryArea { build: Build::FlipFlops, macros: 0, um2, extrapolated: false };
        }
        let model = match ports {
            Ports::OneRw => &self.one_rw,
            Ports::OneReadOneWrite => &self.two_port,
        };
        let (rows, columns) = (words.div_ceil(model.words.1), bits.div_ceil(model.bits.1));
        let (w, b) = (words.div_ceil(rows), bits.div_ceil(columns));
        let extrapolated = w < model.words.0 || b < model.bits.0;
        let error = if extrapolated { EXTRAPOLATION_ERROR.max(model.error) } else { model.error };
        let macros = rows * u64::from(columns);
        let sram = Interval::relative(model.um2(w, b) * macros as f64, error, error);
        if let Some(gate) = self.gate_um2 {
            let flip_flops = FLIP_FLOP_BIT_GE.times(gate * words as f64 * f64::from(bits));
            if flip_flops.point < sram.point {
                return MemoryArea {
                    build: Build::FlipFlops,
                    macros: 0,
                    um2: flip_flops,
                    extrapolated: false,
                };
            }
        }
        MemoryArea { build: Build::Sram, macros, um2: sram, extrapolated }
    }

    /// Area of logic, with the typical error; none where the node has no library.
    #[must_use]
    pub fn logic(&self, gate_equivalents: f64) -> Option<Interval> {
        self.gate_um2.map(|g| Interval::relative(gate_equivalents * g, LOGIC_ERROR.0, LOGIC_ERROR.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// um2 a bit of macros of the kit, from their LEF sizes.
    const MACROS: [(Ports, u64, u32, f64); 12] = [
        (Ports::OneRw, 64, 64, 12.33),
        (Ports::OneRw, 256, 8, 8.57),
        (Ports::OneRw, 256, 32, 6.04),
        (Ports::OneRw, 1024, 16, 4.86),
        (Ports::OneRw, 1024, 64, 4.03),
        (Ports::OneRw, 8192, 32, 3.59),
        (Ports::OneReadOneWrite, 64, 22, 27.97),
        (Ports::OneReadOneWrite, 64, 32, 25.69),
        (Ports::OneReadOneWrite, 256, 16, 14.04),
        (Ports::OneReadOneWrite, 512, 16, 10.80),
        (Ports::OneReadOneWrite, 1024, 16, 9.47),
        (Ports::OneReadOneWrite, 1024, 32, 8.06),
    ];

    #[test]
    fn the_model_reproduces_the_macros_within_its_stated_error() {
        for (ports, words, bits, measured) in MACROS {
            let (model, largest) = match ports {
                Ports::OneRw => (IHP_ONE_RW, 0.092),
                Ports::OneReadOneWrite => (IHP_TWO_PORT, 0.016),
            };
            let found = model.um2(words, bits) / (words as f64 * f64::from(bits));
            let error = (found / measured - 1.0).abs();
            // Half a digit of the table on top.
            assert!(error <= largest + 0.001, "{words} x {bits}: {found:.2} for {measured}, {error:.3}");
            let area = NODES[0].memory(words, bits, ports);
            let um2 = measured * words as f64 * f64::from(bits);
            assert!(area.build == Build::Sram && area.um2.low <= um2 && um2 <= area.um2.high);
        }
    }

    #[test]
    fn small_memories_are_flip_flops_and_large_ones_are_cut() {
        let node = Node::named("ihp130").unwrap();
        // Flip-flops win at 16 bits up to about 21 words with two ports, and 10 with one.
        let last = |ports| (1..200).rfind(|&w| node.memory(w, 16, ports).build == Build::FlipFlops);
        assert_eq!(last(Ports::OneReadOneWrite), Some(21));
        assert_eq!(last(Ports::OneRw), Some(10));
        let large = node.memory(87_381, 24, Ports::OneRw);
        assert_eq!((large.macros, large.extrapolated), (11, false));
        assert!(node.memory(40, 32, Ports::OneReadOneWrite).extrapolated);
        assert!(Node::named("3nm").unwrap_err().contains("ihp130"));
    }

    #[test]
    fn scaled_nodes_have_no_logic_and_wide_bounds() {
        let node = Node::named("22fdx-scaled").unwrap();
        let area = node.memory(2048, 64, Ports::OneRw);
        let bit = area.um2.point / (2048.0 * 64.0);
        assert!((bit - 0.19).abs() < 0.001, "{bit}");
        assert!((area.um2.high / area.um2.point - 1.4).abs() < 1e-9);
        assert_eq!(node.logic(1000.0), None);
    }
}
