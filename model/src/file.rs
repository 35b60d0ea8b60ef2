//! Network files: `.safetensors` with the description as JSON in its metadata (contract section 5).

use crate::network::{DEFAULT_MEMBRANE_BITS, Kind, Network, Population, Projection, Reset, Synapse};
use crate::validate::{MOST_MEMBERS, NO_POPULATION, Problems};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Why a network file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not a network file.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The field, what is wrong and what it should be.
        message: String,
    },
    /// It is one, but not a valid network.
    #[error("{}: {problems}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All problems.
        problems: Problems,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    name: String,
    step_ms: f64,
    steps: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    membrane_bits: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<String>>,
    populations: Vec<PopulationHeader>,
    projections: Vec<ProjectionHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PopulationHeader {
    name: String,
    kind: KindHeader,
    size: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reset: Option<ResetHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<u32>,
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum KindHeader {
    Input,
    Lif,
    Integrator,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ResetHeader {
    Zero,
    Subtract,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectionHeader {
    name: String,
    source: String,
    target: String,
    weight_shift: u8,
}

const FORMAT: &str = "delayline-network";

impl Network {
    /// Reads and validates a network file.
    ///
    /// # Errors
    /// [`FileError`], naming file, field and remedy; every problem of the network at once.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = std::fs::read(path).map_err(|source| FileError::Io { path: path.into(), source })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads from memory; `path` is used in messages.
    ///
    /// # Errors
    /// As [`Network::read`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, FileError> {
        let Parsed { network, mut problems } =
            parse(bytes).map_err(|message| FileError::Format { path: path.into(), message })?;
        if let Err(Problems(more)) = network.validate() {
            // Which name is no population was said with the name.
            problems.extend(more.into_iter().filter(|p| !p.ends_with(NO_POPULATION)));
        }
        if problems.is_empty() {
            Ok(network)
        } else {
            Err(FileError::Invalid { path: path.into(), problems: Problems(problems) })
        }
    }

    /// Writes a network file; nothing half-written is left.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        self.validate().map_err(|problems| FileError::Invalid { path: path.into(), problems })?;
        let bytes = self.to_bytes().map_err(|message| FileError::Format { path: path.into(), message })?;
        spikes::write_whole(path, &bytes).map_err(|source| FileError::Io { path: path.into(), source })
    }

    /// The bytes of a network file; the same network gives the same bytes.
    ///
    /// # Errors
    /// A network that is not valid, or what safetensors refuses, in words.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        self.validate().map_err(|problems| problems.to_string())?;
        let header = Header {
            format: FORMAT.into(),
            version: 1,
            name: self.name.clone(),
            step_ms: self.step_ms,
            steps: self.steps,
            membrane_bits: Some(self.membrane_bits),
            classes: (!self.classes.is_empty()).then(|| self.classes.clone()),
            populations: self.populations.iter().map(PopulationHeader::new).collect(),
            projections: self
                .projections
                .iter()
                .map(|p| ProjectionHeader {
                    name: p.name.clone(),
                    source: self.populations[p.source].name.clone(),
                    target: self.populations[p.target].name.clone(),
                    weight_shift: p.weight_shift,
                })
                .collect(),
        };
        let mut tensors: Vec<(String, Dtype, Vec<u8>)> = Vec::new();
        let mut add = |name: String, dtype, bytes| tensors.push((name, dtype, bytes));
        for p in &self.populations {
            if !matches!(p.kind, Kind::Input { .. }) {
                let bytes = p.decay().iter().flat_map(|v| v.to_le_bytes()).collect();
                add(format!("{}.decay", p.name), Dtype::U16, bytes);
            }
            if let Kind::Lif { threshold, .. } = &p.kind {
                let bytes = threshold.iter().flat_map(|v| v.to_le_bytes()).collect();
                add(format!("{}.threshold", p.name), Dtype::I32, bytes);
            }
        }
        for p in &self.projections {
            let s = &p.synapses;
            add(format!("{}.pre", p.name), Dtype::U32, s.iter().flat_map(|s| s.pre.to_le_bytes()).collect());
            add(
                format!("{}.post", p.name),
                Dtype::U32,
                s.iter().flat_map(|s| s.post.to_le_bytes()).collect(),
            );
            add(
                format!("{}.delay", p.name),
                Dtype::U16,
                s.iter().flat_map(|s| s.delay.to_le_bytes()).collect(),
            );
            add(
                format!("{}.weight", p.name),
                Dtype::I8,
                s.iter().flat_map(|s| s.weight.to_le_bytes()).collect(),
            );
        }
        let views = tensors
            .iter()
            .map(|(name, dtype, bytes)| {
                let shape = vec![bytes.len() * 8 / dtype.bitsize()];
                TensorView::new(*dtype, shape, bytes)
                    .map(|view| (name.as_str(), view))
                    .map_err(|e| e.to_string())
            })
            .collect::<Result<Vec<_>, _>>()?;
        let json = serde_json::to_string(&header).map_err(|e| e.to_string())?;
        let metadata = HashMap::from([("network".to_string(), json)]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
    }
}

impl PopulationHeader {
    fn new(p: &Population) -> Self {
        let (kind, reset, group) = match &p.kind {
            Kind::Input { group } => (KindHeader::Input, None, Some(*group)),
            Kind::Lif { reset: Reset::Zero, .. } => (KindHeader::Lif, Some(ResetHeader::Zero), None),
            Kind::Lif { reset: Reset::Subtract, .. } => (KindHeader::Lif, Some(ResetHeader::Subtract), None),
            Kind::Integrator { .. } => (KindHeader::Integrator, None, None),
        };
        Self { name: p.name.clone(), kind, size: p.size, reset, group }
    }
}

/// What a file holds, with everything in it that is not as the contract has it. Where a tensor cannot be
/// used, harmless values stand in its place, so that validation can go on to say the rest.
struct Parsed {
    network: Network,
    problems: Vec<String>,
}

/// The tensors of a file, and what was asked for in vain.
struct Tensors<'a> {
    file: SafeTensors<'a>,
    used: HashSet<String>,
    problems: Vec<String>,
}

impl Tensors<'_> {
    /// The values of a tensor, `N` bytes each.
    fn take<T, const N: usize>(
        &mut self,
        name: String,
        dtype: Dtype,
        value: fn([u8; N]) -> T,
    ) -> Option<Vec<T>> {
        let found = match self.file.tensor(&name) {
            Err(_) => {
                self.problems.push(format!("tensor `{name}` is missing"));
                None
            }
            Ok(view) if view.dtype() != dtype || view.shape().len() != 1 => {
                self.problems.push(format!(
                    "tensor `{name}` is {:?} {:?}; it must be {dtype:?} of one dimension",
                    view.dtype(),
                    view.shape()
                ));
                None
            }
            Ok(view) => Some(view.data().as_chunks().0.iter().map(|c| value(*c)).collect()),
        };
        self.used.insert(name);
        found
    }

    fn population(&mut self, p: &PopulationHeader) -> Population {
        let mut wrong = |what: &str| self.problems.push(format!("population `{}`: {what}", p.name));
        if p.reset.is_some() && p.kind != KindHeader::Lif {
            wrong("`reset` belongs to lif populations only");
        }
        if p.group.is_some() && p.kind != KindHeader::Input {
            wrong("`group` belongs to the input only");
        }
        // A size that is itself out of range asks for no memory.
        let stand_in = if p.size <= MOST_MEMBERS { p.size as usize } else { 0 };
        let decay = |tensors: &mut Self| {
            let found = tensors.take(format!("{}.decay", p.name), Dtype::U16, u16::from_le_bytes);
            found.unwrap_or_else(|| vec![0; stand_in])
        };
        let kind = match p.kind {
            KindHeader::Input => Kind::Input { group: p.group.unwrap_or(1) },
            KindHeader::Lif => Kind::Lif {
                reset: match p.reset {
                    Some(ResetHeader::Subtract) => Reset::Subtract,
                    _ => Reset::Zero,
                },
                decay: decay(self),
                threshold: self
                    .take(format!("{}.threshold", p.name), Dtype::I32, i32::from_le_bytes)
                    .unwrap_or_else(|| vec![1; stand_in]),
            },
            KindHeader::Integrator => Kind::Integrator { decay: decay(self) },
        };
        Population { name: p.name.clone(), kind, size: p.size }
    }

    fn projection(&mut self, p: &ProjectionHeader, populations: &[PopulationHeader]) -> Projection {
        let field = |f: &str| format!("{}.{f}", p.name);
        let pre = self.take(field("pre"), Dtype::U32, u32::from_le_bytes);
        let post = self.take(field("post"), Dtype::U32, u32::from_le_bytes);
        let delay = self.take(field("delay"), Dtype::U16, u16::from_le_bytes);
        let weight = self.take(field("weight"), Dtype::I8, i8::from_le_bytes);
        let mut synapses = Vec::new();
        if let (Some(pre), Some(post), Some(delay), Some(weight)) = (pre, post, delay, weight) {
            let n = pre.len();
            if [post.len(), delay.len(), weight.len()] == [n; 3] {
                let synapse =
                    |i: usize| Synapse { pre: pre[i], post: post[i], delay: delay[i], weight: weight[i] };
                synapses = (0..n).map(synapse).collect();
            } else {
                self.problems.push(format!(
                    "projection `{}`: {n} pre, {} post, {} delay, {} weight; one of each a synapse",
                    p.name,
                    post.len(),
                    delay.len(),
                    weight.len()
                ));
            }
        }
        let mut index = |end: &str, name: &str| {
            populations.iter().position(|p| p.name == name).unwrap_or_else(|| {
                self.problems.push(format!("projection `{}`: {end} `{name}` is no population", p.name));
                NOWHERE
            })
        };
        let (source, target) = (index("source", &p.source), index("target", &p.target));
        Projection { name: p.name.clone(), source, target, weight_shift: p.weight_shift, synapses }
    }
}

/// Index of a population that is not there.
const NOWHERE: usize = usize::MAX;

/// Reads what can be read.
///
/// # Errors
/// A file whose description cannot be read at all.
fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    let not = |e: safetensors::SafeTensorError| format!("not a whole safetensors file: {e}; write it again");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(not)?;
    let file = SafeTensors::deserialize(bytes).map_err(not)?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get("network"));
    let json = json.ok_or("metadata key `network` is missing; this is no Delayline network")?;
    let header: Header = serde_json::from_str(json).map_err(|e| format!("metadata key `network`: {e}"))?;
    if header.format != FORMAT || header.version != 1 {
        return Err(format!(
            "format {} version {}: this reads {FORMAT} version 1",
            header.format, header.version
        ));
    }
    let mut tensors = Tensors { file, used: HashSet::new(), problems: Vec::new() };
    let populations = header.populations.iter().map(|p| tensors.population(p)).collect();
    let projections = header.projections.iter().map(|p| tensors.projection(p, &header.populations)).collect();
    let Tensors { file, used, mut problems } = tensors;
    let mut unknown: Vec<_> = file.names().into_iter().filter(|n| !used.contains(*n)).collect();
    unknown.sort_unstable();
    for name in unknown {
        problems.push(format!("tensor `{name}` belongs to no population or projection; remove it"));
    }
    let network = Network {
        name: header.name,
        step_ms: header.step_ms,
        steps: header.steps,
        membrane_bits: header.membrane_bits.unwrap_or(DEFAULT_MEMBRANE_BITS),
        classes: header.classes.unwrap_or_default(),
        populations,
        projections,
    };
    Ok(Parsed { network, problems })
}
