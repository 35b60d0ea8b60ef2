//! Every golden vector, through every implementation, on both structures and three platforms.

use hw::{Platform, Structure};
use sim::{Options, Simulator};
use testbenches::golden::{NAMES, Vector, folder};

fn tiny() -> Platform {
    Platform::parse("tiny.toml", include_str!("../platforms/tiny.toml")).expect("valid")
}

#[test]
fn golden_model_reproduces_every_vector() {
    for name in NAMES {
        let vector = Vector::load(name);
        let outcomes: Vec<_> = (0..vector.input.len())
            .map(|sample| {
                let o = model::golden::run(&vector.network, &vector.binned(sample));
                let spikes = o.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
                (spikes, o.scores, o.prediction)
            })
            .collect();
        vector.compare(&outcomes).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn hdf5_of_every_float_width_gives_the_same_input_as_npz() {
    let vector = Vector::load("basic");
    for width in [2, 4, 8] {
        let path = folder().join(format!("basic.f{width}.h5"));
        let file = spikes::SpikeFile::read(&path).expect("SHD-style HDF5");
        assert_eq!(file.len(), vector.input.len());
        assert_eq!(file.labels, vector.input.labels, "float{}", 8 * width);
        for sample in 0..file.len() {
            let binned = file.bin(sample, &vector.network.binning()).expect("fits");
            assert_eq!(binned, vector.binned(sample), "float{}, sample {sample}", 8 * width);
        }
    }
}

/// Runs a vector on a platform and structure; returns the number of cores.
fn simulate(name: &str, platform: &Platform, structure: Structure) -> usize {
    let vector = Vector::load(name);
    let image = compiler::image(&vector.network, &vector.file, platform, structure)
        .unwrap_or_else(|v| panic!("{name} on {} ({structure}): {v:?}", platform.name));
    let image = hw::Image::from_bytes(&image.to_bytes()).expect("what was written is read");
    let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
    let outcomes: Vec<_> = (0..vector.input.len())
        .map(|sample| {
            let o = simulator.run(&vector.binned(sample)).expect("runs");
            assert_eq!(o.overflows, [], "{name} on {} ({structure})", platform.name);
            let spikes = o.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
            (spikes, o.scores, o.prediction)
        })
        .collect();
    vector.compare(&outcomes).unwrap_or_else(|e| panic!("{name} on {} ({structure}): {e}", platform.name));
    simulator.program().cores()
}

#[test]
fn simulator_reproduces_every_vector_on_loihi() {
    let platform = Platform::load("loihi").expect("preset");
    for name in NAMES {
        for structure in Structure::ALL {
            simulate(name, &platform, structure);
        }
    }
}

#[test]
fn simulator_reproduces_every_vector_on_seneca() {
    let platform = Platform::load("seneca").expect("preset");
    for name in NAMES {
        for structure in Structure::ALL {
            simulate(name, &platform, structure);
        }
    }
}

#[test]
fn simulator_reproduces_every_vector_cut_into_tiny_cores() {
    for name in NAMES {
        for structure in Structure::ALL {
            let cores = simulate(name, &tiny(), structure);
            assert!(cores > 1, "{name}: one core is no test of cutting");
        }
    }
}
