//! The mesh: links with bounded buffers and credits, and routers (`hw/TIMING.md`, "Links" and "Router").
//!
//! Every buffer has one writer that holds its credits: a router output, a core's sender or an
//! injector. A flit sent in cycle c can be at the head of its buffer from c + 2; a credit of a flit
//! taken in cycle c can be used from c + 1.

use crate::probe::Probe;
use crate::schedule::Agenda;
use hw::platform::{Platform, Side};

/// Ports of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Port {
    /// Toward y - 1.
    North = 0,
    /// Toward x + 1.
    East = 1,
    /// Toward y + 1.
    South = 2,
    /// Toward x - 1.
    West = 3,
    /// The core.
    Local = 4,
}

impl Port {
    /// All ports, in the order of the round robin.
    pub const ALL: [Self; 5] = [Self::North, Self::East, Self::South, Self::West, Self::Local];

    /// The port on a side.
    #[must_use]
    pub fn of(side: Side) -> Self {
        match side {
            Side::North => Self::North,
            Side::East => Self::East,
            Side::South => Self::South,
            Side::West => Self::West,
        }
    }

    /// Name in waves and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["north", "east", "south", "west", "local"][self as usize]
    }
}

/// One flit: a spike on its way to one axon of one core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flit {
    /// Input axon in the target core.
    pub axon: u32,
    /// Column of the target core.
    pub x: u8,
    /// Row of the target core.
    pub y: u8,
    /// Lowest bit of the step that it belongs to.
    pub parity: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    flit: Flit,
    visible: u64,
}

/// A bounded buffer; its slots lie in one shared array.
#[derive(Debug, Clone, Copy)]
struct Buffer {
    at: u32,
    depth: u16,
    head: u16,
    len: u16,
    /// Whose credit returns when a flit leaves.
    writer: u32,
}

/// Index of a credit counter that no one holds.
const NO_WRITER: u32 = u32::MAX;
/// Cycles from sending a flit to its being at the head of the next buffer.
pub const LINK: u64 = 2;

/// State of all links and routers, with the agenda that drives them.
///
/// Components on the agenda: routers `0..R`, core inputs `R..2R`, core senders `2R..3R`, injectors.
#[derive(Debug, Clone)]
pub struct Mesh {
    width: usize,
    /// Number of routers R.
    pub routers: usize,
    slots: Vec<Slot>,
    buffers: Vec<Buffer>,
    /// Flits that a writer may still send: router outputs `5r + port`, then senders, then injectors.
    credits: Vec<u16>,
    /// Buffer that a writer fills.
    target: Vec<u32>,
    round_robin: Vec<u8>,
    returned: Vec<u32>,
    /// Who acts when.
    pub agenda: Agenda,
    /// Flits that are in some buffer or on a link.
    pub in_flight: u64,
    /// Router-to-router hops since the sample began.
    pub hops: u64,
    /// Cycles in which the head of a router's buffer was seen waiting for a credit or a grant.
    pub blocked: u64,
}

impl Mesh {
    /// An empty mesh.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        let (w, h) = (usize::from(platform.mesh.width), usize::from(platform.mesh.height));
        let routers = w * h;
        let injectors = &platform.mesh.injectors;
        let writers = 6 * routers + injectors.len();
        let (router_depth, core_depth) = (platform.mesh.router_buffer, platform.mesh.core_buffer);
        let mut at = 0;
        let buffers = (0..6 * routers)
            .map(|b| {
                let depth = if b < 5 * routers { router_depth } else { core_depth };
                let buffer = Buffer { at, depth, head: 0, len: 0, writer: NO_WRITER };
                at += u32::from(depth);
                buffer
            })
            .collect();
        let mut mesh = Self {
            width: w,
            routers,
            slots: vec![Slot::default(); at as usize],
            buffers,
            credits: vec![0; writers],
            target: vec![u32::MAX; writers],
            round_robin: vec![0; 5 * routers],
            returned: Vec::new(),
            agenda: Agenda::new(3 * routers + injectors.len()),
            in_flight: 0,
            hops: 0,
            blocked: 0,
        };
        for r in 0..routers {
            let (x, y) = (r % w, r / w);
            if y > 0 {
                mesh.connect(5 * r + Port::North as usize, 5 * (r - w) + Port::South as usize);
            }
            if x + 1 < w {
                mesh.connect(5 * r + Port::East as usize, 5 * (r + 1) + Port::West as usize);
            }
            if y + 1 < h {
                mesh.connect(5 * r + Port::South as usize, 5 * (r + w) + Port::North as usize);
            }
            if x > 0 {
                mesh.connect(5 * r + Port::West as usize, 5 * (r - 1) + Port::East as usize);
            }
            mesh.connect(5 * r + Port::Local as usize, 5 * routers + r);
            mesh.connect(5 * routers + r, 5 * r + Port::Local as usize);
        }
        for (i, place) in injectors.iter().enumerate() {
            let r = usize::from(place.y) * w + usize::from(place.x);
            mesh.connect(6 * routers + i, 5 * r + Port::of(place.side) as usize);
        }
        mesh
    }

    fn connect(&mut self, writer: usize, buffer: usize) {
        self.target[writer] = buffer as u32;
        self.credits[writer] = self.buffers[buffer].depth;
        self.buffers[buffer].writer = writer as u32;
    }

    /// Empties everything for the next sample.
    pub fn reset(&mut self) {
        for buffer in &mut self.buffers {
            (buffer.head, buffer.len) = (0, 0);
            if buffer.writer != NO_WRITER {
                self.credits[buffer.writer as usize] = buffer.depth;
            }
        }
        self.round_robin.fill(0);
        self.returned.clear();
        (self.in_flight, self.hops, self.blocked) = (0, 0, 0);
        let components = 3 * self.routers + self.credits.len() - 6 * self.routers;
        self.agenda = Agenda::new(components);
    }

    /// Agenda id of a core's input.
    #[must_use]
    pub fn input_component(&self, router: usize) -> u32 {
        (self.routers + router) as u32
    }

    /// Agenda id of a core's sender.
    #[must_use]
    pub fn sender_component(&self, router: usize) -> u32 {
        (2 * self.routers + router) as u32
    }

    /// Agenda id of an injector.
    #[must_use]
    pub fn injector_component(&self, injector: usize) -> u32 {
        (3 * self.routers + injector) as u32
    }

    /// Writer of a core's sender.
    #[must_use]
    pub fn sender(&self, router: usize) -> usize {
        5 * self.routers + router
    }

    /// Writer of an injector.
    #[must_use]
    pub fn injector(&self, injector: usize) -> usize {
        6 * self.routers + injector
    }

    /// Whether a writer may send.
    #[must_use]
    pub fn has_credit(&self, writer: usize) -> bool {
        self.credits[writer] > 0
    }

    /// Sends a flit in cycle `now`; the writer must have a credit.
    pub fn send(&mut self, writer: usize, flit: Flit, now: u64) {
        debug_assert!(self.credits[writer] > 0);
        self.credits[writer] -= 1;
        let id = self.target[writer] as usize;
        let buffer = &mut self.buffers[id];
        let mut place = buffer.head + buffer.len;
        if place >= buffer.depth {
            place -= buffer.depth;
        }
        buffer.len += 1;
        self.slots[buffer.at as usize + usize::from(place)] = Slot { flit, visible: now + LINK };
        let owner = if id < 5 * self.routers { id / 5 } else { id - 4 * self.routers };
        self.agenda.wake(owner as u32, now + LINK);
    }

    /// The flit at the head of a core's input port, with the cycle from which it is there.
    #[must_use]
    pub fn core_head(&self, router: usize) -> Option<(Flit, u64)> {
        self.head(5 * self.routers + router)
    }

    /// Takes the head of a core's input port; returns what is left in it.
    pub fn core_pop(&mut self, router: usize) -> u16 {
        self.in_flight -= 1;
        self.pop(5 * self.routers + router)
    }

    fn head(&self, buffer: usize) -> Option<(Flit, u64)> {
        let b = &self.buffers[buffer];
        (b.len > 0).then(|| {
            let slot = &self.slots[b.at as usize + usize::from(b.head)];
            (slot.flit, slot.visible)
        })
    }

    fn pop(&mut self, buffer: usize) -> u16 {
        let b = &mut self.buffers[buffer];
        b.head = if b.head + 1 == b.depth { 0 } else { b.head + 1 };
        b.len -= 1;
        self.returned.push(b.writer);
        b.len
    }

    /// Ends a cycle: credits that came back in it can be used in the next.
    pub fn end_cycle<P: Probe>(&mut self, now: u64, probe: &mut P) {
        while let Some(writer) = self.returned.pop() {
            let w = writer as usize;
            self.credits[w] += 1;
            let owner = if w < 5 * self.routers {
                if P::ON {
                    probe.credit(now, w / 5, Port::ALL[w % 5]);
                }
                w / 5
            } else {
                w - 3 * self.routers
            };
            self.agenda.wake(owner as u32, now + 1);
        }
    }

    /// XY: first along the row, then along the column, then into the core.
    fn route(&self, router: usize, flit: Flit) -> Port {
        let (x, y) = (router % self.width, router / self.width);
        let (to_x, to_y) = (usize::from(flit.x), usize::from(flit.y));
        if to_x > x {
            Port::East
        } else if to_x < x {
            Port::West
        } else if to_y > y {
            Port::South
        } else if to_y < y {
            Port::North
        } else {
            Port::Local
        }
    }

    /// One cycle of one router: every output takes at most one head, in round robin.
    pub fn router_cycle<P: Probe>(&mut self, router: usize, now: u64, probe: &mut P) {
        let mut wanted = [0u8; 5];
        let mut outputs = 0u8;
        for input in 0..5 {
            if let Some((flit, visible)) = self.head(5 * router + input)
                && visible <= now
            {
                let out = self.route(router, flit) as usize;
                wanted[out] |= 1 << input;
                outputs |= 1 << out;
            }
        }
        let mut again = false;
        while outputs != 0 {
            let out = outputs.trailing_zeros() as usize;
            outputs &= outputs - 1;
            let writer = 5 * router + out;
            let waiting = wanted[out].count_ones();
            if self.credits[writer] == 0 {
                self.blocked += u64::from(waiting);
                continue;
            }
            self.blocked += u64::from(waiting - 1);
            let first = u32::from(self.round_robin[writer]);
            // The first requester at or after the pointer.
            let rotated = (u32::from(wanted[out]) | u32::from(wanted[out]) << 5) >> first;
            let input = ((first + rotated.trailing_zeros()) % 5) as usize;
            self.round_robin[writer] = ((input + 1) % 5) as u8;
            let buffer = 5 * router + input;
            let flit = self.head(buffer).expect("requested").0;
            let left = self.pop(buffer);
            self.send(writer, flit, now);
            if out != Port::Local as usize {
                self.hops += 1;
            }
            if P::ON {
                probe.router_input(now, router, Port::ALL[input]);
                probe.router_output(now, router, Port::ALL[out], flit);
            }
            again |= left > 0 || (waiting > 1 && self.credits[writer] > 0);
        }
        if again {
            self.agenda.wake(router as u32, now + 1);
        }
    }

    /// Buffers that are not empty, for a message about who waits.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        (0..self.buffers.len())
            .filter(|&b| self.buffers[b].len > 0)
            .map(|b| {
                let (r, port) = if b < 5 * self.routers {
                    (b / 5, Port::ALL[b % 5].name())
                } else {
                    (b - 5 * self.routers, "core input")
                };
                format!("({}, {}) {port}: {} flits", r % self.width, r / self.width, self.buffers[b].len)
            })
            .collect()
    }
}
