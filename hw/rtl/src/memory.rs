//! Memories as primitives: synchronous read, one port that reads or writes, or one of each.
//!
//! An address given in cycle c has its data in c + 1, and the data stay until the next read. A word has 1 to 64 bits;
//! wider words are several memories side by side, or a bundle packed into one word. A memory has no reset: what it
//! holds at power-up is unknown unless it has contents, and so are its read data before the first read (in simulation
//! both start from zero). In a cycle of reset a memory neither reads nor writes.

use crate::error::ErrorKind;
use crate::handle::Item;
use crate::ir::{Contents, Memory, MemoryPorts, Named, NodeId, Op, ReadDuringWrite};
use crate::module::Module;
use crate::semantics::mask;
use crate::value::{Raw, U};
use std::panic::Location;

/// A memory with one port that reads or writes.
#[derive(Clone, Copy)]
pub struct Memory1Rw<'m> {
    /// The read data: the word addressed in the cycle of the last read.
    pub data: U<'m>,
    base: Base<'m>,
}

/// A memory with one port that reads and one that writes.
#[derive(Clone, Copy)]
pub struct Memory1R1W<'m> {
    /// The read data: the word addressed in the cycle of the last read.
    pub data: U<'m>,
    base: Base<'m>,
}

#[derive(Clone, Copy)]
struct Base<'m> {
    m: &'m Module,
    index: u32,
    address_bits: u32,
    bits: u32,
}

impl Module {
    /// A memory with one port that reads or writes.
    #[track_caller]
    pub fn memory_1rw(&self, name: &str, words: u64, bits: u32) -> Memory1Rw<'_> {
        let none = NodeId::NONE;
        let ports = MemoryPorts::OneRw { address: none, enable: none, write: none, data: none };
        let (base, data) = self.add_memory(name, words, bits, ports);
        Memory1Rw { data, base }
    }

    /// A memory with one port that reads and one that writes.
    #[track_caller]
    pub fn memory_1r1w(&self, name: &str, words: u64, bits: u32, rule: ReadDuringWrite) -> Memory1R1W<'_> {
        let none = NodeId::NONE;
        let ports = MemoryPorts::OneReadOneWrite {
            read_address: none,
            read_enable: none,
            write_address: none,
            write_enable: none,
            write_data: none,
            rule,
        };
        let (base, data) = self.add_memory(name, words, bits, ports);
        Memory1R1W { data, base }
    }

    #[track_caller]
    fn add_memory(&self, name: &str, words: u64, bits: u32, ports: MemoryPorts) -> (Base<'_>, U<'_>) {
        let at = Location::caller();
        let open = &mut *self.open.borrow_mut();
        let index = open.def.memories.len() as u32;
        let bits = open.width(name, bits, at);
        let name = open.claim(name, Named::Memory(index), at);
        if !(2..=1 << 32).contains(&words) {
            let what = format!("{words} words, must be 2 to 2^32");
            open.fail(ErrorKind::Memory { memory: name.clone(), what }, at);
        }
        let words = words.clamp(2, 1 << 32);
        let node = open.node(Op::ReadData(index), bits);
        let (doc, contents) = (String::new(), Contents::Unknown);
        open.def.memories.push(Memory { name, doc, words, bits, ports, node, contents });
        let base = Base { m: self, index, address_bits: crate::bits_for(words), bits };
        (base, U(Raw { m: self, id: node, width: bits }))
    }
}

impl<'m> Base<'m> {
    /// Node of what drives a port, its width checked.
    #[track_caller]
    fn port(self, what: &str, value: U<'m>, width: u32) -> NodeId {
        let id = self.m.own(value.0);
        let open = &mut *self.m.open.borrow_mut();
        let name = format!("{}.{what}", open.def.memories[self.index as usize].name);
        open.connection(&name, width, value.0, Location::caller());
        id
    }

    fn with(self, change: impl FnOnce(&mut Memory) -> bool, at: &'static Location<'static>) {
        let open = &mut *self.m.open.borrow_mut();
        let memory = &mut open.def.memories[self.index as usize];
        if !change(memory) {
            let name = format!("port of memory {}", memory.name);
            open.fail(ErrorKind::DrivenTwice(name), at);
        }
    }

    #[track_caller]
    fn fix(self, words: &[u64]) {
        let (most, name) = {
            let memory = &self.m.open.borrow().def.memories[self.index as usize];
            (memory.words, memory.name.clone())
        };
        let what = if words.len() as u64 > most {
            format!("{} words of contents, has {most}", words.len())
        } else if let Some(at) = words.iter().position(|&w| w > mask(self.bits)) {
            format!("contents of word {at} do not fit {} bits", self.bits)
        } else {
            self.m.set_contents(self.index, Contents::Fixed(words.into()));
            return;
        };
        self.m.fail(ErrorKind::Memory { memory: name, what });
    }
}

/// What both kinds have.
macro_rules! common {
    ($name:ident) => {
        impl<'m> $name<'m> {
            /// Bits of its addresses.
            #[must_use]
            pub fn address_bits(self) -> u32 {
                self.base.address_bits
            }

            /// Gives it the same contents in every instance; the rest is zero.
            #[track_caller]
            pub fn fixed(self, words: &[u64]) -> Self {
                self.base.fix(words);
                self
            }

            /// Says that each instance has contents of its own, given by path to the simulator and as a file to Verilog.
            pub fn loadable(self) -> Self {
                self.base.m.set_contents(self.base.index, Contents::PerInstance);
                self
            }

            /// Gives it a doc text.
            pub fn doc(self, text: &str) -> Self {
                Item { m: self.base.m, named: Named::Memory(self.base.index) }.doc(text);
                self
            }
        }
    };
}
common!(Memory1Rw);
common!(Memory1R1W);

impl<'m> Memory1Rw<'m> {
    /// Drives the port: where `enable` holds, writes `data` if `write` holds, else reads. Returns the read data.
    #[track_caller]
    pub fn access(self, address: U<'m>, enable: U<'m>, write: U<'m>, data: U<'m>) -> U<'m> {
        let b = self.base;
        let ports = MemoryPorts::OneRw {
            address: b.port("address", address, b.address_bits),
            enable: b.port("enable", enable, 1),
            write: b.port("write", write, 1),
            data: b.port("data", data, b.bits),
        };
        let change = |memory: &mut Memory| {
            let free = matches!(memory.ports, MemoryPorts::OneRw { address: NodeId::NONE, .. });
            memory.ports = ports;
            free
        };
        b.with(change, Location::caller());
        self.data
    }

    /// Drives the port of a memory that is only read. Returns the read data.
    #[track_caller]
    pub fn read(self, address: U<'m>, enable: U<'m>) -> U<'m> {
        let m = self.base.m;
        self.access(address, enable, m.u(0, 1), m.u(0, self.base.bits))
    }
}

impl<'m> Memory1R1W<'m> {
    /// Drives the reading port. Returns the read data.
    #[track_caller]
    pub fn read(self, address: U<'m>, enable: U<'m>) -> U<'m> {
        let b = self.base;
        let (a, e) = (b.port("read_address", address, b.address_bits), b.port("read_enable", enable, 1));
        let change = |memory: &mut Memory| match &mut memory.ports {
            MemoryPorts::OneReadOneWrite { read_address, read_enable, .. } => {
                *read_enable = e;
                std::mem::replace(read_address, a) == NodeId::NONE
            }
            MemoryPorts::OneRw { .. } => false,
        };
        b.with(change, Location::caller());
        self.data
    }

    /// Drives the writing port.
    #[track_caller]
    pub fn write(self, address: U<'m>, enable: U<'m>, data: U<'m>) {
        let b = self.base;
        let (a, e) = (b.port("write_address", address, b.address_bits), b.port("write_enable", enable, 1));
        let d = b.port("write_data", data, b.bits);
        let change = |memory: &mut Memory| match &mut memory.ports {
            MemoryPorts::OneReadOneWrite { write_address, write_enable, write_data, .. } => {
                (*write_enable, *write_data) = (e, d);
                std::mem::replace(write_address, a) == NodeId::NONE
            }
            MemoryPorts::OneRw { .. } => false,
        };
        b.with(change, Location::caller());
    }
}
