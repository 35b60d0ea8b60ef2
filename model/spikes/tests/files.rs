//! Spike files: what is read, what is refused and in which words.

use spikes::{Error, SpikeFile};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

type Entry = (&'static str, Vec<u8>);

/// One `.npy` array, written by hand so that it may also be wrong.
fn array(name: &'static str, kind: &str, length: &str, data: &[u8]) -> Entry {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({length},), }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    (name, bytes)
}

fn times(values: &[f32]) -> Entry {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    array("times.npy", "<f4", &values.len().to_string(), &data)
}

fn units(values: &[u16]) -> Entry {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    array("units.npy", "<u2", &values.len().to_string(), &data)
}

fn longs(name: &'static str, kind: &str, values: &[i64]) -> Entry {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    array(name, kind, &values.len().to_string(), &data)
}

fn offsets(values: &[i64]) -> Entry {
    longs("offsets.npy", "<u8", values)
}

fn labels(values: &[i64]) -> Entry {
    longs("labels.npy", "<i8", values)
}

fn read(entries: &[Entry]) -> Result<SpikeFile, Error> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("starts");
        zip.write_all(bytes).expect("writes");
    }
    SpikeFile::from_bytes(zip.finish().expect("ends").get_ref(), Path::new("digits.npz"))
}

/// The message of a refusal; it must name the file and the field.
fn refused(field: &str, entries: &[Entry]) -> String {
    let message = read(entries).expect_err("refused").to_string();
    assert!(message.starts_with(&format!("digits.npz: {field}: ")), "{message}");
    message
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbenches/golden").join(name)
}

#[test]
fn a_negative_label_is_none_down_to_the_lowest_number() {
    let file = read(&[times(&[]), units(&[]), offsets(&[0, 0, 0, 0]), labels(&[7, -1, i64::MIN])]);
    assert_eq!(file.expect("reads").labels, Some(vec![Some(7), None, None]));
}

#[test]
fn arrays_of_other_number_types_are_read_where_nothing_is_lost() {
    let times = array("times.npy", ">f8", "1", &0.25f64.to_be_bytes());
    let units = array("units.npy", "|u1", "1", &[200]);
    let offsets = longs("offsets.npy", "<i8", &[0, 1]);
    let file = read(&[times, units, offsets]).expect("reads");
    assert_eq!(
        (file.times, file.units, file.offsets, file.labels),
        (vec![0.25], vec![200], vec![0, 1], None)
    );
}

#[test]
fn a_unit_that_u16_cannot_hold_is_refused() {
    let units = longs("units.npy", "<i8", &[65536]);
    assert!(refused("units", &[times(&[0.0]), units, offsets(&[0, 1])]).contains("65536"));
}

#[test]
fn times_must_be_finite_and_not_negative() {
    for bad in [-0.001, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let message = refused("times", &[times(&[0.0, bad]), units(&[0, 0]), offsets(&[0, 1, 2])]);
        assert!(message.contains("sample 1"), "{message}");
    }
}

#[test]
fn offsets_must_span_the_spikes_and_not_fall() {
    for bad in [&[][..], &[0], &[1, 2], &[0, 1], &[0, 3], &[0, 2, 1, 2]] {
        refused("offsets", &[times(&[0.0, 0.0]), units(&[0, 0]), offsets(bad)]);
    }
}

#[test]
fn lengths_must_agree() {
    refused("units", &[times(&[0.0, 0.0]), units(&[0]), offsets(&[0, 2])]);
    refused("labels", &[times(&[]), units(&[]), offsets(&[0, 0]), labels(&[1, 2])]);
}

#[test]
fn missing_arrays_are_named() {
    refused("times", &[units(&[]), offsets(&[0])]);
    refused("units", &[times(&[]), offsets(&[0])]);
    refused("offsets", &[times(&[]), units(&[])]);
}

#[test]
fn an_unknown_array_is_refused() {
    let message =
        refused("array", &[times(&[]), units(&[]), offsets(&[0]), longs("speaker.npy", "<i8", &[0])]);
    assert!(message.contains("speaker"), "{message}");
}

#[test]
fn a_length_that_no_memory_could_hold_is_refused() {
    for length in ["200000000000", "1000000000000000000", "18446744073709551615"] {
        let times = array("times.npy", "<f4", length, &[0; 4]);
        refused("times", &[times, units(&[0]), offsets(&[0, 1])]);
    }
}

#[test]
fn a_file_that_is_neither_format_is_named() {
    let message = SpikeFile::from_bytes(b"RIFF", Path::new("a.wav")).expect_err("refused").to_string();
    assert!(message.starts_with("a.wav: ") && message.contains(".npz"), "{message}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let message = SpikeFile::read(Path::new("no/such.npz")).expect_err("refused").to_string();
    assert!(message.starts_with("no/such.npz: "), "{message}");
}

#[test]
fn what_is_written_twice_is_the_same_to_the_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (folder.path().join("1.npz"), folder.path().join("2.npz"));
    let file = SpikeFile::read(&golden("edges.npz")).expect("reads");
    file.write_npz(&one).expect("writes");
    file.write_npz(&two).expect("writes");
    assert_eq!(std::fs::read(&one).expect("is there"), std::fs::read(&two).expect("is there"));
    assert_eq!(SpikeFile::read(&one).expect("reads"), file);
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 2, "nothing else is left");
}

/// Flips one bit of every byte; reading must end in a file or an error, without a panic.
#[test]
fn damaged_hdf5_never_panics() {
    let bytes = std::fs::read(golden("basic.f2.h5")).expect("is there");
    let whole = SpikeFile::from_bytes(&bytes, Path::new("d.h5")).expect("reads");
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at * 5 % 8);
        match SpikeFile::from_bytes(&damaged, Path::new("d.h5")) {
            // HDF5 has no check sum, so a changed spike can go unseen; lost samples may not.
            Ok(file) => assert_eq!(file.offsets.len(), file.len() + 1),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
    assert!(!whole.is_empty());
}

#[test]
fn a_damaged_size_in_hdf5_is_refused_before_memory_is_asked_for() {
    let bytes = std::fs::read(golden("basic.f2.h5")).expect("is there");
    let samples = SpikeFile::from_bytes(&bytes, Path::new("d.h5")).expect("reads").len() as u64;
    // The number of samples, wherever it stands as a dimension, made absurd.
    let mut huge = 0;
    for at in 0..bytes.len() - 8 {
        if bytes[at..at + 8] == samples.to_le_bytes() {
            let mut damaged = bytes.clone();
            damaged[at + 3] = 0x40;
            let result = SpikeFile::from_bytes(&damaged, Path::new("d.h5"));
            huge += usize::from(result.is_err_and(|e| e.to_string().contains("it is damaged")));
        }
    }
    assert!(huge >= 3, "times, units and labels each state it; {huge} were refused for their size");
}

#[test]
fn cut_hdf5_never_panics() {
    let bytes = std::fs::read(golden("basic.f8.h5")).expect("is there");
    for length in 0..bytes.len() {
        let _ = SpikeFile::from_bytes(&bytes[..length], Path::new("d.h5"));
    }
}

#[test]
fn hdf5_without_labels_has_none() {
    let mut bytes = std::fs::read(golden("basic.f4.h5")).expect("is there");
    // The only `labels` in the file is the name of the dataset; under another one it is not theirs.
    let found: Vec<_> = (0..bytes.len() - 7).filter(|&i| &bytes[i..i + 7] == b"labels\0").collect();
    let &[at] = &found[..] else { panic!("{found:?}") };
    bytes[at + 5] = b'z';
    let file = SpikeFile::from_bytes(&bytes, Path::new("d.h5")).expect("reads");
    let whole = SpikeFile::read(&golden("basic.f4.h5")).expect("reads");
    assert!(whole.labels.is_some());
    assert_eq!(file, SpikeFile { labels: None, ..whole });
}

#[test]
fn labels_of_hdf5_that_cannot_be_read_are_not_taken_for_none() {
    let mut bytes = std::fs::read(golden("basic.f4.h5")).expect("is there");
    // The version of the layout message of `labels`.
    assert_eq!(bytes[7024], 3);
    bytes[7024] = 131;
    let message = SpikeFile::from_bytes(&bytes, Path::new("d.h5")).expect_err("refused").to_string();
    assert!(message.starts_with("d.h5: labels: ") && message.contains("layout version 131"), "{message}");
}

#[test]
fn float16_in_npz_is_refused_with_the_remedy() {
    let message = refused("times", &[array("times.npy", "<f2", "1", &[0, 0]), units(&[0]), offsets(&[0, 1])]);
    assert!(message.contains("float16") && message.contains("float32"), "{message}");
}

#[test]
fn a_length_that_lies_asks_for_no_memory() {
    for length in ["1000000000000000", "9223372036854775807", "18446744073709551615"] {
        refused("times", &[array("times.npy", "<f4", length, &[0; 8]), units(&[0]), offsets(&[0, 1])]);
    }
}

#[test]
fn a_place_that_cannot_be_written_is_said_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["a".to_string()];
    let message = spikes::SpikesCsv::create(folder.path(), &names).expect_err("a folder").to_string();
    assert!(message.contains("is a folder"), "{message}");
    let nowhere = folder.path().join("none").join("s.csv");
    let message = spikes::SpikesCsv::create(&nowhere, &names).expect_err("no folder").to_string();
    assert!(message.contains("s.csv") && message.contains("there is no folder"), "{message}");
}

#[test]
fn speakers_of_shd_are_read_and_selected_with_their_samples() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/speakers.h5");
    let file = SpikeFile::read(&path).expect("reads");
    assert_eq!(file.speakers.as_deref(), Some(&[0, 0, 10, 10, 11, 11][..]));
    assert_eq!(file.select([5, 2]).speakers, Some(vec![11, 10]));
    assert_eq!(SpikeFile::read(&golden("basic.f4.h5")).expect("reads").speakers, None);
}
