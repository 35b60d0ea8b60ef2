//! Counts of a sample, exact; one struct for each core, one for the whole.

use serde::{Deserialize, Serialize};

/// What one core did in a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreStats {
    /// Flits taken from the input port (events in).
    pub arrivals: u64,
    /// Cycles that flits waited at the head of the input port.
    pub arrival_stalls: u64,
    /// Of them, those before its neurons are updated (ring buffer); in the others synapses are added.
    pub update_stalls: u64,
    /// Lists of an (axon, delay) that were applied (shared queue).
    pub delivered: u64,
    /// Events streamed without a list of their age: the useful-weight row saved the read.
    pub skipped: u64,
    /// Events that were not queued again, since no later delay is useful.
    pub dropped: u64,
    /// Weights added to accumulators.
    pub synaptic_operations: u64,
    /// Synaptic operations that would arrive at or after the last step: done and lost (ring buffer), or never done (queue).
    pub lost: u64,
    /// Neuron updates.
    pub updates: u64,
    /// Spikes.
    pub spikes: u64,
    /// Flits sent.
    pub flits_sent: u64,
    /// Cycles that flits waited for a credit of the router.
    pub send_stalls: u64,
    /// Most events that waited for the next step (shared queue).
    pub queue_peak: u64,
}

impl CoreStats {
    /// Adds another sample or core; peaks take the larger.
    pub fn add(&mut self, other: &Self) {
        self.arrivals += other.arrivals;
        self.arrival_stalls += other.arrival_stalls;
        self.update_stalls += other.update_stalls;
        self.delivered += other.delivered;
        self.skipped += other.skipped;
        self.dropped += other.dropped;
        self.synaptic_operations += other.synaptic_operations;
        self.lost += other.lost;
        self.updates += other.updates;
        self.spikes += other.spikes;
        self.flits_sent += other.flits_sent;
        self.send_stalls += other.send_stalls;
        self.queue_peak = self.queue_peak.max(other.queue_peak);
    }
}
