//! The golden networks on the presets.

use hw::{Image, Platform, Structure};
use model::network::Network;
use std::path::{Path, PathBuf};

fn networks() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbenches/golden");
    let mut out: Vec<_> = std::fs::read_dir(&folder)
        .expect("golden folder")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    out.sort();
    assert_eq!(out.len(), 8, "{}", folder.display());
    out
}

#[test]
fn every_golden_network_fits_both_presets_with_both_structures() {
    for path in networks() {
        let file = std::fs::read(&path).expect("network");
        let network = Network::from_bytes(&file, &path).expect("valid");
        for preset in ["loihi", "seneca"] {
            let platform = Platform::load(preset).expect("preset");
            let image = compiler::image(&network, &file, &platform, platform.delays)
                .unwrap_or_else(|v| panic!("{} on {preset}: {v:?}", path.display()));
            assert_eq!(image.refused, [], "{} on {preset}", path.display());
            let cores = |s| image.builds.iter().find(|b| b.structure == s).map_or(0, |b| b.cores.len());
            println!(
                "{} on {preset}: ring-buffer {}, shared-queue {}",
                network.name,
                cores(Structure::RingBuffer),
                cores(Structure::SharedQueue)
            );
            let bytes = image.to_bytes();
            assert_eq!(Image::from_bytes(&bytes).expect("read back"), image);
        }
    }
}

#[test]
fn the_same_network_gives_the_same_bytes() {
    let path = &networks()[0];
    let file = std::fs::read(path).expect("network");
    let platform = Platform::load("loihi").expect("preset");
    let bytes = || {
        let network = Network::from_bytes(&file, path).expect("valid");
        compiler::image(&network, &file, &platform, Structure::RingBuffer).expect("fits").to_bytes()
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn hex_files_hold_the_words_of_every_memory() {
    let path = &networks()[0];
    let file = std::fs::read(path).expect("network");
    let network = Network::from_bytes(&file, path).expect("valid");
    let platform = Platform::load("seneca").expect("preset");
    let image = compiler::image(&network, &file, &platform, Structure::SharedQueue).expect("fits");
    let build = image.builds.iter().find(|b| b.structure == Structure::SharedQueue).expect("build");
    let folder = tempfile::tempdir().expect("folder");
    compiler::hex::write(&image, build, folder.path()).expect("written");
    let mut files = 0;
    for core in &build.cores {
        for (memory, words) in &core.contents {
            let path = folder.path().join(format!("core_{}_{}.{}.hex", core.x, core.y, memory.name()));
            let text = std::fs::read_to_string(path).expect("hex file");
            let read: Vec<_> = text.lines().map(|l| u64::from_str_radix(l, 16).expect("hex")).collect();
            assert_eq!(&read, words, "{}", memory.name());
            files += 1;
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), files);
}

#[test]
fn inspect_names_network_platform_structures_and_memories() {
    let path = &networks()[0];
    let file = std::fs::read(path).expect("network");
    let network = Network::from_bytes(&file, path).expect("valid");
    let platform = Platform::load("loihi").expect("preset");
    let image = compiler::image(&network, &file, &platform, Structure::RingBuffer).expect("fits");
    let text = compiler::inspect::text(&image, true);
    for part in [
        network.name.as_str(),
        "loihi",
        "ring-buffer",
        "shared-queue",
        "accumulators",
        "queue_a",
        "core (0, 0)",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}
