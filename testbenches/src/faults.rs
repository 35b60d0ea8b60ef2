//! Faults seeded into the RTL, each with what must catch it: every property, and every claim of every proof, can fail.
//!
//! A fault drives one named signal of a finished block otherwise ([`Module::redrive`]), so that the blocks' sources know
//! nothing of it, and a fault whose signal is gone is an error.

mod proofs;

use crate::formal::broken_alone;
use crate::properties::{self, Search};
use crate::random::rng;
use rtl::{Def, Module, ReadDuringWrite, U};

/// What catches a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Catcher {
    /// The property of this name.
    Property(&'static str),
    /// The proof of this name: each of these claims of it, alone.
    Proof(&'static str, Vec<String>),
}

/// A fault.
pub struct Fault {
    /// What is wrong.
    pub name: String,
    /// What catches it.
    pub caught_by: Catcher,
    /// Path of the instance in the block that the property or proof is of.
    path: &'static str,
    change: Box<dyn Fn(&Module) + Send + Sync>,
}

/// Cases in which a property must find a fault.
const CASES: u32 = 200;

/// Cycles after reset in which a claim must be broken.
const CYCLES: u32 = 24;

impl Fault {
    fn seed(&self, def: &Def) -> Def {
        let faulty = Module::altered(def, self.path, "faulty", &self.change);
        faulty.unwrap_or_else(|e| panic!("fault `{}` has no place any more: {e}", self.name))
    }

    /// Whether the property, or each of the claims, fails of the faulty block.
    ///
    /// # Errors
    /// The property or the claims that hold of it all the same.
    ///
    /// # Panics
    /// If the block has no signal any more that the fault alters, or there is no such property, proof or claim.
    pub fn caught(&self) -> Result<(), String> {
        match &self.caught_by {
            Catcher::Property(name) => {
                let property = properties::all().into_iter().find(|p| p.name == *name).expect("a property");
                let alter = |def: Def| self.seed(&def);
                let mut search = Search::new(CASES, rng(7), false, &alter);
                let unseen = (property.check)(&mut search).is_ok();
                if unseen { Err(format!("property {name}: {}", self.name)) } else { Ok(()) }
            }
            Catcher::Proof(name, claims) => {
                let proof = crate::proofs::all().into_iter().find(|p| p.name == *name).expect("a proof");
                let harness = proof.around(&self.seed(&proof.block));
                let broken = broken_alone(&harness, proof.method, claims, CYCLES);
                let whole: Vec<_> =
                    claims.iter().zip(broken).filter(|(_, broken)| !broken).map(|c| c.0.as_str()).collect();
                let unseen = || format!("proof {name}: {}: {}", self.name, whole.join(", "));
                if whole.is_empty() { Ok(()) } else { Err(unseen()) }
            }
        }
    }
}

fn off(value: U<'_>) -> U<'_> {
    value & !value
}

fn on(value: U<'_>) -> U<'_> {
    value | !value
}

/// The list.
#[must_use]
pub fn all() -> Vec<Fault> {
    use Catcher::Property;
    let mut list = Vec::new();
    let mut fault = |caught_by: &Catcher, path, name: &str, change: fn(&Module)| {
        let (name, caught_by) = (name.to_string(), caught_by.clone());
        list.push(Fault { name, caught_by, path, change: Box::new(change) });
    };

    // Ring buffer.
    let ring = Property("ring buffer");
    fault(&ring, "", "a slot off by one", |m| m.redrive("accumulator.add_slot", |s| s + 1));
    fault(&ring, "accumulator", "forwarding lost", |m| m.set_rule("accumulators", ReadDuringWrite::OldData));
    fault(&ring, "accumulator", "sign of a weight swapped", |m| m.redrive("weight", |w| !w + 1));
    fault(&ring, "", "a slot is not cleared", |m| m.redrive("accumulator.clear", off));
    fault(&ring, "", "the reset phase clears nothing", |m| m.redrive("accumulator.wipe", off));
    fault(&ring, "", "the head stands still", |m| m.redrive("kept_head", |_| m.find("kept_head")));
    fault(&ring, "", "the head moves a cycle late", |m| m.redrive("head", |_| m.find("kept_head")));
    fault(&ring, "", "the soma reads the next slot", |m| m.redrive("accumulator.head", |h| h + 1));

    // Shared queue.
    let queue = Property("shared queue");
    fault(&queue, "", "an event is not queued again", |m| m.redrive("requeue", off));
    fault(&queue, "", "age not incremented", |m| m.redrive("stage_age", |age| age - 1));
    fault(&queue, "", "offset off by one", |m| m.redrive("read_offset", |offset| offset + 1));
    fault(&queue, "", "the filter's bit is wrong", |m| m.redrive("useful", |u| !u));
    fault(&queue, "", "events are never dropped", |m| m.redrive("more", on));
    fault(&queue, "", "an event without a list is dropped", |m| {
        m.redrive("more", |more| more & m.find("useful"))
    });
    fault(&queue, "", "the queues swap a cycle late", |m| m.redrive("selected", |_| m.find("kept_selected")));
    fault(&queue, "", "the queues swap before the barrier", |m| {
        let (start, first, update) = (m.find("start"), m.find("first"), m.find("update"));
        m.redrive("selected", |_| m.find("kept_selected") & !(start & first));
        m.redrive("kept_selected", |next| next ^ update);
        m.redrive("kept_selected.enable", |enable| enable | update);
    });
    fault(&queue, "", "the queues do not swap", |m| m.redrive("kept_selected", |_| m.find("kept_selected")));
    fault(&queue, "", "an arrival is taken with the port in use", |m| {
        m.redrive("take", |_| m.find("in_valid") & !m.find("start"));
    });
    fault(&queue, "", "a full queue is written to", |m| {
        m.redrive("write", |_| m.find("requeue") | m.find("take"))
    });
    fault(&queue, "", "an overflow is not latched", |m| m.redrive("overflow.enable", off));
    fault(&queue, "", "the soma starts a cycle early", |m| m.redrive("update", |_| m.find("drained")));
    fault(&queue, "", "the high-water mark stays", |m| m.redrive("high_water.enable", off));

    // FIFOs and links.
    let fifo = Property("FIFO");
    fault(&fifo, "", "a word comes a place too high with a pop", |m| m.redrive("place", |_| m.find("level")));
    fault(&fifo, "", "the level misses a pop", |m| m.redrive("level.enable", |e| e & m.find("in_valid")));
    let memory_fifo = Property("memory FIFO");
    fault(&memory_fifo, "", "forwarding lost", |m| m.set_rule("words", ReadDuringWrite::OldData));
    fault(&memory_fifo, "", "the head is read again", |m| m.redrive("next_read", |_| m.find("read_pointer")));
    let credits = Property("credits");
    fault(&credits, "", "a credit is dropped", |m| m.redrive("out_credits.enable", |e| e & m.find("send")));
    fault(&credits, "", "a credit is counted twice", |m| {
        m.redrive("out_credits", |next| next + m.find("buffer.credit").zext(next.width()));
    });
    fault(&credits, "", "a flit is sent twice", |m| m.redrive("out_flit.enable", off));

    // Mesh: its first router.
    let mesh = Property("mesh");
    fault(&mesh, "router_0_0", "a flit never goes east", |m| m.redrive("local_asks_east", off));
    fault(&mesh, "router_0_0", "a flit is sent and kept", |m| m.redrive("local_buffer.pop", off));
    fault(&mesh, "router_0_0", "a flit is lost", |m| {
        m.redrive("local_out_valid", |v| v & !m.find("local_out_valid"))
    });
    fault(&mesh, "router_0_0", "an output has one credit too many", |m| {
        m.reset_to("local_out_credits", (1 << m.find("local_out_credits").width()) - 1);
    });
    fault(&mesh, "router_0_0", "two inputs wait for each other", |m| {
        for (input, other) in [("local", "east"), ("east", "local")] {
            let waits = m.find(&format!("{other}_buffer.out_valid"));
            for output in ["north", "east", "south", "west", "local"] {
                m.redrive(&format!("{input}_asks_{output}"), |asks| asks & !waits);
            }
        }
    });
    fault(&mesh, "", "a flit overtakes the one before it", |m| {
        // A flit stays behind until a cycle without one: those right after it go first.
        let (valid, flit) = (m.find("core_0_0_in_valid"), m.find("core_0_0_in_flit"));
        let behind = m.delayed("behind", valid);
        let kept = m.reg("kept_behind", flit.width(), 0);
        kept.set_if(valid & !behind, flit);
        m.redrive("router_0_0.local_in_valid", |_| behind);
        m.redrive("router_0_0.local_in_flit", |_| valid.mux(flit, kept.q));
    });

    // Soma.
    let soma = Property("soma");
    fault(&soma, "", "the leak truncates toward minus infinity", |m| {
        m.redrive("leaked", |l| (m.find("product").as_s() >> 12).as_u().trunc(l.width()));
    });
    fault(&soma, "", "a membrane wraps", |m| m.redrive("saturated", |v| m.find("total").trunc(v.width())));
    fault(&soma, "", "saturation a bit too low", |m| {
        m.redrive("saturated", |v| m.find("membrane_max").zext(v.width()).eq(v).mux(v - 1, v));
    });
    fault(&soma, "", "a membrane at its threshold does not spike", |m| {
        let v = m.find("saturated");
        m.redrive("fires", |f| f & m.find("threshold").zext(v.width()).ne(v));
    });
    fault(&soma, "", "reset to zero always", |m| m.redrive("subtract", off));
    fault(&soma, "", "integrators spike", |m| m.redrive("integrator", off));
    fault(&soma, "", "decay off by one", |m| m.redrive("keep", |k| k - 1));
    fault(&soma, "", "what arrived is read as unsigned", |m| {
        m.redrive("total", |t| {
            let (leaked, current) = (m.find("leaked"), m.find("current"));
            leaked.as_s().sext(t.width()).as_u() + current.zext(t.width())
        });
    });
    fault(&soma, "", "a score misses a step", |m| m.redrive("score", |_| m.find("scores")));

    // Barrier.
    let barrier = Property("barrier");
    fault(&barrier, "", "flits under way are not waited for", |m| m.redrive("under_way", off));
    fault(&barrier, "", "released with leaves busy", |m| m.redrive("quiet", |_| m.find("under_way").eq(0)));
    fault(&barrier, "", "released a cycle late", |m| {
        m.redrive("released", |r| m.delayed("late", r));
    });
    fault(&barrier, "", "released twice", |m| {
        m.redrive("released", |r| r | m.delayed("again", r));
    });
    list.extend(proofs::list());
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block may change its names; then its faults must be brought up to date, not pass for caught.
    #[test]
    #[should_panic(expected = "fault `gone` has no place any more")]
    fn a_fault_whose_signal_is_gone_is_not_caught() {
        let change = |m: &Module| m.redrive("no_such_signal", off);
        let caught_by = Catcher::Property("FIFO");
        let fault = Fault { name: "gone".into(), caught_by, path: "", change: Box::new(change) };
        let _ = fault.caught();
    }
}
