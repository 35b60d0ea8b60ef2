//! What happens at the boundaries of cores, routers and injectors, for comparing a machine with something else in lockstep.

use crate::blocks::router::Port;
use crate::machine::{Cycle, Machine};
use rtl::{Probe, SimError};

/// Something that happens at the boundary of a core, router or injector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A router takes a flit from an input buffer.
    RouterInput {
        /// Column.
        x: u16,
        /// Row.
        y: u16,
        /// The input.
        port: Port,
    },
    /// A router sends a flit.
    RouterOutput {
        /// Column.
        x: u16,
        /// Row.
        y: u16,
        /// The output.
        port: Port,
        /// The flit, packed.
        flit: u64,
    },
    /// A core takes a flit from its input port.
    CoreInput {
        /// Index of the core in the build.
        core: u32,
    },
    /// A core sends a flit.
    CoreOutput {
        /// Index of the core in the build.
        core: u32,
        /// The flit, packed.
        flit: u64,
    },
    /// An injector sends a flit.
    InjectorOutput {
        /// Index of the injector.
        injector: u32,
        /// The flit, packed.
        flit: u64,
    },
}

/// Watches the boundaries of all cores, routers and injectors of a machine.
pub struct Boundaries {
    /// What is 1 in the cycle of an event.
    taken: Vec<(Probe, Event)>,
    /// What is 1 in the cycle after an event, and the flit then.
    sent: Vec<(Probe, Probe, Event)>,
}

impl Boundaries {
    /// Those of a machine.
    ///
    /// # Errors
    /// The circuit lacks one of them.
    pub fn new(machine: &Machine) -> Result<Self, SimError> {
        let (circuit, mesh) = (machine.circuit(), &machine.mesh);
        let (mut taken, mut sent) = (Vec::new(), Vec::new());
        let mut writer = |name: &str, event| -> Result<(), SimError> {
            let (valid, flit) = (format!("{name}_valid"), format!("{name}_flit"));
            sent.push((circuit.probe(&valid)?, circuit.probe(&flit)?, event));
            Ok(())
        };
        for y in 0..mesh.height {
            for x in 0..mesh.width {
                for port in Port::ALL {
                    let name = format!("router_{x}_{y}.{}", port.name());
                    writer(&format!("{name}_out"), Event::RouterOutput { x, y, port, flit: 0 })?;
                    let credit = circuit.probe(&format!("{name}_in_credit"))?;
                    taken.push((credit, Event::RouterInput { x, y, port }));
                }
            }
        }
        for (i, core) in machine.build.cores.iter().enumerate() {
            let (name, core) = (format!("core_{}_{}", core.x, core.y), i as u32);
            writer(&format!("{name}.out"), Event::CoreOutput { core, flit: 0 })?;
            taken.push((circuit.probe(&format!("{name}.in_credit"))?, Event::CoreInput { core }));
        }
        for injector in 0..mesh.injectors.len() as u32 {
            writer(&format!("injector_{injector}.out"), Event::InjectorOutput { injector, flit: 0 })?;
        }
        Ok(Self { taken, sent })
    }

    /// The events that show in this cycle, each with the cycle in which it happened.
    pub fn events(&self, cycle: &mut Cycle<'_>) -> Vec<(i64, Event)> {
        let mut out = Vec::new();
        for &(probe, event) in &self.taken {
            if cycle.circuit.get(probe) == 1 {
                out.push((cycle.cycle, event));
            }
        }
        for &(valid, word, mut event) in &self.sent {
            if cycle.circuit.get(valid) == 1 {
                let word = cycle.circuit.get(word);
                if let Event::RouterOutput { flit, .. }
                | Event::CoreOutput { flit, .. }
                | Event::InjectorOutput { flit, .. } = &mut event
                {
                    *flit = word;
                }
                // The output register shows it a cycle later.
                out.push((cycle.cycle - 1, event));
            }
        }
        out
    }
}
