//! Random circuits that are right by construction, and random stimulus for them.

use proptest::prelude::{Strategy, any, prop};
use rtl::ir::Type;
use rtl::{Def, Inst, Memory1R1W, Memory1Rw, Module, ReadDuringWrite, Reg, S, Simulator, U};

rtl::states! {
    /// Three states of two bits.
    enum Mode { First, Second, Third }
}

/// What one step adds to a module: its kind, three operands and a width, each taken modulo what there is.
type Step = (u8, [u16; 3], u8);

/// A circuit of two or three levels.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The steps of each module, inner ones first; each has instances of those before it.
    pub modules: Vec<Vec<Step>>,
    /// All state stands still while `wake` is 0, and the modules say so.
    pub sleepy: bool,
    /// It may violate its properties, memories and sleep.
    pub wild: bool,
}

/// Recipes.
pub fn recipes(wild: bool, steps: usize) -> impl Strategy<Value = Recipe> {
    let step = (any::<u8>(), any::<[u16; 3]>(), any::<u8>());
    let module = prop::collection::vec(step, 1..steps);
    let modules = prop::collection::vec(module, 2..=3);
    (modules, any::<bool>()).prop_map(move |(modules, sleepy)| Recipe { modules, sleepy, wild })
}

/// Builds a circuit. Recipes of one circuit need different numbers.
pub fn build(recipe: &Recipe, number: u64) -> Def {
    let mut below = Vec::new();
    for (level, steps) in recipe.modules.iter().enumerate() {
        let m = Module::new(&format!("level{level}"), &[("number", number)]);
        let mut builder = Builder::new(&m, recipe);
        for (i, step) in steps.iter().enumerate() {
            builder.step(i, *step, &below);
        }
        builder.finish();
        below.push(m.finish().expect("right by construction"));
    }
    below.pop().expect("a module")
}

struct Builder<'m> {
    m: &'m Module,
    recipe: &'m Recipe,
    wake: U<'m>,
    pool: Vec<U<'m>>,
    regs: Vec<(Reg<'m, U<'m>>, [u16; 3])>,
    signed: Vec<(Reg<'m, S<'m>>, [u16; 3])>,
    single: Vec<(Memory1Rw<'m>, u64, [u16; 3])>,
    double: Vec<(Memory1R1W<'m>, u64, ReadDuringWrite, [u16; 3])>,
    /// What holds once a memory has been read: before, its read data are unknown in Verilog.
    known: Vec<Reg<'m, U<'m>>>,
}

impl<'m> Builder<'m> {
    fn new(m: &'m Module, recipe: &'m Recipe) -> Self {
        let wake = m.input("wake", 1).may_be_unused();
        let inputs = [1, 5, 16, 33, 64].map(|w| m.input(&format!("in{w}"), w).may_be_unused());
        let signed = [1, 11, 64].map(|w| m.input_s(&format!("signed{w}"), w).may_be_unused().as_u());
        let mode = m.input_e::<Mode>("mode").may_be_unused().as_u();
        Self {
            m,
            recipe,
            wake,
            pool: [&inputs[..], &signed, &[mode]].concat(),
            regs: Vec::new(),
            signed: Vec::new(),
            single: Vec::new(),
            double: Vec::new(),
            known: Vec::new(),
        }
    }

    fn pick(&self, k: u16) -> U<'m> {
        self.pool[usize::from(k) % self.pool.len()]
    }

    fn bit(&self, k: u16) -> U<'m> {
        let value = self.pick(k);
        value.bit(u32::from(k / 7) % value.width())
    }

    /// A value made to fit a width.
    fn fit(&self, k: u16, width: u32) -> U<'m> {
        let value = self.pick(k);
        match width {
            _ if width <= value.width() => value.trunc(width),
            _ if k.is_multiple_of(2) => value.zext(width),
            _ => value.as_s().sext(width).as_u(),
        }
    }

    /// Whether state may change.
    fn awake(&self, condition: U<'m>) -> U<'m> {
        if self.recipe.sleepy { condition & self.wake } else { condition }
    }

    fn step(&mut self, i: usize, (kind, [a, b, c], width): Step, below: &[Def]) {
        let m = self.m;
        let width = u32::from(width) % 64 + 1;
        let (x, y) = (self.pick(a), self.fit(b, self.pick(a).width()));
        let (s, t) = (x.as_s(), y.as_s());
        // Parts whose widths add up to 64 at most.
        let (short, rest) = (self.fit(a, width.div_ceil(2)), self.fit(b, width.div_ceil(3)));
        let narrow = self.fit(a, width.min(63));
        let other = self.fit(b, width.min(63));
        let by = u32::from(c) % x.width();
        let new = match kind % 45 {
            0 => !x,
            1 => x.all(),
            2 => x.any(),
            3 => x.parity(),
            4 => x & y,
            5 => x | y,
            6 => x ^ y,
            7 => x + y,
            8 => x - y,
            9 => short * rest,
            10 => (short.as_s() * rest.as_s()).as_u(),
            11 => x << self.pick(c),
            12 => x >> self.pick(c),
            13 => (s >> self.pick(c)).as_u(),
            14 => x << by,
            15 => x >> by,
            16 => (s >> by).as_u(),
            17 => x.eq(y),
            18 => x.ne(y),
            19 => x.lt(y),
            20 => x.le(y),
            21 => s.lt(t),
            22 => s.le(t),
            23 => self.bit(c).mux(x, y),
            24 => short.cat(rest),
            25 => x.slice(by..x.width()),
            26 => x.slice(0..by + 1),
            27 => narrow.zext(width.max(narrow.width())),
            28 => narrow.as_s().sext(64).as_u(),
            29 => narrow.add_wide(other),
            30 => narrow.as_s().sub_wide(other.as_s()).as_u(),
            31 => s.saturate(width).as_u(),
            32 => m.u((u64::from(a) << 48 | u64::from(b) << 21 | u64::from(c)) >> (64 - width), width),
            33 => (s + -1).as_u(),
            34 => x.named(&format!("wire{i}")),
            35 => {
                let mode = m.reg_e(&format!("mode{i}"), Mode::Second);
                let next = self.bit(a).mux(m.e(Mode::Third), m.e(Mode::First));
                let other =
                    mode.q.select(m.e(Mode::First), &[(Mode::Third, m.e(Mode::Second)), (Mode::First, next)]);
                mode.set_if(self.awake(self.bit(b)), other);
                mode.q.is(Mode::First).cat(mode.q.as_u())
            }
            36 | 37 => {
                let reset = (u64::from(a) << 48 | u64::from(b)) >> (64 - width);
                let reg = m.reg(&format!("reg{i}"), width, reset);
                self.regs.push((reg, [a, b, c]));
                reg.q
            }
            43 => {
                let reset = (i64::from(a) << 48 | i64::from(b)) >> (64 - width);
                let reg = m.reg_s(&format!("signed_reg{i}"), width, reset);
                self.signed.push((reg, [a, b, c]));
                reg.q.as_u()
            }
            38 => {
                let words = u64::from(b) % 40 + 2;
                let memory = m.memory_1rw(&format!("single{i}"), words, width);
                let memory = memory.fixed(&contents(words, width, a));
                self.single.push((memory, words, [a, b, c]));
                self.read_data(i, memory.data)
            }
            39 | 40 => {
                let words = u64::from(b) % 40 + 2;
                let rule = [ReadDuringWrite::OldData, ReadDuringWrite::Forward, ReadDuringWrite::Undefined];
                let rule = rule[usize::from(c) % 3];
                let memory = m.memory_1r1w(&format!("double{i}"), words, width, rule);
                let memory = memory.fixed(&contents(words, width, a));
                self.double.push((memory, words, rule, [a, b, c]));
                self.read_data(i, memory.data)
            }
            41 | 42 if !below.is_empty() => {
                let def = &below[usize::from(a) % below.len()];
                let instance = m.instance(&format!("inner{i}"), def);
                self.instance(instance, def, [b, c]);
                return;
            }
            _ => {
                let condition = self.bit(a);
                m.cover(&format!("cover{i}"), condition, "a random condition");
                if self.recipe.wild {
                    m.assert(&format!("assert{i}"), condition | self.bit(b) | self.bit(c), "mostly");
                }
                return;
            }
        };
        self.pool.push(new);
    }

    fn read_data(&mut self, i: usize, data: U<'m>) -> U<'m> {
        let known = self.m.reg(&format!("known{i}"), 1, 0);
        self.known.push(known);
        known.q.mux(data, self.m.u(0, data.width()))
    }

    fn instance(&mut self, instance: Inst<'m>, def: &Def, [b, c]: [u16; 2]) {
        // An input may depend on an output of the same instance that no input reaches.
        let (late, early): (Vec<_>, Vec<_>) =
            (0..def.outputs().len()).partition(|&o| !def.combinational_inputs(o).is_empty());
        let output = |o: usize| output(instance, def, o);
        self.pool.extend(early.into_iter().map(output));
        for (k, port) in def.inputs().iter().enumerate() {
            let k = b.wrapping_mul(k as u16 + 1).wrapping_add(c);
            let (name, value) = (&port.info.name, self.fit(k, port.info.width));
            match port.info.ty {
                Type::Signed => instance.set(name, value.as_s()),
                Type::States(_) => {
                    instance.set(name, self.bit(k).mux(self.m.e(Mode::Third), self.m.e(Mode::First)))
                }
                Type::Unsigned if name == "wake" => instance.set(name, self.awake(self.bit(k))),
                Type::Unsigned => instance.set(name, value),
            };
        }
        self.pool.extend(late.into_iter().map(output));
    }

    /// A random address; one that the memory has, unless all is allowed.
    fn address(&self, k: u16, words: u64) -> U<'m> {
        let address = self.fit(k, rtl::bits_for(words));
        if self.recipe.wild || words.is_power_of_two() {
            return address;
        }
        // Less than twice the words.
        address.lt(words).mux(address, address - words)
    }

    /// Drives everything that may depend on everything.
    fn finish(self) {
        let m = self.m;
        for &(reg, [a, b, c]) in &self.regs {
            let next = self.fit(a, reg.q.width());
            if c % 3 == 0 && !self.recipe.sleepy {
                reg.set(next);
            } else {
                reg.set_if(self.awake(self.bit(b)), next);
            }
        }
        for &(reg, [a, b, c]) in &self.signed {
            let next = self.fit(a, reg.q.width()).as_s();
            if c % 3 == 0 && !self.recipe.sleepy {
                reg.set(next);
            } else {
                reg.set_if(self.awake(self.bit(b)), next);
            }
        }
        let mut known = self.known.iter();
        let mut reads = Vec::new();
        for &(memory, words, [a, b, c]) in &self.single {
            let (enable, write) = (self.awake(self.bit(a)), self.bit(b));
            memory.access(self.address(c, words), enable, write, self.fit(a, memory.data.width()));
            reads.push((memory.data, enable & !write));
        }
        for &(memory, words, rule, [a, b, c]) in &self.double {
            let (from, to) = (self.address(a, words), self.address(b, words));
            let (reads_, mut writes) = (self.awake(self.bit(c)), self.awake(self.bit(a)));
            if rule == ReadDuringWrite::Undefined && !self.recipe.wild {
                writes = writes & !(reads_ & from.eq(to));
            }
            memory.read(from, reads_);
            memory.write(to, writes, self.fit(c, memory.data.width()));
            reads.push((memory.data, reads_));
        }
        // Any memory's first read will do only for itself; so each waits for the first cycle in which all have read.
        let all_read = reads.iter().enumerate().map(|(i, &(_, reads))| {
            let read = m.reg(&format!("has_read{i}"), 1, 0);
            read.set_if(reads, m.u(1, 1));
            read.q | reads
        });
        let all_read = all_read.reduce(|a, b| a & b);
        if let Some(all_read) = all_read {
            known.by_ref().for_each(|known| known.set_if(self.awake(all_read), m.u(1, 1)));
        }
        if self.recipe.sleepy {
            // Deep, though it says no more than that it is not awake.
            let more = (3..9).fold(self.bit(1), |x, k| (x & self.bit(k)) ^ self.bit(k + 11));
            m.idle_when(!self.wake & (more | !self.bit(2)));
        } else if self.recipe.wild && self.pool.len().is_multiple_of(2) {
            m.idle_when(self.bit(3) & self.bit(5) & self.bit(11));
        }
        // Every value counts, each at another place.
        let all = self.pool.iter().fold(m.u(1, 64), |all, &value| {
            (all << 7 | all >> 57) ^ if value.width() < 64 { value.zext(64) } else { value }
        });
        m.output("all", all);
        for (o, &value) in self.pool.iter().rev().take(5).enumerate() {
            m.output(&format!("out{o}"), value);
        }
        if let Some((reg, _)) = self.regs.first() {
            m.output("early", reg.q);
        }
        if let Some((reg, _)) = self.signed.first() {
            m.output("early_signed", reg.q);
        }
        m.output("signed", self.pick(17).as_s());
        m.output("third", self.bit(19).mux(m.e(Mode::Third), m.e(Mode::Second)));
    }
}

/// Makes ports of a module of all ports of an instance.
pub fn bring_out<'m>(m: &'m Module, prefix: &str, instance: Inst<'m>, def: &Def) {
    for port in def.inputs() {
        let (name, outer) = (&port.info.name, format!("{prefix}{}", port.info.name));
        match port.info.ty {
            Type::Unsigned => instance.set(name, m.input(&outer, port.info.width)),
            Type::Signed => instance.set(name, m.input_s(&outer, port.info.width)),
            Type::States(_) => instance.set(name, m.input_e::<Mode>(&outer)),
        };
    }
    for port in def.outputs() {
        let (name, outer) = (&port.info.name, format!("{prefix}{}", port.info.name));
        match port.info.ty {
            Type::Unsigned => m.output(&outer, instance.u(name)),
            Type::Signed => m.output(&outer, instance.s(name)),
            Type::States(_) => m.output(&outer, instance.e::<Mode>(name)),
        };
    }
}

/// An output of an instance as plain bits.
fn output<'m>(instance: Inst<'m>, def: &Def, index: usize) -> U<'m> {
    let info = &def.outputs()[index].info;
    match info.ty {
        Type::Unsigned => instance.u(&info.name),
        Type::Signed => instance.s(&info.name).as_u(),
        Type::States(_) => instance.e::<Mode>(&info.name).as_u(),
    }
}

fn contents(words: u64, width: u32, a: u16) -> Vec<u64> {
    let word = |i: u64| (i + 1).wrapping_mul(u64::from(a) | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..words).map(|i| word(i) >> (64 - width)).collect()
}

/// Random inputs.
pub struct Stimulus(u64);

impl Stimulus {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Sets each input to something: often to a corner, often to what it was.
    pub fn set(&mut self, def: &Def, sims: &mut [&mut Simulator]) {
        for port in def.inputs() {
            let (kind, value) = (self.next() % 8, self.next());
            let mask = u64::MAX >> (64 - port.info.width);
            let value = match kind {
                0 => 0,
                1 => mask,
                2 => 1 << (value % u64::from(port.info.width)),
                3 => continue,
                _ => value & mask,
            };
            let value = match port.info.ty {
                Type::States(info) => value % info.states.len() as u64,
                _ => value,
            };
            for sim in &mut *sims {
                let input = sim.input(&port.info.name).expect("an input");
                sim.set(input, value);
            }
        }
    }
}
