//! Waves: the project's only writer of VCD.
//!
//! A [`Layout`] declares scopes and signals, a [`Writer`] takes changes in the order of time.
//! Enumerated states are VCD string variables, which GTKWave shows by name.
//!
//! ```
//! use rtl::wave::{Layout, Writer};
//! let mut layout = Layout::new();
//! let top = layout.scope(None, "top");
//! let count = layout.signal(top, "count", 4);
//! let state = layout.state(top, "state", &["IDLE", "RUN"]);
//! let mut file = Vec::new();
//! let mut waves = Writer::new(&mut file, &layout, 1000, "an example")?;
//! waves.change(0, count, 3)?;
//! waves.change(5, state, 1)?;
//! waves.finish()?;
//! let text = String::from_utf8(file).expect("ASCII");
//! assert!(text.contains("#5\nsRUN"));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::HashSet;
use std::io::{self, Write};
use vcd::{IdCode, TimescaleUnit, VarType};

/// A scope of a [`Layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScopeId(u32);

/// A signal of a [`Layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalId(u32);

impl SignalId {
    /// Number of the signal in its layout, from 0 on in the order of declaration.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Clone)]
struct Scope {
    parent: Option<ScopeId>,
    path: String,
    name: String,
    children: Vec<ScopeId>,
    signals: Vec<SignalId>,
}

#[derive(Debug, Clone)]
pub(crate) struct Signal {
    pub(crate) scope: ScopeId,
    pub(crate) name: String,
    pub(crate) bits: u32,
    pub(crate) states: Option<Vec<String>>,
}

/// Scopes and signals of a wave file.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    scopes: Vec<Scope>,
    pub(crate) signals: Vec<Signal>,
    taken: HashSet<String>,
}

impl Layout {
    /// An empty layout.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a scope. Characters that VCD tools do not take in names become `_`.
    ///
    /// # Panics
    /// If the name is taken in its parent.
    pub fn scope(&mut self, parent: Option<ScopeId>, name: &str) -> ScopeId {
        let (name, path) = self.claim(parent, name);
        let id = ScopeId(self.scopes.len() as u32);
        if let Some(parent) = parent {
            self.scopes[parent.0 as usize].children.push(id);
        }
        self.scopes.push(Scope { parent, path, name, children: Vec::new(), signals: Vec::new() });
        id
    }

    /// Declares a signal of 1..=64 bits.
    ///
    /// # Panics
    /// If the name is taken in its scope, or the width is out of range.
    pub fn signal(&mut self, scope: ScopeId, name: &str, bits: u32) -> SignalId {
        assert!((1..=64).contains(&bits), "signal {name}: {bits} bits, must be 1 to 64");
        self.add(scope, name, bits, None)
    }

    /// Declares an enumerated state; its value is an index into `states`.
    ///
    /// # Panics
    /// If the name is taken in its scope.
    pub fn state(&mut self, scope: ScopeId, name: &str, states: &[&str]) -> SignalId {
        let states = states.iter().map(|s| legal(s)).collect();
        self.add(scope, name, 0, Some(states))
    }

    /// Path of a scope, with dots.
    #[must_use]
    pub fn scope_path(&self, scope: ScopeId) -> &str {
        &self.scopes[scope.0 as usize].path
    }

    /// Path of a signal, with dots.
    #[must_use]
    pub fn path(&self, signal: SignalId) -> String {
        let s = &self.signals[signal.0 as usize];
        format!("{}.{}", self.scope_path(s.scope), s.name)
    }

    /// All signals in the order of their index.
    pub fn signals(&self) -> impl Iterator<Item = SignalId> {
        (0..self.signals.len() as u32).map(SignalId)
    }

    pub(crate) fn scope_name(&self, scope: ScopeId) -> &str {
        &self.scopes[scope.0 as usize].name
    }

    /// Scopes without a parent.
    pub(crate) fn roots(&self) -> impl Iterator<Item = ScopeId> {
        (0..self.scopes.len()).filter(|&s| self.scopes[s].parent.is_none()).map(|s| ScopeId(s as u32))
    }

    pub(crate) fn children(&self, scope: ScopeId) -> &[ScopeId] {
        &self.scopes[scope.0 as usize].children
    }

    pub(crate) fn signals_of(&self, scope: ScopeId) -> impl Iterator<Item = (SignalId, &Signal)> {
        self.scopes[scope.0 as usize].signals.iter().map(|&id| (id, &self.signals[id.index()]))
    }

    /// Whether there is a signal in a scope or below it.
    pub(crate) fn holds_signals(&self, scope: ScopeId) -> bool {
        let scope = &self.scopes[scope.0 as usize];
        !scope.signals.is_empty() || scope.children.iter().any(|&child| self.holds_signals(child))
    }

    fn add(&mut self, scope: ScopeId, name: &str, bits: u32, states: Option<Vec<String>>) -> SignalId {
        let (name, _) = self.claim(Some(scope), name);
        let id = SignalId(self.signals.len() as u32);
        self.scopes[scope.0 as usize].signals.push(id);
        self.signals.push(Signal { scope, name, bits, states });
        id
    }

    fn claim(&mut self, parent: Option<ScopeId>, name: &str) -> (String, String) {
        let name = legal(name);
        let path = match parent {
            Some(p) => format!("{}.{name}", self.scope_path(p)),
            None => name.clone(),
        };
        assert!(self.taken.insert(path.clone()), "{path} is declared twice");
        (name, path)
    }
}

/// A name that every VCD reader takes.
fn legal(name: &str) -> String {
    let clean = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }
    };
    name.chars().map(clean).collect()
}

/// What the last change of a signal was.
#[derive(Debug, Clone)]
struct Last {
    value: u64,
    known: bool,
    bits: u32,
    /// Index of its state names.
    states: Option<u32>,
    code: IdCode,
    /// The code and an end of line, as bytes: the crate's own writers go through `fmt`, several times slower.
    tail: [u8; 8],
    tail_len: u8,
}

/// Writes changes in the order of time.
pub struct Writer<W: Write> {
    vcd: vcd::Writer<W>,
    last: Vec<Last>,
    states: Vec<Vec<String>>,
    time: Option<u64>,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the header; every signal is unknown until its first change.
    ///
    /// Times are in units of `timescale_ps` picoseconds: 1, 10 or 100 of ps, ns or us.
    ///
    /// # Errors
    /// Those of the underlying writer, or an impossible time scale.
    pub fn new(inner: W, layout: &Layout, timescale_ps: u64, comment: &str) -> io::Result<Self> {
        let (mut amount, mut unit) = (timescale_ps, 0);
        let units = [TimescaleUnit::PS, TimescaleUnit::NS, TimescaleUnit::US];
        while amount > 100 && amount.is_multiple_of(1000) && unit + 1 < units.len() {
            amount /= 1000;
            unit += 1;
        }
        if ![1, 10, 100].contains(&amount) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("time scale of {timescale_ps} ps: must be 1, 10 or 100 ps, ns or us"),
            ));
        }
        let mut vcd = vcd::Writer::new(inner);
        vcd.comment(comment)?;
        vcd.timescale(amount as u32, units[unit])?;
        let mut last: Vec<Option<Last>> = vec![None; layout.signals.len()];
        let mut states = Vec::new();
        for root in layout.roots() {
            declare(&mut vcd, layout, root, &mut last, &mut states)?;
        }
        vcd.enddefinitions()?;
        let last: Vec<Last> = last.into_iter().flatten().collect();
        vcd.begin(vcd::SimulationCommand::Dumpvars)?;
        for signal in last.iter().filter(|s| s.states.is_none()) {
            if signal.bits == 1 {
                vcd.change_scalar(signal.code, vcd::Value::X)?;
            } else {
                vcd.change_vector(signal.code, [vcd::Value::X])?;
            }
        }
        vcd.end()?;
        Ok(Self { vcd, last, states, time: None, line: Vec::with_capacity(80) })
    }

    /// Sets a signal at a time; writes only if it changes. Signed values are passed as two's complement; bits above the width are ignored.
    ///
    /// # Errors
    /// Those of the underlying writer; a time before the last one; an unknown state.
    pub fn change(&mut self, time: u64, signal: SignalId, value: u64) -> io::Result<()> {
        let last = &mut self.last[signal.0 as usize];
        let value = if last.bits == 0 { value } else { value & (u64::MAX >> (64 - last.bits)) };
        if last.known && last.value == value {
            return Ok(());
        }
        if self.time != Some(time) {
            if self.time.is_some_and(|t| t > time) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("waves go back in time, to {time}"),
                ));
            }
            self.vcd.timestamp(time)?;
            self.time = Some(time);
        }
        (last.value, last.known) = (value, true);
        let line = &mut self.line;
        line.clear();
        match last.states {
            None if last.bits == 1 => line.push(b'0' + value as u8),
            None => {
                line.push(b'b');
                let digits = (64 - value.leading_zeros()).max(1);
                line.extend((0..digits).rev().map(|i| b'0' + (value >> i & 1) as u8));
                line.push(b' ');
            }
            Some(names) => {
                let names = &self.states[names as usize];
                let name = names.get(value as usize).ok_or_else(|| {
                    io::Error::new(io::ErrorKind::InvalidInput, format!("no state {value}"))
                })?;
                line.push(b's');
                line.extend_from_slice(name.as_bytes());
                line.push(b' ');
            }
        }
        line.extend_from_slice(&last.tail[..usize::from(last.tail_len)]);
        self.vcd.writer().write_all(line)
    }

    /// Flushes what was written.
    ///
    /// # Errors
    /// Those of the underlying writer.
    pub fn finish(mut self) -> io::Result<()> {
        self.vcd.flush()
    }
}

fn declare<W: Write>(
    vcd: &mut vcd::Writer<W>,
    layout: &Layout,
    scope: ScopeId,
    last: &mut [Option<Last>],
    states: &mut Vec<Vec<String>>,
) -> io::Result<()> {
    // Scopes without signals are left out, so that a filter leaves a small tree.
    if !layout.holds_signals(scope) {
        return Ok(());
    }
    vcd.add_module(layout.scope_name(scope))?;
    for (id, signal) in layout.signals_of(scope) {
        let index = signal.states.as_ref().map(|names| {
            states.push(names.clone());
            states.len() as u32 - 1
        });
        let code = if index.is_some() {
            vcd.add_var(VarType::String, 1, &signal.name, None)?
        } else {
            let index = (signal.bits > 1).then(|| vcd::ReferenceIndex::Range(signal.bits as i32 - 1, 0));
            vcd.add_var(VarType::Wire, signal.bits, &signal.name, index)?
        };
        let text = format!("{code}\n");
        let mut tail = [0; 8];
        // Seven characters name more signals than a layout can hold.
        tail[..text.len()].copy_from_slice(text.as_bytes());
        let tail_len = text.len() as u8;
        last[id.index()] =
            Some(Last { value: 0, known: false, bits: signal.bits, states: index, code, tail, tail_len });
    }
    for &child in layout.children(scope) {
        declare(vcd, layout, child, last, states)?;
    }
    vcd.upscope()
}
