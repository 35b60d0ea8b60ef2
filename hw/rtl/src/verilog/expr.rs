//! Expressions, and which of them get a wire of their own.

use crate::ir::{Definition, NodeId, Op};
use crate::names::legal;
use crate::semantics::mask;
use std::collections::{HashMap, HashSet};

/// Deeper expressions are cut by a wire.
const DEEPEST: u32 = 4;

/// Names and uses of a definition's nodes.
pub(super) struct Names<'a> {
    pub def: &'a Definition,
    /// The identifier of a node that has one.
    ident: Vec<Option<String>>,
    /// The node under whose identifier the uses of a node count: its own, or the signal that it drives.
    home: Vec<NodeId>,
    /// Bits that the text has used so far.
    used: Vec<u64>,
    /// Expressions that have the name of what they drive.
    lent: HashMap<NodeId, String>,
    /// Identifiers in use.
    taken: HashSet<String>,
    /// Whether uses count: not where they stand behind `ifdef`.
    pub counting: bool,
}

impl<'a> Names<'a> {
    pub fn new(def: &'a Definition) -> Self {
        let taken =
            def.names.keys().map(|n| legal(n)).chain(["clk", "reset", "PATH"].map(String::from)).collect();
        let mut new = Self {
            def,
            ident: vec![None; def.nodes.len()],
            home: (0..def.nodes.len() as u32).map(NodeId).collect(),
            used: vec![0; def.nodes.len()],
            lent: HashMap::new(),
            taken,
            counting: true,
        };
        for port in &def.inputs {
            new.ident[port.node.index()] = Some(port.info.verilog());
        }
        for reg in &def.regs {
            new.ident[reg.node.index()] = Some(reg.info.verilog());
        }
        for wire in &def.wires {
            new.ident[wire.node.index()] = Some(wire.info.verilog());
        }
        for memory in &def.memories {
            new.name(memory.node, &format!("{}_data", memory.name));
        }
        for instance in &def.instances {
            for (port, &node) in instance.def.outputs.iter().zip(&instance.outputs) {
                new.name(node, &format!("{}_{}", instance.name, port.info.name));
            }
        }
        for (node, state) in new.states() {
            new.name(node, &state);
        }
        new.cut();
        new
    }

    /// An identifier that is still free, as near to the wish as possible.
    pub fn free(&mut self, wish: &str) -> String {
        let mut name = wish.to_string();
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    fn name(&mut self, node: NodeId, wish: &str) {
        let name = self.free(wish);
        self.ident[node.index()] = Some(name);
    }

    /// Nodes that are states, with their names.
    pub fn states(&self) -> Vec<(NodeId, String)> {
        let live = self.def.order.iter().filter_map(|&id| match self.def.node(id).op {
            Op::State(info, state) => {
                let info = self.def.states[info as usize];
                Some((id, format!("{}_{}", info.name, info.states[state as usize])))
            }
            _ => None,
        });
        let mut live: Vec<_> = live.collect();
        live.sort_unstable();
        live
    }

    /// Gives a wire to every expression that is used twice, needs an identifier, or is too deep. What drives a named signal
    /// or an output has that name.
    fn cut(&mut self) {
        let def = self.def;
        let mut uses = vec![0; def.nodes.len()];
        let mut by_name = vec![false; def.nodes.len()];
        for &id in &def.order {
            let op = def.node(id).op;
            for operand in op.operands() {
                uses[operand.index()] += 1;
                if matches!(op, Op::Slice(..) | Op::Sext(_) | Op::MulS(..)) {
                    by_name[operand.index()] = true;
                }
            }
        }
        for root in def.root_uses() {
            uses[root.index()] += 1;
        }
        // Alone at the right side of an assignment, any expression is safe.
        let mut alone: Vec<bool> = vec![false; def.nodes.len()];
        for reg in &def.regs {
            alone[reg.next.index()] = uses[reg.next.index()] == 1;
        }
        for wire in &def.wires {
            self.lend(wire.driver, wire.node, &wire.info.verilog());
        }
        for port in &def.outputs {
            self.lend(port.node, port.node, &port.info.verilog());
        }
        let mut depth = vec![0; def.nodes.len()];
        for &id in &def.order {
            let op = def.node(id).op;
            let i = id.index();
            if self.ident[i].is_some() || op.is_leaf() && !by_name[i] {
                continue;
            }
            let own = matches!(op, Op::Mul(..) | Op::MulS(..) | Op::Sar(..)) && !alone[i];
            let cheap = matches!(op, Op::Slice(..));
            let deepest = op.operands().map(|o| depth[o.index()]).max().unwrap_or(0);
            let flat = matches!(op, Op::Cat(..));
            depth[i] = if flat { deepest } else { deepest + 1 };
            if own || by_name[i] || uses[i] > 1 && !cheap || depth[i] > DEEPEST && !alone[i] {
                self.name(id, &format!("_{}", id.0));
                depth[i] = 0;
            }
        }
    }

    /// Lets an expression be called by the signal that it drives.
    fn lend(&mut self, driver: NodeId, signal: NodeId, name: &str) {
        if self.ident[driver.index()].is_none() && !self.def.node(driver).op.is_leaf() {
            self.ident[driver.index()] = Some(name.to_string());
            self.home[driver.index()] = signal;
            self.lent.insert(driver, name.to_string());
        }
    }

    /// What a named signal or output is assigned.
    pub fn assigned(&mut self, driver: NodeId, name: &str) -> String {
        if self.lent.get(&driver).is_some_and(|n| n == name) {
            self.expression(driver)
        } else {
            self.value(driver)
        }
    }

    /// The wires that `cut` made, operands first.
    pub fn cuts(&self) -> Vec<NodeId> {
        let cut = |id: &&NodeId| {
            let op = self.def.node(**id).op;
            let own = !op.is_leaf() || matches!(op, Op::Const(_));
            own && !self.lent.contains_key(id) && self.ident[id.index()].is_some()
        };
        self.def.order.iter().filter(cut).copied().collect()
    }

    fn touch(&mut self, id: NodeId, bits: u64) {
        if self.counting {
            self.used[self.home[id.index()].index()] |= bits;
        }
    }

    /// Identifiers of which some bits are not used, but for those of `formal`, which only properties see.
    pub fn partly_unused(&self, formal: &[NodeId]) -> Vec<String> {
        let idents = self.ident.iter().enumerate().filter_map(|(i, name)| name.as_ref().map(|n| (i, n)));
        let unused = idents.filter(|&(i, _)| {
            let node = self.def.nodes[i];
            let id = NodeId(i as u32);
            let elsewhere = self.lent.contains_key(&id) || formal.contains(&id);
            self.used[i] != mask(node.width) && !elsewhere && !matches!(node.op, Op::State(..))
        });
        unused.map(|(_, name)| name.clone()).collect()
    }

    /// Whether any text used a node.
    pub fn is_used(&self, id: NodeId) -> bool {
        self.used[id.index()] != 0
    }

    /// The identifier of a node that has one, not counted as a use.
    pub fn ident(&self, id: NodeId) -> &str {
        self.ident[id.index()].as_deref().unwrap_or("")
    }

    /// A node as an operand.
    pub fn atom(&mut self, id: NodeId) -> String {
        let node = self.def.node(id);
        if let Some(name) = self.ident[id.index()].clone() {
            self.touch(id, mask(node.width));
            return name;
        }
        match node.op {
            Op::Const(value) => constant(value, node.width),
            Op::Slice(..) | Op::Cat(..) | Op::Zext(_) | Op::Sext(_) => self.expression(id),
            Op::Not(_) | Op::All(_) | Op::Any(_) | Op::Parity(_) => self.expression(id),
            _ => format!("({})", self.expression(id)),
        }
    }

    /// A node as a whole expression, by its identifier if it has one.
    pub fn value(&mut self, id: NodeId) -> String {
        if self.ident[id.index()].is_some() { self.atom(id) } else { self.expression(id) }
    }

    /// What a node computes.
    pub fn expression(&mut self, id: NodeId) -> String {
        let node = self.def.node(id);
        let mut two = |a, symbol, b| format!("{} {symbol} {}", self.atom(a), self.atom(b));
        match node.op {
            Op::Const(value) => constant(value, node.width),
            Op::And(a, b) => two(a, "&", b),
            Op::Or(a, b) => two(a, "|", b),
            Op::Xor(a, b) => two(a, "^", b),
            Op::Add(a, b) => two(a, "+", b),
            Op::Sub(a, b) => two(a, "-", b),
            Op::Eq(a, b) => two(a, "==", b),
            Op::Ne(a, b) => two(a, "!=", b),
            Op::Lt(a, b) => two(a, "<", b),
            Op::Le(a, b) => two(a, "<=", b),
            Op::LtS(a, b) => format!("$signed({}) < $signed({})", self.value(a), self.value(b)),
            Op::LeS(a, b) => format!("$signed({}) <= $signed({})", self.value(a), self.value(b)),
            Op::Mul(a, b) => format!("{} * {}", self.widened(a, node.width), self.widened(b, node.width)),
            Op::MulS(a, b) => {
                let (a, b) = (self.sign_widened(a, node.width), self.sign_widened(b, node.width));
                format!("$signed({a}) * $signed({b})")
            }
            Op::Shl(a, b) => format!("{} << {}", self.atom(a), self.amount(b)),
            Op::Shr(a, b) => format!("{} >> {}", self.atom(a), self.amount(b)),
            Op::Sar(a, b) => format!("$signed({}) >>> {}", self.value(a), self.amount(b)),
            Op::Not(a) => format!("~{}", self.reducible(a)),
            Op::All(a) => format!("&{}", self.reducible(a)),
            Op::Any(a) => format!("|{}", self.reducible(a)),
            Op::Parity(a) => format!("^{}", self.reducible(a)),
            Op::Mux(c, a, b) => format!("{} ? {} : {}", self.atom(c), self.atom(a), self.atom(b)),
            Op::Cat(..) => {
                let mut parts = Vec::new();
                self.joined(id, true, &mut parts);
                format!("{{{}}}", parts.join(", "))
            }
            Op::Slice(a, from) => {
                self.touch(a, mask(node.width) << from);
                let name = self.ident(a);
                match node.width {
                    1 => format!("{name}[{from}]"),
                    width => format!("{name}[{}:{from}]", from + width - 1),
                }
            }
            Op::Zext(a) => self.widened(a, node.width),
            Op::Sext(a) => self.sign_widened(a, node.width),
            Op::State(..) | Op::Input(_) | Op::Wire(_) | Op::Reg(_) | Op::ReadData(_) | Op::Output(..) => {
                self.atom(id)
            }
        }
    }

    /// An operand of a unary operator. Two unary operators in a row need parentheses (`~~x`, `&&x` do not parse as two).
    fn reducible(&mut self, id: NodeId) -> String {
        let text = self.atom(id);
        if text.starts_with(['~', '&', '|', '^']) { format!("({text})") } else { text }
    }

    /// An amount to shift by. Tools take unsized numbers of 32 bits only, and no value has more than 64 bits to lose.
    fn amount(&mut self, id: NodeId) -> String {
        match self.def.node(id).op {
            Op::Const(value) => value.min(64).to_string(),
            _ => self.atom(id),
        }
    }

    fn widened(&mut self, id: NodeId, width: u32) -> String {
        let more = width - self.def.width(id);
        format!("{{{}, {}}}", constant(0, more), self.value(id))
    }

    fn sign_widened(&mut self, id: NodeId, width: u32) -> String {
        let own = self.def.width(id);
        let name = self.atom(id);
        let sign = if own == 1 { name.clone() } else { format!("{name}[{}]", own - 1) };
        match width - own {
            1 => format!("{{{sign}, {name}}}"),
            more => format!("{{{{{more}{{{sign}}}}}, {name}}}"),
        }
    }

    /// Parts of a concatenation, nested ones flattened.
    fn joined(&mut self, id: NodeId, outermost: bool, parts: &mut Vec<String>) {
        match self.def.node(id).op {
            Op::Cat(high, low) if outermost || self.ident[id.index()].is_none() => {
                self.joined(high, false, parts);
                self.joined(low, false, parts);
            }
            _ => parts.push(self.value(id)),
        }
    }
}

/// A constant with its width.
pub(super) fn constant(value: u64, width: u32) -> String {
    if value < 1000 { format!("{width}'d{value}") } else { format!("{width}'h{value:x}") }
}
