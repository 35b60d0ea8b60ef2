//! SHD's own HDF5: `spikes/times` and `spikes/units` of variable length, `labels`, `extra/speaker`.

use crate::{Error, SpikeFile};
use hdf5_reader::{Dataset, Datatype, Hdf5File};
use std::path::Path;

pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<SpikeFile, Error> {
    let wrong = |field, e: hdf5_reader::error::Error| Error::Field {
        path: path.into(),
        field,
        message: e.to_string(),
    };
    let file = Hdf5File::from_bytes(bytes).map_err(|e| wrong("HDF5", e))?;
    let most = bytes.len();
    let times = lists(&file.dataset("spikes/times").map_err(|e| wrong("spikes/times", e))?, most)
        .map_err(|message| Error::Field { path: path.into(), field: "spikes/times", message })?;
    let units = lists(&file.dataset("spikes/units").map_err(|e| wrong("spikes/units", e))?, most)
        .map_err(|message| Error::Field { path: path.into(), field: "spikes/units", message })?;
    let labels = optional(&file, path, "labels", most, label)?;
    let speakers = optional(&file, path, "extra/speaker", most, speaker)?;
    if times.len() != units.len() {
        let message = format!("{} samples, but spikes/times has {}", units.len(), times.len());
        return Err(Error::Field { path: path.into(), field: "spikes/units", message });
    }
    let mut out = SpikeFile { offsets: vec![0], ..SpikeFile::default() };
    for (i, (times, units)) in times.iter().zip(&units).enumerate() {
        if times.len() != units.len() {
            let message = format!("sample {i}: {} units for {} times", units.len(), times.len());
            return Err(Error::Field { path: path.into(), field: "spikes/units", message });
        }
        out.times.extend(times.iter().map(|&t| t as f32));
        for &unit in units {
            if unit.fract() != 0.0 || !(0.0..=65535.0).contains(&unit) {
                let message = format!("sample {i}: unit {unit}: must be a whole number from 0 to 65535");
                return Err(Error::Field { path: path.into(), field: "spikes/units", message });
            }
            out.units.push(unit as u16);
        }
        out.offsets.push(out.times.len() as u64);
    }
    (out.labels, out.speakers) = (labels, speakers);
    Ok(out)
}

/// A dataset that a file need not have. One that is there but damaged is not the same as none.
fn optional<T>(
    file: &Hdf5File,
    path: &Path,
    field: &'static str,
    most: usize,
    value: fn(f64) -> Result<T, String>,
) -> Result<Option<Vec<T>>, Error> {
    let wrong = |message| Error::Field { path: path.into(), field, message };
    match file.dataset(field) {
        Ok(dataset) => {
            let values = plain(&dataset, most).and_then(|v| v.into_iter().map(value).collect());
            Ok(Some(values.map_err(wrong)?))
        }
        Err(e) if is_not_found(&e) => Ok(None),
        Err(e) => Err(wrong(e.to_string())),
    }
}

/// Whether there is no such dataset, as against one that cannot be read.
fn is_not_found(error: &hdf5_reader::error::Error) -> bool {
    match error {
        hdf5_reader::error::Error::DatasetNotFound(_) | hdf5_reader::error::Error::GroupNotFound(_) => true,
        hdf5_reader::error::Error::Context { source, .. } => is_not_found(source),
        _ => false,
    }
}

/// A damaged size could ask for more memory than there is: a file has fewer samples than bytes.
fn check_size(dataset: &Dataset, most: usize) -> Result<(), String> {
    let &[samples] = dataset.shape() else {
        return Err(format!("{} dimensions; must have one, the samples", dataset.shape().len()));
    };
    if samples > most as u64 {
        return Err(format!("{samples} samples in a file of {most} bytes; it is damaged, write it again"));
    }
    Ok(())
}

/// A label; negative is none.
fn label(value: f64) -> Result<Option<u32>, String> {
    if value.fract() != 0.0 || value > f64::from(u32::MAX) {
        return Err(format!("{value}: must be a whole number up to {}, negative for none", u32::MAX));
    }
    Ok((value >= 0.0).then_some(value as u32))
}

/// A number of a speaker.
fn speaker(value: f64) -> Result<u32, String> {
    if value.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&value) {
        return Err(format!("{value}: must be a whole number from 0 to {}", u32::MAX));
    }
    Ok(value as u32)
}

/// Elements of a dataset of variable-length lists.
fn lists(dataset: &Dataset, most: usize) -> Result<Vec<Vec<f64>>, String> {
    check_size(dataset, most)?;
    let Datatype::VarLen { base, .. } = dataset.dtype() else {
        return Err("must hold variable-length lists, as SHD does".into());
    };
    let (size, decode) = decoder(base)?;
    let raw = dataset.read_raw_bytes().map_err(|e| e.to_string())?;
    let reference = dataset.vlen_reference_size();
    raw.chunks_exact(reference)
        .map(|r| {
            let bytes = dataset.resolve_vlen_reference_bytes(r, size).map_err(|e| e.to_string())?;
            Ok(bytes.chunks_exact(size).map(decode).collect())
        })
        .collect()
}

/// Elements of a dataset of plain numbers.
fn plain(dataset: &Dataset, most: usize) -> Result<Vec<f64>, String> {
    check_size(dataset, most)?;
    let (size, decode) = decoder(dataset.dtype())?;
    let raw = dataset.read_raw_bytes().map_err(|e| e.to_string())?;
    Ok(raw.chunks_exact(size).map(decode).collect())
}

type Decode = fn(&[u8]) -> f64;

/// Width in bytes of a little-endian number, and how to read it.
fn decoder(kind: &Datatype) -> Result<(usize, Decode), String> {
    macro_rules! number {
        ($type:ty) => {
            Ok((size_of::<$type>(), |b: &[u8]| {
                let mut bytes = [0; size_of::<$type>()];
                bytes.copy_from_slice(b);
                <$type>::from_le_bytes(bytes) as f64
            }))
        };
    }
    match kind {
        Datatype::FloatingPoint { byte_order, .. } | Datatype::FixedPoint { byte_order, .. }
            if format!("{byte_order:?}") != "LittleEndian" =>
        {
            Err("big-endian numbers are not read; write it with little-endian ones".into())
        }
        Datatype::FloatingPoint { size: 2, .. } => {
            Ok((2, |b| half::f16::from_le_bytes([b[0], b[1]]).to_f64()))
        }
        Datatype::FloatingPoint { size: 4, .. } => number!(f32),
        Datatype::FloatingPoint { size: 8, .. } => number!(f64),
        Datatype::FixedPoint { size: 1, signed: false, .. } => number!(u8),
        Datatype::FixedPoint { size: 2, signed: false, .. } => number!(u16),
        Datatype::FixedPoint { size: 4, signed: false, .. } => number!(u32),
        Datatype::FixedPoint { size: 8, signed: false, .. } => number!(u64),
        Datatype::FixedPoint { size: 1, signed: true, .. } => number!(i8),
        Datatype::FixedPoint { size: 2, signed: true, .. } => number!(i16),
        Datatype::FixedPoint { size: 4, signed: true, .. } => number!(i32),
        Datatype::FixedPoint { size: 8, signed: true, .. } => number!(i64),
        other => Err(format!("numbers of type {other:?} are not read; use float16, 32, 64 or integers")),
    }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_are_whole_numbers_and_negative_ones_are_none() {
        assert_eq!(label(19.0), Ok(Some(19)));
        assert_eq!(label(f64::from(u32::MAX)), Ok(Some(u32::MAX)));
        assert_eq!(label(-1.0), Ok(None));
        for bad in [0.5, -0.5, 4_294_967_296.0, f64::NAN, f64::INFINITY] {
            assert!(label(bad).is_err(), "{bad}");
        }
    }
}
