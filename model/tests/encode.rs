//! The command `model encode`: files in and out, labels, threads, errors, interruption.
#![cfg(feature = "audio")]

#[path = "ear/mod.rs"]
mod common;

use common::{cache, vowel, wav};
use model::ear::sources::Pattern;
use spikes::SpikeFile;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn command(input: &Path, output: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
    command.arg("encode").arg(input).arg("--output").arg(output);
    command.args(["--channels", "40", "--cache"]).arg(cache()).args(more);
    command
}

fn encode(input: &Path, output: &Path, more: &[&str]) -> Output {
    command(input, output, more).output().expect("starts")
}

/// What comes of a run that must go well.
fn encoded(input: &Path, more: &[&str]) -> SpikeFile {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.npz");
    let output = encode(input, &path, more);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    SpikeFile::read(&path).expect("reads")
}

/// A folder of small recordings, one in a folder below, and a text.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("more")).expect("makes");
    for (name, seconds) in [("3_anna_0.wav", 0.2), ("more/11_ben_1.WAV", 0.3), ("1_anna_2.wav", 0.25)] {
        std::fs::write(folder.path().join(name), wav(8_000, 1, &vowel(8_000, seconds))).expect("writes");
    }
    std::fs::write(folder.path().join("readme.txt"), "not sound").expect("writes");
    folder
}

fn labels(file: &SpikeFile) -> Vec<Option<u32>> {
    (0..file.len()).map(|i| file.label(i)).collect()
}

#[test]
fn a_folder_becomes_one_file_in_the_order_of_names() {
    let folder = folder();
    let list = folder.path().join("list.csv");
    let file = encoded(folder.path(), &["--list", list.to_str().expect("UTF-8")]);
    assert_eq!(labels(&file), [Some(1), Some(3), Some(11)]);
    assert!((0..3).all(|i| !file.sample(i).0.is_empty()));
    let text = std::fs::read_to_string(list).expect("written");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "sample,file,label,spikes,seconds");
    let spikes = file.sample(2).0.len();
    assert_eq!(lines[3], format!("2,more/11_ben_1.WAV,11,{spikes},0.3000"));
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    let folder = folder();
    let out = |threads: &str| {
        let path = folder.path().join(format!("{threads}.npz"));
        let output = encode(folder.path(), &path, &["--quiet", "--threads", threads]);
        assert!(output.status.success() && output.stdout.is_empty());
        std::fs::read(path).expect("written")
    };
    let one = out("1");
    assert!(one == out("2"));
    assert!(one == out("5"));
}

#[test]
fn a_recording_gives_the_same_alone_in_a_folder_and_in_an_archive() {
    let folder = folder();
    let all = encoded(folder.path(), &[]);
    let alone = encoded(&folder.path().join("more/11_ben_1.WAV"), &[]);
    assert_eq!(alone.sample(0), all.sample(2));
    let path = folder.path().join("all.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("creates"));
    for name in ["3_anna_0.wav", "readme.txt", "more/11_ben_1.WAV", "1_anna_2.wav"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("starts");
        let bytes = std::fs::read(folder.path().join(name)).expect("reads");
        std::io::Write::write_all(&mut zip, &bytes).expect("writes");
    }
    zip.finish().expect("finishes");
    assert_eq!(encoded(&path, &[]), all);
}

#[test]
fn the_seed_decides() {
    let folder = folder();
    let out = |seed: &str| encoded(folder.path(), &["--seed", seed]);
    assert_ne!(out("1"), out("2"));
    assert_eq!(out("2"), out("2"));
}

#[test]
fn labels_come_from_a_pattern_or_a_table() {
    let folder = folder();
    let pattern = encoded(folder.path(), &["--pattern", "{digit}_{speaker}_{label}"]);
    assert_eq!(labels(&pattern), [Some(2), Some(0), Some(1)]);
    let table = folder.path().join("labels.csv");
    std::fs::write(&table, "label,file\n7,1_anna_2.wav\n8,more/11_ben_1.WAV\n9, 3_anna_0.wav\n")
        .expect("writes");
    let table = encoded(folder.path(), &["--labels", table.to_str().expect("UTF-8")]);
    assert_eq!(labels(&table), [Some(7), Some(9), Some(8)]);
}

#[test]
fn a_name_without_a_number_in_front_has_no_label() {
    let folder = folder();
    std::fs::rename(folder.path().join("1_anna_2.wav"), folder.path().join("anna.wav")).expect("renames");
    assert_eq!(labels(&encoded(folder.path(), &[])), [Some(3), None, Some(11)]);
    assert_eq!(encoded(&folder.path().join("anna.wav"), &[]).labels, None);
}

#[test]
fn patterns_read_names_and_refuse_what_they_cannot_mean() {
    let label = |pattern: &str, name| pattern.parse::<Pattern>().expect("a pattern").label(name);
    assert_eq!(label("{label}_{speaker}_{take}", "7_lucas_12.flac"), Some(7));
    assert_eq!(
        label("lang-{lang}_speaker-{s}_digit-{label}", "lang-english_speaker-00_digit-2.flac"),
        Some(2)
    );
    assert_eq!(label("{label}", "19.wav"), Some(19));
    assert_eq!(label("digit{label}x", "digit5.wav"), None);
    assert_eq!(label("{label}_{speaker}", "seven_lucas.wav"), None);
    assert_eq!(label("{label}_{speaker}", "7.wav"), None);
    for wrong in ["", "x", "{speaker}", "{label}{speaker}", "{label}_{label}", "{label"] {
        assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
    }
}

/// Wrong use: status 2, words that name the culprit and the remedy, no file.
fn refused(input: &Path, more: &[&str], says: &[&str]) {
    let out = tempfile::tempdir().expect("a folder");
    let output = encode(input, &out.path().join("out.npz"), more);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    for words in says {
        assert!(message.contains(words), "`{words}` is not in {message}");
    }
    assert_eq!(std::fs::read_dir(out.path()).expect("lists").count(), 0, "a file was left");
}

#[test]
fn bad_recordings_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("writes");
        path
    };
    let sound = vowel(8_000, 0.2);
    refused(Path::new("no.wav"), &[], &["no.wav"]);
    refused(&file("text.wav", b"not sound at all"), &[], &["text.wav", "WAV or FLAC"]);
    refused(&file("nothing.flac", b""), &[], &["nothing.flac", "WAV or FLAC"]);
    refused(&file("empty.wav", &wav(8_000, 1, &[])), &[], &["empty.wav", "no samples"]);
    refused(&file("slow.wav", &wav(900, 1, &sound)), &[], &["slow.wav", "900", "4000"]);
    refused(&file("long.wav", &wav(8_000, 1, &vec![0.1; 80_001])), &[], &["long.wav", "longer than 10 s"]);
    let whole = wav(8_000, 1, &sound);
    refused(&file("cut.wav", &whole[..whole.len() / 2]), &[], &["cut.wav", "whole WAV or FLAC"]);
    refused(&file("fake.zip", b"PK\x03\x04"), &[], &["fake.zip"]);
    // The first bad one among good ones is named.
    file("1.wav", &wav(8_000, 1, &sound));
    refused(folder.path(), &[], &["cut.wav"]);
}

#[test]
fn a_folder_without_recordings_says_what_it_looks_for() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("notes.txt"), "none").expect("writes");
    refused(folder.path(), &[], &[".wav or .flac"]);
}

#[test]
fn missing_and_wrong_labels_are_refused() {
    let folder = folder();
    let table = |text: &str| -> String {
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).expect("writes");
        path.to_str().expect("UTF-8").into()
    };
    refused(folder.path(), &["--pattern", "digit-{label}"], &["1_anna_2.wav", "--pattern"]);
    refused(folder.path(), &["--pattern", "{speaker}"], &["--pattern", "{label}"]);
    refused(
        folder.path(),
        &["--labels", &table("file,label\n1_anna_2.wav,1\n")],
        &["labels.csv", "3_anna_0.wav"],
    );
    refused(folder.path(), &["--labels", &table("name,label\n")], &["labels.csv", "column `file`"]);
    refused(folder.path(), &["--labels", &table("file,label\na.wav,x\n")], &["line 2", "`x`"]);
    refused(folder.path(), &["--labels", &table("file,label\na.wav,1\na.wav,2\n")], &["line 3", "twice"]);
    refused(folder.path(), &["--labels", "no.csv"], &["no.csv"]);
    refused(folder.path(), &["--grid", "0"], &["--grid", "none"]);
    refused(folder.path(), &["--channels", "0"], &["--channels"]);
}

#[test]
fn an_output_folder_that_is_not_there_is_named() {
    let folder = folder();
    let output = encode(folder.path(), Path::new("no/such/out.npz"), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no/such/out.npz"));
}

#[test]
fn a_cache_that_cannot_be_written_is_a_warning() {
    let folder = folder();
    let path = folder.path().join("out.npz");
    let blocked = folder.path().join("readme.txt");
    let output = Command::new(env!("CARGO_BIN_EXE_model"))
        .arg("encode")
        .arg(folder.path())
        .arg("--output")
        .arg(&path)
        .args(["--channels", "5", "--cache"])
        .arg(&blocked)
        .output()
        .expect("starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && message.contains("warning"), "{message}");
    assert_eq!(SpikeFile::read(&path).expect("reads").len(), 3);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_status_130_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let sounds = folder.path().join("sounds");
    std::fs::create_dir(&sounds).expect("makes");
    // Far more work than can be done before the signal, which follows the first matrix.
    for i in 0..300 {
        std::fs::write(sounds.join(format!("{i}.wav")), wav(8_000, 1, &vowel(8_000, 1.4))).expect("writes");
    }
    let out = folder.path().join("out.npz");
    let kept = folder.path().join("cache");
    let mut child = Command::new(env!("CARGO_BIN_EXE_model"))
        .arg("encode")
        .arg(&sounds)
        .arg("--output")
        .arg(&out)
        .args(["--channels", "100", "--quiet", "--threads", "1", "--cache"])
        .arg(&kept)
        .spawn()
        .expect("starts");
    while !kept.exists() {
        assert!(child.try_wait().expect("waits").is_none(), "ended before the signal");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(signal.expect("kill runs").success());
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    assert!(!out.exists());
    let files = std::fs::read_dir(folder.path()).expect("lists").count();
    assert_eq!(files, 2, "only the sounds and the cache");
}

#[test]
fn help_teaches_with_an_example() {
    let output = Command::new(env!("CARGO_BIN_EXE_model")).args(["encode", "--help"]).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("model encode") && text.contains("DELAYLINE_CACHE"));
}

#[test]
fn a_folder_that_is_not_there_is_told_before_the_work() {
    let folder = folder();
    let at = tempfile::tempdir().expect("a folder");
    let (good, bad) = (at.path().join("out.npz"), at.path().join("no/out"));
    let bad_list = ["--list", bad.to_str().expect("UTF-8")];
    for (output, more) in [(&bad, &[][..]), (&good, &bad_list[..])] {
        let run = encode(folder.path(), output, more);
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains("there is no folder"), "{said}");
    }
    assert_eq!(std::fs::read_dir(at.path()).expect("lists").count(), 0);
}

#[cfg(feature = "train")]
#[test]
fn training_takes_a_folder_of_audio_and_its_folders_as_groups() {
    let folder = tempfile::tempdir().expect("a folder");
    let voices = folder.path().join("voices");
    for (speaker, rate) in [("anna", 8_000), ("ben", 16_000)] {
        std::fs::create_dir_all(voices.join(speaker)).expect("makes");
        for (label, seconds) in [(0, 0.2), (1, 0.25)] {
            let sound = wav(rate, 1, &vowel(rate, seconds));
            std::fs::write(voices.join(speaker).join(format!("{label}_{speaker}.wav")), sound)
                .expect("writes");
        }
    }
    let train = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
        command.arg("train").arg("--input").arg(&voices).env("DELAYLINE_CACHE", cache());
        command.args(["--units", "40", "--hidden", "4", "--epochs", "1", "--integer-epochs", "1", "--quiet"]);
        command.arg("--output").arg(folder.path().join("net.safetensors"));
        command.args(more).output().expect("starts")
    };
    let test = ["--test", &voices.display().to_string(), "--test-samples", "groups:ben"];
    let done = train(&[["--samples", "groups:anna"].as_slice(), &test].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let run = std::fs::read_dir(folder.path().join("net.run")).expect("a run").flatten();
    let kept = run.map(|e| e.path()).find(|p| p.to_string_lossy().contains("recordings-")).expect("spikes");
    assert_eq!(
        std::fs::read(&kept).expect("reads"),
        {
            let path = folder.path().join("encoded.npz");
            assert!(encode(&voices, &path, &[]).status.success());
            std::fs::read(path).expect("reads")
        },
        "as `model encode` makes them"
    );
    let tested = std::fs::read_to_string(folder.path().join("net.run/test.csv")).expect("tested");
    assert_eq!(tested.lines().count(), 1 + 2, "both of ben");
    let refused = train(&["--samples", "groups:cleo"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there are anna, ben"));
}
