//! The signals of a wave file, by component.

use crate::lanes::CoreLanes;
use crate::program::Program;
use hw::layout::{Widths, bits_for};
use hw::platform::Structure;
use rtl::wave::{Layout, ScopeId, SignalId};

/// States of a core's controller, by the number of its [`Phase`](crate::probe::Phase).
pub(super) const STATES: [&str; 4] = ["IDLE", "DELIVER", "UPDATE", "ACCEPT"];

/// A signal that may have been left out.
pub(super) type Signal = Option<SignalId>;

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

/// The signals of a core, in its scope.
pub(super) fn core(
    d: &mut Declare<'_>,
    core: ScopeId,
    program: &Program,
    widths: &Widths,
) -> CoreLanes<Signal> {
    let platform = &program.platform;
    let accumulator_bits = platform.accumulator(program.structure).0.into();
    let ring = program.structure == Structure::RingBuffer;
    let slot_bits = bits_for(program.depth.into());
    let sub = |d: &mut Declare<'_>, name: &str| d.scope(Some(core), name);
    let mut s = CoreLanes { state: d.state(core, "state"), ..CoreLanes::default() };
    let scope = sub(d, "input");
    s.taken = d.signal(scope, "taken", 1);
    s.axon = d.signal(scope, "axon", widths.axon);
    s.level = d.signal(scope, "level", bits_for(u64::from(platform.mesh.core_buffer) + 1));
    if ring {
        let scope = sub(d, "ring");
        s.head = d.signal(scope, "head", slot_bits);
        s.slot = d.signal(scope, "slot", slot_bits);
    }
    let scope = sub(d, "synapse");
    s.synapse_read = d.signal(scope, "read", 1);
    s.synapse_address = d.signal(scope, "address", widths.synapse_address);
    let scope = sub(d, "accumulator");
    s.write = d.signal(scope, "write", 1);
    s.neuron = d.signal(scope, "neuron", widths.neuron);
    s.weight = d.signal(scope, "weight", accumulator_bits);
    s.data = d.signal(scope, "data", accumulator_bits);
    let scope = sub(d, "soma");
    s.soma_write = d.signal(scope, "write", 1);
    s.soma_neuron = d.signal(scope, "neuron", widths.neuron);
    s.membrane = d.signal(scope, "membrane", platform.core.membrane_bits_max.into());
    s.spike = d.signal(scope, "spike", 1);
    if !ring {
        let scope = sub(d, "queue");
        let pointer = bits_for(platform.shared_queue.depth.into());
        let q = &mut s.queue;
        q.selected = d.signal(scope, "selected", 1);
        q.read = d.signal(scope, "read", 1);
        q.read_pointer = d.signal(scope, "read_pointer", pointer);
        q.read_level = d.signal(scope, "read_level", pointer + 1);
        let event = [("axon", widths.axon), ("age", widths.delay), ("offset", widths.list)];
        q.read_event = event.map(|(field, bits)| d.signal(scope, &format!("read_{field}"), bits));
        q.write = d.signal(scope, "write", 1);
        q.write_pointer = d.signal(scope, "write_pointer", pointer + 1);
        q.write_event = event.map(|(field, bits)| d.signal(scope, &format!("write_{field}"), bits));
    }
    let scope = sub(d, "output");
    s.out_valid = d.signal(scope, "valid", 1);
    s.out_flit = d.signal(scope, "flit", widths.flit());
    s
}
