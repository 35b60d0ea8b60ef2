//! The network type: populations of neurons joined by projections of delayed synapses (contract section 2).

/// Unit of the leak: `v <- v * (DECAY_ONE - decay) / DECAY_ONE`, truncated toward zero.
pub const DECAY_ONE: u16 = 4096;
/// Membrane width when the file names none, in bits.
pub const DEFAULT_MEMBRANE_BITS: u8 = 24;

/// A network: populations in file order, projections between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Name, for reports.
    pub name: String,
    /// Length of one step in milliseconds.
    pub step_ms: f64,
    /// Number of steps T of one sample.
    pub steps: u32,
    /// Membrane width in bits, 2..=32, two's complement.
    pub membrane_bits: u8,
    /// Class names, one per readout unit; empty where the file names none.
    pub classes: Vec<String>,
    /// Populations, in file order; exactly one is the input.
    pub populations: Vec<Population>,
    /// Projections, in file order.
    pub projections: Vec<Projection>,
}

/// A group of neurons or input channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Unique name.
    pub name: String,
    /// What its members do.
    pub kind: Kind,
    /// Number of members.
    pub size: u32,
}

/// What the members of a population do, with their parameters (one of each a neuron).
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Input channels, without dynamics.
    Input {
        /// Units of the recording that share a channel: channel = unit / group.
        group: u32,
    },
    /// Leaky integrate-and-fire neurons.
    Lif {
        /// What a spike does to the membrane.
        reset: Reset,
        /// Leak, 0..=4096, `[size]`.
        decay: Vec<u16>,
        /// Firing threshold, at least 1, `[size]`.
        threshold: Vec<i32>,
    },
    /// Leaky integrators that never spike; read out.
    Integrator {
        /// Leak, 0..=4096, `[size]`.
        decay: Vec<u16>,
    },
}

/// What a spike does to the membrane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reset {
    /// v <- 0.
    #[default]
    Zero,
    /// v <- v - threshold.
    Subtract,
}

/// Synapses from one population to another (or to itself: recurrent).
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// Unique name.
    pub name: String,
    /// Index of the source in [`Network::populations`].
    pub source: usize,
    /// Index of the target in [`Network::populations`].
    pub target: usize,
    /// Left shift of every weight, 0..=15.
    pub weight_shift: u8,
    /// The synapses, in file order.
    pub synapses: Vec<Synapse>,
}

/// One synapse: a spike of `pre` at step t adds `weight << weight_shift` to `post` at step t + delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Synapse {
    /// Index in the source population.
    pub pre: u32,
    /// Index in the target population.
    pub post: u32,
    /// Delay in steps, at least 1.
    pub delay: u16,
    /// Signed weight.
    pub weight: i8,
}

impl Population {
    /// Decay of each neuron; empty for the input.
    #[must_use]
    pub fn decay(&self) -> &[u16] {
        match &self.kind {
            Kind::Input { .. } => &[],
            Kind::Lif { decay, .. } | Kind::Integrator { decay } => decay,
        }
    }
}

impl Network {
    /// Names of the classes; their numbers where they have none.
    #[must_use]
    pub fn class_labels(&self) -> Vec<String> {
        match self.classes.is_empty() {
            true => (0..self.populations[self.readout()].size).map(|c| c.to_string()).collect(),
            false => self.classes.clone(),
        }
    }

    /// Index of the input population of a valid network.
    #[must_use]
    pub fn input(&self) -> usize {
        self.populations.iter().position(|p| matches!(p.kind, Kind::Input { .. })).unwrap_or(0)
    }

    /// Index of the integrator, if there is one.
    #[must_use]
    pub fn integrator(&self) -> Option<usize> {
        self.populations.iter().position(|p| matches!(p.kind, Kind::Integrator { .. }))
    }

    /// Population whose scores are read out: the integrator, or the last one.
    #[must_use]
    pub fn readout(&self) -> usize {
        self.integrator().unwrap_or(self.populations.len().saturating_sub(1))
    }

    /// How a recording becomes this network's input.
    #[must_use]
    pub fn binning(&self) -> spikes::Binning {
        let input = &self.populations[self.input()];
        let group = if let Kind::Input { group } = input.kind { group } else { 1 };
        spikes::Binning { steps: self.steps, step_ms: self.step_ms, channels: input.size, group }
    }
}
