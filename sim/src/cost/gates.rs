//! Layer 2: gate equivalents of the blocks, from committed results of a synthesis.
//!
//! Results hold for the parameters of one platform. They are found by a digest of these, so that a
//! changed platform is "not run" rather than wrong.

use super::yosys::{Block, Per};
use hw::Platform;
use hw::platform::Structure;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the format, in its first field.
pub const FORMAT: &str = "delayline-gates";
/// Version of the fields.
pub const VERSION: u32 = 1;

/// Results of a synthesis that are committed, one for each preset; made anew by `scripts/gates.sh`.
pub const COMMITTED: &[(&str, &str)] = &[
    ("sim/gates/loihi.json", include_str!("../../gates/loihi.json")),
    ("sim/gates/seneca.json", include_str!("../../gates/seneca.json")),
];

/// Results of one platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Name of the platform.
    pub platform: String,
    /// [`digest`] of its parameters.
    pub platform_sha256: String,
    /// What Yosys says of its version.
    pub tool: String,
    /// The recipe.
    pub recipe: String,
    /// SHA-256 of the cell library.
    pub library_sha256: String,
    /// The blocks.
    pub blocks: Vec<Block>,
}

/// SHA-256 of what a platform's hardware depends on: everything but its name, description, clock and
/// choice of structure.
#[must_use]
pub fn digest(platform: &Platform) -> String {
    let mut value = serde_json::to_value(platform).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        for field in ["name", "description", "clock_mhz", "delays"] {
            fields.remove(field);
        }
    }
    crate::digest(value.to_string().as_bytes())
}

impl Gates {
    /// Reads results; `path` is used in messages.
    ///
    /// # Errors
    /// A sentence that names the file and the remedy.
    pub fn parse(path: &str, text: &str) -> Result<Self, String> {
        let gates: Self =
            serde_json::from_str(text).map_err(|e| format!("{path}: {e}; write it with `sim gates`"))?;
        if gates.format != FORMAT || gates.version != VERSION {
            return Err(format!(
                "{path}: format `{}`, version {}; it must be `{FORMAT}`, version {VERSION}: write it with `sim gates`",
                gates.format, gates.version
            ));
        }
        Ok(gates)
    }

    /// Results for a platform: from a file where one is given, else the committed ones. The inner error says why
    /// there are none, which is no fault.
    ///
    /// # Errors
    /// Where the file is not right.
    pub fn find(platform: &Platform, file: Option<&Path>) -> Result<Result<Self, String>, String> {
        let wanted = digest(platform);
        if let Some(path) = file {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|e| format!("{name}: {e}"))?;
            let gates = Self::parse(&name, &text)?;
            if gates.platform_sha256 != wanted {
                return Err(format!(
                    "{name}: synthesised for platform `{}` with other parameters than the image's `{}`; make it anew with scripts/gates.sh",
                    gates.platform, platform.name
                ));
            }
            return Ok(Ok(gates));
        }
        for (name, text) in COMMITTED {
            let gates = Self::parse(name, text)?;
            if gates.platform_sha256 == wanted {
                return Ok(Ok(gates));
            }
        }
        Ok(Err(format!(
            "no committed synthesis for the parameters of platform `{}`; with Yosys, scripts/gates.sh makes one",
            platform.name
        )))
    }

    /// Gate equivalents of the chip with `cores` cores of a structure in use.
    #[must_use]
    pub fn total(&self, structure: Structure, cores: usize) -> f64 {
        self.blocks
            .iter()
            .filter(|b| b.structure.is_none_or(|s| s == structure))
            .map(|b| {
                let times = match b.per {
                    Per::Core => cores as f64,
                    Per::Chip => 1.0,
                    Per::Part => 0.0,
                };
                b.gate_equivalents * b.count as f64 * times
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_results_with_both_kinds_of_core_and_their_memories() {
        for (name, _) in Platform::PRESETS {
            let platform = Platform::load(name).unwrap();
            let gates = Gates::find(&platform, None).unwrap().expect("committed: scripts/gates.sh");
            assert!(gates.tool.starts_with("Yosys 0.23"), "{}", gates.tool);
            assert_eq!(gates.recipe, crate::cost::yosys::RECIPE);
            assert_eq!(gates.library_sha256, crate::digest(crate::cost::yosys::LIBRARY.as_bytes()));
            for (structure, memories) in [(Structure::RingBuffer, 9), (Structure::SharedQueue, 12)] {
                let core = gates.blocks.iter().find(|b| b.per == Per::Core && b.structure == Some(structure));
                let core = core.expect("a core");
                assert_eq!(core.memories.values().sum::<u64>(), memories, "{name}, {structure}");
                let of = |name: &str| gates.blocks.iter().find(|b| b.name == name).expect("listed");
                let chip = core.gate_equivalents * 2.0 + of("router").gate_equivalents * 2.0;
                let rest = ["barrier", "sequencer", "readout"].map(|b| of(b).gate_equivalents);
                let rest = rest.iter().sum::<f64>() + of("injector").gate_equivalents * 2.0;
                assert!((gates.total(structure, 2) - chip - rest).abs() < 0.01, "{name}, {structure}");
            }
        }
    }

    #[test]
    fn results_hold_for_their_parameters_only() {
        let platform = Platform::load("seneca").unwrap();
        let mut other = platform.clone();
        (other.name, other.clock_mhz) = ("mine".into(), 10.0);
        assert_eq!(digest(&platform), digest(&other), "name and clock change no gates");
        other.shared_queue.depth += 1;
        assert_ne!(digest(&platform), digest(&other));
        let gates = Gates {
            format: FORMAT.into(),
            version: VERSION,
            platform: "seneca".into(),
            platform_sha256: digest(&platform),
            tool: "Yosys".into(),
            recipe: String::new(),
            library_sha256: String::new(),
            blocks: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gates.json");
        std::fs::write(&path, serde_json::to_string(&gates).unwrap()).unwrap();
        assert_eq!(Gates::find(&platform, Some(&path)), Ok(Ok(gates)));
        assert!(Gates::find(&other, Some(&path)).unwrap_err().contains("gates.sh"));
        assert!(Gates::find(&other, None).unwrap().is_err(), "not run, and no fault");
    }
}
