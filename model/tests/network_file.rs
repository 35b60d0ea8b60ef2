//! Network files: what is refused, and what a missing key means.

use model::network::{Kind, Network, Reset};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::path::Path;

type Tensor = (&'static str, Dtype, Vec<u8>);

const JSON: &str = r#"{"format":"delayline-network","version":1,"name":"n","step_ms":1.0,"steps":4,
    "populations":[{"name":"in","kind":"input","size":1},{"name":"a","kind":"lif","size":1}],
    "projections":[{"name":"p","source":"in","target":"a","weight_shift":0}]}"#;

fn tensors() -> Vec<Tensor> {
    vec![
        ("a.decay", Dtype::U16, vec![0, 0]),
        ("a.threshold", Dtype::I32, vec![1, 0, 0, 0]),
        ("p.pre", Dtype::U32, vec![0; 4]),
        ("p.post", Dtype::U32, vec![0; 4]),
        ("p.delay", Dtype::U16, vec![1, 0]),
        ("p.weight", Dtype::I8, vec![0x80]),
    ]
}

fn read(json: &str, tensors: &[Tensor]) -> Result<Network, String> {
    let views = tensors.iter().map(|(name, dtype, bytes)| {
        let shape = vec![bytes.len() * 8 / dtype.bitsize()];
        (*name, TensorView::new(*dtype, shape, bytes).expect("a tensor"))
    });
    let metadata = HashMap::from([("network".to_string(), json.to_string())]);
    let bytes = safetensors::serialize(views, Some(metadata)).expect("writes");
    Network::from_bytes(&bytes, Path::new("n.safetensors")).map_err(|e| e.to_string())
}

fn refused(json: &str, tensors: &[Tensor], says: &str) {
    let message = read(json, tensors).expect_err("refused");
    assert!(message.starts_with("n.safetensors: ") && message.contains(says), "{message}");
}

#[test]
fn missing_keys_have_the_contracts_defaults() {
    let network = read(JSON, &tensors()).expect("reads");
    assert_eq!(network.membrane_bits, 24);
    assert!(network.classes.is_empty());
    assert_eq!(network.populations[0].kind, Kind::Input { group: 1 });
    assert!(matches!(network.populations[1].kind, Kind::Lif { reset: Reset::Zero, .. }));
    assert_eq!(network.projections[0].synapses[0].weight, -128);
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    for (before, after) in [
        (r#""steps":4"#, r#""steps":4,"speed":1"#),
        (r#""kind":"lif""#, r#""kind":"lif","tau":1"#),
        (r#""target":"a""#, r#""target":"a","sign":1"#),
    ] {
        assert!(JSON.contains(before));
        refused(&JSON.replace(before, after), &tensors(), "unknown field");
    }
}

#[test]
fn keys_of_another_kind_of_population_are_refused() {
    let input = JSON.replace(r#""kind":"input""#, r#""kind":"input","reset":"zero""#);
    refused(&input, &tensors(), "`reset` belongs to lif");
    let lif = JSON.replace(r#""kind":"lif""#, r#""kind":"lif","group":1"#);
    refused(&lif, &tensors(), "`group` belongs to the input");
}

#[test]
fn another_version_is_refused() {
    refused(&JSON.replace(r#""version":1"#, r#""version":2"#), &tensors(), "version 2");
}

#[test]
fn an_unknown_population_is_named() {
    refused(&JSON.replace(r#""source":"in""#, r#""source":"ear""#), &tensors(), "source `ear`");
}

#[test]
fn unknown_missing_and_mistyped_tensors_are_named() {
    let mut more = tensors();
    more.push(("p.sign", Dtype::I8, vec![0]));
    refused(JSON, &more, "`p.sign`");
    for at in 0..tensors().len() {
        let mut fewer = tensors();
        let (name, _, _) = fewer.remove(at);
        refused(JSON, &fewer, &format!("`{name}` is missing"));
        let mut other = tensors();
        other[at].1 = if other[at].2.len() == 1 { Dtype::U8 } else { Dtype::BF16 };
        refused(JSON, &other, &format!("`{name}` is"));
    }
}

#[test]
fn tensors_of_a_projection_must_be_of_one_length() {
    let mut longer = tensors();
    longer[5].2.push(0);
    refused(JSON, &longer, "2 weight");
}

#[test]
fn all_that_is_wrong_with_a_file_is_said_at_once() {
    let json = JSON
        .replace(r#""steps":4"#, r#""steps":0"#)
        .replace(r#""source":"in""#, r#""source":"ear""#)
        .replace(r#""kind":"input""#, r#""kind":"input","reset":"zero""#);
    let mut wrong = tensors();
    wrong[1].1 = Dtype::U32;
    wrong[4].2 = vec![0, 0];
    wrong.remove(0);
    wrong.push(("b.decay", Dtype::U16, vec![0, 0]));
    wrong.push(("p.sign", Dtype::I8, vec![0]));
    let message = read(&json, &wrong).expect_err("refused");
    for says in [
        "`reset` belongs to lif",
        "`a.decay` is missing",
        "`a.threshold` is U32",
        "source `ear`",
        "`b.decay` belongs",
        "`p.sign` belongs",
        "steps = 0",
    ] {
        assert!(message.contains(says), "{says}: {message}");
    }
    assert!(message.starts_with("n.safetensors: 7 problems:"), "{message}");
}

/// Every bit of a real file, one at a time.
#[test]
fn no_flipped_bit_makes_it_panic() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbenches/golden/basic.safetensors");
    let bytes = std::fs::read(&path).expect("is there");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(network) = Network::from_bytes(&damaged, &path) {
                network.validate().expect("what is read is valid");
            }
        }
    }
}
