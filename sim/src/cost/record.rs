//! Runs samples and records what the report needs beyond the counts: the most arrivals of a step.

use crate::mesh::Flit;
use crate::probe::Probe;
use crate::statistics::{Header, Statistics};
use crate::{Error, Simulator};
use spikes::Binned;

/// Counts arrivals of each core within a step.
#[derive(Debug, Clone)]
struct Arrivals {
    now: Vec<u64>,
    peak: Vec<u64>,
}

impl Probe for Arrivals {
    fn core_input(&mut self, _: u64, core: usize, _: Flit) {
        self.now[core] += 1;
        self.peak[core] = self.peak[core].max(self.now[core]);
    }

    fn barrier(&mut self, _: u64, _: u64) {
        self.now.fill(0);
    }
}

/// Runs samples one after the other into one [`Statistics`].
#[derive(Debug)]
pub struct Recorder {
    simulator: Simulator,
    arrivals: Arrivals,
    statistics: Statistics,
}

impl Recorder {
    /// A recorder of a simulator's runs.
    #[must_use]
    pub fn new(simulator: Simulator, header: Header) -> Self {
        let cores = simulator.program().cores();
        let arrivals = Arrivals { now: vec![0; cores], peak: vec![0; cores] };
        let statistics = Statistics::new(simulator.program(), header);
        Self { simulator, arrivals, statistics }
    }

    /// Runs a sample; one that overflows is counted as failed and is no error.
    ///
    /// # Errors
    /// As [`Simulator::run`].
    pub fn run(&mut self, index: usize, label: Option<u32>, binned: &Binned) -> Result<(), Error> {
        self.arrivals.now.fill(0);
        let outcome = self.simulator.run_with(binned, &mut self.arrivals)?;
        self.statistics.add(index, label, binned, &outcome);
        Ok(())
    }

    /// The statistics of all samples.
    #[must_use]
    pub fn finish(mut self) -> Statistics {
        self.statistics.finish(self.simulator.program().platform.mesh.barrier_latency);
        for (core, peak) in self.statistics.cores.iter_mut().zip(&self.arrivals.peak) {
            core.arrivals_peak = Some(*peak);
        }
        self.statistics
    }
}
