//! The command that emits Verilog, from outside.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The image in the root of the repository.
const IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shd.bin");
const SMALL: &str = include_str!("../platforms/loihi.toml");

/// A small platform as a file.
fn platform(dir: &Path) -> String {
    let text = SMALL
        .replace("width = 16", "width = 2")
        .replace("height = 8", "height = 2")
        .replace("{ x = 0, y = 4, side = \"west\" }", "{ x = 1, y = 1, side = \"east\" }")
        .replace("neurons = 1024", "neurons = 16")
        .replace("readouts = 64", "readouts = 8");
    let path = dir.join("small.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

fn hw(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hw")).args(arguments).output().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_str().unwrap().to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_block_comes_with_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let (platform, out) = (platform(dir.path()), dir.path().join("out"));
    let run =
        hw(&["verilog", "--platform", &platform, "--block", "router", "--output", out.to_str().unwrap()]);
    assert!(run.status.success(), "{run:?}");
    assert_eq!(
        names(&out),
        ["blocks.toml", "fifo_depth4_bits15.v", "files.toml", "router_x1_y1_axon12_buffer4_core_buffer4.v"]
    );
    // Five buffers of 4 x 15 bits and a level; five links with a flit, a flag, credits and a pointer.
    let said = String::from_utf8(run.stdout).unwrap();
    let router = "router_x1_y1_axon12_buffer4_core_buffer4: 2 modules, 425 flip-flops\n";
    assert_eq!(said, router);
    let router = fs::read_to_string(out.join("router_x1_y1_axon12_buffer4_core_buffer4.v")).unwrap();
    assert!(router.starts_with("// Router of a mesh"), "{router}");
}

#[test]
fn a_chip_comes_with_a_file_for_each_memory() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path());
    for (structure, memories) in [("ring-buffer", 5), ("shared-queue", 6)] {
        let out = dir.path().join(structure);
        let run = hw(&[
            "verilog",
            "--platform",
            &platform,
            "--delays",
            structure,
            "--output",
            out.to_str().unwrap(),
        ]);
        assert!(run.status.success(), "{run:?}");
        let names = names(&out);
        assert!(
            names.contains(&"chip.v".to_string())
                && names.contains(&"chip.core_1_1.soma.parameters.hex".into())
        );
        // A module's own file stands in where it is read alone.
        let of_chip = names.iter().filter(|n| n.starts_with("chip.") && n.ends_with(".hex"));
        assert_eq!(of_chip.count(), 4 * memories);
    }
}

/// All files with their contents.
fn everything(dir: &Path) -> Vec<(String, String)> {
    names(dir).into_iter().map(|name| (name.clone(), fs::read_to_string(dir.join(name)).unwrap())).collect()
}

#[test]
fn an_emission_replaces_an_earlier_one_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path());
    let emit = |arguments: &[&str], out: &Path| {
        hw(&[&["verilog", "--platform", &platform, "--output", out.to_str().unwrap()], arguments].concat())
    };
    let (used, fresh) = (dir.path().join("used"), dir.path().join("fresh"));
    let [ring, queue] = ["ring-buffer", "shared-queue"].map(|structure| ["--delays", structure]);
    let router = ["--block", "router"];
    for arguments in [&ring[..], &ring, &queue, &router] {
        let run = emit(arguments, &used);
        assert!(run.status.success(), "{run:?}");
        let run = emit(arguments, &fresh);
        assert!(run.status.success(), "{run:?}");
        assert!(everything(&used) == everything(&fresh), "{arguments:?}: as in an empty folder");
        fs::remove_dir_all(&fresh).unwrap();
    }
    // A file of the user's stays, and stops the emission only where it is in the way.
    fs::write(used.join("notes.txt"), "mine").unwrap();
    assert!(emit(&router, &used).status.success());
    fs::write(used.join("chip.v"), "mine").unwrap();
    let before = everything(&used);
    let run = emit(&ring, &used);
    let text = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(text.contains("chip.v: not written by `hw verilog`: remove it"), "{text}");
    assert!(everything(&used) == before, "nothing is written");
}

#[test]
fn a_damaged_list_of_files_removes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (platform, out) = (platform(dir.path()), dir.path().join("out"));
    let mine = dir.path().join("mine");
    fs::create_dir(&out).unwrap();
    fs::write(&mine, "mine").unwrap();
    for (list, expected) in [
        ("files = [\"../mine\"]", "`../mine` is not a name in this folder"),
        ("files = 3", "not a list of emitted files"),
    ] {
        fs::write(out.join("files.toml"), list).unwrap();
        let output = out.to_str().unwrap();
        let run = hw(&["verilog", "--platform", &platform, "--block", "router", "--output", output]);
        let text = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(2));
        assert!(text.contains(expected), "{text}");
        assert_eq!((fs::read_to_string(&mine).unwrap().as_str(), names(&out).len()), ("mine", 1));
    }
}

#[test]
fn a_chip_comes_with_a_list_of_its_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let (platform, out) = (platform(dir.path()), dir.path().join("out"));
    let run = hw(&[
        "verilog",
        "--platform",
        &platform,
        "--delays",
        "shared-queue",
        "--output",
        out.to_str().unwrap(),
    ]);
    assert!(run.status.success(), "{run:?}");
    let list: toml::Table = fs::read_to_string(out.join("blocks.toml")).unwrap().parse().unwrap();
    let blocks = list["block"].as_array().unwrap();
    let mut tops = Vec::new();
    for block in blocks {
        assert_eq!(block["structure"].as_str(), Some("shared-queue"));
        let top = block["top"].as_str().unwrap();
        let sources: Vec<_> =
            block["sources"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
        assert!(sources.contains(&format!("{top}.v").as_str()), "{block}");
        assert!(sources.iter().all(|s| out.join(s).is_file()), "{block}");
        let boxes = block.get("blackbox").map_or(0, |b| b.as_array().unwrap().len());
        assert_eq!(boxes, ["memory_1rw.v", "memory_1r1w.v"].iter().filter(|m| sources.contains(m)).count());
        tops.push((
            block["name"].as_str().unwrap(),
            block["per"].as_str().unwrap(),
            block["count"].as_integer(),
        ));
    }
    for wanted in [
        ("queue_core", "core", Some(1)),
        ("router", "core", Some(1)),
        ("fifo_depth4_bits15", "part", Some(5)),
        ("shared_queue", "part", Some(1)),
        ("injector", "chip", Some(2)),
        ("barrier", "chip", Some(1)),
    ] {
        assert!(tops.contains(&wanted), "{wanted:?} in {tops:?}");
    }
    // Every module but the chip itself and the memories is counted by itself.
    let modules = names(&out).iter().filter(|n| n.ends_with(".v") && !n.starts_with("memory_1")).count();
    assert_eq!(blocks.len(), modules - 1);
}

#[test]
#[ignore = "needs Yosys: scripts/setup.sh"]
fn yosys_finds_every_memory_with_its_synchronous_port() {
    let dir = tempfile::tempdir().unwrap();
    let structures = [("ring-buffer", 4 * 9), ("shared-queue", 4 * 12)];
    let all = structures.into_iter().flat_map(|s| ["1r1w", "1rw"].map(|ports| (s, ports)));
    for ((structure, memories), ports) in all {
        let platform = with_limits(dir.path(), &[], ports);
        let out = dir.path().join(format!("{structure}_{ports}"));
        let output = out.to_str().unwrap();
        let run = hw(&["verilog", "--platform", &platform, "--delays", structure, "--output", output]);
        assert!(run.status.success(), "{run:?}");
        let files: Vec<_> = names(&out).into_iter().filter(|n| n.ends_with(".v")).collect();
        // Not to be read before its instances are known: each reads contents of its own.
        let script = format!(
            "read_verilog -defer {}; hierarchy -check -top chip; proc; flatten; opt; \
             memory_dff; memory_collect; select -assert-count {memories} t:$mem_v2; \
             select -assert-count {memories} t:$mem_v2 r:RD_CLK_ENABLE=1'1 %i",
            files.join(" ")
        );
        let run = Command::new("yosys").current_dir(&out).args(["-q", "-p", &script]).output().unwrap();
        assert!(run.status.success(), "{structure} {ports}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn a_block_without_memories_is_emitted_of_an_image_too() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        hw(&["verilog", "--image", IMAGE, "--block", "router", "--output", dir.path().to_str().unwrap()]);
    assert!(run.status.success(), "{run:?}");
    assert!(names(dir.path()).iter().any(|name| name.starts_with("router_")));
}

#[test]
fn wrong_use_says_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let (platform, out) = (platform(dir.path()), dir.path().join("out"));
    let out = out.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["--platform", &platform, "--block", "rooter"], "router, sender, sequencer"),
        (vec!["--platform", &platform, "--block", "shared_queue"], "give --delays shared-queue"),
        (
            vec!["--platform", &platform, "--delays", "shared-queue", "--block", "ring_core"],
            "give --delays ring-buffer",
        ),
        (
            vec!["--image", IMAGE, "--block", "soma"],
            "leave --block out for the whole chip, which holds all of them",
        ),
        (vec!["--platform", "nowhere.toml"], "nowhere.toml"),
        (vec!["--image", "nothing.bin"], "nothing.bin"),
        (vec![], "--platform"),
    ] {
        let run = hw(&[&["verilog"], &arguments[..], &["--output", out]].concat());
        assert_eq!(run.status.code(), Some(2));
        let text = String::from_utf8(run.stderr).unwrap();
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    assert!(!Path::new(out).exists());
}

#[test]
#[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
fn the_tools_take_chip_and_mesh_without_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path());
    for (structure, block) in [("ring-buffer", "chip"), ("shared-queue", "chip"), ("ring-buffer", "mesh")] {
        let out = dir.path().join(format!("{structure}_{block}"));
        let output = out.to_str().unwrap();
        let run = hw(&[
            "verilog",
            "--platform",
            &platform,
            "--delays",
            structure,
            "--block",
            block,
            "--output",
            output,
        ]);
        assert!(run.status.success(), "{run:?}");
        let files: Vec<_> = names(&out).into_iter().filter(|n| n.ends_with(".v")).collect();
        let top = if block == "mesh" { "mesh_width2_height2" } else { "chip" };
        for (program, options) in [
            ("iverilog", vec!["-g2005", "-Wall", "-o", "all.vvp"]),
            ("verilator", vec!["--lint-only", "-Wall", "--top-module", top]),
        ] {
            let run = Command::new(program).current_dir(&out).args(options).args(&files).output().unwrap();
            let text = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).to_string();
            assert!(run.status.success() && !text.to_lowercase().contains("warning"), "{program}: {text}");
        }
    }
}

/// Limits of a platform at the least that they may be.
const LEAST: [(&str, &str, i64); 18] = [
    ("mesh", "width", 1),
    ("mesh", "height", 1),
    ("mesh", "router_buffer", 1),
    ("mesh", "core_buffer", 1),
    ("mesh", "barrier_latency", 1),
    ("core", "neurons", 1),
    ("core", "input_axons", 1),
    ("core", "output_axons", 1),
    ("core", "readouts", 1),
    ("core", "score_bits", 8),
    ("core", "membrane_bits_max", 2),
    ("core", "synapse_bits", 64),
    ("ring_buffer", "slots", 2),
    ("ring_buffer", "accumulators", 2),
    ("ring_buffer", "accumulator_bits", 8),
    ("shared_queue", "longest_delay", 1),
    ("shared_queue", "depth", 1),
    ("shared_queue", "axon_synapses", 1),
];

#[test]
fn the_least_limits_are_legal_and_nothing_less() {
    let dir = tempfile::tempdir().unwrap();
    for (section, field, least) in LEAST {
        for (value, status) in [(least, Some(0)), (least - 1, Some(2))] {
            let platform = with_limits(dir.path(), &[(section, field, value)], "1rw");
            let out = dir.path().join("out");
            let run = hw(&["verilog", "--platform", &platform, "--output", out.to_str().unwrap()]);
            assert_eq!(run.status.code(), status, "{section}.{field} = {value}: {run:?}");
        }
    }
}

/// A small platform with some limits, as a file.
fn with_limits(dir: &Path, limits: &[(&str, &str, i64)], ports: &str) -> String {
    let path = platform(dir);
    let text = fs::read_to_string(&path).unwrap().replace("\"1r1w\"", &format!("\"{ports}\""));
    let mut table: toml::Table = text.parse().unwrap();
    let mut set = |section: &str, field: &str, value: i64| {
        table[section].as_table_mut().unwrap().insert(field.into(), value.into());
    };
    for &(section, field, value) in limits {
        set(section, field, value);
        // As many readouts as neurons at most.
        if field == "neurons" {
            set("core", "readouts", 1);
        }
    }
    // The injector stays at the edge.
    let mesh = table["mesh"].as_table_mut().unwrap();
    let place = ["width", "height"].map(|side| mesh[side].as_integer().unwrap() - 1);
    let injector = format!("injector = [{{ x = {}, y = {}, side = \"east\" }}]", place[0], place[1]);
    let injector: toml::Table = injector.parse().unwrap();
    mesh.insert("injectors".into(), injector["injector"].clone());
    fs::write(&path, table.to_string()).unwrap();
    path
}

#[test]
#[ignore = "needs Verilator: scripts/setup.sh"]
fn the_linter_takes_a_chip_with_each_limit_at_its_least() {
    let dir = tempfile::tempdir().unwrap();
    let each = LEAST.chunks(1).chain([&LEAST[..]]);
    for (i, limits) in each.enumerate() {
        for (structure, other) in [("ring-buffer", "shared_queue"), ("shared-queue", "ring_buffer")] {
            if limits.iter().all(|&(section, ..)| section == other) {
                continue;
            }
            for ports in ["1rw", "1r1w"] {
                let platform = with_limits(dir.path(), limits, ports);
                let out = dir.path().join(format!("{i}_{structure}_{ports}"));
                let output = out.to_str().unwrap();
                let run =
                    hw(&["verilog", "--platform", &platform, "--delays", structure, "--output", output]);
                assert!(run.status.success(), "{limits:?}: {run:?}");
                let files: Vec<_> = names(&out).into_iter().filter(|n| n.ends_with(".v")).collect();
                let lint = ["--lint-only", "-Wall", "--top-module", "chip"];
                let run =
                    Command::new("verilator").current_dir(&out).args(lint).args(&files).output().unwrap();
                let text = String::from_utf8_lossy(&run.stderr).to_string();
                assert!(run.status.success() && text.is_empty(), "{limits:?} {structure} {ports}: {text}");
            }
        }
    }
}
