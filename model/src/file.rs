//! Network files: `.safetensors` with the description as JSON in its metadata (contract section 5).

use crate::network::{DEFAULT_MEMBRANE_BITS, Kind, Network, Population, Projection, Reset, Synapse};
use crate::validate::Problems;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io::Write;
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
    /// [`FileError`], naming file, field and remedy.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = std::fs::read(path).map_err(|source| FileError::Io { path: path.into(), source })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads from memory; `path` is used in messages.
    ///
    /// # Errors
    /// As [`Network::read`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, FileError> {
        let network = parse(bytes).map_err(|message| FileError::Format { path: path.into(), message })?;
        network.validate().map_err(|problems| FileError::Invalid { path: path.into(), problems })?;
        Ok(network)
    }

    /// Writes a network file; nothing half-written is left.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        self.validate().map_err(|problems| FileError::Invalid { path: path.into(), problems })?;
        let bytes = self.to_bytes().map_err(|message| FileError::Format { path: path.into(), message })?;
        write_whole(path, &bytes).map_err(|source| FileError::Io { path: path.into(), source })
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

fn parse(bytes: &[u8]) -> Result<Network, String> {
    let not = |e: safetensors::SafeTensorError| format!("not a whole safetensors file: {e}; write it again");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(not)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(not)?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get("network"));
    let json = json.ok_or("metadata key `network` is missing; this is no Delayline network")?;
    let header: Header = serde_json::from_str(json).map_err(|e| format!("metadata key `network`: {e}"))?;
    if header.format != FORMAT || header.version != 1 {
        return Err(format!(
            "format {} version {}: this reads {FORMAT} version 1",
            header.format, header.version
        ));
    }
    let mut used = HashSet::new();
    let mut tensor = |name: String, dtype: Dtype| -> Result<Vec<u8>, String> {
        let view = tensors.tensor(&name).map_err(|_| format!("tensor `{name}` is missing"))?;
        if view.dtype() != dtype || view.shape().len() != 1 {
            return Err(format!(
                "tensor `{name}` is {:?} {:?}; it must be {dtype:?} of one dimension",
                view.dtype(),
                view.shape()
            ));
        }
        used.insert(name);
        Ok(view.data().to_vec())
    };
    let u16s = |b: Vec<u8>| b.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect::<Vec<_>>();
    let u32s = |b: Vec<u8>| {
        b.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect::<Vec<_>>()
    };
    let mut populations = Vec::new();
    for p in &header.populations {
        let field = |f: &str| format!("{}.{f}", p.name);
        if p.reset.is_some() && p.kind != KindHeader::Lif {
            return Err(format!("population `{}`: `reset` belongs to lif populations only", p.name));
        }
        if p.group.is_some() && p.kind != KindHeader::Input {
            return Err(format!("population `{}`: `group` belongs to the input only", p.name));
        }
        let kind = match p.kind {
            KindHeader::Input => Kind::Input { group: p.group.unwrap_or(1) },
            KindHeader::Lif => Kind::Lif {
                reset: match p.reset {
                    Some(ResetHeader::Subtract) => Reset::Subtract,
                    _ => Reset::Zero,
                },
                decay: u16s(tensor(field("decay"), Dtype::U16)?),
                threshold: u32s(tensor(field("threshold"), Dtype::I32)?)
                    .into_iter()
                    .map(u32::cast_signed)
                    .collect(),
            },
            KindHeader::Integrator => Kind::Integrator { decay: u16s(tensor(field("decay"), Dtype::U16)?) },
        };
        populations.push(Population { name: p.name.clone(), kind, size: p.size });
    }
    let index = |name: &str| header.populations.iter().position(|p| p.name == name);
    let mut projections = Vec::new();
    for p in &header.projections {
        let field = |f: &str| format!("{}.{f}", p.name);
        let population = |end: &str, name: &str| {
            index(name).ok_or_else(|| format!("projection `{}`: {end} `{name}` is no population", p.name))
        };
        let pre = u32s(tensor(field("pre"), Dtype::U32)?);
        let post = u32s(tensor(field("post"), Dtype::U32)?);
        let delay = u16s(tensor(field("delay"), Dtype::U16)?);
        let weight = tensor(field("weight"), Dtype::I8)?;
        if [post.len(), delay.len(), weight.len()] != [pre.len(); 3] {
            return Err(format!(
                "projection `{}`: {} pre, {} post, {} delay, {} weight; one of each a synapse",
                p.name,
                pre.len(),
                post.len(),
                delay.len(),
                weight.len()
            ));
        }
        let synapses = (0..pre.len())
            .map(|i| Synapse { pre: pre[i], post: post[i], delay: delay[i], weight: weight[i].cast_signed() })
            .collect();
        projections.push(Projection {
            name: p.name.clone(),
            source: population("source", &p.source)?,
            target: population("target", &p.target)?,
            weight_shift: p.weight_shift,
            synapses,
        });
    }
    let mut unknown: Vec<_> = tensors.names().into_iter().filter(|n| !used.contains(*n)).collect();
    unknown.sort_unstable();
    if let Some(name) = unknown.first() {
        return Err(format!("tensor `{name}` belongs to no population or projection; remove it"));
    }
    Ok(Network {
        name: header.name,
        step_ms: header.step_ms,
        steps: header.steps,
        membrane_bits: header.membrane_bits.unwrap_or(DEFAULT_MEMBRANE_BITS),
        classes: header.classes.unwrap_or_default(),
        populations,
        projections,
    })
}

/// A file that appears whole or not at all: a temporary file in the same folder, then a rename.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}
