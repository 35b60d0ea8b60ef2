//! A circuit as a tree of instances: where each finds its values and state, and what a path means.
//!
//! Instances share their definition; only places are laid out for each of them.

use crate::ir::{Def, Named, NodeId, Op};
use crate::names::clean;
use std::sync::Arc;

/// A path or name that a circuit does not have, or a use that does not fit it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// A part of a path is not there.
    #[error("path {path}: {scope} has no {name}; it has {there}")]
    NoSuchName {
        /// The whole path.
        path: String,
        /// Where it ends.
        scope: String,
        /// What is not there.
        name: String,
        /// What is there.
        there: String,
    },
    /// The path names something else.
    #[error("path {path} is not {wanted}")]
    WrongKind {
        /// The path.
        path: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// Contents that a memory cannot hold.
    #[error("memory {path}: {what}")]
    Contents {
        /// Path of the memory.
        path: String,
        /// What is wrong.
        what: String,
    },
}

/// An instance at its place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub def: Def,
    /// The instance that holds it and its index there; none for the top.
    pub parent: Option<(usize, usize)>,
    /// The instances in it, in the order of its definition.
    pub children: Vec<usize>,
    /// Where its nodes' values start.
    pub values: usize,
    /// Where its registers start.
    pub regs: usize,
    /// Where its memories start.
    pub memories: usize,
    /// Where its properties start.
    pub properties: usize,
}

/// A circuit: a definition and all instances below it, each before those that it holds.
#[derive(Debug)]
pub struct Design {
    pub(crate) placed: Vec<Placed>,
    pub(crate) values: usize,
    pub(crate) regs: usize,
    pub(crate) memories: usize,
    pub(crate) properties: usize,
}

impl Design {
    /// Lays a circuit out.
    #[must_use]
    pub fn new(top: &Def) -> Self {
        let mut design = Self { placed: Vec::new(), values: 0, regs: 0, memories: 0, properties: 0 };
        design.place(top, None);
        design
    }

    fn place(&mut self, def: &Def, parent: Option<(usize, usize)>) -> usize {
        let index = self.placed.len();
        self.placed.push(Placed {
            def: Arc::clone(def),
            parent,
            children: Vec::with_capacity(def.instances.len()),
            values: self.values,
            regs: self.regs,
            memories: self.memories,
            properties: self.properties,
        });
        self.values += def.nodes.len();
        self.regs += def.regs.len();
        self.memories += def.memories.len();
        self.properties += def.properties.len();
        for (i, instance) in def.instances.iter().enumerate() {
            let child = self.place(&instance.def, Some((index, i)));
            self.placed[index].children.push(child);
        }
        index
    }

    /// The top definition.
    #[must_use]
    pub fn top(&self) -> &Def {
        &self.placed[0].def
    }

    /// The node that a node only passes on, through ports and wires, and its instance.
    pub(crate) fn origin(&self, mut instance: usize, mut node: NodeId) -> (usize, NodeId) {
        loop {
            let placed = &self.placed[instance];
            match (placed.def.node(node).op, placed.parent) {
                (Op::Wire(i), _) => node = placed.def.wires[i as usize].driver,
                (Op::Input(i), Some((parent, index))) => {
                    node = self.placed[parent].def.instances[index].inputs[i as usize];
                    instance = parent;
                }
                (Op::Output(i, o), _) => {
                    instance = placed.children[i as usize];
                    node = self.placed[instance].def.outputs[o as usize].node;
                }
                _ => return (instance, node),
            }
        }
    }

    /// Number of instances, the top included.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.placed.len()
    }

    /// Path of an instance with dots, without the top's name; empty for the top.
    pub(crate) fn path(&self, instance: usize) -> String {
        let mut names = Vec::new();
        let mut at = instance;
        while let Some((parent, index)) = self.placed[at].parent {
            names.push(self.placed[parent].def.instances[index].name.as_str());
            at = parent;
        }
        names.reverse();
        names.join(".")
    }

    /// Path of a thing in an instance.
    pub(crate) fn path_to(&self, instance: usize, name: &str) -> String {
        let scope = self.path(instance);
        if scope.is_empty() { name.to_string() } else { format!("{scope}.{name}") }
    }

    /// The top's name and the path of an instance.
    pub(crate) fn full_path(&self, instance: usize) -> String {
        let (top, path) = (self.top().unique_name(), self.path(instance));
        if path.is_empty() { top } else { format!("{top}.{path}") }
    }

    /// What a path means: an instance and a name in it.
    pub(crate) fn find(&self, path: &str) -> Result<(usize, Named), SimError> {
        let mut at = 0;
        let mut parts = path.split('.').peekable();
        while let Some(name) = parts.next() {
            let def = &self.placed[at].def;
            match def.names.get(&clean(name)).copied() {
                Some(Named::Instance(i)) if parts.peek().is_some() => {
                    at = self.placed[at].children[i as usize]
                }
                // The read data of a memory are a signal too.
                Some(named) if parts.peek().is_none() => return Ok((at, named)),
                _ => {
                    let mut there: Vec<&str> = def.names.keys().map(String::as_str).collect();
                    there.sort_unstable();
                    return Err(SimError::NoSuchName {
                        path: path.to_string(),
                        scope: self.full_path(at),
                        name: name.to_string(),
                        there: there.join(", "),
                    });
                }
            }
        }
        unreachable!("split gives at least one part")
    }

    /// Path and definition of every instance, each before those that it holds; the top's path is empty.
    pub fn tree(&self) -> impl Iterator<Item = (String, &Def)> {
        self.placed.iter().enumerate().map(|(i, placed)| (self.path(i), &placed.def))
    }

    /// An instance by its path; the top's is empty.
    pub(crate) fn instance(&self, path: &str) -> Result<(usize, &Def), SimError> {
        if path.is_empty() {
            return Ok((0, self.top()));
        }
        match self.find(path)? {
            (parent, Named::Instance(i)) => {
                let instance = self.placed[parent].children[i as usize];
                Ok((instance, &self.placed[instance].def))
            }
            _ => Err(SimError::WrongKind { path: path.to_string(), wanted: "an instance" }),
        }
    }

    /// Paths of all memories, in a fixed order.
    #[must_use]
    pub fn memory_paths(&self) -> Vec<String> {
        let memories = self.placed.iter().enumerate();
        memories.flat_map(|(i, p)| p.def.memories.iter().map(move |m| self.path_to(i, &m.name))).collect()
    }

    /// Paths of all registers, in a fixed order.
    #[must_use]
    pub fn register_paths(&self) -> Vec<String> {
        let regs = self.placed.iter().enumerate();
        regs.flat_map(|(i, p)| p.def.regs.iter().map(move |r| self.path_to(i, &r.info.name))).collect()
    }
}
