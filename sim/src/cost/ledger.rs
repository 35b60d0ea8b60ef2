//! The ledger: how often every memory and every adder of the machine was used, in closed form.
//!
//! Nothing here is counted cycle by cycle. `hw/TIMING.md` fixes what each event does, so the
//! counts of [`CoreStats`] give every access exactly; `sim/STATS.md` lists the formulas.

use crate::stats::CoreStats;
use hw::layout::Memory;
use hw::platform::Structure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One kind of access or operation. The unit of every count is one access, one operation or one hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// A synapse word is read.
    SynapseRead,
    /// A weight is added.
    SynapseAdd,
    /// An accumulator is read for an addition.
    AccumulatorRead,
    /// An accumulator is written after an addition.
    AccumulatorWrite,
    /// An axon row is read.
    AxonRead,
    /// A useful-weight row is read (shared queue).
    UsefulRead,
    /// An event is written to a queue: an arrival, or one queued again (shared queue).
    QueueWrite,
    /// An event is read from a queue (shared queue).
    QueueRead,
    /// An accumulator is read by a neuron's update.
    DueRead,
    /// An accumulator is cleared by a neuron's update.
    DueClear,
    /// A membrane is read.
    MembraneRead,
    /// A membrane is written.
    MembraneWrite,
    /// A neuron's parameters are read.
    ParameterRead,
    /// A neuron is updated: leak product, sum, saturation, comparison.
    NeuronUpdate,
    /// A score is read.
    ScoreRead,
    /// A score is written.
    ScoreWrite,
    /// A membrane is added to a score.
    ScoreAdd,
    /// A spike enters the spike FIFO.
    SpikeFifoWrite,
    /// A spike leaves it.
    SpikeFifoRead,
    /// A row of the route index is read.
    RouteIndexRead,
    /// A route entry is read.
    RouteRead,
    /// A flit enters a core's input port.
    InputFifoWrite,
    /// A flit leaves it.
    InputFifoRead,
    /// A flit enters an input buffer of a router.
    RouterWrite,
    /// A flit leaves it and crosses the router.
    RouterRead,
    /// A flit crosses a link between two routers.
    Hop,
}

/// What a term does to a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read.
    Read,
    /// Write.
    Write,
}

impl Term {
    /// All terms.
    pub const ALL: [Self; 26] = [
        Self::SynapseRead,
        Self::SynapseAdd,
        Self::AccumulatorRead,
        Self::AccumulatorWrite,
        Self::AxonRead,
        Self::UsefulRead,
        Self::QueueWrite,
        Self::QueueRead,
        Self::DueRead,
        Self::DueClear,
        Self::MembraneRead,
        Self::MembraneWrite,
        Self::ParameterRead,
        Self::NeuronUpdate,
        Self::ScoreRead,
        Self::ScoreWrite,
        Self::ScoreAdd,
        Self::SpikeFifoWrite,
        Self::SpikeFifoRead,
        Self::RouteIndexRead,
        Self::RouteRead,
        Self::InputFifoWrite,
        Self::InputFifoRead,
        Self::RouterWrite,
        Self::RouterRead,
        Self::Hop,
    ];

    /// Name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SynapseRead => "synapse_read",
            Self::SynapseAdd => "synapse_add",
            Self::AccumulatorRead => "accumulator_read",
            Self::AccumulatorWrite => "accumulator_write",
            Self::AxonRead => "axon_read",
            Self::UsefulRead => "useful_read",
            Self::QueueWrite => "queue_write",
            Self::QueueRead => "queue_read",
            Self::DueRead => "due_read",
            Self::DueClear => "due_clear",
            Self::MembraneRead => "membrane_read",
            Self::MembraneWrite => "membrane_write",
            Self::ParameterRead => "parameter_read",
            Self::NeuronUpdate => "neuron_update",
            Self::ScoreRead => "score_read",
            Self::ScoreWrite => "score_write",
            Self::ScoreAdd => "score_add",
            Self::SpikeFifoWrite => "spike_fifo_write",
            Self::SpikeFifoRead => "spike_fifo_read",
            Self::RouteIndexRead => "route_index_read",
            Self::RouteRead => "route_read",
            Self::InputFifoWrite => "input_fifo_write",
            Self::InputFifoRead => "input_fifo_read",
            Self::RouterWrite => "router_write",
            Self::RouterRead => "router_read",
            Self::Hop => "hop",
        }
    }

    /// The memory of a core that it uses; none for operations and for the mesh.
    ///
    /// The two queues take turns, so their accesses are given under the first.
    #[must_use]
    pub fn memory(self) -> Option<(Memory, Access)> {
        use Access::{Read, Write};
        Some(match self {
            Self::SynapseRead => (Memory::Synapses, Read),
            Self::AccumulatorRead | Self::DueRead => (Memory::Accumulators, Read),
            Self::AccumulatorWrite | Self::DueClear => (Memory::Accumulators, Write),
            Self::AxonRead => (Memory::Axons, Read),
            Self::UsefulRead => (Memory::UsefulWeights, Read),
            Self::QueueWrite => (Memory::QueueA, Write),
            Self::QueueRead => (Memory::QueueA, Read),
            Self::MembraneRead => (Memory::Membranes, Read),
            Self::MembraneWrite => (Memory::Membranes, Write),
            Self::ParameterRead => (Memory::Parameters, Read),
            Self::ScoreRead => (Memory::Scores, Read),
            Self::ScoreWrite => (Memory::Scores, Write),
            Self::SpikeFifoWrite => (Memory::SpikeFifo, Write),
            Self::SpikeFifoRead => (Memory::SpikeFifo, Read),
            Self::RouteIndexRead => (Memory::RouteIndex, Read),
            Self::RouteRead => (Memory::Routes, Read),
            Self::InputFifoWrite => (Memory::InputFifo, Write),
            Self::InputFifoRead => (Memory::InputFifo, Read),
            Self::SynapseAdd
            | Self::NeuronUpdate
            | Self::ScoreAdd
            | Self::RouterWrite
            | Self::RouterRead
            | Self::Hop => return None,
        })
    }

    /// What the access is for, for pictures.
    #[must_use]
    pub fn cause(self) -> Cause {
        match self {
            Self::SynapseRead | Self::SynapseAdd | Self::AccumulatorRead | Self::AccumulatorWrite => {
                Cause::Synapses
            }
            Self::AxonRead | Self::UsefulRead | Self::QueueWrite | Self::QueueRead => Cause::Delivery,
            Self::DueRead
            | Self::DueClear
            | Self::MembraneRead
            | Self::MembraneWrite
            | Self::ParameterRead
            | Self::NeuronUpdate
            | Self::ScoreRead
            | Self::ScoreWrite
            | Self::ScoreAdd => Cause::Neurons,
            _ => Cause::Spikes,
        }
    }
}

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Groups of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Synapse words, additions and the accumulators that they change.
    Synapses,
    /// Finding the synapses of an event: axon rows, useful-weight rows, queues.
    Delivery,
    /// Updates of neurons and scores.
    Neurons,
    /// Spikes on their way: FIFOs, routes, mesh.
    Spikes,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 4] = [Self::Synapses, Self::Delivery, Self::Neurons, Self::Spikes];

    /// Name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Synapses => "synapses and accumulators",
            Self::Delivery => "axon rows and queues",
            Self::Neurons => "neurons and scores",
            Self::Spikes => "spikes and mesh",
        }
    }
}

/// Counts by term; terms that never happened are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger(BTreeMap<Term, u64>);

impl Ledger {
    /// The ledger of a core. `score_updates` is readouts x steps x samples.
    #[must_use]
    pub fn of_core(structure: Structure, s: &CoreStats, score_updates: u64) -> Self {
        let streamed = s.delivered + s.skipped;
        let mut ledger = Self::default();
        ledger.set(&[
            (Term::SynapseRead, s.synaptic_operations),
            (Term::SynapseAdd, s.synaptic_operations),
            (Term::AccumulatorRead, s.synaptic_operations),
            (Term::AccumulatorWrite, s.synaptic_operations),
            (Term::DueRead, s.updates),
            (Term::DueClear, s.updates),
            (Term::MembraneRead, s.updates),
            (Term::MembraneWrite, s.updates),
            (Term::ParameterRead, s.updates),
            (Term::NeuronUpdate, s.updates),
            (Term::ScoreRead, score_updates),
            (Term::ScoreWrite, score_updates),
            (Term::ScoreAdd, score_updates),
            (Term::SpikeFifoWrite, s.spikes),
            (Term::SpikeFifoRead, s.spikes),
            (Term::RouteIndexRead, s.spikes),
            (Term::RouteRead, s.flits_sent),
            (Term::InputFifoWrite, s.arrivals),
            (Term::InputFifoRead, s.arrivals),
        ]);
        match structure {
            Structure::RingBuffer => ledger.set(&[(Term::AxonRead, s.arrivals)]),
            Structure::SharedQueue => ledger.set(&[
                (Term::AxonRead, streamed),
                (Term::UsefulRead, streamed),
                // What is streamed and not dropped is queued again.
                (Term::QueueWrite, s.arrivals + streamed - s.dropped),
                (Term::QueueRead, streamed),
            ]),
        }
        ledger
    }

    /// The ledger of the mesh: a flit enters one router more than it has hops.
    #[must_use]
    pub fn of_mesh(flits: u64, hops: u64) -> Self {
        let mut ledger = Self::default();
        ledger.set(&[(Term::RouterWrite, flits + hops), (Term::RouterRead, flits + hops), (Term::Hop, hops)]);
        ledger
    }

    fn set(&mut self, counts: &[(Term, u64)]) {
        for &(term, count) in counts.iter().filter(|c| c.1 > 0) {
            self.0.insert(term, count);
        }
    }

    /// How often a term happened.
    #[must_use]
    pub fn count(&self, term: Term) -> u64 {
        self.0.get(&term).copied().unwrap_or(0)
    }

    /// Terms that happened, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Term, u64)> + '_ {
        self.0.iter().map(|(&t, &n)| (t, n))
    }

    /// Adds another ledger.
    pub fn add(&mut self, other: &Self) {
        for (term, count) in other.iter() {
            *self.0.entry(term).or_insert(0) += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_files_and_all_terms_are_listed() {
        for term in Term::ALL {
            assert_eq!(serde_json::to_value(term).unwrap(), term.name());
        }
        let names: std::collections::BTreeSet<_> = Term::ALL.iter().collect();
        assert_eq!(names.len(), Term::ALL.len());
    }
}
