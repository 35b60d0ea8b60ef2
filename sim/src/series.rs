//! Counts by step: of each core, of the chip, and of what held each barrier. `sim/STATS.md` says what each means.

use serde::{Deserialize, Serialize};

fn sum(all: &mut u64, one: u64) {
    *all += one;
}

fn most(all: &mut u64, one: u64) {
    *all = (*all).max(one);
}

/// Declares a struct of series, one number a step each, with how samples are put together.
macro_rules! series {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $how:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Vec<u64>,)*
        }

        impl $name {
            /// Names of the series.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            /// Nothing counted yet in so many steps.
            #[must_use]
            pub fn new(steps: usize) -> Self {
                Self { $($field: vec![0; steps],)* }
            }

            /// Adds another sample; peaks take the larger.
            pub fn add(&mut self, other: &Self) {
                $(for (all, &one) in self.$field.iter_mut().zip(&other.$field) {
                    $how(all, one);
                })*
            }

            /// All series, in the order of their names.
            #[must_use]
            pub fn all(&self) -> Vec<&[u64]> {
                vec![$(&self.$field),*]
            }
        }
    };
}

series! {
    /// What a core and its router did in each step.
    CoreSeries {
        /// Flits taken from the input port (events in).
        arrivals: sum,
        /// Cycles that flits waited at the head of the input port.
        arrival_stalls: sum,
        /// Of them, those before its neurons are updated (ring buffer).
        update_stalls: sum,
        /// Lists of an (axon, delay) that were applied (shared queue).
        delivered: sum,
        /// Events streamed without a list of their age (filtered).
        skipped: sum,
        /// Events that had their last visit and were not queued again.
        dropped: sum,
        /// Synaptic operations that the arrivals give rise to, in this step or later.
        emitted: sum,
        /// Synaptic operations done.
        performed: sum,
        /// Of those emitted: due at or after the last step.
        lost: sum,
        /// Neuron updates.
        updates: sum,
        /// Spikes.
        spikes: sum,
        /// Flits sent.
        flits_sent: sum,
        /// Cycles that flits waited for a credit of the router.
        send_stalls: sum,
        /// Events that wait at the barrier for the next step (shared queue).
        queue_peak: most,
        /// Flits that the core's router sent to other routers.
        hops: sum,
        /// Cycles that heads of the router's buffers waited for a credit or a grant.
        router_stalls: sum,
        /// Of them, those in which another head was granted.
        grant_stalls: sum,
        /// Cycles in which the core updates neurons or adds synapses.
        busy: sum,
        /// Cycles from the core's last work to the release, the barrier's own latency included.
        barrier_wait: sum,
    }
}

series! {
    /// What a router did in each step, whose core is not in use.
    RouterSeries {
        /// Flits that it sent to other routers.
        hops: sum,
        /// Cycles that heads of its buffers waited for a credit or a grant.
        router_stalls: sum,
        /// Of them, those in which another head was granted.
        grant_stalls: sum,
    }
}

series! {
    /// What the chip did in each step.
    ChipSeries {
        /// Cycles.
        cycles: sum,
        /// Most cycles in a sample.
        cycles_max: most,
        /// Flits that injectors sent.
        injected: sum,
        /// Cycles that the flits at the heads of injectors waited for a credit.
        injector_stalls: sum,
        /// Router-to-router hops.
        hops: sum,
        /// Cycles that heads of routers' buffers waited; more than those of the cores' own routers, where some have none.
        router_stalls: sum,
        /// Of them, those in which another head was granted.
        grant_stalls: sum,
    }
}

series! {
    /// The way that ended last in each step, in cycles: these add up to the step's cycles.
    PathSeries {
        /// A shared queue streams its events.
        queue: sum,
        /// Neurons are updated.
        update: sum,
        /// Spikes or inputs wait for their turn to be sent; waiting for a credit is with those who keep the buffer full.
        sender: sum,
        /// Flits are on their way through the mesh, or wait there for each other.
        mesh: sum,
        /// A flit waits in the input port of its core (shared queue).
        port: sum,
        /// Its synapses are added.
        synapses: sum,
        /// The barrier itself.
        barrier: sum,
    }
}

/// Who held a step's barrier: the longest part of the way that ended last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Held {
    /// Which part, a name of [`PathSeries`].
    pub part: String,
    /// `core_X_Y`, `injector_I`, or for the mesh the output `router_X_Y.east`, or `router_X_Y` for the link into it.
    pub component: String,
}

/// How often somebody held a barrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldCount {
    /// Who.
    #[serde(flatten)]
    pub held: Held,
    /// In so many samples.
    pub samples: u64,
}

/// The chip by step, over all samples.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Counts.
    pub chip: ChipSeries,
    /// Critical paths.
    pub path: PathSeries,
    /// For each step who held its barrier, the most frequent first.
    pub held: Vec<Vec<HeldCount>>,
}

impl Steps {
    /// Nothing counted yet in so many steps.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        Self { chip: ChipSeries::new(steps), path: PathSeries::new(steps), held: vec![Vec::new(); steps] }
    }

    /// Notes who held the barrier of a step in a sample.
    pub fn hold(&mut self, step: usize, held: Held) {
        let counts = &mut self.held[step];
        match counts.iter_mut().find(|c| c.held == held) {
            Some(count) => count.samples += 1,
            None => counts.push(HeldCount { held, samples: 1 }),
        }
    }

    /// Adds another sample or more.
    pub fn add(&mut self, other: &Self) {
        self.chip.add(&other.chip);
        self.path.add(&other.path);
        for (step, counts) in other.held.iter().enumerate() {
            for count in counts {
                match self.held[step].iter_mut().find(|c| c.held == count.held) {
                    Some(known) => known.samples += count.samples,
                    None => self.held[step].push(count.clone()),
                }
            }
        }
    }

    /// Puts the most frequent holders first.
    pub fn rank(&mut self) {
        for counts in &mut self.held {
            counts.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.held.cmp(&b.held)));
        }
    }
}
