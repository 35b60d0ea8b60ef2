//! Recordings in: WAV and FLAC, mixed down to one channel.

use super::{Error, LONGEST};
use std::io::Cursor;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

/// Rates that are taken, Hz. Below, speech is gone; above, the length of the transform runs away.
pub const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// One channel of sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Samples a second.
    pub rate: u32,
    /// Samples, full scale at 1; at least 2.
    pub samples: Vec<f32>,
}

impl Recording {
    /// Decodes a file's bytes; several channels are averaged. `name` is used in messages.
    ///
    /// # Errors
    /// [`Error::Audio`]: not WAV or FLAC, damaged, cut off, empty, too long, or not finite.
    pub fn decode(bytes: Vec<u8>, name: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Audio { name: name.into(), reason };
        let damaged = |e: symphonia::core::errors::Error| {
            wrong(format!("cannot be decoded ({e}); it must be a whole WAV or FLAC file"))
        };
        let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
        let mut format = symphonia::default::get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(damaged)?;
        let track = format.default_track(TrackType::Audio);
        let (id, announced, parameters) = track
            .and_then(|t| Some((t.id, t.num_frames, t.codec_params.as_ref()?.audio()?)))
            .ok_or_else(|| wrong("holds no sound".into()))?;
        let mut decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default().verify(true))
            .map_err(damaged)?;
        let mut rate = parameters.sample_rate.unwrap_or(0);
        let (mut samples, mut buffer) = (Vec::new(), Vec::<f32>::new());
        while let Some(packet) = format.next_packet().map_err(damaged)? {
            if packet.track_id != id {
                continue;
            }
            let decoded = decoder.decode(&packet).map_err(damaged)?;
            rate = decoded.spec().rate();
            let channels = decoded.num_planes().max(1);
            decoded.copy_to_vec_interleaved(&mut buffer);
            samples.extend(buffer.chunks_exact(channels).map(|c| c.iter().sum::<f32>() / channels as f32));
            if samples.len() as f64 > LONGEST * f64::from(rate) {
                return Err(wrong(format!("longer than {LONGEST} s; cut it into pieces")));
            }
        }
        // The reader passes over damaged frames in silence; FLAC has a check sum of the sound.
        if announced.is_some_and(|n| n != samples.len() as u64) {
            let announced = announced.unwrap_or_default();
            return Err(wrong(format!(
                "damaged: it holds {} samples and announces {announced}; fetch or write it again",
                samples.len()
            )));
        }
        if decoder.finalize().verify_ok == Some(false) {
            return Err(wrong("damaged: its sound has another check sum; fetch or write it again".into()));
        }
        if !RATES.contains(&rate) {
            let (low, high) = (RATES.start(), RATES.end());
            return Err(wrong(format!("{rate} samples a second; {low} to {high} are taken")));
        }
        if samples.len() < 2 {
            return Err(wrong("empty: it holds no samples".into()));
        }
        if let Some(i) = samples.iter().position(|s: &f32| !s.is_finite()) {
            return Err(wrong(format!("sample {i} is not a finite number")));
        }
        Ok(Self { rate, samples })
    }

    /// Length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }
}
