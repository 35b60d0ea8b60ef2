//! Writes the image of a synthetic network for load tests, on which every core does the same, with its stimulus inside:
//! `synthetic CORES NEURONS FAN_OUT STEPS OUT.bin`.

use hw::Structure;
use std::path::Path;
use testbenches::synthetic::busy_cores;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [numbers @ .., out] = &arguments[..] else {
        return Err("synthetic CORES NEURONS FAN_OUT STEPS OUT.bin".into());
    };
    let numbers: Vec<u32> = numbers.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [cores, neurons, fan_out, steps] = numbers[..] else {
        return Err("synthetic CORES NEURONS FAN_OUT STEPS OUT.bin".into());
    };
    let (network, input, platform) = busy_cores(cores, neurons, fan_out, steps);
    let mut image =
        compiler::image(&network, b"", &platform, Structure::RingBuffer).map_err(|v| format!("{v:?}"))?;
    let mut stimulus = spikes::SpikeFile::default();
    let units: Vec<_> = input.step(0).iter().map(|&c| c as u16).collect();
    stimulus.push(&vec![0.0; units.len()], &units, None);
    image.stimulus = Some(stimulus.to_npz(Path::new("stimulus.npz"))?);
    image.write(Path::new(out))?;
    Ok(())
}
