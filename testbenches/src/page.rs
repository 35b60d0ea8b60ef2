//! Pages that show numbers of a JSON file, and how they look in a browser.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Compares every number that a page shows with `data-json` with what stands there in the file, to the digits shown;
/// returns how many there are.
///
/// # Panics
/// If one differs.
pub fn compare_page(html: &str, json: &Value) -> usize {
    let mut compared = 0;
    for piece in html.split("data-json=\"").skip(1) {
        let (pointer, rest) = piece.split_once('"').expect("a pointer");
        let shown = rest.split_once('>').expect("tag").1.split_once('<').expect("text").0;
        let value = json
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap_or_else(|| panic!("{pointer}: no such number"));
        let plain: String =
            shown.replace("&nbsp;", "").replace('\u{2212}', "-").replace(['\u{202f}', ' '], "");
        let number: f64 = plain.parse().unwrap_or_else(|_| panic!("{pointer}: shows `{shown}`"));
        let digits = plain.split_once('.').map_or(0, |p| p.1.len());
        let half = 0.5 * 10f64.powi(-(digits as i32));
        assert!((number - value).abs() <= half * 1.000_001, "{pointer}: shows {shown}, is {value}");
        compared += 1;
    }
    compared
}

/// The page as headless Chromium has it after its scripts, and what the browser logged.
///
/// # Panics
/// If the browser is not there.
#[must_use]
pub fn open(page: &Path, scratch: &Path) -> (String, String) {
    let out = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"])
        .args(["--virtual-time-budget=2000", "--timeout=30000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", scratch.join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("needs Chromium: scripts/setup.sh pages");
    let log = String::from_utf8_lossy(&out.stderr).into_owned();
    (String::from_utf8(out.stdout).expect("UTF-8"), log)
}

/// The lines of a browser's log that its console has.
#[must_use]
pub fn console(log: &str) -> Vec<&str> {
    log.lines().filter(|l| l.contains("CONSOLE")).collect()
}

/// The page as [`open`] gives it; the console must be clean.
///
/// # Panics
/// If the browser is not there, or its console has anything.
#[must_use]
pub fn in_browser(page: &Path, scratch: &Path) -> String {
    let (dom, log) = open(page, scratch);
    let console = console(&log);
    assert!(console.is_empty(), "{console:?}");
    dom
}
