//! The two result files, to the byte.

use spikes::{Error, ResultsCsv, SpikesCsv};
use std::path::Path;

#[test]
fn spikes_are_written_as_the_contract_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.csv");
    let mut csv = SpikesCsv::create(&path, &["input".into(), "hidden".into()]).expect("starts");
    csv.write(0, 3, 1, 17).expect("writes");
    csv.write(12, 0, 1, 0).expect("writes");
    csv.finish().expect("ends");
    let text = std::fs::read_to_string(&path).expect("is there");
    assert_eq!(text, "sample,step,population,neuron\n0,3,hidden,17\n12,0,hidden,0\n");
}

#[test]
fn results_leave_label_and_cycles_empty_where_there_are_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.csv");
    let mut csv = ResultsCsv::create(&path, 2).expect("starts");
    csv.write(0, Some(4), 1, None, &[-5, i64::MAX]).expect("writes");
    csv.write(1, None, 0, Some(99), &[0, 0]).expect("writes");
    csv.write_failed(2, Some(3)).expect("writes");
    csv.finish().expect("ends");
    let text = std::fs::read_to_string(&path).expect("is there");
    assert_eq!(
        text,
        "sample,label,prediction,cycles,score_0,score_1\n0,4,1,,-5,9223372036854775807\n1,,0,99,0,0\n2,3,,,,\n"
    );
}

#[test]
fn a_file_that_is_not_finished_leaves_the_old_one_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.csv");
    std::fs::write(&path, "old").expect("writes");
    let mut csv = SpikesCsv::create(&path, &["input".into()]).expect("starts");
    csv.write(0, 0, 0, 0).expect("writes");
    drop(csv);
    assert_eq!(std::fs::read_to_string(&path).expect("is there"), "old");
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let path = Path::new("no/such/folder/s.csv");
    let error = SpikesCsv::create(path, &[]).expect_err("refused");
    assert!(matches!(&error, Error::Io { path: p, .. } if p == path), "{error}");
}

/// On a pipe, not on a device: a mistake must not replace anything of the machine's.
#[cfg(unix)]
#[test]
fn files_are_written_to_pipes_and_through_links() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipe, link, file) =
        (folder.path().join("pipe"), folder.path().join("link"), folder.path().join("f"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).expect("reads")
    });
    spikes::write_whole(&pipe, b"whole").expect("written");
    assert_eq!(reader.join().expect("ends"), "whole");
    assert!(!pipe.is_file(), "the pipe is still one");
    std::fs::write(&file, "before").expect("written");
    std::os::unix::fs::symlink(&file, &link).expect("linked");
    spikes::write_whole(&link, b"after").expect("written");
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_to_string(&file).expect("reads"), "after");
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 3);
}
