//! Damaged files give errors, never panics; whole ones come back as they were.
//!
//! A longer run of the fuzzing: `PROPTEST_CASES=100000 cargo test --release -p testbenches --test files`.

use hw::image::Image;
use hw::{Platform, Structure};
use model::network::Network;
use proptest::prelude::*;
use sim::cost::energy::{PriceTable, TABLES};
use spikes::SpikeFile;
use std::path::Path;
use testbenches::golden::{self, Vector};
use testbenches::random;

fn image() -> Vec<u8> {
    let vector = Vector::load("basic");
    let platform = Platform::load("loihi").expect("preset");
    let mut image =
        compiler::image(&vector.network, &vector.file, &platform, Structure::RingBuffer).expect("fits");
    image.stimulus = Some(vector.input.to_npz(Path::new("basic.npz")).expect("packs"));
    image.to_bytes()
}

#[test]
fn every_flipped_byte_of_an_image_is_refused() {
    let bytes = image();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(Image::from_bytes(&damaged).is_err(), "byte {at}");
    }
}

#[test]
fn every_cut_image_is_refused() {
    let bytes = image();
    for length in 0..bytes.len() {
        assert!(Image::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
}

/// A damaged image whose check sum was made right again must still never panic.
#[test]
fn an_image_that_lies_never_panics() {
    let bytes = image();
    let mut read = 0;
    let end = bytes.len() - 4;
    for at in (0..end).step_by(3) {
        let mut lying = bytes.clone();
        lying[at] ^= 1 << (at % 7);
        let sum = crc32fast::hash(&lying[..end]).to_le_bytes();
        lying[end..].copy_from_slice(&sum);
        if let Ok(image) = Image::from_bytes(&lying) {
            read += 1;
            let network = &image.network;
            let input = network.populations.iter().find(|p| p.kind == hw::image::PopulationKind::Input);
            // Every channel in the first steps; few of the images changed their number.
            let channels = input.expect("checked").size;
            let pairs = (0..3).flat_map(|t| (0..channels).map(move |c| (t, c))).collect();
            let binned = spikes::Binned::from_pairs(pairs, network.steps);
            for build in &image.builds {
                let options = sim::Options::default();
                let mut simulator = sim::Simulator::new(&image, build.structure, options).expect("built");
                simulator.run(&binned).expect("runs");
            }
        }
    }
    assert!(read > 100, "{read}");
}

proptest! {
    #![proptest_config(testbenches::keeping(random::cases(64)))]

    #[test]
    fn networks_come_back_as_they_were(network in random::network()) {
        let bytes = network.to_bytes().expect("writes");
        let back = Network::from_bytes(&bytes, Path::new("n")).expect("reads");
        prop_assert_eq!(&back, &network);
        prop_assert_eq!(back.to_bytes().expect("writes"), bytes);
    }

    #[test]
    fn damaged_networks_never_panic(network in random::network(), at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>()) {
        let mut bytes = network.to_bytes().expect("writes");
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
            prop_assert!(Network::from_bytes(&bytes, Path::new("n")).is_err());
        } else {
            bytes[at] ^= 1 << bit;
            let _ = Network::from_bytes(&bytes, Path::new("n"));
        }
    }

    #[test]
    fn spike_files_come_back_as_they_were(samples in prop::collection::vec((prop::collection::vec((0f32..2.0, any::<u16>()), 0..30), prop::option::of(0..20u32)), 0..6)) {
        let mut file = SpikeFile { offsets: vec![0], ..SpikeFile::default() };
        for (spikes, label) in &samples {
            let (times, units): (Vec<f32>, Vec<u16>) = spikes.iter().copied().unzip();
            file.push(&times, &units, *label);
        }
        let bytes = file.to_npz(Path::new("s")).expect("writes");
        let back = SpikeFile::from_bytes(&bytes, Path::new("s")).expect("reads");
        prop_assert_eq!(&back, &file);
        prop_assert_eq!(back.to_npz(Path::new("s")).expect("writes"), bytes);
    }

    #[test]
    fn damaged_spike_files_never_panic(at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>()) {
        let vector = Vector::load("edges");
        let mut bytes = vector.input.to_npz(Path::new("s")).expect("writes");
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        let _ = SpikeFile::from_bytes(&bytes, Path::new("s"));
    }

    #[test]
    fn damaged_hdf5_files_never_panic(which in 0..3usize, at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>()) {
        let path = golden::folder().join(["basic.f2.h5", "basic.f4.h5", "basic.f8.h5"][which]);
        let mut bytes = std::fs::read(path).expect("golden input");
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        let _ = SpikeFile::from_bytes(&bytes, Path::new("s.h5"));
    }

    /// A line or a number of a platform is replaced by something else: it is read, or refused with the file's name.
    #[test]
    fn damaged_platforms_are_refused_by_name_or_are_right(which in 0..3usize, line in any::<prop::sample::Index>(), with in 0..WRONG.len()) {
        let text = [
            include_str!("../platforms/tiny.toml"),
            include_str!("../../hw/platforms/loihi.toml"),
            include_str!("../../hw/platforms/seneca.toml"),
        ][which];
        match Platform::parse("odd.toml", &with_a_wrong_line(text, line, WRONG[with])) {
            Ok(platform) => prop_assert_eq!(platform.problems(), Vec::<String>::new()),
            Err(error) => prop_assert!(error.to_string().contains("odd.toml"), "{}", error),
        }
    }

    /// So with a table of energy prices.
    #[test]
    fn damaged_price_tables_are_refused_by_name_or_are_right(which in 0..TABLES.len(), line in any::<prop::sample::Index>(), with in 0..WRONG.len()) {
        let (_, text) = TABLES[which];
        match PriceTable::parse("odd.toml", &with_a_wrong_line(text, line, WRONG[with])) {
            Ok(table) => {
                let good = |v: f64| v.is_finite() && v >= 0.0;
                prop_assert!(table.factor >= 1.0 && table.factor.is_finite());
                prop_assert!(table.price.iter().all(|p| good(p.pj) && p.covers.contains(&p.per)));
                prop_assert!(table.memory.iter().all(|m| good(m.constant) && good(m.per_bit)));
            }
            Err(error) => prop_assert!(error.contains("odd.toml"), "{}", error),
        }
    }

    /// Bytes of an image's magic, version, lengths and header are others, and its check sum is right again.
    #[test]
    fn an_image_with_a_lying_beginning_is_refused_or_right(edits in prop::collection::vec((0..300usize, any::<u8>()), 1..5)) {
        let mut bytes = IMAGE.with(Vec::clone);
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        sum(&mut bytes);
        if let Ok(image) = Image::from_bytes(&bytes) {
            prop_assert!(Image::from_bytes(&image.to_bytes()).is_ok(), "what was read can be written and read");
        }
    }

    /// A number or word of an image's header is another, with its length and the check sum made right.
    #[test]
    fn an_image_with_a_lying_header_is_refused_or_right(at in any::<prop::sample::Index>(), with in 0..JSON.len()) {
        let bytes = IMAGE.with(Vec::clone);
        let length = u64::from_le_bytes(bytes[12..20].try_into().expect("eight")) as usize;
        let header = with_a_wrong_value(&bytes[28..28 + length], at, JSON[with]);
        let mut lying = [&bytes[..12], &(header.len() as u64).to_le_bytes(), &bytes[20..28], &header].concat();
        lying.extend(&bytes[28 + length..]);
        sum(&mut lying);
        if let Ok(image) = Image::from_bytes(&lying) {
            prop_assert_eq!(image.platform.problems(), Vec::<String>::new());
            prop_assert!(Image::from_bytes(&image.to_bytes()).is_ok(), "what was read can be written and read");
        }
    }

    /// A number or word of a network's header is another, with its length made right or with any.
    #[test]
    fn a_network_with_a_lying_header_is_refused_by_name_or_right(network in random::network(), at in any::<prop::sample::Index>(), with in 0..JSON.len(), length in prop::option::of(any::<u64>())) {
        let bytes = network.to_bytes().expect("writes");
        let end = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight")) as usize;
        let header = with_a_wrong_value(&bytes[8..end], at, JSON[with]);
        let length = length.unwrap_or(header.len() as u64);
        let lying = [&length.to_le_bytes()[..], &header, &bytes[end..]].concat();
        match Network::from_bytes(&lying, Path::new("odd.safetensors")) {
            Ok(read) => prop_assert!(read.validate().is_ok()),
            Err(error) => prop_assert!(error.to_string().contains("odd.safetensors"), "{}", error),
        }
    }

    #[test]
    fn any_text_is_refused_as_a_platform_by_name(text in ".{0,200}") {
        let error = Platform::parse("odd.toml", &text).expect_err("a platform needs more");
        prop_assert!(error.to_string().contains("odd.toml"), "{}", error);
    }

    #[test]
    fn any_bytes_are_refused_by_every_reader(bytes in prop::collection::vec(any::<u8>(), 0..400), magic in 0..5usize) {
        // The beginnings of the formats, so that readers come past them.
        let magic: &[u8] = [&b""[..], b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"DLYIMAGE\x01\0\0\0"][magic];
        let bytes = [magic, &bytes].concat();
        prop_assert!(Image::from_bytes(&bytes).is_err());
        prop_assert!(Network::from_bytes(&bytes, Path::new("n")).is_err());
        prop_assert!(SpikeFile::from_bytes(&bytes, Path::new("s")).is_err());
    }
}

thread_local! {
    static IMAGE: Vec<u8> = image();
}

/// Makes the check sum of an image right.
fn sum(image: &mut [u8]) {
    let end = image.len() - 4;
    let sum = crc32fast::hash(&image[..end]).to_le_bytes();
    image[end..].copy_from_slice(&sum);
}

/// A line of TOML, or the value in it, is something else.
fn with_a_wrong_line(text: &str, line: prop::sample::Index, wrong: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let at = line.index(lines.len());
    lines[at] = match lines[at].split_once('=') {
        Some((name, _)) if !wrong.contains('=') => format!("{name}= {wrong}"),
        _ => wrong.to_string(),
    };
    lines.join("\n")
}

/// A value of JSON is something else: one that ends at a comma or bracket.
fn with_a_wrong_value(json: &[u8], at: prop::sample::Index, wrong: &str) -> Vec<u8> {
    let ends: Vec<_> = (1..json.len()).filter(|&i| b",]}".contains(&json[i])).collect();
    let end = ends[at.index(ends.len())];
    let start = (0..end).rev().find(|&i| b",:[{".contains(&json[i])).map_or(0, |i| i + 1);
    [&json[..start], wrong.as_bytes(), &json[end..]].concat()
}

/// What may stand in JSON by mistake.
const JSON: [&str; 14] = [
    "-1",
    "0",
    "1",
    "2",
    "255",
    "65536",
    "4294967295",
    "18446744073709551615",
    "1e400",
    "null",
    "true",
    "\"\"",
    "[]",
    "{}",
];

/// What may stand in a TOML file by mistake.
const WRONG: [&str; 14] = [
    "-1",
    "0",
    "1",
    "4294967296",
    "9223372036854775807",
    "1e400",
    "nan",
    "\"\"",
    "\"1rw\"",
    "[]",
    "{}",
    "true",
    "[core]",
    "surprise = 3",
];
