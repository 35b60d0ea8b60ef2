//! Platforms: what a chip offers, read from TOML or from a preset.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// The delay structure of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Structure {
    /// Per neuron a ring of accumulators, one for each step ahead (Loihi-like).
    RingBuffer,
    /// One queue of events with an age, shared by all synapses of the core (Seneca's SCDQ).
    SharedQueue,
}

impl Structure {
    /// Both, in a fixed order.
    pub const ALL: [Self; 2] = [Self::RingBuffer, Self::SharedQueue];

    /// The name used on command lines and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RingBuffer => "ring-buffer",
            Self::SharedQueue => "shared-queue",
        }
    }
}

impl std::fmt::Display for Structure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Structure {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|k| k.name() == s)
            .ok_or_else(|| format!("`{s}` is no delay structure: use ring-buffer or shared-queue"))
    }
}

/// Ports of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ports {
    /// One port, a read or a write a cycle.
    #[serde(rename = "1rw")]
    OneRw,
    /// One read port and one write port.
    #[serde(rename = "1r1w")]
    OneReadOneWrite,
}

/// A chip. All limits are for one core unless said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// Name, for reports.
    pub name: String,
    /// What it models, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Delay structure, unless the compiler is told otherwise.
    pub delays: Structure,
    /// Clock in MHz, 0.001..=100000, for turning cycles into time.
    pub clock_mhz: f64,
    /// The mesh.
    pub mesh: Mesh,
    /// What both kinds of core have.
    pub core: Core,
    /// Limits of a ring-buffer core.
    pub ring_buffer: RingBuffer,
    /// Limits of a shared-queue core.
    pub shared_queue: SharedQueue,
}

/// The mesh of routers, one core each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mesh {
    /// Columns, 1..=64.
    pub width: u16,
    /// Rows, 1..=64.
    pub height: u16,
    /// Depth of each router input buffer in flits, at least 1.
    pub router_buffer: u16,
    /// Depth of a core's input port in flits, at least 1.
    pub core_buffer: u16,
    /// Cycles from the first quiet cycle to the next step, at least 1.
    pub barrier_latency: u32,
    /// One flit for each target core of a spike (`unicast`).
    pub casting: Casting,
    /// Where input spikes enter.
    pub injectors: Vec<Injector>,
}

/// How a spike reaches several cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Casting {
    /// One flit for each target axon.
    Unicast,
}

/// A port on the mesh's edge that sends one flit a cycle; channel c enters at injector c mod their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injector {
    /// Column of the router.
    pub x: u16,
    /// Row of the router.
    pub y: u16,
    /// Side of the router, where the mesh ends.
    pub side: Side,
}

/// Sides of a router; y grows to the south.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Toward y - 1.
    North,
    /// Toward x + 1.
    East,
    /// Toward y + 1.
    South,
    /// Toward x - 1.
    West,
}

/// Limits that do not depend on the delay structure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// Neurons.
    pub neurons: u32,
    /// Input axons: (source neuron, weight shift) pairs.
    pub input_axons: u32,
    /// Output axons: (neuron, target core, target axon) triples.
    pub output_axons: u32,
    /// Integrators that are read out.
    pub readouts: u32,
    /// Width of a score in bits, at most 64.
    pub score_bits: u8,
    /// Narrowest membrane that the core can saturate at, in bits.
    pub membrane_bits_min: u8,
    /// Widest membrane, which is also its word in memory, in bits.
    pub membrane_bits_max: u8,
    /// Ports of the membrane memory.
    pub membrane_ports: Ports,
    /// Memory for synapses in bits.
    pub synapse_bits: u64,
}

/// A ring-buffer core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingBuffer {
    /// Most slots of a neuron, a power of two, 2..=64; the longest delay is one less.
    pub slots: u32,
    /// Accumulators: neurons x slots.
    pub accumulators: u32,
    /// Width of an accumulator in bits, at most 48.
    pub accumulator_bits: u8,
    /// Ports of the accumulator memory.
    pub accumulator_ports: Ports,
}

/// A shared-queue core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedQueue {
    /// Longest delay in steps, 1..=63: bits of a useful-weight row.
    pub longest_delay: u32,
    /// Depth of each of the two queues in events.
    pub depth: u32,
    /// Most synapses of one axon in a core; sets the width of an event's offset.
    pub axon_synapses: u32,
    /// Width of an accumulator in bits, at most 48.
    pub accumulator_bits: u8,
    /// Ports of the accumulator memory.
    pub accumulator_ports: Ports,
}

/// Why a platform cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The file cannot be read.
    #[error("{path}: {source}; name a preset ({presets}) or a readable TOML file", presets = Platform::PRESETS.map(|p| p.0).join(", "))]
    Read {
        /// What was asked for.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The text is not a platform.
    #[error("{path}: {message}")]
    Parse {
        /// Name of the file or preset.
        path: String,
        /// Line, field and what was expected.
        message: String,
    },
    /// Values out of range, all of them.
    #[error("{path}: {}", problems.join("; "))]
    Invalid {
        /// Name of the file or preset.
        path: String,
        /// One sentence a field.
        problems: Vec<String>,
    },
}

impl Platform {
    /// Presets: name and TOML text.
    pub const PRESETS: [(&'static str, &'static str); 2] = [
        ("loihi", include_str!("../platforms/loihi.toml")),
        ("seneca", include_str!("../platforms/seneca.toml")),
    ];

    /// A preset by name, or a TOML file.
    ///
    /// # Errors
    /// [`PlatformError`], naming file, field and remedy.
    pub fn load(name_or_path: &str) -> Result<Self, PlatformError> {
        if let Some((name, text)) = Self::PRESETS.iter().find(|p| p.0 == name_or_path) {
            return Self::parse(name, text);
        }
        let text = std::fs::read_to_string(Path::new(name_or_path))
            .map_err(|source| PlatformError::Read { path: name_or_path.into(), source })?;
        Self::parse(name_or_path, &text)
    }

    /// Parses and validates TOML text; `path` is used in messages.
    ///
    /// # Errors
    /// [`PlatformError::Parse`] or [`PlatformError::Invalid`].
    pub fn parse(path: &str, text: &str) -> Result<Self, PlatformError> {
        let platform: Self = toml::from_str(text)
            .map_err(|e| PlatformError::Parse { path: path.into(), message: e.to_string() })?;
        let problems = platform.problems();
        if problems.is_empty() {
            Ok(platform)
        } else {
            Err(PlatformError::Invalid { path: path.into(), problems })
        }
    }

    /// Number of cores.
    #[must_use]
    pub fn cores(&self) -> u32 {
        u32::from(self.mesh.width) * u32::from(self.mesh.height)
    }

    /// Longest delay that a structure can hold, in steps.
    #[must_use]
    pub fn longest_delay(&self, structure: Structure) -> u32 {
        match structure {
            Structure::RingBuffer => self.ring_buffer.slots - 1,
            Structure::SharedQueue => self.shared_queue.longest_delay,
        }
    }

    /// Accumulator width and ports of a structure.
    #[must_use]
    pub fn accumulator(&self, structure: Structure) -> (u8, Ports) {
        match structure {
            Structure::RingBuffer => (self.ring_buffer.accumulator_bits, self.ring_buffer.accumulator_ports),
            Structure::SharedQueue => {
                (self.shared_queue.accumulator_bits, self.shared_queue.accumulator_ports)
            }
        }
    }

    /// Everything that is out of range, one sentence a field.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut range = |field: &str, value: u64, low: u64, high: u64| {
            if value < low || value > high {
                out.push(format!("{field} = {value}: must be {low} to {high}"));
            }
        };
        let (m, c, r, q) = (&self.mesh, &self.core, &self.ring_buffer, &self.shared_queue);
        range("mesh.width", m.width.into(), 1, 64);
        range("mesh.height", m.height.into(), 1, 64);
        range("mesh.router_buffer", m.router_buffer.into(), 1, 1024);
        range("mesh.core_buffer", m.core_buffer.into(), 1, 1024);
        range("mesh.barrier_latency", m.barrier_latency.into(), 1, 1 << 20);
        range("mesh.injectors (their number)", m.injectors.len() as u64, 1, 256);
        range("core.neurons", c.neurons.into(), 1, 1 << 16);
        range("core.input_axons", c.input_axons.into(), 1, 1 << 20);
        range("core.output_axons", c.output_axons.into(), 1, 1 << 20);
        range("core.readouts", c.readouts.into(), 1, c.neurons.into());
        range("core.score_bits", c.score_bits.into(), 8, 64);
        range("core.membrane_bits_min", c.membrane_bits_min.into(), 2, c.membrane_bits_max.into());
        range("core.membrane_bits_max", c.membrane_bits_max.into(), 2, 32);
        // An axon row holds two addresses and a shift in 64 bits.
        range("core.synapse_bits", c.synapse_bits, 64, 1 << 32);
        range("ring_buffer.slots", r.slots.into(), 2, 64);
        range("ring_buffer.accumulators", r.accumulators.into(), 2, 1 << 24);
        range("ring_buffer.accumulator_bits", r.accumulator_bits.into(), 8, 48);
        range("shared_queue.longest_delay", q.longest_delay.into(), 1, 63);
        range("shared_queue.depth", q.depth.into(), 1, 1 << 24);
        range("shared_queue.axon_synapses", q.axon_synapses.into(), 1, 1 << 24);
        range("shared_queue.accumulator_bits", q.accumulator_bits.into(), 8, 48);
        if !r.slots.is_power_of_two() {
            out.push(format!("ring_buffer.slots = {}: must be a power of two", r.slots));
        }
        if !(0.001..=100_000.0).contains(&self.clock_mhz) {
            out.push(format!("clock_mhz = {:e}: must be 0.001 to 100000", self.clock_mhz));
        }
        if self.name.is_empty() {
            out.push("name: empty; reports name the platform".into());
        }
        for (i, p) in m.injectors.iter().enumerate() {
            let on_edge = match p.side {
                Side::North => p.y == 0,
                Side::West => p.x == 0,
                Side::South => p.y + 1 == m.height,
                Side::East => p.x + 1 == m.width,
            };
            if p.x >= m.width || p.y >= m.height || !on_edge {
                out.push(format!(
                    "mesh.injectors[{i}]: ({}, {}) has no free {:?} side; place it on the mesh's edge",
                    p.x, p.y, p.side
                ));
            }
            if m.injectors[..i].contains(p) {
                out.push(format!("mesh.injectors[{i}]: the place is taken; give each its own"));
            }
        }
        out
    }
}
