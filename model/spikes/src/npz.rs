//! `.npz`: `times` f32, `units` u16, `offsets` u64, `labels` (optional).

use crate::{Error, SpikeFile};
use npyz::{DType, NpyFile, TypeChar, WriterBuilder};
use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, write::SimpleFileOptions};

const FIELDS: [&str; 4] = ["times", "units", "offsets", "labels"];

pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<SpikeFile, Error> {
    let damaged = |e: zip::result::ZipError| Error::Io {
        path: path.into(),
        source: io::Error::other(format!("{e}: cut off or no .npz; write it anew")),
    };
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    for name in zip.file_names() {
        let name = name.map_err(damaged)?;
        if !FIELDS.iter().any(|f| name.strip_suffix(".npy") == Some(f)) {
            let message = format!("array `{name}` is unknown; the arrays are times, units, offsets, labels");
            return Err(Error::Field { path: path.into(), field: "array", message });
        }
    }
    let mut array = |field: &'static str| -> Result<Option<Vec<f64>>, Error> {
        let entry = match zip.by_name(&format!("{field}.npy")) {
            Ok(entry) => entry,
            Err(zip::result::ZipError::FileNotFound) => return Ok(None),
            Err(e) => return Err(damaged(e)),
        };
        numbers(entry).map(Some).map_err(|e| Error::Field {
            path: path.into(),
            field,
            message: e.to_string(),
        })
    };
    let missing = |field| Error::Field { path: path.into(), field, message: "missing".into() };
    let times = array("times")?.ok_or_else(|| missing("times"))?;
    let units = array("units")?.ok_or_else(|| missing("units"))?;
    let offsets = array("offsets")?.ok_or_else(|| missing("offsets"))?;
    let labels = array("labels")?;
    let whole = |field, values: Vec<f64>, low: f64, high: f64| -> Result<Vec<i64>, Error> {
        values
            .into_iter()
            .map(|v| {
                if v.fract() == 0.0 && (low..=high).contains(&v) {
                    Ok(v as i64)
                } else {
                    let message = format!("{v}: must be a whole number from {low} to {high}");
                    Err(Error::Field { path: path.into(), field, message })
                }
            })
            .collect()
    };
    Ok(SpikeFile {
        times: times.into_iter().map(|t| t as f32).collect(),
        units: whole("units", units, 0.0, 65535.0)?.into_iter().map(|u| u as u16).collect(),
        offsets: whole("offsets", offsets, 0.0, 9e15)?.into_iter().map(|o| o as u64).collect(),
        labels: labels
            .map(|l| whole("labels", l, i64::MIN as f64, f64::from(u32::MAX)))
            .transpose()?
            .map(|l| l.into_iter().map(|v| u32::try_from(v).ok()).collect()),
        speakers: None,
    })
}

/// Numbers of any type that f64 holds exactly for our ranges.
fn numbers(entry: impl Read) -> io::Result<Vec<f64>> {
    let npy = NpyFile::new(entry)?;
    if npy.shape().len() != 1 {
        let text = format!("{} dimensions; must be one, `ravel()` it first", npy.shape().len());
        return Err(io::Error::other(text));
    }
    let DType::Plain(kind) = npy.dtype() else {
        return Err(io::Error::other("records; must be plain numbers"));
    };
    macro_rules! read {
        ($type:ty) => {
            npy.into_vec::<$type>()?.into_iter().map(|v| v as f64).collect()
        };
    }
    Ok(match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 4) => read!(f32),
        (TypeChar::Float, 8) => read!(f64),
        (TypeChar::Uint, 1) => read!(u8),
        (TypeChar::Uint, 2) => read!(u16),
        (TypeChar::Uint, 4) => read!(u32),
        (TypeChar::Uint, 8) => read!(u64),
        (TypeChar::Int, 1) => read!(i8),
        (TypeChar::Int, 2) => read!(i16),
        (TypeChar::Int, 4) => read!(i32),
        (TypeChar::Int, 8) => read!(i64),
        (TypeChar::Float, 2) => {
            return Err(io::Error::other(
                "float16 is not read; write the array as float32, `.astype(numpy.float32)`",
            ));
        }
        _ => {
            let text = format!("type {kind} is not read; write integers, float32 or float64");
            return Err(io::Error::other(text));
        }
    })
}

pub(crate) fn write(file: &SpikeFile) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // A fixed time, so that the same spikes give the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default());
    let mut add = |name: &str, bytes: Vec<u8>| -> io::Result<()> {
        zip.start_file(format!("{name}.npy"), options).map_err(io::Error::other)?;
        zip.write_all(&bytes)
    };
    add("times", npy(&file.times)?)?;
    add("units", npy(&file.units)?)?;
    add("offsets", npy(&file.offsets)?)?;
    if let Some(labels) = &file.labels {
        let labels: Vec<i64> = labels.iter().map(|l| l.map_or(-1, i64::from)).collect();
        add("labels", npy(&labels)?)?;
    }
    Ok(zip.finish().map_err(io::Error::other)?.into_inner())
}

fn npy<T: npyz::AutoSerialize + Copy>(values: &[T]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[values.len() as u64])
        .writer(&mut bytes)
        .begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    Ok(bytes)
}
