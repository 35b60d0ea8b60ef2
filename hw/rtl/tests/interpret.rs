//! What a circuit does on the interpreter.

use rtl::{Def, Simulator};

#[path = "common/behaviour.rs"]
mod behaviour;
mod common;

fn simulator(def: &Def) -> Simulator {
    Simulator::interpreted(def)
}
