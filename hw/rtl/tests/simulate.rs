//! What a circuit does on the engine that a simulator takes by itself.

use rtl::{Def, Simulator};

#[path = "common/behaviour.rs"]
mod behaviour;
mod common;

fn simulator(def: &Def) -> Simulator {
    let sim = Simulator::new(def);
    assert_eq!(sim.engine(), if cfg!(feature = "jit") { "jit" } else { "interpreter" });
    sim
}
