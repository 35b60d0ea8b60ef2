//! The `sim` command as a user calls it.
//!
//! Long because each way to use it, and to misuse it, is a test, and the binary is built once for all of them.

use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use testbenches::golden::{Vector, folder};
use testbenches::page::{compare_page, console, in_browser, open};
use testbenches::programs::built;

/// The `sim` binary, built in this test's profile.
fn binary() -> &'static Path {
    static PATH: OnceLock<[PathBuf; 1]> = OnceLock::new();
    &PATH.get_or_init(|| built(["sim"]))[0]
}

fn sim(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn image(at: &Path, depth: u32) -> PathBuf {
    let vector = Vector::load("basic");
    let mut platform = hw::Platform::load("loihi").expect("preset");
    platform.shared_queue.depth = depth;
    let mut image =
        compiler::image(&vector.network, &vector.file, &platform, hw::Structure::RingBuffer).expect("fits");
    image.stimulus = Some(vector.input.to_npz(Path::new("basic.npz")).expect("packs"));
    let path = at.join("basic.bin");
    image.write(&path).expect("written");
    path
}

#[test]
fn a_run_writes_what_the_golden_vectors_say_on_any_number_of_threads() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    let expected = std::fs::read_to_string(folder().join("basic.spikes.csv")).expect("golden");
    let mut results = Vec::new();
    for (threads, delays) in [("1", "ring-buffer"), ("3", "ring-buffer"), ("2", "shared-queue")] {
        let [spikes, csv] = ["spikes.csv", "results.csv"].map(|f| at.path().join(f));
        let out = sim(&[
            "--image",
            image.to_str().expect("UTF-8"),
            "--threads",
            threads,
            "--delays",
            delays,
            "--spikes",
            spikes.to_str().expect("UTF-8"),
            "--results",
            csv.to_str().expect("UTF-8"),
        ]);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(std::fs::read_to_string(&spikes).expect("written"), expected);
        results.push((delays, std::fs::read_to_string(&csv).expect("written")));
    }
    assert_eq!(results[0], results[1], "threads change nothing");
    assert!(results[0].1.starts_with("sample,label,prediction,cycles,score_0"));
}

#[test]
fn an_overflow_fails_the_sample_and_says_what_would_suffice() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 3);
    let out = sim(&["--image", image.to_str().expect("UTF-8"), "--delays", "shared-queue"]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("core (0, 0)") && text.contains("would have sufficed"), "{text}");
}

#[test]
fn wrong_use_is_status_2_and_names_the_file() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    let name = image.to_str().expect("UTF-8");
    let waves = at.path().join("out.vcd");
    let missing = at.path().join("no.npz");
    for (arguments, says) in [
        (vec!["--image", "nothing.bin"], "nothing.bin"),
        (vec!["--image", name, "--input", missing.to_str().expect("UTF-8")], "no.npz"),
        (vec!["--image", name, "--samples", "7"], "--samples"),
        (vec!["--image", name, "--samples", "0..2", "--vcd", waves.to_str().expect("UTF-8")], "one sample"),
    ] {
        let out = sim(&arguments);
        let text = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {text}");
    }
    assert!(!waves.exists(), "a refused run writes nothing");
}

#[test]
fn no_output_takes_the_place_of_an_input_or_of_another() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    let before = std::fs::read(&image).expect("there");
    let again = at.path().join("x/../basic.bin");
    std::fs::create_dir(at.path().join("x")).expect("made");
    let input = at.path().join("in.npz");
    std::fs::copy(folder().join("basic.npz"), &input).expect("copied");
    let both = at.path().join("both.csv");
    for (more, says) in [
        (vec!["--vcd", text(&again)], "--image"),
        (vec!["--spikes", text(&image)], "--image"),
        (vec!["--stats", text(&image)], "--image"),
        (vec!["--lockstep", "all", "--lockstep-vcd", text(&image)], "--image"),
        (vec!["--input", text(&input), "--results", text(&input)], "--input"),
        (vec!["--spikes", text(&both), "--results", text(&both)], "--spikes"),
    ] {
        let out = sim(&[&["--image", text(&image)], &more[..]].concat());
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{more:?}: {said}");
        assert!(said.contains(says) && said.contains("write to another"), "{more:?}: {said}");
    }
    assert_eq!(std::fs::read(&image).expect("there"), before);
    assert!(!both.exists());
    let out = sim(&["--image", text(&image), "--spikes", "/dev/null", "--results", "/dev/null", "--quiet"]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_the_run() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    let before = || std::fs::read_dir(at.path()).expect("folder").count();
    let there = before();
    let [missing, in_a_file] = ["no/out", "basic.bin/out"].map(|f| at.path().join(f));
    let folder = at.path().to_path_buf();
    let mut cases = Vec::new();
    for option in ["--vcd", "--fst", "--spikes", "--results"] {
        cases.extend([(option, &missing), (option, &in_a_file), (option, &folder)]);
    }
    cases.extend([
        ("--stats", &in_a_file),
        ("--stats", &folder),
        ("--report", &in_a_file),
        ("--report", &image),
    ]);
    let sealed = Path::new("/proc/out").to_path_buf();
    if cfg!(target_os = "linux") {
        cases.extend(["--vcd", "--spikes", "--stats", "--report"].map(|option| (option, &sealed)));
    }
    for (option, path) in cases {
        // A run that began would take minutes.
        let out = sim(&[
            "--image",
            text(&image),
            "--random-input",
            "100000,20,1",
            "--samples",
            "0",
            option,
            text(path),
        ]);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{option} {}: {said}", path.display());
        assert!(said.contains(option) && said.contains(text(path)), "{option} {}: {said}", path.display());
        assert_eq!(before(), there, "{option} {}: a refused run writes nothing", path.display());
    }
}

#[test]
fn a_choice_of_waves_that_chooses_nothing_is_refused() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    let waves = at.path().join("out.vcd");
    for (more, says) in [
        (["--vcd-scope", "chip.core_7_7"], "chip.core_7_7: matches nothing"),
        (["--vcd-steps", "0..999"], "--vcd-steps 0..999: the network has"),
    ] {
        let out = sim(&[&["--image", text(&image), "--vcd", text(&waves)], &more[..]].concat());
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
        assert!(!waves.exists());
    }
}

#[test]
fn a_channel_that_is_not_there_is_said_with_the_file() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    let input = folder().join("reference_256.npz");
    let out = sim(&["--image", text(&image), "--input", text(&input)]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("reference_256.npz") && said.contains("channel"), "{said}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    let run = ["--image", text(&image)];
    let noc = ["noc", "--width", "3", "--height", "3", "--cycles", "100", "--warmup", "0", "--rates", "0.1"];
    for arguments in [run.to_vec(), [&run[..], &["--json"]].concat(), noc.to_vec()] {
        let mut command = Command::new(binary());
        command.args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_mesh_alone_gives_a_curve_with_its_saturation() {
    let at = tempfile::tempdir().expect("folder");
    let [csv, svg] = ["curve.csv", "curve.svg"].map(|f| at.path().join(f));
    let noc = ["noc", "--width", "4", "--height", "4", "--warmup", "500", "--cycles", "8000"];
    let more = ["--rates", "0.9,0.05,0.25", "--csv", text(&csv), "--svg", text(&svg)];
    let out = sim(&[&noc[..], &more[..]].concat());
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let said = String::from_utf8_lossy(&out.stdout);
    let between = said.split("saturation between ").nth(1).unwrap_or_else(|| panic!("{said}"));
    let numbers: Vec<f64> = between.split(' ').filter_map(|w| w.parse().ok()).take(2).collect();
    assert!(0.25 <= numbers[0] && numbers[0] < numbers[1] && numbers[1] <= 0.9, "{said}");
    let read = |path: &Path| std::fs::read_to_string(path).expect("written");
    let (csv, svg) = (read(&csv), read(&svg));
    // Loads in ascending order, of which only the last is more than the mesh carries.
    let rows: Vec<_> = csv.lines().skip(1).map(|l| l.split(',').collect::<Vec<_>>()).collect();
    let column = |i: usize| rows.iter().map(|r| r[i]).collect::<Vec<_>>();
    assert_eq!((column(0), column(9)), (vec!["0.05", "0.25", "0.9"], vec!["false", "false", "true"]));
    assert_eq!(column(6), column(7), "no flit is lost");
    let drawn = svg.split("saturates at ").nth(1).and_then(|s| s.split('<').next()?.parse::<f64>().ok());
    let drawn = drawn.expect("a number");
    assert!(numbers[0] - 0.001 <= drawn && drawn <= numbers[1] + 0.001, "{drawn}: {said}");
}

/// One channel, one neuron that fires a step later, so many steps; so many samples of one spike each,
/// the last of them with all channels.
fn relay(at: &Path, steps: u32, channels: u32, samples: usize, depth: u32) -> PathBuf {
    let network = Network {
        name: "relay".into(),
        step_ms: 1.0,
        steps,
        membrane_bits: 8,
        classes: Vec::new(),
        populations: vec![
            Population { name: "in".into(), kind: Kind::Input { group: 1 }, size: channels },
            Population {
                name: "out".into(),
                kind: Kind::Lif { reset: Reset::Zero, decay: vec![0], threshold: vec![1] },
                size: 1,
            },
        ],
        projections: vec![Projection {
            name: "relay".into(),
            source: 0,
            target: 1,
            weight_shift: 0,
            synapses: (0..channels).map(|pre| Synapse { pre, post: 0, delay: 1, weight: 1 }).collect(),
        }],
    };
    let mut platform = hw::Platform::load("loihi").expect("preset");
    platform.shared_queue.depth = depth;
    // As small as it may be, so that its circuit is soon there.
    (platform.mesh.width, platform.mesh.height) = (2, 1);
    let west = hw::platform::Injector { x: 0, y: 0, side: hw::platform::Side::West };
    platform.mesh.injectors = vec![west];
    let mut image = compiler::image(&network, b"", &platform, hw::Structure::SharedQueue).expect("fits");
    let mut input = spikes::SpikeFile::default();
    for _ in 1..samples {
        input.push(&[0.0], &[0], Some(0));
    }
    let all: Vec<u16> = (0..channels as u16).collect();
    input.push(&vec![0.0; all.len()], &all, None);
    image.stimulus = Some(input.to_npz(Path::new("in.npz")).expect("packs"));
    let path = at.join("relay.bin");
    image.write(&path).expect("written");
    path
}

#[test]
fn a_sample_that_overflows_fails_alone() {
    let at = tempfile::tempdir().expect("folder");
    let image = relay(at.path(), 3, 4, 4, 3);
    let [spikes, results, report] = ["s.csv", "r.csv", "report"].map(|f| at.path().join(f));
    let run = ["--image", text(&image), "--spikes", text(&spikes), "--results", text(&results)];
    let out = sim(&[&run[..], &["--report", text(&report), "--quiet"]].concat());
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    for says in ["sample 3", "core (0, 0)", "step 0", "queue of 3 events", "depth of 4 would"] {
        assert!(said.contains(says), "{says}: {said}");
    }
    let read = |path: &Path| std::fs::read_to_string(path).expect("written");
    assert_eq!(read(&spikes), "sample,step,population,neuron\n0,1,out,0\n1,1,out,0\n2,1,out,0\n");
    let results = read(&results);
    let lines: Vec<_> = results.lines().collect();
    assert_eq!((lines[0], lines.len()), ("sample,label,prediction,cycles,score_0", 5));
    assert!((0..3).all(|i| lines[i + 1].starts_with(&format!("{i},0,0,")) && lines[i + 1].ends_with(",1")));
    assert_eq!(lines[4], "3,,,,", "nothing of a failed sample is to be trusted");
    assert!(read(&report.join("stats.json")).contains("\"failed\": 1"));
}

/// A report with its page, of a structure, on the golden `recurrent_subtract` and small cores.
fn report(at: &Path, structure: hw::Structure) -> PathBuf {
    let vector = Vector::load("recurrent_subtract");
    let mut platform =
        hw::Platform::parse("tiny.toml", include_str!("../platforms/tiny.toml")).expect("a platform");
    platform.core.neurons = 12;
    let mut image = compiler::image(&vector.network, b"", &platform, structure).expect("fits");
    image.stimulus = Some(vector.input.to_npz(Path::new("in.npz")).expect("packs"));
    let path = at.join("image.bin");
    image.write(&path).expect("written");
    let folder = at.join("report");
    let out = sim(&["--image", text(&path), "--report", text(&folder), "--quiet"]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    folder
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("written")).expect("JSON")
}

#[test]
fn the_page_of_a_report_shows_what_its_statistics_say_and_needs_no_network() {
    for structure in hw::Structure::ALL {
        let at = tempfile::tempdir().expect("folder");
        let folder = report(at.path(), structure);
        let page = std::fs::read_to_string(folder.join("index.html")).expect("written");
        let stats = json(&folder.join("stats.json"));
        assert_eq!(compare_page(&page, &stats), 29 + 6 * stats["cores"].as_array().expect("cores").len());
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("<link rel=\"style"));
        for section in ["Spikes", "Membranes", "Queues", "Utilisation", "Where the cycles went", "Memory"] {
            assert!(page.contains(&format!("<h2>{section}</h2>")), "{section}");
        }
        assert!(page.contains("ring-buffer, used") && page.contains("shared-queue, used"));
        // One stroke a spike of the first sample.
        let raster = page.split("spike raster").nth(1).expect("drawn").split("</svg>").next().expect("ends");
        let spikes = stats["samples"][0]["spikes"].as_u64().expect("n")
            + stats["samples"][0]["input_spikes"].as_u64().expect("n");
        assert_eq!(raster.matches('M').count() as u64, spikes);
        let routers = stats["routers"].as_array().map_or(0, Vec::len);
        let cores = stats["cores"].as_array().expect("cores").len();
        for (file, rows) in [("stats.steps.csv", cores + routers + 1), ("stats.path.csv", 1)] {
            let csv = std::fs::read_to_string(folder.join(file)).expect("written");
            let steps = stats["header"]["steps"].as_u64().expect("n") as usize;
            assert_eq!(csv.lines().count(), 1 + rows * steps, "{file}");
            let columns = csv.lines().next().expect("a head").split(',').count();
            assert!(csv.lines().all(|l| l.split(',').count() == columns), "{file}");
        }
    }
}

/// Rows of a CSV by the names of its columns.
fn rows(path: &Path) -> Vec<std::collections::HashMap<String, String>> {
    let mut csv = csv::Reader::from_path(path).expect("written");
    csv.deserialize().map(|row| row.expect("a row")).collect()
}

#[test]
fn the_chip_of_each_step_is_the_sum_of_its_cores_and_of_the_routers_without_one() {
    let at = tempfile::tempdir().expect("folder");
    for structure in hw::Structure::ALL {
        let file = at.path().join("stats.json");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let image = root.join("shd.bin");
        let delays = structure.to_string();
        let run = ["--image", text(&image), "--samples", "0", "--delays", &delays, "--stats", text(&file)];
        assert_eq!(sim(&[&run[..], &["--quiet"]].concat()).status.code(), Some(0));
        let stats = json(&file);
        let (steps, path) = (rows(&file.with_extension("steps.csv")), rows(&file.with_extension("path.csv")));
        assert!(!stats["routers"].as_array().expect("routers").is_empty(), "the image's cores lie apart");
        let number = |row: &std::collections::HashMap<String, String>, name: &str| -> u64 {
            row[name].parse().expect("a number")
        };
        let mut sums = std::collections::HashMap::new();
        for row in &steps {
            for name in
                row.keys().filter(|n| !["step", "x", "y", "cycles", "utilisation"].contains(&n.as_str()))
            {
                let key = (row["step"].clone(), name.clone(), row["x"] == "all");
                let sum: &mut u64 = sums.entry(key).or_default();
                *sum =
                    if name == "queue_peak" { number(row, name).max(*sum) } else { *sum + number(row, name) };
            }
        }
        for ((step, name, chip), sum) in &sums {
            assert_eq!(sum, &sums[&(step.clone(), name.clone(), !chip)], "{structure}: step {step}: {name}");
        }
        // What the path's file says of the chip, and what the totals say of the run.
        for row in &path {
            for name in ["hops", "router_stalls", "grant_stalls"] {
                assert_eq!(number(row, name), sums[&(row["step"].clone(), name.into(), true)], "{name}");
            }
        }
        let total = |name: &str| -> u64 {
            sums.iter().filter(|((_, n, chip), _)| n == name && *chip).map(|(_, sum)| sum).sum()
        };
        for (name, field) in [
            ("hops", "/total/hops"),
            ("router_stalls", "/total/stalls/router"),
            ("grant_stalls", "/total/stalls/router_grant"),
            ("arrival_stalls", "/total/stalls/input_port"),
            ("update_stalls", "/total/stalls/input_port_update"),
            ("send_stalls", "/total/stalls/sender"),
            ("emitted", "/total/synaptic_operations/emitted"),
            ("performed", "/total/synaptic_operations/performed"),
            ("spikes", "/total/counts/spikes"),
        ] {
            assert_eq!(
                Some(total(name)),
                stats.pointer(field).and_then(|v| v.as_u64()),
                "{structure}: {name}"
            );
        }
    }
}

#[test]
fn the_report_in_words_divides_what_the_samples_that_ran_did_by_those_samples() {
    let at = tempfile::tempdir().expect("folder");
    let folder = at.path().join("report");
    // Each sample spikes once; the last overflows.
    let image = relay(at.path(), 3, 4, 4, 3);
    let run = ["--image", text(&image), "--report", text(&folder), "--quiet"];
    assert_eq!(sim(&run).status.code(), Some(1));
    let stats = json(&folder.join("stats.json"));
    let per = |field: &str| {
        let number = |field: &str| stats.pointer(field).and_then(|v| v.as_f64()).expect("a number");
        number(field) / number("/total/samples")
    };
    let report = std::fs::read_to_string(folder.join("report.txt")).expect("written");
    for says in [
        "samples     4 run, 1 failed".to_string(),
        format!("{:.0} input spikes", per("/total/input_spikes")),
        format!(" {:.0} spikes,", per("/total/counts/spikes")),
        format!("{:.0} synaptic operations", per("/total/counts/synaptic_operations")),
        format!("{:.0} neuron updates", per("/total/counts/updates")),
        "overflow    core (0, 0)".to_string(),
        "queues: 3 events deep, at most 4 asked for".to_string(),
    ] {
        assert!(report.contains(&says), "{says}: {report}");
    }
    for sample in stats["samples"].as_array().expect("samples") {
        assert_eq!(sample["cycles"].is_null(), sample["spikes"].is_null(), "nothing of a failed one is told");
    }
}

#[test]
#[ignore = "needs Chromium: scripts/setup.sh"]
fn the_page_of_a_report_in_a_browser_shows_its_totals_and_a_clean_console() {
    for structure in hw::Structure::ALL {
        let at = tempfile::tempdir().expect("folder");
        let folder = report(at.path(), structure);
        let dom = in_browser(&folder.join("index.html"), at.path());
        let stats = json(&folder.join("stats.json"));
        assert_eq!(compare_page(&dom, &stats), 29 + 6 * stats["cores"].as_array().expect("cores").len());
    }
}

#[test]
fn a_page_marks_a_first_sample_that_failed_and_draws_it() {
    let at = tempfile::tempdir().expect("folder");
    let folder = at.path().join("report");
    let page = |samples: &str| {
        // The last sample, of four spikes, overflows; the others do not.
        let image = relay(at.path(), 3, 4, 4, 3);
        let run = ["--image", text(&image), "--report", text(&folder), "--quiet", "--samples", samples];
        assert_eq!(sim(&run).status.code(), Some(1));
        let page = std::fs::read_to_string(folder.join("index.html")).expect("written");
        let stats = json(&folder.join("stats.json"));
        assert!(compare_page(&page, &stats) > 20);
        (page, stats)
    };
    let (all, _) = page("all");
    assert!(!all.contains("It failed") && !all.contains("No sample ran to its end"));
    let (failed, stats) = page("3");
    assert_eq!(stats["total"]["failed"], 1);
    for says in
        ["Sample 3.", "It failed: core (0, 0), step 0: the queue of 3 events overflowed", ">overflow<"]
    {
        assert!(failed.contains(says), "{says}");
    }
    // Its four input spikes and the one that comes of them, and the mark.
    let raster = failed.split("spike raster").nth(1).expect("drawn").split("</svg>").next().expect("ends");
    assert_eq!(raster.matches('M').count(), 5 + 1);
    // Sums have nothing of it, and say so.
    assert_eq!(failed.matches("No sample ran to its end").count(), 3, "queues, utilisation, cycles");
}

#[test]
#[ignore = "needs Chromium: scripts/setup.sh"]
fn a_page_that_logs_an_error_fails_the_check_of_the_console() {
    let at = tempfile::tempdir().expect("folder");
    let write = |script: &str| {
        let page = at.path().join("page.html");
        std::fs::write(&page, format!("<!doctype html><title>t</title><script>{script}</script>"))
            .expect("written");
        page
    };
    let (_, log) = open(&write("document.title = 'u'"), at.path());
    assert_eq!(console(&log), Vec::<&str>::new());
    for script in ["console.error('here')", "console.log('here')", "throw new Error('here')", "here("] {
        let (_, log) = open(&write(script), at.path());
        let found = console(&log);
        assert!(!found.is_empty(), "{script}: {log}");
    }
}

#[test]
fn lockstep_runs_the_samples_beside_the_rtl() {
    let at = tempfile::tempdir().expect("folder");
    let image = relay(at.path(), 3, 4, 3, 4096);
    let results = at.path().join("results.csv");
    let run = ["--image", text(&image), "--results", text(&results), "--lockstep"];
    for (components, samples, says) in [
        ("all", &["--samples", "all"][..], "of all components are compared"),
        ("0_0,injector_0", &["--samples", "0..3"], "of 0_0, injector_0 are compared"),
        ("all", &[], "sample 0 of 3; --samples all runs all"),
    ] {
        let out = sim(&[&run[..], &[components], samples].concat());
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "{said}");
        let count = if samples.is_empty() { 1 } else { 3 };
        for says in
            [says, "the whole chip runs in RTL", &format!("RTL and fast model agree; samples {count}, ")]
        {
            assert!(said.contains(says), "{says}: {said}");
        }
        assert_eq!(std::fs::read_to_string(&results).expect("written").lines().count(), 1 + count);
    }
    let out = sim(&[&run[..], &["core_0_0,3_9x"]].concat());
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("3_9x") && said.contains("router_0_0"), "{said}");
    // No flit can reach it, so that nothing of it is compared.
    assert!(!said.contains("router_1_0"), "{said}");
    assert!(!at.path().join("lockstep.vcd").exists());
    // A queue that is too short fails its sample as without RTL.
    let short = relay(at.path(), 3, 4, 2, 3);
    let out = sim(&["--image", text(&short), "--lockstep", "all", "--samples", "all"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("sample 1") && said.contains("depth of 4 would"), "{said}");
}

/// What a command wrote into a folder, file by file, without the command itself.
fn written(folder: &Path, command: &[&str]) -> std::collections::BTreeMap<String, String> {
    let files = std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("a file").path());
    let read = |path: PathBuf| {
        let mut text = std::fs::read_to_string(&path).expect("text");
        for part in command {
            text = text.replace(part, "");
        }
        (path.file_name().expect("a name").to_string_lossy().into_owned(), text)
    };
    files.map(read).collect()
}

#[test]
fn no_file_of_a_run_depends_on_the_number_of_threads() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    for delays in ["ring-buffer", "shared-queue"] {
        let run = |threads: &str| {
            let folder = at.path().join(format!("threads{threads}"));
            std::fs::create_dir_all(&folder).expect("made");
            let [spikes, results] = ["s.csv", "r.csv"].map(|f| folder.join(f));
            let arguments = [
                ["--image", text(&image)],
                ["--delays", delays],
                ["--random-input", "13,300,5"],
                ["--threads", threads],
                ["--spikes", text(&spikes)],
                ["--results", text(&results)],
                ["--report", text(&folder)],
            ];
            let out = sim(&[&arguments.concat()[..], &["--quiet"]].concat());
            assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
            let number = format!("--threads {threads}");
            let list = format!("\"--threads\",\"{threads}\"");
            written(&folder, &[text(&folder), &number, &list])
        };
        let one = run("1");
        assert!(one.len() >= 8 && one["r.csv"].lines().count() == 14, "{:?}", one.keys());
        for threads in ["2", "4"] {
            let more = run(threads);
            assert!(more.keys().eq(one.keys()));
            for (name, text) in &one {
                assert_eq!(text, &more[name], "{delays}, {name}, {threads} threads");
            }
        }
    }
}

#[test]
fn every_field_of_the_statistics_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace");
    let text_of = std::fs::read_to_string(root.join("sim/STATS.md")).expect("STATS.md");
    // Names stand between back-quotes.
    let quoted = text_of.split('`').skip(1).step_by(2);
    let words: std::collections::BTreeSet<_> =
        quoted.flat_map(|q| q.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')).collect();
    fn keys(value: &serde_json::Value, into: &mut std::collections::BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                into.extend(fields.keys().cloned());
                fields.values().for_each(|v| keys(v, into));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|v| keys(v, into)),
            _ => {}
        }
    }
    for structure in hw::Structure::ALL {
        let at = tempfile::tempdir().expect("folder");
        let folder = report(at.path(), structure);
        let mut names = std::collections::BTreeSet::new();
        keys(&json(&folder.join("stats.json")), &mut names);
        for file in ["stats.csv", "stats.steps.csv", "stats.path.csv"] {
            let csv = std::fs::read_to_string(folder.join(file)).expect("written");
            names.extend(csv.lines().next().expect("a head").split(',').map(str::to_string));
        }
        assert!(names.len() > 80, "{}", names.len());
        let missing: Vec<_> = names.iter().filter(|n| !words.contains(n.as_str())).collect();
        assert!(missing.is_empty(), "sim/STATS.md says nothing of {missing:?}");
    }
}

/// Starts a run that takes minutes, interrupts it once `runs` says so, and waits for its end.
#[cfg(unix)]
fn interrupted(arguments: &[&str], runs: impl Fn() -> bool) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    while !runs() {
        if let Some(status) = child.try_wait().expect("a child") {
            let said = child.wait_with_output().expect("ended").stderr;
            panic!("it ended before the interrupt, {status}: {}", String::from_utf8_lossy(&said));
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // The shell's own, since a bare machine has no other.
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh").success());
    child.wait_with_output().expect("ends")
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_whole_files_of_what_is_done() {
    let at = tempfile::tempdir().expect("folder");
    let image = relay(at.path(), 100_000, 1, 20_000, 4096);
    let [spikes, results, report] = ["s.csv", "r.csv", "report"].map(|f| at.path().join(f));
    let run = ["--image", text(&image), "--spikes", text(&spikes), "--results", text(&results)];
    // The image and the two temporary files: it runs.
    let out = interrupted(&[&run[..], &["--report", text(&report)]].concat(), || {
        std::fs::read_dir(at.path()).expect("folder").count() >= 3
    });
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted after") && said.contains("of 20000"), "{said}");
    let read = |path: &Path| std::fs::read_to_string(path).expect("is there");
    let (spikes, results) = (read(&spikes), read(&results));
    let done = results.lines().count() - 1;
    assert!(done < 20_000);
    for (i, line) in results.lines().skip(1).enumerate() {
        assert!(line.starts_with(&format!("{i},0,0,")) && line.ends_with(",1"), "{line}");
    }
    let expected: String = (0..done).map(|i| format!("{i},1,out,0\n")).collect();
    assert_eq!(spikes, format!("sample,step,population,neuron\n{expected}"));
    assert!(read(&report.join("stats.json")).contains(&format!("\"samples\": {done},")));
    assert_eq!(std::fs::read_dir(at.path()).expect("folder").count(), 4, "no temporary file is left");
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_waves_that_can_be_read() {
    let at = tempfile::tempdir().expect("folder");
    let image = relay(at.path(), 1 << 24, 1, 1, 4096);
    let [waves, compressed] = ["out.vcd", "out.fst"].map(|f| at.path().join(f));
    let run = ["--image", text(&image), "--vcd", text(&waves), "--fst", text(&compressed)];
    let out = interrupted(&run, || std::fs::metadata(&waves).is_ok_and(|m| m.len() > 1 << 20));
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(130), "{said}");
    let read = std::fs::read_to_string(&waves).expect("is there");
    assert!(read.ends_with('\n'), "the last line is whole");
    let [wave, compressed] = [&waves, &compressed].map(|f| wellen::simple::read(f).expect("wellen reads it"));
    assert!(wave.time_table().len() > 1000);
    assert_eq!(wave.time_table().last(), compressed.time_table().last());
    assert_eq!(std::fs::read_dir(at.path()).expect("folder").count(), 3, "no temporary file is left");
}

#[test]
fn the_readme_shows_what_the_main_job_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace");
    let at = tempfile::tempdir().expect("folder");
    let waves = at.path().join("out.vcd");
    let run = Command::new(binary())
        .args(["--image", "shd.bin", "--vcd", text(&waves)])
        .current_dir(root)
        .output()
        .expect("runs");
    assert!(run.status.success());
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    let printed = String::from_utf8(run.stdout).expect("UTF-8");
    let indented: Vec<_> = printed
        .lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("    {line}") })
        .collect();
    assert!(readme.contains(&indented.join("\n")), "README.md shows another run than\n{printed}");
}
