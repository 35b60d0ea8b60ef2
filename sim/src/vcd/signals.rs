//! The signals of a wave file, by component.

use crate::program::Program;
use hw::layout::{Widths, bits_for};
use hw::platform::Structure;
use rtl::wave::{Layout, ScopeId, SignalId};

/// States of a core's controller, by [`Phase`].
pub(super) const STATES: [&str; 4] = ["IDLE", "DELIVER", "UPDATE", "ACCEPT"];

/// A signal that may have been left out.
pub(super) type Signal = Option<SignalId>;

#[derive(Debug, Default)]
pub(super) struct CoreSignals {
    pub(super) state: Signal,
    pub(super) head: Signal,
    pub(super) in_valid: Signal,
    pub(super) in_axon: Signal,
    pub(super) in_level: Signal,
    pub(super) out_valid: Signal,
    pub(super) out_flit: Signal,
    pub(super) synapse_read: Signal,
    pub(super) synapse_address: Signal,
    pub(super) accumulator_write: Signal,
    pub(super) accumulator_neuron: Signal,
    pub(super) accumulator_slot: Signal,
    pub(super) accumulator_data: Signal,
    pub(super) weight: Signal,
    pub(super) soma_write: Signal,
    pub(super) soma_neuron: Signal,
    pub(super) soma_membrane: Signal,
    pub(super) soma_spike: Signal,
    pub(super) queue: Option<QueueSignals>,
}

#[derive(Debug, Default)]
pub(super) struct QueueSignals {
    pub(super) selected: Signal,
    pub(super) read: Signal,
    pub(super) read_pointer: Signal,
    pub(super) read_level: Signal,
    pub(super) read_axon: Signal,
    pub(super) read_age: Signal,
    pub(super) read_offset: Signal,
    pub(super) write: Signal,
    pub(super) write_pointer: Signal,
    pub(super) write_axon: Signal,
    pub(super) write_age: Signal,
    pub(super) write_offset: Signal,
}

#[derive(Debug, Default)]
pub(super) struct RouterSignals {
    pub(super) in_level: [Signal; 5],
    pub(super) out_valid: [Signal; 5],
    pub(super) out_flit: [Signal; 5],
    pub(super) credits: [Signal; 5],
}

#[derive(Debug, Default)]
pub(super) struct ChipSignals {
    pub(super) clk: Signal,
    pub(super) step: Signal,
    pub(super) start: Signal,
    pub(super) quiet: Signal,
}

pub(super) struct Declare<'a> {
    pub(super) layout: Layout,
    pub(super) patterns: &'a [glob::Pattern],
    /// Whether each pattern has matched anything.
    pub(super) hits: Vec<bool>,
}

impl Declare<'_> {
    pub(super) fn scope(&mut self, parent: Option<ScopeId>, name: &str) -> ScopeId {
        self.layout.scope(parent, name)
    }

    pub(super) fn wanted(&mut self, scope: ScopeId, name: &str) -> bool {
        let path = format!("{}.{name}", self.layout.scope_path(scope));
        let mut wanted = self.patterns.is_empty();
        for (pattern, hit) in self.patterns.iter().zip(&mut self.hits) {
            // A pattern that names a scope takes all below it.
            let mut paths = path.match_indices('.').map(|(i, _)| &path[..i]).chain([&path[..]]);
            if paths.any(|s| pattern.matches(s)) {
                (wanted, *hit) = (true, true);
            }
        }
        wanted
    }

    pub(super) fn signal(&mut self, scope: ScopeId, name: &str, bits: u32) -> Signal {
        self.wanted(scope, name).then(|| self.layout.signal(scope, name, bits))
    }

    pub(super) fn state(&mut self, scope: ScopeId, name: &str) -> Signal {
        self.wanted(scope, name).then(|| self.layout.state(scope, name, &STATES))
    }
}

impl CoreSignals {
    pub(super) fn declare(d: &mut Declare<'_>, core: ScopeId, program: &Program, widths: &Widths) -> Self {
        let platform = &program.platform;
        let accumulator_bits = platform.accumulator(program.structure).0.into();
        let ring = program.structure == Structure::RingBuffer;
        let slot_bits = bits_for(program.depth.into());
        let sub = |d: &mut Declare<'_>, name: &str| d.scope(Some(core), name);
        let mut s = Self { state: d.state(core, "state"), ..Self::default() };
        let scope = sub(d, "input");
        s.in_valid = d.signal(scope, "taken", 1);
        s.in_axon = d.signal(scope, "axon", widths.axon);
        s.in_level = d.signal(scope, "level", bits_for(u64::from(platform.mesh.core_buffer) + 1));
        if ring {
            let scope = sub(d, "ring");
            s.head = d.signal(scope, "head", slot_bits);
            s.accumulator_slot = d.signal(scope, "slot", slot_bits);
        }
        let scope = sub(d, "synapse");
        s.synapse_read = d.signal(scope, "read", 1);
        s.synapse_address = d.signal(scope, "address", widths.synapse_address);
        let scope = sub(d, "accumulator");
        s.accumulator_write = d.signal(scope, "write", 1);
        s.accumulator_neuron = d.signal(scope, "neuron", widths.neuron);
        s.weight = d.signal(scope, "weight", accumulator_bits);
        s.accumulator_data = d.signal(scope, "data", accumulator_bits);
        let scope = sub(d, "soma");
        s.soma_write = d.signal(scope, "write", 1);
        s.soma_neuron = d.signal(scope, "neuron", widths.neuron);
        s.soma_membrane = d.signal(scope, "membrane", platform.core.membrane_bits_max.into());
        s.soma_spike = d.signal(scope, "spike", 1);
        if !ring {
            let scope = sub(d, "queue");
            let pointer = bits_for(platform.shared_queue.depth.into());
            s.queue = Some(QueueSignals {
                selected: d.signal(scope, "selected", 1),
                read: d.signal(scope, "read", 1),
                read_pointer: d.signal(scope, "read_pointer", pointer),
                read_level: d.signal(scope, "read_level", pointer + 1),
                read_axon: d.signal(scope, "read_axon", widths.axon),
                read_age: d.signal(scope, "read_age", widths.delay),
                read_offset: d.signal(scope, "read_offset", widths.list),
                write: d.signal(scope, "write", 1),
                write_pointer: d.signal(scope, "write_pointer", pointer + 1),
                write_axon: d.signal(scope, "write_axon", widths.axon),
                write_age: d.signal(scope, "write_age", widths.delay),
                write_offset: d.signal(scope, "write_offset", widths.list),
            });
        }
        let scope = sub(d, "output");
        s.out_valid = d.signal(scope, "valid", 1);
        s.out_flit = d.signal(scope, "flit", widths.flit());
        s
    }
}
