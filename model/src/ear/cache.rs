//! Transfer matrices on disk, so that a length is computed once on a machine.
//!
//! A file `ear-<layout>-<channels>-<half seconds>.bin` of a folder holds one matrix, little-endian:
//! magic `DLEAR` and layout (8 bytes), channels u32, half seconds u32, bins of each channel u32, the
//! values as f32 pairs, CRC-32 of all before. A file that is damaged or of another layout is made
//! anew. Files appear whole (a temporary file, then a rename), so that several processes can share a
//! folder; the last one to finish wins, with the same bytes. Files beyond the limit go, those not used
//! for longest first.

use super::membrane::Transfer;
use super::{Error, Span};
use realfft::num_complex::Complex32;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

/// Layout of the files **and** version of the membrane's equations and constants: changed with either.
const LAYOUT: u16 = 1;
const MAGIC: &[u8; 6] = b"DLEAR\0";

/// A folder of matrices.
#[derive(Debug, Clone)]
pub struct Cache {
    /// The folder; it is made when needed.
    pub folder: PathBuf,
    /// Most bytes that its matrices take together.
    pub limit: u64,
}

impl Cache {
    /// The user's folder: `$DELAYLINE_CACHE`, else `delayline` in `$XDG_CACHE_HOME`, else in
    /// `~/.cache`; none without a home.
    #[must_use]
    pub fn default_folder() -> Option<PathBuf> {
        let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        variable("DELAYLINE_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|p| p.join("delayline")))
            .or_else(|| variable("HOME").map(|p| p.join(".cache").join("delayline")))
    }

    /// Where a matrix is kept.
    #[must_use]
    pub fn path(&self, span: Span, channels: usize) -> PathBuf {
        self.folder.join(format!("ear-{LAYOUT}-{channels}-{}.bin", span.0))
    }

    /// A matrix that is there and whole.
    #[must_use]
    pub fn load(&self, span: Span, channels: usize) -> Option<Transfer> {
        let path = self.path(span, channels);
        let transfer = parse(&std::fs::read(&path).ok()?, span, channels)?;
        // Marks the use; only the order of eviction hangs on it.
        if let Ok(file) = std::fs::File::options().append(true).open(&path) {
            file.set_modified(SystemTime::now()).ok();
        }
        Some(transfer)
    }

    /// Keeps a matrix, and drops those beyond the limit.
    ///
    /// # Errors
    /// [`Error::Io`]; no half-written file is left.
    pub fn store(&self, transfer: &Transfer) -> Result<(), Error> {
        let path = self.path(transfer.span(), transfer.channels());
        let io = |source| Error::Io { path: path.clone(), source };
        let bytes = print(transfer);
        if bytes.len() as u64 > self.limit {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder).map_err(io)?;
        spikes::write_whole(&path, &bytes).map_err(io)?;
        self.evict(&path).map_err(io)
    }

    /// A matrix from the cache, or computed and kept. A cache that cannot be written costs time only:
    /// `warn` is told.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn get(
        &self,
        span: Span,
        channels: usize,
        stop: &AtomicBool,
        done: impl Fn() + Sync,
        warn: impl Fn(Error),
    ) -> Result<Transfer, Error> {
        if let Some(transfer) = self.load(span, channels) {
            return Ok(transfer);
        }
        let transfer = Transfer::compute(span, channels, stop, done)?;
        if let Err(error) = self.store(&transfer) {
            warn(error);
        }
        Ok(transfer)
    }

    /// Removes the files not used for longest until the limit holds; `keep` stays.
    fn evict(&self, keep: &Path) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(|n| n.starts_with("ear-") && n.ends_with(".bin"));
            // Another process may have removed it meanwhile.
            let Ok(data) = entry.metadata() else { continue };
            if ours && data.is_file() {
                files.push((data.modified()?, entry.path(), data.len()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|f| f.2).sum();
        for (_, path, size) in files {
            if total <= self.limit {
                break;
            }
            if path != keep {
                match std::fs::remove_file(&path) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                    _ => total -= size,
                }
            }
        }
        Ok(())
    }
}

fn print(transfer: &Transfer) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + 4 * transfer.channels() + 8 * transfer.values.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&LAYOUT.to_le_bytes());
    let sizes = transfer.starts.windows(2).map(|w| (w[1] - w[0]) as u32);
    for n in [transfer.channels() as u32, transfer.span().0].into_iter().chain(sizes) {
        bytes.extend_from_slice(&n.to_le_bytes());
    }
    for v in &transfer.values {
        bytes.extend_from_slice(&v.re.to_le_bytes());
        bytes.extend_from_slice(&v.im.to_le_bytes());
    }
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

fn parse(bytes: &[u8], span: Span, channels: usize) -> Option<Transfer> {
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let rest = body.strip_prefix(MAGIC)?.strip_prefix(&LAYOUT.to_le_bytes())?;
    let rest = rest.strip_prefix(&(channels as u32).to_le_bytes())?.strip_prefix(&span.0.to_le_bytes())?;
    let (sizes, values) = rest.split_at_checked(4 * channels)?;
    let number = |b: &[u8]| -> Option<[u8; 4]> { b.try_into().ok() };
    let mut starts = vec![0];
    for size in sizes.chunks_exact(4) {
        starts.push(starts.last()? + u32::from_le_bytes(number(size)?) as usize);
    }
    if values.len() != 8 * starts.last()? {
        return None;
    }
    let values = values
        .chunks_exact(8)
        .map(|v| {
            let part = |b| number(b).map(f32::from_le_bytes);
            Some(Complex32::new(part(&v[..4])?, part(&v[4..])?))
        })
        .collect::<Option<_>>()?;
    Some(Transfer::from_parts(span, starts, values))
}
