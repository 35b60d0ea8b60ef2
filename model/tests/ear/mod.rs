//! Small WAV files for the ear's tests.

use std::path::PathBuf;

/// 16-bit WAV of interleaved samples.
pub fn wav(rate: u32, channels: u16, samples: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|s| ((s * 32767.0).round() as i16).to_le_bytes()).collect();
    let mut bytes = b"RIFF".to_vec();
    let mut put = |b: &[u8]| bytes.extend_from_slice(b);
    put(&(36 + data.len() as u32).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16u32.to_le_bytes());
    put(&1u16.to_le_bytes());
    put(&channels.to_le_bytes());
    put(&rate.to_le_bytes());
    put(&(rate * 2 * u32::from(channels)).to_le_bytes());
    put(&(2 * channels).to_le_bytes());
    put(&16u16.to_le_bytes());
    put(b"data");
    put(&(data.len() as u32).to_le_bytes());
    put(&data);
    bytes
}

/// A sum of tones of falling strength, `seconds` long.
pub fn vowel(rate: u32, seconds: f64) -> Vec<f32> {
    let tone = |t: f64, hertz: f64| (std::f64::consts::TAU * hertz * t).sin();
    (0..(seconds * f64::from(rate)) as usize)
        .map(|n| n as f64 / f64::from(rate))
        .map(|t| (0.4 * tone(t, 140.0) + 0.2 * tone(t, 700.0) + 0.1 * tone(t, 2300.0)) as f32)
        .collect()
}

/// Matrices that tests share, kept between runs.
#[allow(dead_code, reason = "each test file uses its part")]
pub fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ear-cache")
}
