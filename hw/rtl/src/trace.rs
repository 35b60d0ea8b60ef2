//! Waves of any circuit, through the project's wave writer.

use crate::design::Design;
use crate::ir::{Info, NodeId, Type};
use crate::sim::{Probe, Simulator};
use crate::wave::{Layout, ScopeId, SignalId, Writer};
use std::collections::HashMap;
use std::io::{self, Write};

/// What a trace shows.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// Clock period in picoseconds, even.
    pub period_ps: u64,
    /// Paths of the instances that are shown, with all that they hold; empty for all.
    pub only: Vec<String>,
}

impl Default for TraceOptions {
    /// 10 ns, everything.
    fn default() -> Self {
        Self { period_ps: 10_000, only: Vec::new() }
    }
}

/// Writes the waves of a circuit, one [`sample`](Self::sample) a cycle.
///
/// Cycle c lasts from c x period to (c + 1) x period; `clk` rises at its start.
pub struct Tracer<W: Write> {
    writer: Writer<W>,
    clock: SignalId,
    half_period: u64,
    signals: Vec<(Probe, SignalId)>,
}

impl<W: Write> Tracer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Those of the writer; an odd period.
    pub fn new(sim: &Simulator, out: W, options: &TraceOptions) -> io::Result<Self> {
        if options.period_ps == 0 || !options.period_ps.is_multiple_of(2) {
            let text = format!("clock period of {} ps: must be even", options.period_ps);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let unit = if options.period_ps.is_multiple_of(2000) { 1000 } else { 1 };
        let design = sim.design();
        let mut layout = Layout::new();
        let top = layout.scope(None, &design.top().unique_name());
        let clock = layout.signal(top, "clk", 1);
        let mut scopes: HashMap<usize, ScopeId> = HashMap::from([(0, top)]);
        let mut signals = Vec::new();
        for (instance, placed) in design.placed.iter().enumerate() {
            if let Some((parent, index)) = placed.parent {
                let name = &design.placed[parent].def.instances[index].name;
                let scope = layout.scope(scopes.get(&parent).copied(), name);
                scopes.insert(instance, scope);
            }
            if shown(design, instance, &options.only) {
                declare(design, instance, scopes[&instance], &mut layout, &mut signals);
            }
        }
        let comment = format!("{} by Delayline's RTL layer", design.top().unique_name());
        let writer = Writer::new(out, &layout, unit, &comment)?;
        Ok(Self { writer, clock, half_period: options.period_ps / unit / 2, signals })
    }

    /// Writes the signals of the cycle in which the circuit is.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn sample(&mut self, sim: &mut Simulator) -> io::Result<()> {
        let start = sim.cycle() * 2 * self.half_period;
        self.writer.change(start, self.clock, 1)?;
        for &(probe, signal) in &self.signals {
            self.writer.change(start, signal, sim.get(probe))?;
        }
        self.writer.change(start + self.half_period, self.clock, 0)
    }

    /// Flushes what was written.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> io::Result<()> {
        self.writer.finish()
    }
}

fn shown(design: &Design, instance: usize, only: &[String]) -> bool {
    let path = design.path(instance);
    let inside = |scope: &String| {
        path.strip_prefix(scope.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('.'))
    };
    only.is_empty() || only.iter().any(inside)
}

fn declare(
    design: &Design,
    instance: usize,
    scope: ScopeId,
    layout: &mut Layout,
    signals: &mut Vec<(Probe, SignalId)>,
) {
    let def = &design.placed[instance].def;
    let mut add = |info: &Info, node: NodeId| {
        let signal = match info.ty {
            Type::States(states) => layout.state(scope, &info.name, states.states),
            Type::Unsigned | Type::Signed => layout.signal(scope, &info.name, info.width),
        };
        signals.push((Probe::new(instance, node, info.width), signal));
    };
    let outputs = def.outputs.iter().filter(|o| !def.is_named(&o.info.name, o.node));
    for port in def.inputs.iter().chain(outputs) {
        add(&port.info, port.node);
    }
    for reg in &def.regs {
        add(&reg.info, reg.node);
    }
    for wire in &def.wires {
        add(&wire.info, wire.node);
    }
    for memory in &def.memories {
        let name = def.free_name(&format!("{}_data", memory.name));
        let info = Info { name, doc: String::new(), width: memory.bits, ty: Type::Unsigned };
        add(&info, memory.node);
    }
}
