//! The image file: round trip, damage, and `IMAGE.md` in step with the bytes.

use hw::image::{Build, CoreImage, Image, NetworkInfo, PopulationInfo, PopulationKind, Segment};
use hw::layout::{AxonRow, Memory, NeuronParameters, RingSynapse, RouteRow, Target, Widths};
use hw::{Platform, Structure};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

/// One channel to one neuron of threshold 5, weight 3, delay 2; the neuron feeds itself with -1.
fn tiny() -> Image {
    let platform = Platform::load("loihi").expect("preset");
    let w = Widths::new(&platform, Structure::RingBuffer);
    let population = |name: &str, kind| PopulationInfo { name: name.into(), kind, size: 1 };
    let synapse = |delay, weight| w.pack_ring_synapse(RingSynapse { neuron: 0, delay, weight });
    let axon = |base| w.pack_axon_row(AxonRow { base, count: 1, shift: 0 });
    let to = |axon| Target { x: 0, y: 0, axon };
    let parameters = NeuronParameters { decay: 100, threshold: 5, subtract: false, integrator: false };
    Image {
        network: NetworkInfo {
            name: "tiny".into(),
            sha256: "00".repeat(32),
            step_ms: 1.0,
            steps: 10,
            membrane_bits: 24,
            group: 1,
            classes: vec![],
            populations: vec![
                population("in", PopulationKind::Input),
                population("out", PopulationKind::Lif),
            ],
            zero_weights: 0,
        },
        primary: Structure::RingBuffer,
        builds: vec![Build {
            structure: Structure::RingBuffer,
            depth: 4,
            cores: vec![CoreImage {
                x: 0,
                y: 0,
                segments: vec![Segment { population: 1, first: 0, count: 1 }],
                contents: vec![
                    (Memory::Synapses, vec![synapse(2, 3), synapse(1, -1)]),
                    (Memory::Axons, vec![axon(0), axon(1)]),
                    (Memory::Parameters, vec![w.pack_parameters(parameters)]),
                    (Memory::RouteIndex, vec![w.pack_route_row(RouteRow { base: 0, count: 1 })]),
                    (Memory::Routes, vec![w.pack_target(to(1))]),
                ],
            }],
            inputs: vec![vec![to(0)]],
        }],
        refused: vec![],
        tool: "test".into(),
        stimulus: None,
        platform,
    }
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("tiny.bin");
    let mut image = tiny();
    image.stimulus = Some(vec![1, 2, 3]);
    image.write(&path).expect("written");
    assert_eq!(Image::read(&path).expect("read"), image);
}

#[test]
fn image_md_states_the_payload_of_the_tiny_image() {
    let bytes = tiny().to_bytes();
    let header = u64::from_le_bytes(bytes[12..20].try_into().expect("8 bytes")) as usize;
    let payload = &bytes[28 + header..bytes.len() - 4];
    let hex: Vec<_> = payload.iter().map(|b| format!("{b:02x}")).collect();
    let documented = include_str!("../IMAGE.md")
        .split("```payload\n")
        .nth(1)
        .and_then(|t| t.split("```").next())
        .expect("block");
    let stated: Vec<_> =
        documented.lines().flat_map(|l| l.split('#').next().unwrap_or("").split_whitespace()).collect();
    assert_eq!(stated, hex);
    assert_eq!(&bytes[..12], b"DLYIMAGE\x01\0\0\0");
}

#[test]
fn every_cut_is_refused() {
    let bytes = tiny().to_bytes();
    for end in 0..bytes.len() {
        assert!(Image::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn contradictions_are_refused_though_the_check_sum_is_right() {
    let changes: [fn(&mut Image); 7] = [
        |i| i.builds[0].cores[0].x = 16,
        |i| i.builds[0].depth = 3,
        |i| i.builds[0].inputs[0][0].axon = 2,
        |i| i.builds[0].cores[0].segments.clear(),
        |i| i.builds[0].cores[0].contents[0].1.truncate(1),
        |i| i.network.populations[1].size = 2,
        |i| i.primary = Structure::SharedQueue,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut image = tiny();
        change(&mut image);
        assert!(Image::from_bytes(&image.to_bytes()).is_err(), "change {n}");
    }
}

/// So many cases; one that fails is kept in `hw/regressions.txt` and tried first from then on.
fn keeping(cases: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::Direct("regressions.txt");
    ProptestConfig { failure_persistence: Some(Box::new(kept)), ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(keeping(2000))]

    #[test]
    fn every_flipped_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u32) {
        let mut bytes = tiny().to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        prop_assert!(Image::from_bytes(&bytes).is_err());
    }
}

/// On a pipe, not on a device: a mistake must not replace anything of the machine's.
#[cfg(unix)]
#[test]
fn an_image_is_written_to_pipes_and_through_links() {
    let folder = tempfile::tempdir().expect("folder");
    let (pipe, link, file) =
        (folder.path().join("pipe"), folder.path().join("link"), folder.path().join("f"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).expect("reads")
    });
    let image = tiny();
    image.write(&pipe).expect("written");
    assert_eq!(reader.join().expect("ends"), image.to_bytes());
    assert!(!pipe.is_file(), "the pipe is still one");
    std::fs::write(&file, "before").expect("written");
    std::os::unix::fs::symlink(&file, &link).expect("linked");
    image.write(&link).expect("written");
    assert!(link.is_symlink());
    assert_eq!(std::fs::read(&file).expect("reads"), image.to_bytes());
}
