//! Within budget means accepted: what `model train --budget` makes for a platform, `compiler check` takes.

use std::path::Path;
use std::process::{Command, Output};
use testbenches::programs::built;

fn run(program: &Path, folder: &Path, arguments: &str) -> Output {
    Command::new(program).current_dir(folder).args(arguments.split(' ')).output().expect("runs")
}

#[test]
fn a_network_trained_within_the_budget_of_a_platform_is_accepted_on_it() {
    let [compiler, model] = built(["compiler", "model"]);
    let folder = tempfile::tempdir().expect("folder");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/data/digits.npz");
    std::fs::copy(data, folder.path().join("digits.npz")).expect("copied");
    for platform in ["loihi", "seneca"] {
        let budget = run(&compiler, folder.path(), &format!("budget --platform {platform}"));
        assert!(budget.status.success(), "{}", String::from_utf8_lossy(&budget.stderr));
        std::fs::write(folder.path().join("budget.toml"), &budget.stdout).expect("written");
        let settings = "train --quiet --input digits.npz --samples 0..64 --hidden 24,24 --group 7 --delays 60x4 --epochs 1 --integer-epochs 2 --budget budget.toml";
        let trained = run(&model, folder.path(), &format!("{settings} --output {platform}.safetensors"));
        let said = String::from_utf8_lossy(&[&trained.stdout[..], &trained.stderr].concat()).into_owned();
        assert_eq!(trained.status.code(), Some(0), "{platform}: {said}");
        assert!(said.contains(&format!("within the limits of `{platform}`")), "{said}");
        let check = format!("check {platform}.safetensors --platform {platform}");
        let checked = run(&compiler, folder.path(), &check);
        let report = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert_eq!(checked.status.code(), Some(0), "{platform}: {report}");
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(report["violations"], serde_json::json!([]), "{platform}");
    }
}
