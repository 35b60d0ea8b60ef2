//! Checkpoints: one safetensors file, tensors with a JSON description in the metadata.
//!
//! It holds all that the rest of a run depends on. Random numbers are drawn anew for each (seed, epoch,
//! sample), so that no generator has a state.

use super::config::Config;
use super::net::{Plan, Projection};
use super::optimiser::Moments;
use super::parameters::{Parameters, Taps, Tensor};
use super::prune::Action;
use super::quantise::Scales;
use super::report::History;
use super::trainer::{Place, Sums, Trainer};
use anyhow::{Context, Result, bail};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

const FORMAT: &str = "delayline-checkpoint";

#[derive(Serialize, Deserialize)]
struct Description {
    format: String,
    version: u32,
    config: Config,
    place: Place,
    sums: Sums,
    steps: u32,
    sigma: f32,
    sizes: Vec<usize>,
    delays: Vec<(usize, usize, Vec<u16>)>,
    taps: Vec<usize>,
    scales: Option<Scales>,
    history: History,
    /// Epochs of the runs before, whose network this run began with.
    #[serde(default)]
    before: usize,
    /// Highest density aimed at, where a budget made it lower than that of the settings.
    #[serde(default)]
    ceiling: Option<f32>,
    /// What the samples were; of a run that had begun before it was kept, nothing.
    #[serde(default)]
    data: Option<u32>,
    /// The timetable of pruning, which counts from the delays at the beginning.
    #[serde(default)]
    actions: Option<Vec<(usize, Action)>>,
}

/// Writes bytes to a file that appears whole or not at all.
///
/// # Errors
/// I/O, naming the file.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    spikes::write_whole(path, bytes).with_context(|| path.display().to_string())
}

/// The bytes of a checkpoint; the same state gives the same bytes.
///
/// # Errors
/// What safetensors refuses.
pub fn to_bytes(trainer: &Trainer, history: &History) -> Result<Vec<u8>> {
    let (net, parameters) = (&trainer.engine.plan.net, &trainer.parameters);
    let description = Description {
        format: FORMAT.into(),
        version: 1,
        config: trainer.config.clone(),
        place: trainer.place.clone(),
        sums: trainer.sums.clone(),
        steps: trainer.adam.steps,
        sigma: parameters.sigma,
        sizes: net.sizes.clone(),
        delays: net.projections.iter().map(|p| (p.source, p.target, p.delays.clone())).collect(),
        taps: parameters.taps.iter().map(|t| t.as_ref().map_or(0, |t| t.taps)).collect(),
        scales: trainer.scales.clone(),
        history: history.clone(),
        before: trainer.before,
        ceiling: Some(trainer.ceiling),
        data: Some(trainer.data),
        actions: Some(trainer.actions.clone()),
    };
    let mut tensors: Vec<(String, Dtype, Vec<u8>)> = Vec::new();
    let mut add = |name: String, tensor: &Tensor| {
        let Moments { first, second } = &tensor.moments;
        for (end, values) in [("", &tensor.values), (".first", first), (".second", second)] {
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.push((format!("{name}{end}"), Dtype::F32, bytes));
        }
    };
    for (j, weights) in parameters.weights.iter().enumerate() {
        add(format!("weights.{j}"), weights);
        if let Some(taps) = &parameters.taps[j] {
            add(format!("taps.{j}.weights"), &taps.weights);
            add(format!("taps.{j}.positions"), &taps.positions);
        }
    }
    for (p, decay) in parameters.decay.iter().enumerate().skip(1) {
        add(format!("decay.{p}"), decay);
    }
    for (j, mask) in parameters.mask.iter().enumerate() {
        tensors.push((format!("mask.{j}"), Dtype::U8, mask.iter().map(|m| u8::from(*m)).collect()));
    }
    let views = tensors
        .iter()
        .map(|(name, dtype, bytes)| {
            let view = TensorView::new(*dtype, vec![bytes.len() * 8 / dtype.bitsize()], bytes)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    let metadata = HashMap::from([("checkpoint".to_string(), serde_json::to_string(&description)?)]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// What a checkpoint holds.
pub struct Checkpoint {
    /// The network, with its delays.
    pub plan: Plan,
    /// What was learned.
    pub parameters: Parameters,
    description: Description,
}

/// Reads a checkpoint.
///
/// # Errors
/// A file that is none, or damaged.
pub fn read(path: &Path) -> Result<Checkpoint> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    parse(&bytes).with_context(|| format!("{}: not a whole checkpoint", path.display()))
}

fn parse(bytes: &[u8]) -> Result<Checkpoint> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let text = metadata.metadata().as_ref().and_then(|m| m.get("checkpoint"));
    let text = text.context("metadata key `checkpoint` is missing")?;
    let description: Description = serde_json::from_str(text)?;
    if description.format != FORMAT || description.version != 1 {
        bail!("format {} version {}: this reads {FORMAT} version 1", description.format, description.version);
    }
    let tensors = SafeTensors::deserialize(bytes)?;
    let floats = |name: &str, len: usize| -> Result<Vec<f32>> {
        let data = tensors.tensor(name)?.data().to_vec();
        if data.len() != 4 * len {
            bail!("tensor `{name}` has {} bytes for {len} numbers", data.len());
        }
        Ok(data.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect())
    };
    let tensor = |name: &str, len: usize| -> Result<Tensor> {
        Ok(Tensor {
            values: floats(name, len)?,
            moments: Moments {
                first: floats(&format!("{name}.first"), len)?,
                second: floats(&format!("{name}.second"), len)?,
            },
        })
    };
    let projections = description.delays.iter().map(|(source, target, delays)| Projection {
        source: *source,
        target: *target,
        delays: delays.clone(),
    });
    let net = super::net::Net {
        steps: description.config.steps as usize,
        sizes: description.sizes.clone(),
        reset: super::reset(&description.config),
        projections: projections.collect(),
    };
    let plan = Plan::new(net).map_err(anyhow::Error::msg)?;
    let mut parameters = Parameters { sigma: description.sigma, ..Parameters::default() };
    for (j, layout) in plan.layouts.iter().enumerate() {
        parameters.weights.push(tensor(&format!("weights.{j}"), layout.len())?);
        let mask = tensors.tensor(&format!("mask.{j}"))?.data();
        if mask.len() != layout.len() {
            bail!("tensor `mask.{j}` has {} bytes for {}", mask.len(), layout.len());
        }
        // What is padding stays padding.
        parameters
            .mask
            .push((0..layout.len()).map(|at| mask[at] != 0 && layout.synapse(at).is_some()).collect());
        let taps = description.taps.get(j).copied().unwrap_or(0);
        parameters.taps.push(match taps {
            0 => None,
            taps => {
                let len = layout.tiles() * layout.pre * taps * super::simd::LANES;
                Some(Taps {
                    taps,
                    weights: tensor(&format!("taps.{j}.weights"), len)?,
                    positions: tensor(&format!("taps.{j}.positions"), len)?,
                })
            }
        });
    }
    parameters.decay.push(Tensor::default());
    for p in 1..plan.net.sizes.len() {
        parameters.decay.push(tensor(&format!("decay.{p}"), plan.tiles(p) * super::simd::LANES)?);
    }
    if let Some(scales) = &description.scales {
        let sizes = scales.exponent.iter().zip(&plan.net.sizes).skip(1);
        let fits = scales.shift.len() == plan.layouts.len()
            && scales.exponent.len() == plan.net.sizes.len()
            && sizes.into_iter().all(|(e, n)| e.len() == *n && e.iter().all(|e| *e <= 30))
            && (2..=8).contains(&scales.weight_bits)
            && (2..=32).contains(&scales.membrane_bits);
        if !fits {
            bail!("scales do not fit the network");
        }
    }
    Ok(Checkpoint { plan, parameters, description })
}

/// Settings that a run may change on its way.
const FREE: [&str; 4] = ["log", "memory", "run", "controls"];

impl Checkpoint {
    /// The settings of the run.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.description.config
    }

    /// Epochs that the network has been trained for, those of the runs it came from among them.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.description.before + self.description.place.epoch
    }

    /// The run as it stood; `data` says what the samples are ([`super::data::Data::fingerprint`]).
    ///
    /// # Errors
    /// Other samples; settings that differ from those of the run, by their names.
    pub fn resume(self, config: &Config, simd: super::simd::Simd, data: u32) -> Result<(Trainer, History)> {
        let (then, now) = (serde_json::to_value(&self.description.config)?, serde_json::to_value(config)?);
        if let (Some(then), Some(now)) = (then.as_object(), now.as_object()) {
            for (key, value) in now.iter().filter(|(k, _)| !FREE.contains(&k.as_str())) {
                let was = then.get(key).unwrap_or(&serde_json::Value::Null);
                if was != value {
                    bail!(
                        "--resume: `{key}` was {was} when the run began and is {value} now; give the same settings"
                    );
                }
            }
        }
        let d = self.description;
        if d.data.is_some_and(|then| then != data) {
            bail!(
                "--resume: the samples to learn from and to choose by are not those that the run began with; begin anew without --resume"
            );
        }
        let actions =
            d.actions.context("--resume: a checkpoint without its timetable of pruning; begin anew")?;
        let mut trainer = Trainer::at(self.plan, simd, config, self.parameters, actions);
        trainer.adam.steps = d.steps;
        (trainer.scales, trainer.place, trainer.sums) = (d.scales, d.place, d.sums);
        (trainer.before, trainer.data) = (d.before, data);
        trainer.ceiling = d.ceiling.unwrap_or(trainer.ceiling);
        Ok((trainer, d.history))
    }
}
