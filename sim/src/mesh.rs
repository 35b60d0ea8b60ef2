//! The mesh: links with bounded buffers and credits, and routers (`hw/TIMING.md`, "Links" and "Router").
//!
//! Every buffer has one writer that holds its credits: a router output, a core's sender or an
//! injector. A flit sent in cycle c can be at the head of its buffer from c + 2; a credit of a flit
//! taken in cycle c can be used from c + 1.
//!
//! Long because links, routers and their agenda share every index; apart they would need it all in public.

use crate::probe::Probe;
use crate::schedule::Agenda;
use hw::platform::{Mesh as Shape, Side};

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

/// One flit: a spike on its way to one axon of one core; packed, since it is moved so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flit(u64);

impl Flit {
    /// A flit to an input axon of the core at column x and row y, of an even step.
    #[must_use]
    pub fn new(axon: u32, x: u8, y: u8) -> Self {
        Self(u64::from(axon) | u64::from(x) << 32 | u64::from(y) << 40)
    }

    /// The same flit, of a step of this parity.
    #[must_use]
    pub fn of_parity(self, odd: bool) -> Self {
        Self(self.0 & 0xffff_ffff_ffff | u64::from(odd) << 48)
    }

    /// Input axon in the target core.
    #[must_use]
    pub fn axon(self) -> u32 {
        self.0 as u32
    }

    /// Column of the target core.
    #[must_use]
    pub fn x(self) -> u8 {
        (self.0 >> 32) as u8
    }

    /// Row of the target core.
    #[must_use]
    pub fn y(self) -> u8 {
        (self.0 >> 40) as u8
    }

    /// Lowest bit of the step that it belongs to.
    #[must_use]
    pub fn parity(self) -> bool {
        self.0 >> 48 & 1 == 1
    }
}

/// What stands at the edges of a mesh: cores that take flits, and sources that give them.
///
/// Sources are numbered: the sender of the core at router r is r, then come the injectors.
pub trait Endpoints {
    /// The next flit of a source with the cycle in which it is sent, `credit` at the earliest; `None` where none is left.
    fn next<P: Probe>(&mut self, source: usize, credit: u64, probe: &mut P) -> Option<(Flit, u64)>;
    /// A flit is at the head of a core's port, or behind others, from `visible`; returns the cycle in which it is taken.
    fn take<P: Probe>(&mut self, router: usize, flit: Flit, visible: u64, probe: &mut P) -> u64;
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    flit: Flit,
    /// Cycle from which it can be at the head; at the head, from which it is.
    visible: u64,
}

/// A buffer that another router fills, or none.
const LINKED: u32 = u32::MAX;
/// With the index of a buffer: a buffer that an output fills which only that buffer feeds, both of them alone.
const BEHIND: u32 = 1 << 31;
/// Cycles from sending a flit to its being at the head of the next buffer.
pub const LINK: u64 = 2;
/// Cycles in which something must move, unless told otherwise: no core takes so long for the synapses of a flit.
pub const PATIENCE: u64 = 1 << 32;

/// Ports lie eight apart, so that an index splits into router and port without a division.
const STRIDE: usize = 8;
/// In an index, after the inputs: the local output can send again.
const LOCAL_FREE: usize = 5;
const LOCAL: usize = Port::Local as usize;

/// The bounded buffer of a router's input.
#[derive(Debug, Clone, Copy, Default)]
struct Buffer {
    head: u16,
    len: u16,
}

/// A router, but for the slots of its buffers. Arrays are as long as an index may reach, so that it needs no check.
#[derive(Debug, Clone, Copy)]
#[repr(align(128))]
struct Node {
    /// For each output the inputs whose heads ask for it, as bits of its byte.
    wanted: u64,
    /// For each output the input that is first in turn.
    turn: [u8; STRIDE],
    /// Flits that each output may still send to a router.
    credits: [u16; STRIDE],
    buffers: [Buffer; STRIDE],
    /// Which source fills each buffer, or [`LINKED`], or [`BEHIND`] another buffer.
    sources: [u32; STRIDE],
    /// Buffers that run alone, as bits.
    alone: u8,
    /// Outputs that are asked for, and outputs to routers that have credits, as bits.
    asked: u8,
    open: u8,
    /// Whether the agenda has its local output.
    waits: bool,
    x: u8,
    y: u8,
    /// Place in `taken` of the flit whose credit the local output needs next, and when it comes.
    oldest: u16,
    free: u64,
    /// Flits that it sent to other routers since the sample began, and cycles that its heads waited for a credit or a grant.
    hops: u64,
    stalls: u64,
}

// What a grant needs of a router lies in two lines of the cache.
const _: () = assert!(size_of::<Node>() == 128);

impl Node {
    #[inline]
    fn route(&self, flit: Flit) -> usize {
        let sign = |to: u8, at: u8| 1 + usize::from(to > at) - usize::from(to < at);
        ROUTE[3 * sign(flit.x(), self.x) + sign(flit.y(), self.y)] as usize
    }

    /// Finds what is asked for from what is wanted.
    #[inline]
    fn note_asked(&mut self) {
        const PLACES: u64 = 1 << 56 | 1 << 49 | 1 << 42 | 1 << 35 | 1 << 28;
        // Bit 7 of each byte that is not empty (none is above 31); then that of output i goes from place 8 i to 56 + i.
        let any = (self.wanted + 0x7f_7f7f_7f7f) & 0x80_8080_8080;
        self.asked = ((any >> 7).wrapping_mul(PLACES) >> 56) as u8 & 31;
    }

    /// An output takes the head whose turn it is among those `wanted`, as in [`Node::wanted`]; returns its input.
    #[inline]
    fn choose(&mut self, wanted: u64, out: usize) -> usize {
        let set = (wanted >> (8 * out)) as usize % 32;
        let input = usize::from(PICK[usize::from(self.turn[out]) % STRIDE][set]) % STRIDE;
        self.turn[out] = input as u8 + 1;
        self.wanted &= !(1 << (8 * out + input));
        // The local output keeps its credits, which nobody asks for: so there is no branch.
        self.credits[out] -= u16::from(out != LOCAL);
        self.open &= !(u8::from(self.credits[out] == 0) << out);
        input
    }
}

/// State of all links and routers, with the agenda that drives them.
///
/// Only where flits contend are routers simulated cycle by cycle. What depends on nothing else is computed ahead, in
/// closed form: when a core takes a flit that was sent to it; when a source sends into room that was made; and how
/// flits move through buffers that run alone. A buffer runs alone if no other input ever feeds an output that its
/// flits take, and a source or a buffer that runs alone fills it: its flits wait for each other and for room, but
/// for no grant.
#[derive(Debug, Clone)]
pub struct Mesh {
    /// Number of routers R.
    pub routers: usize,
    /// Distance of the neighbour's index behind each output to a router.
    distance: [isize; STRIDE],
    router_depth: u16,
    core_depth: u16,
    nodes: Vec<Node>,
    /// Slots of the buffers, `slot_count` each, a power of two; [`STRIDE`] buffers a router.
    slots: Vec<Slot>,
    slot_count: usize,
    slot_mask: u16,
    /// When the last flits into each core's port were taken: `core_depth` a router.
    taken: Vec<u64>,
    /// Buffers that sources fill.
    entries: Vec<u32>,
    /// Buffers that a flit may pass, in the order of their indices; all where nobody said which.
    used: Vec<u32>,
    agenda: Agenda,
    /// Routers that may grant in this cycle, and in the next.
    active: Set,
    upcoming: Set,
    /// Outputs whose credits came back in this cycle and can be used in the next.
    returned: Vec<u32>,
    /// Buffers that run alone and may move, and when the last flit left each buffer of that kind.
    moving: Vec<u32>,
    left: Vec<u64>,
    /// Of the cycles that a router's heads waited: those in which their output granted another.
    outdone: Vec<u64>,
    /// Flits in routers' buffers and on the links to them.
    pub in_flight: u64,
    /// Cycles after which nothing is expected to move any more, where nothing has; [`PATIENCE`] in a new mesh.
    pub patience: u64,
}

/// A set of routers: 64 words of bits, and a bit for each word that is not empty.
#[derive(Debug, Clone, Default)]
struct Set {
    any: u64,
    words: Words,
}

#[derive(Debug, Clone)]
struct Words(Box<[u64; 64]>);

impl Default for Words {
    fn default() -> Self {
        Self(Box::new([0; 64]))
    }
}

impl Set {
    #[inline]
    fn insert(&mut self, router: usize) {
        let word = router / 64 % 64;
        self.words.0[word] |= 1 << (router % 64);
        self.any |= 1 << word;
    }

    /// Takes the router of the lowest index.
    #[inline]
    fn pop(&mut self) -> Option<usize> {
        if self.any == 0 {
            return None;
        }
        let word = self.any.trailing_zeros() as usize;
        let bits = &mut self.words.0[word];
        let router = 64 * word + bits.trailing_zeros() as usize;
        *bits &= bits.wrapping_sub(1);
        self.any &= !(u64::from(*bits == 0) << word);
        Some(router)
    }
}

/// The first input at or after a turn, for each set of inputs.
const PICK: [[u8; 32]; STRIDE] = {
    let mut table = [[0; 32]; STRIDE];
    let mut turn = 0;
    // After the last input comes the first.
    while turn <= 5 {
        let mut set = 1;
        while set < 32 {
            let mut input = turn % 5;
            while set >> input & 1 == 0 {
                input = (input + 1) % 5;
            }
            table[turn][set] = input as u8;
            set += 1;
        }
        turn += 1;
    }
    table
};

/// XY: first along the row, then along the column, then into the core; by signs of the distances, x first.
const ROUTE: [Port; 9] = {
    use Port::{East, Local, North, South, West};
    [West, West, West, North, Local, South, East, East, East]
};

/// The input that an output leads to.
const FACING: [usize; STRIDE] =
    [Port::South as usize, Port::West as usize, Port::North as usize, Port::East as usize, 0, 0, 0, 0];

impl Mesh {
    /// An empty mesh.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let (w, h) = (usize::from(shape.width), usize::from(shape.height));
        let routers = w * h;
        assert!(routers <= 64 * 64, "a platform has at most 64 x 64 routers");
        let (router_depth, core_depth) = (shape.router_buffer, shape.core_buffer);
        let slots = router_depth.next_power_of_two();
        let mut entries: Vec<_> = (0..routers).map(|r| (STRIDE * r + LOCAL) as u32).collect();
        entries.extend(shape.injectors.iter().map(|i| {
            let r = usize::from(i.y) * w + usize::from(i.x);
            (STRIDE * r + Port::of(i.side) as usize) as u32
        }));
        let node = Node {
            wanted: 0,
            turn: [0; STRIDE],
            // Outputs that lead nowhere are never asked for.
            credits: [router_depth; STRIDE],
            buffers: [Buffer::default(); STRIDE],
            sources: [LINKED; STRIDE],
            alone: 0,
            asked: 0,
            open: 0xf,
            waits: false,
            x: 0,
            y: 0,
            oldest: 0,
            free: 0,
            hops: 0,
            stalls: 0,
        };
        let mut nodes = vec![node; routers];
        for (r, node) in nodes.iter_mut().enumerate() {
            (node.x, node.y) = ((r % w) as u8, (r / w) as u8);
        }
        for (source, &buffer) in entries.iter().enumerate() {
            nodes[buffer as usize / STRIDE].sources[buffer as usize % STRIDE] = source as u32;
        }
        let w = w as isize;
        Self {
            routers,
            distance: [-w, 1, w, -1, 0, 0, 0, 0],
            router_depth,
            core_depth,
            nodes,
            slots: vec![Slot::default(); STRIDE * routers * usize::from(slots)],
            slot_count: slots.into(),
            slot_mask: slots - 1,
            taken: vec![0; routers * usize::from(core_depth)],
            entries,
            used: (0..(STRIDE * routers) as u32).filter(|b| (*b as usize) % STRIDE <= LOCAL).collect(),
            agenda: Agenda::new(STRIDE * routers),
            active: Set::default(),
            upcoming: Set::default(),
            returned: Vec::new(),
            moving: Vec::new(),
            left: vec![0; STRIDE * routers],
            outdone: vec![0; routers],
            in_flight: 0,
            patience: PATIENCE,
        }
    }

    /// Empties everything for the next sample.
    pub fn reset(&mut self) {
        for n in &mut self.nodes {
            n.buffers = [Buffer::default(); STRIDE];
            n.credits = [self.router_depth; STRIDE];
            (n.wanted, n.turn) = (0, [0; STRIDE]);
            (n.asked, n.open, n.waits, n.oldest, n.free) = (0, 0xf, false, 0, 0);
            (n.hops, n.stalls) = (0, 0);
        }
        self.taken.fill(0);
        self.left.fill(0);
        self.outdone.fill(0);
        self.slots.fill(Slot::default());
        (self.active, self.upcoming) = (Set::default(), Set::default());
        self.returned.clear();
        self.in_flight = 0;
        self.agenda = Agenda::new(STRIDE * self.routers);
    }

    /// Router-to-router hops since the sample began.
    #[must_use]
    pub fn hops(&self) -> u64 {
        self.nodes.iter().map(|n| n.hops).sum()
    }

    /// Cycles that the heads of routers' buffers waited for a credit or a grant.
    #[must_use]
    pub fn stalls(&self) -> u64 {
        self.nodes.iter().map(|n| n.stalls).sum()
    }

    /// Of [`Mesh::stalls`]: cycles in which their output granted another head; in the others it had no credit.
    #[must_use]
    pub fn grant_stalls(&self) -> u64 {
        self.outdone.iter().sum()
    }

    /// All three of one router.
    pub(crate) fn traffic(&self, router: usize) -> [u64; 3] {
        let node = &self.nodes[router];
        [node.hops, node.stalls, self.outdone[router]]
    }

    /// Buffers that a flit may pass, as router and port; all where nobody said which ([`Mesh::expect`]).
    pub(crate) fn used(&self) -> impl Iterator<Item = (usize, usize)> {
        self.used.iter().map(|&b| (b as usize / STRIDE, b as usize % STRIDE))
    }

    /// Says which sources send to which places, all that there will ever be, so that buffers may run alone.
    pub fn expect(&mut self, flows: impl Iterator<Item = (usize, u8, u8)>) {
        // For each buffer the outputs that it feeds, for each output the inputs that feed it.
        let mut feeds = vec![0u32; STRIDE * self.routers];
        let mut fed = vec![0u32; STRIDE * self.routers];
        for (source, x, y) in flows {
            let mut at = self.entries[source] as usize;
            loop {
                let (router, input) = (at / STRIDE, at % STRIDE);
                let out = self.nodes[router].route(Flit::new(0, x, y));
                feeds[at] |= 1 << out;
                fed[STRIDE * router + out] |= 1 << input;
                if out == LOCAL {
                    break;
                }
                at = STRIDE * router.wrapping_add_signed(self.distance[out]) + FACING[out];
            }
        }
        self.used = (0..feeds.len() as u32).filter(|&b| feeds[b as usize] != 0).collect();
        let mut alone: Vec<bool> = (0..STRIDE * self.routers)
            .map(|b| {
                let (router, input) = (b / STRIDE, b % STRIDE);
                (0..5).all(|out| feeds[b] >> out & 1 == 0 || fed[STRIDE * router + out] == 1 << input)
            })
            .collect();
        // The buffer behind a buffer, if only that one fills it.
        let behind = |mesh: &Self, b: usize| {
            let (router, input) = (b / STRIDE, b % STRIDE);
            let (writer, out) = (router.wrapping_add_signed(mesh.distance[input]), FACING[input]);
            let inputs = fed[STRIDE * writer + out];
            (inputs.count_ones() == 1).then(|| STRIDE * writer + inputs.trailing_zeros() as usize)
        };
        let is_source = |mesh: &Self, b: usize| mesh.nodes[b / STRIDE].sources[b % STRIDE] < BEHIND;
        loop {
            let mut changed = false;
            for b in (0..alone.len()).filter(|&b| feeds[b] != 0) {
                let keep = is_source(self, b) || behind(self, b).is_some_and(|b| alone[b]);
                changed |= alone[b] && !keep;
                alone[b] &= keep;
            }
            if !changed {
                break;
            }
        }
        for b in (0..alone.len()).filter(|&b| feeds[b] != 0) {
            let before = if is_source(self, b) { None } else { behind(self, b).filter(|&b| alone[b]) };
            let node = &mut self.nodes[b / STRIDE];
            node.alone |= u8::from(alone[b]) << (b % STRIDE);
            if let Some(before) = before {
                node.sources[b % STRIDE] = BEHIND | before as u32;
            }
        }
    }

    /// Starts a step; every buffer must be empty.
    pub fn start(&mut self, now: u64) {
        debug_assert!(self.in_flight == 0 && self.agenda.next().is_none());
        self.agenda.move_to(now);
    }

    /// Lets a source fill its buffer, as it may at the start of a step.
    pub fn prime<E: Endpoints, P: Probe>(&mut self, source: usize, ends: &mut E, probe: &mut P) {
        let (router, input) =
            (self.entries[source] as usize / STRIDE, self.entries[source] as usize % STRIDE);
        for _ in 0..self.router_depth {
            let Some((flit, sent)) = ends.next(source, 0, probe) else { break };
            self.in_flight += 1;
            self.push(router, input, flit, sent + LINK);
        }
        self.move_alone(ends, probe);
    }

    /// Runs until nothing moves, or will for more than [`Mesh::patience`] cycles; returns the last cycle in which a router
    /// granted. Flits may then be left ([`Mesh::in_flight`]), and [`Mesh::waiting`] says why.
    pub fn run<E: Endpoints, P: Probe>(&mut self, ends: &mut E, probe: &mut P) -> Option<u64> {
        let mut last = None;
        loop {
            let now = match last {
                Some(now) if self.upcoming.any != 0 || !self.returned.is_empty() => now + 1,
                _ => match self.agenda.next() {
                    Some(now) if last.is_none_or(|last| now - last <= self.patience) => now,
                    _ => return last,
                },
            };
            last = Some(now);
            self.cycle(now, ends, probe);
        }
    }

    /// One cycle: what became visible asks, what came back can be used, then every output grants.
    #[inline]
    fn cycle<E: Endpoints, P: Probe>(&mut self, now: u64, ends: &mut E, probe: &mut P) {
        std::mem::swap(&mut self.active, &mut self.upcoming);
        self.agenda.move_to(now);
        while let Some(event) = self.agenda.pop(now) {
            let (r, port) = (event as usize / STRIDE, event as usize % STRIDE);
            self.active.insert(r);
            let node = &mut self.nodes[r];
            if port == LOCAL_FREE {
                node.waits = false;
                continue;
            }
            let slot = event as usize * self.slot_count + usize::from(node.buffers[port].head);
            let out = node.route(self.slots[slot].flit);
            node.wanted |= 1 << (8 * out + port);
            node.asked |= 1 << out;
        }
        for i in 0..self.returned.len() {
            let (r, out) = (self.returned[i] as usize / STRIDE, self.returned[i] as usize % STRIDE);
            let node = &mut self.nodes[r];
            node.credits[out] += 1;
            node.open |= 1 << out;
            self.active.insert(r);
        }
        self.returned.clear();
        while let Some(router) = self.active.pop() {
            self.grant(router, now, ends, probe);
        }
        self.move_alone(ends, probe);
    }

    /// Moves what can move in buffers that run alone.
    #[inline]
    fn move_alone<E: Endpoints, P: Probe>(&mut self, ends: &mut E, probe: &mut P) {
        while let Some(buffer) = self.moving.pop() {
            self.run_alone(buffer as usize, ends, probe);
        }
    }

    /// Moves the flits of a buffer that runs alone until it is empty or there is no room for its head.
    fn run_alone<E: Endpoints, P: Probe>(&mut self, buffer: usize, ends: &mut E, probe: &mut P) {
        let (router, input) = (buffer / STRIDE, buffer % STRIDE);
        loop {
            let node = &self.nodes[router];
            let b = node.buffers[input];
            if b.len == 0 {
                return;
            }
            let slot = buffer * self.slot_count + usize::from(b.head);
            let Slot { flit, visible } = self.slots[slot];
            let out = node.route(flit);
            let next = router.wrapping_add_signed(self.distance[out]);
            let credit = if out == LOCAL {
                node.free
            } else {
                // The credit is that of the flit which left as many flits before as the buffer is deep.
                let to = self.nodes[next].buffers[FACING[out]];
                if to.len == self.router_depth {
                    return;
                }
                let place = usize::from(to.head + to.len).wrapping_sub(self.router_depth.into());
                self.slots[self.slot(STRIDE * next + FACING[out], place)].visible
            };
            let since = visible.max(self.left[buffer] + 1);
            let now = since.max(credit);
            if now - since > self.patience {
                return;
            }
            self.left[buffer] = now;
            self.slots[slot].visible = now + 1;
            let node = &mut self.nodes[router];
            node.stalls += now - since;
            node.hops += u64::from(out != LOCAL);
            let source = node.sources[input];
            let b = &mut node.buffers[input];
            let full = b.len == self.router_depth;
            b.head = (b.head + 1) & self.slot_mask;
            b.len -= 1;
            if P::ON {
                probe.router_input(now, router, Port::ALL[input]);
                probe.router_output(now, router, Port::ALL[out], flit);
            }
            if source < BEHIND {
                if let Some((flit, sent)) = ends.next(source as usize, now + 1, probe) {
                    self.in_flight += 1;
                    self.put(router, input, flit, sent + LINK);
                }
            } else {
                let before = source & !BEHIND;
                if P::ON {
                    probe.credit(now, before as usize / STRIDE, Port::ALL[FACING[input]]);
                }
                if full {
                    self.moving.push(before);
                }
            }
            if out == LOCAL {
                self.deliver(router, flit, now, ends, probe);
            } else {
                self.push(next, FACING[out], flit, now + LINK);
            }
        }
    }

    /// One cycle of a router: every output that can send takes at most one head, in round robin.
    #[inline]
    fn grant<E: Endpoints, P: Probe>(&mut self, router: usize, now: u64, ends: &mut E, probe: &mut P) {
        let node = &mut self.nodes[router];
        let local = u8::from(node.free <= now) << LOCAL;
        // A head behind one that goes asks from the next cycle on.
        let wanted = node.wanted;
        let mut outputs = node.asked & (node.open | local);
        while outputs != 0 {
            let out = outputs.trailing_zeros() as usize % STRIDE;
            outputs &= outputs - 1;
            let node = &mut self.nodes[router];
            let input = node.choose(wanted, out);
            let others = wanted >> (8 * out) & 31 & !(1 << input);
            if others != 0 {
                self.outdone[router] += u64::from(others.count_ones());
            }
            let b = &mut node.buffers[input];
            let buffer = STRIDE * router + input;
            let slot = &mut self.slots[buffer * self.slot_count + usize::from(b.head)];
            let Slot { flit, visible } = *slot;
            node.stalls += now - visible;
            node.hops += u64::from(out != LOCAL);
            slot.visible = now + 1;
            b.head = (b.head + 1) & self.slot_mask;
            b.len -= 1;
            if b.len > 0 {
                let next = &mut self.slots[buffer * self.slot_count + usize::from(b.head)];
                if next.visible <= now + 1 {
                    next.visible = now + 1;
                    let out = node.route(next.flit);
                    node.wanted |= 1 << (8 * out + input);
                } else {
                    self.agenda.add(buffer as u32, next.visible);
                }
            }
            if P::ON {
                probe.router_input(now, router, Port::ALL[input]);
                probe.router_output(now, router, Port::ALL[out], flit);
            }
            self.give_back(router, input, now, ends, probe);
            if out == LOCAL {
                self.deliver(router, flit, now, ends, probe);
            } else {
                let next = router.wrapping_add_signed(self.distance[out]);
                self.push(next, FACING[out], flit, now + LINK);
            }
        }
        let node = &mut self.nodes[router];
        node.note_asked();
        if node.asked & node.open != 0 {
            self.upcoming.insert(router);
        }
        if node.asked & 1 << LOCAL != 0 && !node.waits {
            node.waits = true;
            self.agenda.add((STRIDE * router + LOCAL_FREE) as u32, node.free.max(now + 1));
        }
    }

    /// Room in a buffer goes to who fills it: a router may use the credit in the next cycle, a source sends as soon as it may.
    #[inline]
    fn give_back<E: Endpoints, P: Probe>(
        &mut self,
        router: usize,
        input: usize,
        now: u64,
        ends: &mut E,
        probe: &mut P,
    ) {
        let source = self.nodes[router].sources[input];
        if source < BEHIND {
            if let Some((flit, sent)) = ends.next(source as usize, now + 1, probe) {
                self.in_flight += 1;
                self.push(router, input, flit, sent + LINK);
            }
            return;
        }
        let (writer, out) = (router.wrapping_add_signed(self.distance[input]), FACING[input]);
        if P::ON {
            probe.credit(now, writer, Port::ALL[out]);
        }
        if source != LINKED {
            self.moving.push(source & !BEHIND);
            return;
        }
        let node = &mut self.nodes[writer];
        if node.asked & 1 << out == 0 {
            // Nobody can use it in this cycle, so it need not be kept for the next.
            node.credits[out] += 1;
            node.open |= 1 << out;
        } else {
            self.returned.push((STRIDE * writer + out) as u32);
        }
    }

    /// Hands a flit to the core.
    #[inline]
    fn deliver<E: Endpoints, P: Probe>(
        &mut self,
        router: usize,
        flit: Flit,
        now: u64,
        ends: &mut E,
        probe: &mut P,
    ) {
        let taken = ends.take(router, flit, now + LINK, probe);
        if P::ON {
            probe.credit(taken, router, Port::Local);
        }
        self.in_flight -= 1;
        // The port is a ring of as many flits as it is deep: the one that it holds longest makes room for the next.
        let node = &mut self.nodes[router];
        let port = &mut self.taken[router * usize::from(self.core_depth)..][..usize::from(self.core_depth)];
        port[usize::from(node.oldest)] = taken;
        node.oldest = if node.oldest + 1 == self.core_depth { 0 } else { node.oldest + 1 };
        node.free = (port[usize::from(node.oldest)] + 1).max(now + 1);
    }

    #[inline]
    fn slot(&self, buffer: usize, place: usize) -> usize {
        buffer * self.slot_count + (place & (self.slot_count - 1))
    }

    /// Puts a flit into a buffer that has room.
    #[inline(always)]
    fn put(&mut self, router: usize, input: usize, flit: Flit, visible: u64) -> &Node {
        let node = &mut self.nodes[router];
        let b = &mut node.buffers[input % STRIDE];
        let place = (b.head + b.len) & self.slot_mask;
        b.len += 1;
        self.slots[(STRIDE * router + input) * self.slot_count + usize::from(place)] = Slot { flit, visible };
        node
    }

    /// The same, and sees to it that it goes on.
    #[inline(always)]
    fn push(&mut self, router: usize, input: usize, flit: Flit, visible: u64) {
        let node = self.put(router, input, flit, visible);
        if node.buffers[input % STRIDE].len == 1 {
            let buffer = (STRIDE * router + input) as u32;
            if node.alone >> input & 1 == 1 {
                self.moving.push(buffer);
            } else {
                self.agenda.add(buffer, visible);
            }
        }
    }

    /// The last cycle in which a flit left a buffer that runs alone.
    #[must_use]
    pub fn left_alone(&self) -> u64 {
        self.left.iter().copied().max().unwrap_or(0)
    }

    /// Who waits for whom: each buffer that is not empty with what its first flit waits for.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        let place = |router: usize| format!("({}, {})", self.nodes[router].x, self.nodes[router].y);
        let held = (0..STRIDE * self.routers).filter(|&b| self.nodes[b / STRIDE].buffers[b % STRIDE].len > 0);
        held.map(|b| {
            let (router, port) = (b / STRIDE, b % STRIDE);
            let buffer = self.nodes[router].buffers[port];
            let flit = self.slots[b * self.slot_count + usize::from(buffer.head)].flit;
            let out = self.nodes[router].route(flit);
            let what = if out == LOCAL {
                format!("the input port of core {}", place(router))
            } else {
                let next = router.wrapping_add_signed(self.distance[out]);
                let input = FACING[out];
                let len = self.nodes[next].buffers[input].len;
                format!("router {} {}, which holds {len}", place(next), Port::ALL[input].name())
            };
            format!(
                "router {} {} holds {} of {} flits, the first for core ({}, {}) waits for {what}",
                place(router),
                Port::ALL[port].name(),
                buffer.len,
                self.router_depth,
                flit.x(),
                flit.y()
            )
        })
        .collect()
    }
}
