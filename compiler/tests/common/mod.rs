//! Networks for tests.

use model::network::{Kind, Network, Population, Projection, Reset, Synapse};

/// Input of 4, 6 lif neurons (recurrent) and 3 integrators; longest delay 7.
pub fn network() -> Network {
    let lif = |size: u32| Kind::Lif {
        reset: Reset::Zero,
        decay: vec![100; size as usize],
        threshold: vec![50; size as usize],
    };
    let dense = |sources: u32, targets: u32, weight: i8| -> Vec<Synapse> {
        (0..sources)
            .flat_map(|pre| {
                (0..targets).map(move |post| Synapse {
                    pre,
                    post,
                    delay: ((pre * 3 + post) % 7 + 1) as u16,
                    weight,
                })
            })
            .collect()
    };
    let projection = |name: &str, source, target, weight_shift, synapses| Projection {
        name: name.into(),
        source,
        target,
        weight_shift,
        synapses,
    };
    Network {
        name: "limits".into(),
        step_ms: 1.0,
        steps: 100,
        membrane_bits: 20,
        classes: vec![],
        populations: vec![
            Population { name: "in".into(), kind: Kind::Input { group: 1 }, size: 4 },
            Population { name: "hidden".into(), kind: lif(6), size: 6 },
            Population { name: "out".into(), kind: Kind::Integrator { decay: vec![10; 3] }, size: 3 },
        ],
        projections: vec![
            projection("in-hidden", 0, 1, 1, dense(4, 6, 90)),
            projection("hidden-hidden", 1, 1, 0, dense(6, 6, -5)),
            projection("hidden-out", 1, 2, 2, dense(6, 3, 7)),
        ],
    }
}
