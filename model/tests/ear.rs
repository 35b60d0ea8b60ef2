//! The inner ear's stages against references made outside, and the whole against LAUSCHER.
#![cfg(feature = "audio")]

#[path = "ear/mod.rs"]
mod common;

use common::{cache, vowel, wav};
use model::ear::audio::Recording;
use model::ear::bushy;
use model::ear::cache::Cache;
use model::ear::hair_cell;
use model::ear::hankel::hankel;
use model::ear::membrane::{Spectrum, Tone, Transfer, place};
use model::ear::{RATE, Span, Spike, encode, times};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex64;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);

/// Rows of a kind in `reference.csv`: two arguments and a value.
fn reference(kind: &str) -> Vec<(f64, f64, Complex64)> {
    let rows: Vec<_> = include_str!("ear/reference.csv")
        .lines()
        .filter_map(|line| line.strip_prefix(kind)?.strip_prefix(','))
        .map(|line| line.split(',').map(|v| v.parse().expect("a number")).collect::<Vec<f64>>())
        .map(|v| (v[0], v[1], Complex64::new(v[2], v[3])))
        .collect();
    assert!(rows.len() >= 30, "{kind}: {} rows", rows.len());
    rows
}

fn close(what: &str, got: Complex64, want: Complex64, relative: f64) {
    let error = (got - want).norm() / want.norm();
    assert!(error < relative, "{what}: {got}, not {want} (off by {error:e})");
}

#[test]
fn hankel_functions_are_those_of_mpmath() {
    for (re, im, want) in reference("hankel0") {
        close(&format!("H0({re} + {im} i)"), hankel(Complex64::new(re, im)).0, want, 1e-11);
    }
    for (re, im, want) in reference("hankel1") {
        close(&format!("H1({re} + {im} i)"), hankel(Complex64::new(re, im)).1, want, 1e-11);
    }
}

#[test]
fn the_closed_phase_is_the_integral_of_the_wave_number() {
    for (hertz, x, want) in reference("phase") {
        close(&format!("{hertz} Hz at {x} cm"), Tone::new(hertz).phase(x), want, 1e-8);
    }
}

#[test]
fn the_membrane_moves_as_the_equations_say() {
    for (hertz, x, want) in reference("velocity") {
        close(&format!("{hertz} Hz at {x} cm"), Tone::new(hertz).velocity(x), want, 1e-6);
    }
}

#[test]
fn the_hair_cell_follows_its_differential_equations() {
    // One cell with the reference's velocity between cells at rest.
    let velocity = |n: usize| if n < 48 { 0.0 } else { [200.0, -20.0][n / 12 % 2] };
    let mut cells: Vec<Vec<f32>> = (0..5).map(|_| vec![0.0; 480]).collect();
    cells[3] = (0..480).map(velocity).collect();
    hair_cell::firing(&mut cells, 480);
    for (n, _, want) in reference("hair_cell") {
        let got = f64::from(cells[3][n as usize]);
        assert!((got / want.re - 1.0).abs() < 1e-6, "step {n}: {got}, not {}", want.re);
    }
    let rest = cells[0][0];
    assert!(cells[0].iter().all(|p| (p / rest - 1.0).abs() < 1e-6), "rest is not at rest");
}

#[test]
fn a_binomial_number_lies_where_its_distribution_says() {
    for (n, p) in [(40, 0.003f64), (40, 0.2), (17, 0.5), (3, 0.9), (1, 0.01)] {
        let mut below = 0.0;
        for k in 0..n {
            let choose: f64 = (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product();
            below += choose * p.powi(k) * (1.0 - p).powi(n - k);
            assert!(bushy::binomial(n as usize, p, below - 1e-9) <= k as usize, "n {n}, p {p}, k {k}");
            if below + 1e-9 < 1.0 {
                assert!(bushy::binomial(n as usize, p, below + 1e-9) > k as usize, "n {n}, p {p}, k {k}");
            }
        }
    }
    assert_eq!(bushy::binomial(9, 1.0, 0.0), 9);
    assert_eq!(bushy::binomial(0, 0.5, 0.9), 0);
}

/// The cell with its 40 fibres one by one, as the data set's paper describes it.
fn fibre_by_fibre(p: f64, samples: usize, rng: &mut ChaCha8Rng) -> usize {
    let mut last = [i64::MIN / 2; 40];
    let (mut v, mut currents, mut rest, mut spikes) = (0.0f64, [0.0f64; 40], 0, 0);
    for t in 0..samples as i64 {
        let fires = v >= 1.0 && rest <= 0;
        v *= (-1.0 / 24.0f64).exp();
        if fires {
            (v, rest, spikes) = (0.0, 24, spikes + 1);
        }
        for (last, current) in last.iter_mut().zip(&mut currents) {
            *current *= (-1.0 / 12.0f64).exp();
            if rng.random::<f64>() < p && t - *last >= 24 {
                (*last, *current) = (t, *current + 1.0);
            }
        }
        if rest <= 0 {
            v += currents.iter().sum::<f64>() * 13e3 / 40.0 / 24e3;
        }
        rest -= 1;
    }
    spikes
}

#[test]
fn one_draw_for_all_fibres_fires_the_cell_as_often_as_fibre_by_fibre() {
    let samples = 20 * RATE as usize;
    for p in [0.004, 0.01, 0.03] {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut at = Vec::new();
        bushy::fire(&vec![p as f32; samples], &mut rng, |t| at.push(t));
        let want = fibre_by_fibre(p, samples, &mut rng) as f64;
        // Two counts of independent intervals: within five of their standard deviations.
        let off = (at.len() as f64 - want).abs() / (2.0 * want).sqrt();
        assert!(want > 100.0 && off < 5.0, "p {p}: {} spikes, fibre by fibre {want}", at.len());
        assert!(
            at.windows(2).all(|w| w[1] - w[0] > RATE as usize / 1000),
            "fired within its refractory time"
        );
    }
}

/// A matrix of a few channels.
fn small(span: Span) -> Transfer {
    Transfer::compute(span, 8, &GO, || ()).expect("not interrupted")
}

fn velocities(transfer: &Transfer, samples: Vec<f32>, rate: u32) -> Vec<Vec<f32>> {
    let spectrum = Spectrum::of(samples, rate);
    let inverse = RealFftPlanner::new().plan_fft_inverse(transfer.span().samples(RATE));
    transfer.velocities(&(0..transfer.channels()).collect::<Vec<_>>(), &spectrum, inverse.as_ref())
}

#[test]
fn a_tone_moves_each_place_with_the_amplitude_of_its_response() {
    let transfer = small(Span(1));
    // 1000 Hz has whole periods in half a second; 14 and 20 kHz fold back to below 12 kHz.
    for hertz in [200.0, 1000.0, 14_000.0, 20_000.0] {
        let sine = |n: usize| (std::f64::consts::TAU * hertz * n as f64 / 48e3).sin() as f32;
        let moved = velocities(&transfer, (0..24_000).map(sine).collect(), 48_000);
        for (channel, velocity) in moved.iter().enumerate() {
            let mean = velocity.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / velocity.len() as f64;
            let (got, want) = ((2.0 * mean).sqrt(), Tone::new(hertz).velocity(place(channel, 8)).norm());
            assert!(
                (got - want).abs() < 1e-4 * want + 2e-3,
                "{hertz} Hz, channel {channel}: {got}, not {want}"
            );
        }
    }
}

#[test]
fn what_is_cut_off_a_row_is_120_db_down() {
    let transfer = small(Span(2));
    for channel in 0..8 {
        let row = transfer.row(channel);
        let greatest = row.iter().map(|v| v.norm()).fold(0.0, f32::max);
        for k in (row.len()..Span(2).samples(RATE)).step_by(97) {
            let left_out = Tone::new(k as f64).velocity(place(channel, 8)).norm() as f32;
            assert!(left_out < 1.001e-6 * greatest, "channel {channel}, {k} Hz: {left_out} of {greatest}");
        }
    }
    assert!(transfer.row(7).len() < transfer.row(1).len() / 10, "the apex needs low frequencies only");
}

#[test]
fn recordings_at_other_rates_move_the_membrane_alike() {
    let transfer = small(Span(2));
    let sound = |rate: u32| {
        let mut samples = vowel(rate, 0.5);
        // A window, since a sound that begins suddenly has no band limit.
        let last = samples.len() as f32;
        for (n, s) in samples.iter_mut().enumerate() {
            *s *= (std::f32::consts::PI * n as f32 / last).sin().powi(4);
        }
        samples.resize(rate as usize, 0.0);
        velocities(&transfer, samples, rate)
    };
    let want = sound(48_000);
    for rate in [8_000, 11_025, 16_000, 44_100, 96_000] {
        for (channel, (a, b)) in sound(rate).iter().zip(&want).enumerate() {
            let greatest = b.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(
                off < 1e-3 * greatest.max(1.0),
                "{rate} Hz, channel {channel}: off by {off} of {greatest}"
            );
        }
    }
}

#[test]
fn a_padded_length_holds_recording_and_tail_in_whole_samples() {
    for rate in [8_000, 11_025, 22_050, 44_100, 48_000] {
        for samples in [2, 3999, 4000, 7900, 8000, 22_050, 48_001] {
            let span = Span::of(samples, rate);
            assert_eq!(u64::from(span.0) * u64::from(rate) % 2, 0, "{rate} Hz, {samples}");
            assert!(span.samples(rate) as f64 >= samples as f64 + 0.02 * f64::from(rate));
            assert!(span.0 <= 2 || span.samples(rate) < samples + 2 * rate as usize);
        }
    }
}

#[test]
fn grid_times_fall_into_their_steps_at_every_multiple_of_the_grid() {
    let spikes: Vec<_> = (0..240_000).step_by(5).map(|sample| Spike { sample, channel: 0 }).collect();
    let (times, _) = times(&spikes, Some(1.0));
    assert_eq!(times.len(), 10_000, "one spike of a channel in a cell");
    for step_ms in [1.0, 2.0, 4.0, 5.0, 10.0, 14.0] {
        for (cell, time) in times.iter().enumerate() {
            let step = (time / (step_ms / 1000.0) as f32).floor() as usize;
            assert_eq!(step, cell / step_ms as usize, "{time} s in steps of {step_ms} ms");
        }
    }
}

#[test]
fn times_without_a_grid_are_those_of_the_samples() {
    let spikes = [Spike { sample: 3, channel: 1 }, Spike { sample: 24_000, channel: 0 }];
    assert_eq!(times(&spikes, None), (vec![3.0 / 24_000.0, 1.0], vec![1, 0]));
}

fn ear(recording: &Recording, name: &str, seed: u64) -> Vec<Spike> {
    encode(recording, name, seed, &small(Span::of(recording.samples.len(), recording.rate)))
}

#[test]
fn randomness_hangs_on_seed_and_name() {
    let recording = Recording { rate: 16_000, samples: vowel(16_000, 0.3) };
    let first = ear(&recording, "a.wav", 1);
    assert!(first.len() > 20, "{} spikes", first.len());
    assert_eq!(first, ear(&recording, "a.wav", 1));
    assert_ne!(first, ear(&recording, "a.wav", 2));
    assert_ne!(first, ear(&recording, "b.wav", 1));
}

#[test]
fn silence_gives_less_than_sound_and_no_error() {
    let silence = Recording { rate: 8_000, samples: vec![0.0; 2400] };
    let sound = Recording { rate: 8_000, samples: vowel(8_000, 0.3) };
    assert!(10 * ear(&silence, "a", 1).len() < ear(&sound, "a", 1).len());
}

#[test]
fn the_level_of_a_recording_does_not_matter() {
    let loud = Recording { rate: 8_000, samples: vowel(8_000, 0.3) };
    let quiet = Recording { rate: 8_000, samples: loud.samples.iter().map(|s| s / 64.0).collect() };
    assert_eq!(ear(&loud, "a", 1), ear(&quiet, "a", 1));
}

#[test]
fn channels_of_a_recording_are_averaged() {
    let left = vowel(8_000, 0.2);
    let pairs = |right: fn(f32) -> f32| -> Vec<f32> { left.iter().flat_map(|&l| [l, right(l)]).collect() };
    let decode = |bytes| Recording::decode(bytes, "x.wav").expect("decodes").samples;
    let mono = decode(wav(8_000, 1, &left));
    assert_eq!(decode(wav(8_000, 2, &pairs(|l| l))), mono);
    assert!(decode(wav(8_000, 2, &pairs(|l| -l))).iter().all(|s| *s == 0.0));
    assert!((mono[100] - left[100]).abs() < 1e-4);
}

#[test]
fn a_damaged_matrix_is_made_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache { folder: folder.path().join("made"), limit: 1 << 20 };
    let computed = std::sync::atomic::AtomicUsize::new(0);
    let count = || {
        computed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let get = || cache.get(Span(1), 3, &GO, count, |e| panic!("{e}")).expect("not interrupted");
    let first = get();
    assert_eq!(get(), first);
    assert_eq!(computed.load(std::sync::atomic::Ordering::Relaxed), 3, "the second one was there");
    let path = cache.path(Span(1), 3);
    let whole = std::fs::read(&path).expect("kept");
    for damage in [0, 6, 9, 20, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[damage] ^= 4;
        std::fs::write(&path, bytes).expect("writes");
        assert!(cache.load(Span(1), 3).is_none(), "byte {damage}");
    }
    for length in [0, 3, 30, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).expect("writes");
        assert!(cache.load(Span(1), 3).is_none(), "{length} bytes");
    }
    assert_eq!(get(), first);
    assert_eq!(std::fs::read(&path).expect("kept"), whole);
}

#[test]
fn the_cache_keeps_its_limit_and_drops_what_was_not_used_for_longest() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cache = Cache { folder: folder.path().into(), limit: u64::MAX };
    let old = std::time::SystemTime::UNIX_EPOCH;
    for channels in 1..=3 {
        cache.store(&Transfer::compute(Span(1), channels, &GO, || ()).expect("done")).expect("kept");
        let file = std::fs::File::options().append(true).open(cache.path(Span(1), channels)).expect("there");
        file.set_modified(old + std::time::Duration::from_secs(channels as u64)).expect("sets");
    }
    assert!(cache.load(Span(1), 1).is_some(), "used now");
    let size = |channels| cache.path(Span(1), channels).metadata().map_or(0, |m| m.len());
    let limit = size(1) + size(3) + 200;
    cache.limit = limit;
    cache.store(&Transfer::compute(Span(1), 1, &GO, || ()).expect("done")).expect("kept");
    let there: Vec<_> = (1..=3).map(|c| cache.load(Span(1), c).is_some()).collect();
    assert_eq!(there, [true, false, true]);
}

#[test]
fn threads_that_want_the_same_matrix_at_once_all_get_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache { folder: folder.path().into(), limit: 1 << 20 };
    let want = Transfer::compute(Span(1), 2, &GO, || ()).expect("done");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let got = cache.get(Span(1), 2, &GO, || (), |e| panic!("{e}"));
                assert_eq!(got.expect("not interrupted"), want);
            });
        }
    });
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1, "temporary files are left");
}

/// Real recordings beside the project.
fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("DELAYLINE_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let path = folder.join(name);
    if !path.exists() {
        eprintln!("not run: {} is not there; set DELAYLINE_DATA to the folder of recordings", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn a_damaged_flac_is_refused_wherever_the_damage_is() {
    let Some(path) = data("hd_eng_s00_t0_d2.flac") else { return };
    let whole = std::fs::read(path).expect("reads");
    assert!(Recording::decode(whole.clone(), "whole").is_ok());
    for at in (9_000..whole.len()).step_by(997) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0xff;
        assert!(Recording::decode(flipped, "flipped").is_err(), "byte {at}");
        assert!(Recording::decode(whole[..at].to_vec(), "cut").is_err(), "cut at {at}");
    }
}

/// Pearson's correlation.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |f: fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - ma, b - mb)).sum::<f64>();
    sum(|a, b| a * b) / (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt()
}

#[test]
fn a_real_recording_gives_the_spikes_of_lauscher() {
    let Some(path) = data("hd_eng_s00_t0_d2.flac") else { return };
    let recording = Recording::decode(std::fs::read(path).expect("reads"), "d2").expect("decodes");
    let Some(archive) = data("lauscher-ref-700ch_hd_eng_s00_t0_d2.npz") else { return };
    let mut archive = zip::ZipArchive::new(std::fs::File::open(archive).expect("opens")).expect("an archive");
    let mut array = |name| {
        let mut bytes = Vec::new();
        archive.by_name(name).expect("an array").read_to_end(&mut bytes).expect("reads");
        npyz::NpyFile::new(std::io::Cursor::new(bytes)).expect("an array")
    };
    let seconds: Vec<f64> = array("t.npy").into_vec().expect("f64");
    let units: Vec<u16> = array("u.npy").into_vec().expect("u16");
    let reference: Vec<_> = seconds.into_iter().zip(units.into_iter().map(f64::from)).collect();
    let cache = Cache { folder: cache(), limit: 256 << 20 };
    let span = Span::of(recording.samples.len(), recording.rate);
    let transfer = cache.get(span, 700, &GO, || (), |_| ()).expect("not interrupted");
    let histogram = |spikes: &[(f64, f64)], cells: usize, cell: &dyn Fn(f64, f64) -> usize| -> Vec<f64> {
        let mut counts = vec![0.0; cells];
        spikes.iter().for_each(|&(t, u)| counts[cell(t, u).min(cells - 1)] += 1.0);
        counts
    };
    let seconds = recording.seconds();
    let by_group = |_: f64, u: f64| (u / 10.0) as usize;
    let by_channel = |_: f64, u: f64| u as usize;
    let by_time = |t: f64, _: f64| (t / 0.01) as usize;
    let raster = |t: f64, u: f64| (u / 10.0) as usize * 60 + ((t / seconds * 60.0) as usize).min(59);
    type Cell<'a> = &'a dyn Fn(f64, f64) -> usize;
    let views: [(&str, usize, Cell, f64); 4] = [
        ("70 groups", 70, &by_group, 0.99),
        ("channels", 700, &by_channel, 0.95),
        ("10 ms bins", 58, &by_time, 0.99),
        ("70 x 60 raster", 4200, &raster, 0.92),
    ];
    for seed in 1..=5 {
        let spikes = encode(&recording, "hd_eng_s00_t0_d2.flac", seed, &transfer);
        let ours: Vec<_> =
            spikes.iter().map(|s| (f64::from(s.sample) / f64::from(RATE), f64::from(s.channel))).collect();
        for (view, cells, cell, least) in views {
            let got = correlation(&histogram(&ours, cells, cell), &histogram(&reference, cells, cell));
            assert!(got >= least, "seed {seed}, {view}: correlation {got:.4} < {least}");
        }
        let share = ours.len() as f64 / reference.len() as f64;
        assert!(
            (0.95..=1.05).contains(&share),
            "seed {seed}: {} spikes, not {}",
            ours.len(),
            reference.len()
        );
    }
}
