//! Reading and writing images. `IMAGE.md` states the bytes.

use crate::image::{
    Build, CONTENTS, CoreImage, Image, NetworkInfo, PopulationKind, Refusal, Segment, VERSION,
};
use crate::layout::{Memory, Target, Widths};
use crate::platform::{Platform, Structure};
use bitvec::prelude::*;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// First bytes of an image.
const MAGIC: &[u8; 8] = b"DLYIMAGE";
/// Magic, version, lengths of header and payload.
const PREFIX: usize = 8 + 4 + 8 + 8;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be read or written.
    #[error("{}: {source}{}", path.display(), if source.kind() == std::io::ErrorKind::NotFound { "; `compiler NETWORK --platform P --output FILE` makes an image" } else { "" })]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is damaged, of another version, or contradicts itself.
    #[error("{}: {message}; compile the network again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The field and what is wrong with it.
        message: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    tool: String,
    network: NetworkInfo,
    platform: Platform,
    primary: Structure,
    builds: Vec<BuildHeader>,
    refused: Vec<Refusal>,
    /// Length of the stimulus in bytes, after all memories.
    stimulus: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BuildHeader {
    structure: Structure,
    depth: u32,
    cores: Vec<CoreHeader>,
    /// Number of targets of each input channel.
    inputs: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CoreHeader {
    x: u16,
    y: u16,
    segments: Vec<Segment>,
    /// Words of each memory with contents, in the order of [`CONTENTS`].
    words: Vec<u64>,
}

/// Memories with contents that a structure has, with their word widths.
fn contents(widths: &Widths, platform: &Platform) -> Vec<(Memory, u32, u64)> {
    let specs = widths.memories(platform);
    CONTENTS
        .iter()
        .filter_map(|&m| specs.iter().find(|s| s.memory == m).map(|s| (m, s.bits, s.words)))
        .collect()
}

impl Image {
    /// Reads an image.
    ///
    /// # Errors
    /// [`ImageError`], naming the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ImageError> {
        let bytes = std::fs::read(path).map_err(|source| ImageError::Io { path: path.into(), source })?;
        Self::from_bytes(&bytes).map_err(|message| ImageError::Damaged { path: path.into(), message })
    }

    /// Writes an image; nothing half-written is left.
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), ImageError> {
        let bytes = self.to_bytes();
        let write = || -> std::io::Result<()> {
            let place = rtl::whole::Place::of(path)?;
            let mut file = place.temporary()?;
            file.write_all(&bytes)?;
            place.put(file)
        };
        write().map_err(|source| ImageError::Io { path: path.into(), source })
    }

    /// The bytes of the file; the same image gives the same bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            tool: self.tool.clone(),
            network: self.network.clone(),
            platform: self.platform.clone(),
            primary: self.primary,
            builds: self.builds.iter().map(BuildHeader::new).collect(),
            refused: self.refused.clone(),
            stimulus: self.stimulus.as_ref().map(|s| s.len() as u64),
        };
        let json = serde_json::to_vec(&header).unwrap_or_default();
        let mut payload = Vec::new();
        for build in &self.builds {
            let widths = build.widths(&self.platform);
            for core in &build.cores {
                for (memory, bits, _) in contents(&widths, &self.platform) {
                    pack(&mut payload, core.words(memory), bits);
                }
            }
            let bits = widths.x + widths.y + widths.axon;
            let targets: Vec<u64> = build.inputs.iter().flatten().map(|t| widths.pack_target(*t)).collect();
            pack(&mut payload, &targets, bits);
        }
        payload.extend(self.stimulus.iter().flatten());
        let mut out = Vec::with_capacity(PREFIX + json.len() + payload.len() + 4);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((json.len() as u64).to_le_bytes());
        out.extend((payload.len() as u64).to_le_bytes());
        out.extend(json);
        out.extend(payload);
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// Reads from memory.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < PREFIX + 4 || &bytes[..8] != MAGIC {
            return Err("not an image (it does not begin as one)".into());
        }
        let number =
            |at: usize, n: usize| bytes[at..at + n].iter().rev().fold(0u64, |v, &b| v << 8 | u64::from(b));
        let version = number(8, 4);
        if version != u64::from(VERSION) {
            return Err(format!("image version {version}; this reads version {VERSION}"));
        }
        let (json, payload) = (number(12, 8), number(20, 8));
        let whole = json.checked_add(payload).and_then(|n| n.checked_add(PREFIX as u64 + 4));
        if whole != Some(bytes.len() as u64) {
            return Err(format!(
                "{} bytes, where the header says {}",
                bytes.len(),
                whole.map_or("too many".into(), |n| n.to_string())
            ));
        }
        let end = bytes.len() - 4;
        if crc32fast::hash(&bytes[..end]) != number(end, 4) as u32 {
            return Err("check sum is wrong: the file is damaged".into());
        }
        let (json, payload) = bytes[PREFIX..end].split_at(json as usize);
        let header: Header = serde_json::from_slice(json).map_err(|e| format!("header: {e}"))?;
        let image = header.decode(payload)?;
        image.check()?;
        Ok(image)
    }
}

impl BuildHeader {
    fn new(build: &Build) -> Self {
        let core = |c: &CoreImage| CoreHeader {
            x: c.x,
            y: c.y,
            segments: c.segments.clone(),
            words: c.contents.iter().map(|m| m.1.len() as u64).collect(),
        };
        Self {
            structure: build.structure,
            depth: build.depth,
            cores: build.cores.iter().map(core).collect(),
            inputs: build.inputs.iter().map(|t| t.len() as u32).collect(),
        }
    }
}

impl Header {
    fn decode(self, mut payload: &[u8]) -> Result<Image, String> {
        let problems = self.platform.problems();
        if !problems.is_empty() {
            return Err(format!("platform: {}", problems.join("; ")));
        }
        let mut builds = Vec::new();
        for build in self.builds {
            let widths = Widths::new(&self.platform, build.structure);
            let kinds = contents(&widths, &self.platform);
            let mut cores = Vec::new();
            for core in build.cores {
                if core.words.len() != kinds.len() {
                    return Err(format!(
                        "core ({}, {}): {} memories, must be {}",
                        core.x,
                        core.y,
                        core.words.len(),
                        kinds.len()
                    ));
                }
                let mut filled = Vec::new();
                for (&(memory, bits, most), words) in kinds.iter().zip(core.words) {
                    if words > most {
                        return Err(format!(
                            "core ({}, {}): {}: {words} words, the platform has {most}",
                            core.x,
                            core.y,
                            memory.name()
                        ));
                    }
                    filled.push((memory, take(&mut payload, words, bits)?));
                }
                cores.push(CoreImage { x: core.x, y: core.y, segments: core.segments, contents: filled });
            }
            let total = build.inputs.iter().map(|&n| u64::from(n)).sum();
            let bits = widths.x + widths.y + widths.axon;
            let mut targets = take(&mut payload, total, bits)?.into_iter().map(|w| widths.target(w));
            let inputs = build.inputs.iter().map(|&n| targets.by_ref().take(n as usize).collect()).collect();
            builds.push(Build { structure: build.structure, depth: build.depth, cores, inputs });
        }
        if payload.len() as u64 != self.stimulus.unwrap_or(0) {
            return Err(format!(
                "{} bytes of stimulus, where the header says {}",
                payload.len(),
                self.stimulus.unwrap_or(0)
            ));
        }
        Ok(Image {
            network: self.network,
            platform: self.platform,
            primary: self.primary,
            builds,
            refused: self.refused,
            tool: self.tool,
            stimulus: self.stimulus.map(|_| payload.to_vec()),
        })
    }
}

/// Appends words of so many bits, without gaps between them; the last byte is filled with zeros.
fn pack(out: &mut Vec<u8>, words: &[u64], bits: u32) {
    let mut packed: BitVec<u8, Lsb0> = BitVec::with_capacity(words.len() * bits as usize + 7);
    for word in words {
        packed.extend_from_bitslice(&word.view_bits::<Lsb0>()[..bits as usize]);
    }
    packed.set_uninitialized(false);
    out.extend(packed.into_vec());
}

/// Takes words off the front of the payload.
fn take(payload: &mut &[u8], words: u64, bits: u32) -> Result<Vec<u64>, String> {
    let bytes = words.checked_mul(bits.into()).map(|n| n.div_ceil(8));
    let Some(bytes) = bytes.filter(|n| *n <= payload.len() as u64) else {
        return Err(format!("{words} words of {bits} bits are more than the file holds"));
    };
    let (front, rest) = payload.split_at(bytes as usize);
    *payload = rest;
    let packed = front.view_bits::<Lsb0>();
    let bits = bits as usize;
    Ok((0..words as usize).map(|i| packed[i * bits..(i + 1) * bits].load_le::<u64>()).collect())
}

impl Image {
    /// Whether everything that a run relies on holds.
    fn check(&self) -> Result<(), String> {
        let network = &self.network;
        // As many as a network may have.
        let steps_ok = (1..=1 << 24).contains(&network.steps);
        if !steps_ok || network.group == 0 || !(2..=32).contains(&network.membrane_bits) {
            return Err("network: steps, group or membrane_bits out of range".into());
        }
        if !(network.step_ms.is_finite() && network.step_ms > 0.0) {
            return Err("network: step_ms must be positive".into());
        }
        let inputs: Vec<_> = network.populations.iter().filter(|p| p.kind == PopulationKind::Input).collect();
        let [input] = inputs[..] else {
            return Err(format!("network: {} input populations, must be one", inputs.len()));
        };
        if network.populations.iter().any(|p| p.size == 0 || p.size > 1 << 24) {
            return Err("network: a population is empty or too large".into());
        }
        if network.populations.iter().filter(|p| p.kind == PopulationKind::Integrator).count() > 1 {
            return Err("network: more than one integrator population".into());
        }
        if !self.builds.iter().any(|b| b.structure == self.primary) {
            return Err(format!("no {} build, which it says to run", self.primary));
        }
        for (i, build) in self.builds.iter().enumerate() {
            if self.builds[..i].iter().any(|b| b.structure == build.structure) {
                return Err(format!("two {} builds", build.structure));
            }
        }
        let placed: u64 = network
            .populations
            .iter()
            .filter(|p| p.kind != PopulationKind::Input)
            .map(|p| u64::from(p.size))
            .sum();
        for build in &self.builds {
            // Known from the file's own length, so that sizes that lie cannot ask for memory.
            let neurons: usize = build.cores.iter().map(|c| c.words(Memory::Parameters).len()).sum();
            if neurons as u64 != placed {
                return Err(format!("{neurons} neurons are placed, the network has {placed}"));
            }
            self.check_build(build, input.size).map_err(|e| format!("{} build: {e}", build.structure))?;
        }
        Ok(())
    }

    fn check_build(&self, build: &Build, channels: u32) -> Result<(), String> {
        let platform = &self.platform;
        let widths = build.widths(platform);
        let depth_ok = match build.structure {
            Structure::RingBuffer => {
                build.depth.is_power_of_two() && (2..=platform.ring_buffer.slots).contains(&build.depth)
            }
            Structure::SharedQueue => build.depth == platform.shared_queue.longest_delay,
        };
        if !depth_ok {
            return Err(format!("depth {} is not one that the platform has", build.depth));
        }
        if build.inputs.len() != channels as usize {
            return Err(format!("{} input channels, the network has {channels}", build.inputs.len()));
        }
        let places: Vec<_> = build.cores.iter().map(|c| (c.y, c.x)).collect();
        if !places.is_sorted_by(|a, b| a < b) {
            return Err("cores are not in the order of their places".into());
        }
        let mut covered: Vec<Vec<bool>> =
            self.network.populations.iter().map(|p| vec![false; p.size as usize]).collect();
        for core in &build.cores {
            self.check_core(build, core, &widths, &mut covered)
                .map_err(|e| format!("core ({}, {}): {e}", core.x, core.y))?;
        }
        for (population, covered) in self.network.populations.iter().zip(&covered) {
            if population.kind != PopulationKind::Input && covered.iter().any(|c| !c) {
                return Err(format!("population `{}` is not wholly placed", population.name));
            }
        }
        let axons = |x: u16, y: u16| {
            places.binary_search(&(y, x)).ok().map(|i| build.cores[i].words(Memory::Axons).len())
        };
        let target_ok = |t: &Target| axons(t.x, t.y).is_some_and(|n| (t.axon as usize) < n);
        if !build.inputs.iter().flatten().all(target_ok) {
            return Err("an input goes to an axon that does not exist".into());
        }
        for core in &build.cores {
            if !core.words(Memory::Routes).iter().all(|&w| target_ok(&widths.target(w))) {
                return Err(format!(
                    "core ({}, {}): a route goes to an axon that does not exist",
                    core.x, core.y
                ));
            }
        }
        Ok(())
    }

    fn check_core(
        &self,
        build: &Build,
        core: &CoreImage,
        widths: &Widths,
        covered: &mut [Vec<bool>],
    ) -> Result<(), String> {
        let platform = &self.platform;
        if core.x >= platform.mesh.width || core.y >= platform.mesh.height {
            return Err("outside the mesh".into());
        }
        let mut kinds = Vec::new();
        for s in &core.segments {
            let population =
                self.network.populations.get(s.population as usize).ok_or("a segment of no population")?;
            let end = s
                .first
                .checked_add(s.count)
                .filter(|e| *e <= population.size && s.count > 0)
                .ok_or("a segment past its population")?;
            if population.kind == PopulationKind::Input {
                return Err("inputs are not placed on cores".into());
            }
            for n in s.first..end {
                if std::mem::replace(&mut covered[s.population as usize][n as usize], true) {
                    return Err(format!("neuron {n} of `{}` is placed twice", population.name));
                }
                kinds.push(population.kind == PopulationKind::Integrator);
            }
        }
        let n = kinds.len();
        if n == 0 || n > platform.core.neurons as usize {
            return Err(format!("{n} neurons"));
        }
        if build.structure == Structure::RingBuffer
            && n as u64 * u64::from(build.depth) > platform.ring_buffer.accumulators.into()
        {
            return Err("more accumulators than the platform has".into());
        }
        let parameters = core.words(Memory::Parameters);
        let top = (1i64 << (self.network.membrane_bits - 1)) - 1;
        if parameters.len() != n || core.words(Memory::RouteIndex).len() != n {
            return Err("parameters or route index: not one row a neuron".into());
        }
        for (word, integrator) in parameters.iter().zip(&kinds) {
            let p = widths.parameters(*word);
            let threshold_ok = p.integrator || (1..=top).contains(&i64::from(p.threshold));
            if p.integrator != *integrator || p.decay > 4096 || !threshold_ok {
                return Err("parameters: out of range".into());
            }
        }
        let (first, last) = (kinds.iter().position(|k| *k), kinds.iter().rposition(|k| *k));
        if let (Some(first), Some(last)) = (first, last) {
            let count = last - first + 1;
            if kinds[first..=last].contains(&false) || count > platform.core.readouts as usize {
                return Err("integrators are not one block of readouts".into());
            }
        }
        let routes = core.words(Memory::Routes).len() as u64;
        for &word in core.words(Memory::RouteIndex) {
            let row = widths.route_row(word);
            if u64::from(row.base) + u64::from(row.count) > routes {
                return Err("route index: past the routes".into());
            }
        }
        check_lists(build, core, widths, n)
    }
}

/// Synapse lists: where the axon rows say, ending where they must, to neurons that exist.
fn check_lists(build: &Build, core: &CoreImage, widths: &Widths, neurons: usize) -> Result<(), String> {
    let synapses = core.words(Memory::Synapses);
    let useful = core.words(Memory::UsefulWeights);
    let queue = build.structure == Structure::SharedQueue;
    let rows: Vec<_> = core.words(Memory::Axons).iter().map(|&w| widths.axon_row_of(w)).collect();
    if queue && useful.len() != rows.len() {
        return Err("useful-weight rows: not one an axon".into());
    }
    let mut at = 0usize;
    for (i, row) in rows.iter().enumerate() {
        let end = rows.get(i + 1).map_or(synapses.len(), |r| r.base as usize);
        if row.base as usize != at || end <= at || end > synapses.len() {
            return Err(format!("axon {i}: its synapses are not where they must be"));
        }
        let list = &synapses[at..end];
        if queue {
            let lists = list.iter().filter(|&&w| widths.queue_synapse(w).last).count() as u32;
            let ends = widths.queue_synapse(list[list.len() - 1]).last;
            if !ends || lists != useful[i].count_ones() || list.len() as u64 > 1 << widths.list {
                return Err(format!("axon {i}: lists and useful-weight row differ"));
            }
            if list.iter().any(|&w| widths.queue_synapse(w).neuron as usize >= neurons) {
                return Err(format!("axon {i}: a synapse to no neuron"));
            }
        } else {
            if row.count as usize != list.len() {
                return Err(format!("axon {i}: count {} for {} synapses", row.count, list.len()));
            }
            for &word in list {
                let s = widths.ring_synapse(word);
                if s.neuron as usize >= neurons || s.delay == 0 || s.delay >= build.depth {
                    return Err(format!(
                        "axon {i}: a synapse to no neuron, or of a delay that the ring does not hold"
                    ));
                }
            }
        }
        at = end;
    }
    if at != synapses.len() {
        return Err("synapses that belong to no axon".into());
    }
    Ok(())
}
