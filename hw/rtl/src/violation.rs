//! What a cycle may violate: the one place that tells it, for every engine.

use crate::design::Design;
use crate::ir::{Memory, MemoryPorts, NodeId, PropertyKind, ReadDuringWrite};
use crate::sim::{Violation, ViolationKind};

/// A cycle whose values are all there.
pub(crate) trait Look {
    /// Value of a node.
    fn node(&self, instance: usize, node: NodeId) -> u64;
    /// Read data of a memory.
    fn data(&self, instance: usize, memory: usize) -> u64;
    /// A word of a memory, which has one at the address.
    fn word(&self, instance: usize, memory: usize, address: u64) -> u64;
}

/// What a memory does at a clock edge.
pub(crate) struct Access {
    /// Word that it reads.
    pub read: Option<u64>,
    /// Word that it writes, and what.
    pub write: Option<(u64, u64)>,
    rule: ReadDuringWrite,
}

impl Access {
    /// What a memory does at the coming edge.
    pub fn of(memory: &Memory, value: impl Fn(NodeId) -> u64) -> Self {
        match memory.ports {
            MemoryPorts::OneRw { address, enable, write, data } => {
                let (enabled, write) = (value(enable) == 1, value(write) == 1);
                Self {
                    read: (enabled && !write).then(|| value(address)),
                    write: (enabled && write).then(|| (value(address), value(data))),
                    rule: ReadDuringWrite::OldData,
                }
            }
            MemoryPorts::OneReadOneWrite {
                read_address,
                read_enable,
                write_address,
                write_enable,
                write_data,
                rule,
            } => Self {
                read: (value(read_enable) == 1).then(|| value(read_address)),
                write: (value(write_enable) == 1).then(|| (value(write_address), value(write_data))),
                rule,
            },
        }
    }

    /// The data that the memory shows after the edge, from those before and its words.
    pub fn next_data(&self, data: u64, word: impl Fn(u64) -> u64) -> u64 {
        match (self.read, self.write) {
            (Some(read), Some((write, data))) if read == write && self.rule == ReadDuringWrite::Forward => {
                data
            }
            (Some(read), _) => word(read),
            (None, _) => data,
        }
    }
}

/// Checks everything that must hold before an edge: instance by instance, outer ones first.
pub(crate) fn first_violation(design: &Design, cycle: u64, look: &impl Look) -> Result<(), Violation> {
    // The sleeping instance in which each one lies.
    let mut asleep = vec![None; design.placed.len()];
    for (instance, placed) in design.placed.iter().enumerate() {
        let def = &placed.def;
        let fail = |kind, name: &str, message: String| {
            let (path, name) = (design.full_path(instance), name.to_string());
            Err(Violation { cycle, path, kind, name, message })
        };
        let value = |id: NodeId| look.node(instance, id);
        for property in &def.properties {
            let kind = match property.kind {
                PropertyKind::Cover => continue,
                PropertyKind::Assert => ViolationKind::Assertion,
                PropertyKind::Assume => ViolationKind::Assumption,
            };
            if value(property.condition) != 1 {
                return fail(kind, &property.name, property.message.clone());
            }
        }
        let sleeper = placed.parent.and_then(|(parent, _)| asleep[parent]);
        let sleeper = sleeper.or_else(|| def.idle.filter(|&idle| value(idle) == 1).map(|_| instance));
        asleep[instance] = sleeper;
        for (i, memory) in def.memories.iter().enumerate() {
            let access = Access::of(memory, value);
            let addresses = [access.read, access.write.map(|w| w.0)];
            if let Some(address) = addresses.into_iter().flatten().find(|&a| a >= memory.words) {
                let message = format!("address {address}, has {} words", memory.words);
                return fail(ViolationKind::Address, &memory.name, message);
            }
            if let (Some(read), Some((write, _))) = (access.read, access.write)
                && read == write
                && access.rule == ReadDuringWrite::Undefined
            {
                let message = format!("word {read} is read and written in one cycle");
                return fail(ViolationKind::Collision, &memory.name, message);
            }
            if let Some(sleeper) = sleeper {
                let word = |address| look.word(instance, i, address);
                let data = look.data(instance, i);
                let writes = access.write.is_some_and(|(at, new)| word(at) != new);
                if writes || access.next_data(data, word) != data {
                    return fail(ViolationKind::Idle, &memory.name, asleep_text(design, sleeper));
                }
            }
        }
        let Some(sleeper) = sleeper else { continue };
        for reg in &def.regs {
            let takes = reg.enable.is_none_or(|e| value(e) == 1);
            if takes && value(reg.next) != value(reg.node) {
                return fail(ViolationKind::Idle, &reg.info.name, asleep_text(design, sleeper));
            }
        }
    }
    Ok(())
}

fn asleep_text(design: &Design, sleeper: usize) -> String {
    format!("changes although {} says that it is idle", design.full_path(sleeper))
}
