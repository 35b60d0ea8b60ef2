//! Network to placement to image.
//!
//! 1. [`fan_in`]: what each neuron receives. 2. [`limits`]: what no placement can mend.
//! 3. [`cut`]: neurons to cores within every limit. 4. [`place`]: cores to the mesh.
//! 5. [`tables`]: memories, routes and inputs of each core. 6. [`hw::Image`]: everything in one file.

pub mod budget;
pub mod cut;
pub mod fan_in;
pub mod hex;
pub mod inspect;
pub mod limits;
pub mod place;
pub mod tables;

pub use limits::Violation;

use fan_in::FanIn;
use hw::image::{Build, Image, NetworkInfo, PopulationInfo, PopulationKind, Refusal};
use hw::platform::{Platform, Structure};
use model::network::{Kind, Network};
use sha2::{Digest, Sha256};

/// Places a valid network on the cores of one delay structure.
///
/// # Errors
/// Every limit that it breaks, with core, memory, needed and available.
pub fn compile(
    network: &Network,
    platform: &Platform,
    structure: Structure,
) -> Result<Build, Vec<Violation>> {
    let violations = limits::check(network, platform, structure);
    if !violations.is_empty() {
        return Err(violations);
    }
    let fan_in = FanIn::new(network);
    let depth = limits::depth(&fan_in, platform, structure);
    let cores = cut::cut(network, &fan_in, platform, structure, depth)?;
    let places = place::place(cores.len(), platform);
    Ok(tables::build(network, &fan_in, platform, structure, depth, &cores, &places))
}

/// Compiles for both structures; the primary one must fit.
///
/// `file` are the bytes of the network file, for its digest.
///
/// # Errors
/// Every limit that the network breaks on the primary structure.
pub fn image(
    network: &Network,
    file: &[u8],
    platform: &Platform,
    primary: Structure,
) -> Result<Image, Vec<Violation>> {
    let (mut builds, mut refused) = (Vec::new(), Vec::new());
    for structure in Structure::ALL {
        match compile(network, platform, structure) {
            Ok(build) => builds.push(build),
            Err(violations) if structure == primary => return Err(violations),
            Err(violations) => {
                let reasons: Vec<_> = violations.iter().map(ToString::to_string).collect();
                refused.push(Refusal { structure, reason: reasons.join("; ") });
            }
        }
    }
    Ok(Image {
        network: info(network, file),
        platform: platform.clone(),
        primary,
        builds,
        refused,
        tool: format!("delayline compiler {}", env!("CARGO_PKG_VERSION")),
        stimulus: None,
    })
}

/// What an image says of its network.
fn info(network: &Network, file: &[u8]) -> NetworkInfo {
    let digest = Sha256::digest(file);
    NetworkInfo {
        name: network.name.clone(),
        sha256: digest.iter().map(|b| format!("{b:02x}")).collect(),
        step_ms: network.step_ms,
        steps: network.steps,
        membrane_bits: network.membrane_bits,
        group: network.binning().group,
        classes: network.classes.clone(),
        zero_weights: network.projections.iter().flat_map(|p| &p.synapses).filter(|s| s.weight == 0).count()
            as u64,
        populations: network
            .populations
            .iter()
            .map(|p| PopulationInfo {
                name: p.name.clone(),
                kind: match p.kind {
                    Kind::Input { .. } => PopulationKind::Input,
                    Kind::Lif { .. } => PopulationKind::Lif,
                    Kind::Integrator { .. } => PopulationKind::Integrator,
                },
                size: p.size,
            })
            .collect(),
    }
}
