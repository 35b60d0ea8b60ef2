//! A wave file as the calls that wrote it: what the wave writer alone costs.

use rtl::wave::{Layout, SignalId, Writer};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

/// Signals of a VCD file, and their changes in the order of time.
#[derive(Debug)]
pub struct Replay {
    layout: Layout,
    changes: Vec<(u64, SignalId, u64)>,
}

impl Replay {
    /// Reads a file that the simulator wrote.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let mut wave = wellen::simple::read(path).expect("wellen reads it");
        let h = wave.hierarchy();
        let mut layout = Layout::new();
        let top = layout.scope(None, "chip");
        let mut signals = Vec::new();
        for (i, var) in h.all_vars().map(|v| &h[v]).enumerate() {
            // States are vectors here: the writer's work for them is less, not more.
            let bits = var.length(h).unwrap_or(2).max(1);
            signals.push((var.signal_ref(), layout.signal(top, &format!("s{i}"), bits)));
        }
        wave.load_signals(&signals.iter().map(|s| s.0).collect::<Vec<_>>());
        let times = wave.time_table().to_vec();
        let names: HashMap<_, _> = ["IDLE", "DELIVER", "UPDATE", "ACCEPT"].into_iter().zip(0..).collect();
        let mut changes = Vec::new();
        for (signal, id) in signals {
            for (t, value) in wave.get_signal(signal).expect("loaded").iter_changes() {
                let text = value.to_bit_string().unwrap_or_else(|| value.to_string());
                let number = names.get(text.as_str()).copied().or_else(|| u64::from_str_radix(&text, 2).ok());
                changes.extend(number.map(|n| (times[t as usize], id, n)));
            }
        }
        changes.sort_by_key(|c| c.0);
        Self { layout, changes }
    }

    /// Number of changes.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// Hands all changes to the wave writer.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let mut writer = Writer::new(to, &self.layout, 1, "replay")?;
        for &(time, signal, value) in &self.changes {
            writer.change(time, signal, value)?;
        }
        writer.finish()
    }
}
