//! The faults of the proofs. Each breaks the claims that stand with it, and every claim of every harness is broken by one.

use super::{Catcher, Fault, off, on};
use rtl::{Module, ReadDuringWrite};

/// Faults of one or more proofs.
struct Faults {
    list: Vec<Fault>,
    proofs: &'static [&'static str],
}

impl Faults {
    /// From here on faults are of these proofs.
    fn of(&mut self, proofs: &'static [&'static str]) -> &mut Self {
        self.proofs = proofs;
        self
    }

    /// A fault in an instance of the block that breaks these claims, names with spaces between.
    fn inside<C>(&mut self, path: &'static str, name: &str, claims: &str, change: C) -> &mut Self
    where
        C: Fn(&Module) + Clone + Send + Sync + 'static,
    {
        for proof in self.proofs {
            let claims = claims.split_whitespace().map(String::from).collect();
            let caught_by = Catcher::Proof(proof, claims);
            self.list.push(Fault { name: name.into(), caught_by, path, change: Box::new(change.clone()) });
        }
        self
    }

    /// A fault in the block itself.
    fn add<C>(&mut self, name: &str, claims: &str, change: C) -> &mut Self
    where
        C: Fn(&Module) + Clone + Send + Sync + 'static,
    {
        self.inside("", name, claims, change)
    }
}

/// The list.
pub(super) fn list() -> Vec<Fault> {
    let mut faults = Faults { list: Vec::new(), proofs: &[] };
    fifos(&mut faults);
    links(&mut faults);
    ring(&mut faults);
    queue(&mut faults);
    router(&mut faults);
    faults.of(&["barrier", "barrier, one cycle"]).add(
        "flits under way are not waited for",
        "in_its_cycle",
        |m| m.redrive("under_way", off),
    );
    faults.list
}

fn fifos(faults: &mut Faults) {
    faults.of(&["FIFO", "memory FIFO, three words", "memory FIFO, whole"]).add(
        "a head is shown where there is none",
        "head_when_any",
        |m| m.redrive("out_valid", on),
    );
    faults
        .of(&["FIFO"])
        .add("a word comes a place too high with a pop", "in_order kept_0 kept_1 kept_2", |m| {
            m.redrive("place", |_| m.find("level"));
        })
        .add("the last place is not written", "kept_3", |m| m.redrive("word_3.enable", off))
        .add("the level misses a pop", "none_lost_or_invented", |m| {
            m.redrive("level.enable", |e| e & m.find("in_valid"));
        })
        .add("the level misses a word", "still_inside", |m| {
            m.redrive("level.enable", |e| e & m.find("pop"));
        });
    faults
        .of(&["memory FIFO, three words", "memory FIFO, whole"])
        .add("forwarding lost", "in_order", |m| m.set_rule("words", ReadDuringWrite::OldData))
        .add("the level misses a pop", "none_lost_or_invented", |m| {
            m.redrive("level.enable", |e| e & m.find("push"));
        })
        .add("the level misses a word", "still_inside", |m| m.redrive("level.enable", |e| e & m.find("pop")));
    faults
        .of(&["memory FIFO, three words"])
        .add("the head is read again", "shown", |m| m.redrive("next_read", |_| m.find("read_pointer")))
        .add("the read pointer stands still", "pointers_and_level lies_in_order", |m| {
            m.redrive("read_pointer.enable", off);
        })
        .add("the read pointer runs past the end", "read_in_range", |m| {
            m.redrive("read_pointer", |_| m.find("read_pointer") + 1);
        })
        .add("a word is not written", "kept", |m| m.redrive("words.write_enable", off));
}

fn links(faults: &mut Faults) {
    faults
        .of(&["link", "link, one deep"])
        .add("a credit is dropped", "conserved", |m| m.redrive("out_credits.enable", |e| e & m.find("send")))
        .add("a credit is counted twice", "conserved", |m| {
            m.redrive("out_credits", |next| next + m.find("buffer.credit").zext(next.width()));
        })
        .add("a flit is lost", "none_lost_or_invented", |m| m.redrive("out_valid", off));
}

fn ring(faults: &mut Faults) {
    faults
        .of(&["ring buffer", "ring buffer, one port", "ring buffer, whole", "ring buffer, whole, one port"])
        .add("the head stands still", "head", |m| m.redrive("kept_head", |_| m.find("kept_head")))
        .add("the head runs past the last slot in use", "head_in_range", |m| m.redrive("slot_mask", on));
    // With one port nothing is forwarded.
    faults.of(&["ring buffer", "ring buffer, whole"]).inside("accumulator", "forwarding lost", "sum", |m| {
        m.set_rule("accumulators", ReadDuringWrite::OldData);
    });
    faults.of(&["ring buffer, one port", "ring buffer, whole, one port"]).add(
        "the sum that is read is one off",
        "sum",
        |m| m.redrive("sum", |sum| sum + 1),
    );
    faults
        .of(&["ring buffer", "ring buffer, one port"])
        .add("a slot is not cleared", "kept", |m| m.redrive("accumulator.clear", off))
        .add("a slot off by one", "no_other_write pending_is_written", |m| {
            m.redrive("accumulator.add_slot", |s| s + 1);
        })
        .inside("accumulator", "sign of a weight swapped", "pending_sum", |m| {
            m.redrive("weight", |w| !w + 1);
        })
        .add("the soma reads the next slot", "read_hits", |m| m.redrive("accumulator.head", |h| h + 1));
}

fn queue(faults: &mut Faults) {
    // What both harnesses claim.
    faults
        .of(&["shared queue, two places", "shared queue, whole"])
        .add("rows are read all the time", "row_is_kept", |m| m.redrive("row_read", on))
        .add("the filter's bit is wrong", "useful", |m| m.redrive("useful", |u| !u))
        .add("an arrival is taken with the port in use", "taken_or_waits arrives", |m| {
            m.redrive("take", |_| m.find("in_valid") & !m.find("start"));
        })
        .add("a full queue is written to", "written depth level total_in_range", |m| {
            m.redrive("write", |_| m.find("requeue") | m.find("take"));
        })
        .add("age not incremented", "queued_again", |m| m.redrive("stage_age", |age| age - 1))
        .add("the age is lost", "age_written", |m| m.redrive("stage_age", off))
        .add("an overflow is not latched", "overflow", |m| m.redrive("overflow.enable", off))
        .add("the read pointer stands still", "none_lost_or_invented", |m| {
            m.redrive("kept_read_pointer.enable", off);
        })
        .add("the level misses a write", "counted", |m| {
            m.redrive("kept_write_pointer.enable", |e| e & !m.find("write"));
        })
        .add("an event is read that is not there", "entered_was_there", |m| m.redrive("fetch", on))
        .add("the soma starts with events left", "all_entered", |m| {
            m.redrive("update", |_| m.find("started"));
        });
    faults
        .of(&["shared queue, whole"])
        .add("an event is streamed twice", "delivered", |m| {
            m.redrive("fetch_address", |_| m.find("read_pointer"));
        })
        .add("the soma starts with events left", "not_left_over", |m| {
            m.redrive("update", |_| m.find("started"));
        })
        .add("an overflow is not latched", "overflow_is_told", |m| m.redrive("overflow.enable", off));
    faults
        .of(&["shared queue, two places"])
        .add("an event is not queued again", "written", |m| m.redrive("requeue", off))
        .add("age not incremented", "staged", |m| m.redrive("stage_age", |age| age - 1))
        .add("the age is lost", "age_staged", |m| m.redrive("stage_age", off))
        .add("the level misses a write", "poq", |m| {
            m.redrive("kept_write_pointer.enable", |e| e & !m.find("write"));
        })
        .add("the read pointer stands still", "prq", |m| m.redrive("kept_read_pointer.enable", off))
        .add("queue_a is not written", "a_kept", |m| m.redrive("queue_a.write", off))
        .add("queue_b is not written", "b_kept", |m| m.redrive("queue_b.write", off))
        .add("an event is streamed twice", "read held entered", |m| {
            m.redrive("fetch_address", |_| m.find("read_pointer"));
        })
        .add("an event is read that is not there", "fetched", |m| m.redrive("fetch", on))
        .add("the soma starts a cycle early", "phases", |m| m.redrive("update", |_| m.find("drained")))
        .add("nothing is delivered", "start_delivers", |m| m.redrive("delivering", off))
        .add("the synapse stage is not waited for", "drained", |m| {
            let (delivering, started) = (m.find("delivering"), m.find("started"));
            m.redrive("drained", |_| delivering & !started & !m.find("read_level").any());
        })
        .add("the PRQ is not waited for", "drained_level", |m| {
            m.redrive("drained", |_| m.find("delivering") & !m.find("started") & m.find("free"));
        })
        .add("the queues swap as the soma starts", "same_selection", |m| {
            m.redrive("selected", |s| s ^ m.find("update"));
        })
        .add("the POQ is not empty at first", "nothing_waits_at_first", |m| {
            m.reset_to("kept_write_pointer", 1);
        })
        .add("a word is written without an event", "nothing_lies_at_first", |m| m.redrive("write", on))
        .add("a step seems to begin in every cycle", "started_step", |m| m.redrive("started", on));
}

fn router(faults: &mut Faults) {
    faults.of(&["router, one deep"]);
    for side in ["north", "east", "south", "west", "local"] {
        faults
            .add(
                &format!("{side}: a flit is taken and no credit given"),
                &format!("{side}_in_conserved"),
                move |m| {
                    m.redrive(&format!("{side}_in_credit"), off);
                },
            )
            .add(&format!("{side}: a credit is dropped"), &format!("{side}_out_conserved"), move |m| {
                m.redrive(&format!("{side}_out_credits.enable"), |e| e & m.find(&format!("{side}_send")));
            });
    }
    faults
        .add("an output grants two inputs", "one_input_an_output", |m| {
            let asks = m.find("local_asks_east") & m.find("east_out_credits").any();
            m.redrive("east_grants_local", |g| g | asks);
        })
        .add("a flit goes two ways", "one_output_an_input", |m| {
            m.redrive("local_asks_north", |a| a | m.find("local_asks_east"));
        })
        .add("a grant for nothing", "granted_asked", |m| m.redrive("east_grants_local", on))
        .add("a flit is sent and kept", "none_lost", |m| m.redrive("local_buffer.pop", off))
        .add("a flit is lost", "sent", |m| m.redrive("east_out_valid", off))
        .add("a flit is sent twice", "none_invented", |m| {
            m.redrive("east_out_valid", |v| v | m.find("east_out_valid"));
        })
        .add("rows are crossed before columns", "xy", |m| {
            m.redrive("local_asks_east", |_| m.find("local_asks_north"));
        })
        .add("an input is never granted", "no_idle_output", |m| m.redrive("east_grants_local", off))
        .add("the pointer runs past the ports", "pointer_in_range", |m| m.redrive("east_pointer", on))
        .add("the pointer of the round robin stands still", "comes_nearer fair", |m| {
            m.redrive("east_pointer", off);
        });
}
