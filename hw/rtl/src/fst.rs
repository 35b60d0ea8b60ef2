//! Waves as FST, GTKWave's compressed format: the same [`Layout`] and calls as the VCD [`Writer`](crate::wave::Writer).
//!
//! Enumerated states are vectors that hold the index of the state, since the format's writer knows no strings.
//! The writer compresses signals one by one with LZ4; around that goes the format's own gzip wrapper, which
//! viewers unpack by themselves.

use crate::wave::{Layout, ScopeId, SignalId};
use crate::whole::Place;
use flate2::Compression;
use flate2::write::GzEncoder;
use fst_writer::{
    FstBodyWriter, FstFileType, FstHeaderWriter, FstInfo, FstScopeType, FstSignalId, FstSignalType,
    FstVarDirection, FstVarType, FstWriteError, open_fst,
};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Bytes of changes that are kept in memory before they are compressed and written.
const BLOCK: usize = 32 << 20;
/// First byte of a file that is wrapped.
const WRAPPER: u8 = 254;

#[derive(Debug, Clone, Copy)]
struct Last {
    value: u64,
    known: bool,
    bits: u32,
    id: FstSignalId,
}

/// Writes changes in the order of time.
pub struct Writer {
    place: Place,
    inner: NamedTempFile,
    body: FstBodyWriter<BufWriter<File>>,
    last: Vec<Last>,
    time: Option<u64>,
    changes: u32,
}

fn io_error(error: FstWriteError) -> io::Error {
    match error {
        FstWriteError::Io(error) => error,
        other => io::Error::other(other),
    }
}

impl Writer {
    /// Starts the file, which appears when it is finished (or goes then into the pipe or device that the path names); every signal is unknown until its first change. Times are in picoseconds.
    ///
    /// # Errors
    /// Those of the file.
    pub fn create(path: &Path, layout: &Layout, version: &str) -> io::Result<Self> {
        let info = FstInfo {
            start_time: 0,
            timescale_exponent: -12,
            version: version.into(),
            // None, so that the same run gives the same bytes.
            date: String::new(),
            file_type: FstFileType::Verilog,
        };
        let place = Place::of(path)?;
        let inner = place.temporary()?;
        let mut header = open_fst(inner.path(), &info).map_err(io_error)?;
        let mut last = vec![None; layout.signals.len()];
        for root in layout.roots() {
            declare(&mut header, layout, root, &mut last).map_err(io_error)?;
        }
        let body = header.finish().map_err(io_error)?;
        Ok(Self { place, inner, body, last: last.into_iter().flatten().collect(), time: None, changes: 0 })
    }

    /// Sets a signal at a time; writes only if it changes. Signed values are passed as two's complement; bits above the width are ignored.
    ///
    /// # Errors
    /// Those of the file; a time before the last one.
    pub fn change(&mut self, time: u64, signal: SignalId, value: u64) -> io::Result<()> {
        let last = &mut self.last[signal.index()];
        let value = value & (u64::MAX >> (64 - last.bits));
        if last.known && last.value == value {
            return Ok(());
        }
        (last.value, last.known) = (value, true);
        let (id, bits) = (last.id, last.bits as usize);
        if self.time != Some(time) {
            if self.changes >= 1 << 16 {
                self.changes = 0;
                if self.body.size() > BLOCK {
                    self.body.flush().map_err(io_error)?;
                }
            }
            self.body.time_change(time).map_err(io_error)?;
            self.time = Some(time);
        }
        self.changes += 1;
        let mut digits = [0; 64];
        for (i, digit) in digits[..bits].iter_mut().rev().enumerate() {
            *digit = b'0' + (value >> i & 1) as u8;
        }
        self.body.signal_change(id, &digits[..bits]).map_err(io_error)
    }

    /// Writes what is left, and wraps it.
    ///
    /// # Errors
    /// Those of the file; then none is left.
    pub fn finish(self) -> io::Result<()> {
        self.body.finish().map_err(io_error)?;
        let mut wrapped = self.place.temporary()?;
        let mut plain = BufReader::new(File::open(self.inner.path())?);
        let out = wrapped.as_file_mut();
        // Type, length of what follows the type (known at the end), length of what is wrapped.
        out.write_all(&[WRAPPER])?;
        out.write_all(&0u64.to_be_bytes())?;
        out.write_all(&plain.get_ref().metadata()?.len().to_be_bytes())?;
        let mut gzip = GzEncoder::new(BufWriter::new(out), Compression::new(4));
        io::copy(&mut plain, &mut gzip)?;
        let out = gzip.finish()?.into_inner()?;
        let length = out.stream_position()? - 1;
        out.seek(SeekFrom::Start(1))?;
        out.write_all(&length.to_be_bytes())?;
        self.place.put(wrapped)
    }
}

fn declare(
    header: &mut FstHeaderWriter<BufWriter<File>>,
    layout: &Layout,
    scope: ScopeId,
    last: &mut [Option<Last>],
) -> Result<(), FstWriteError> {
    // Scopes without signals are left out, as in VCD.
    if !layout.holds_signals(scope) {
        return Ok(());
    }
    header.scope(layout.scope_name(scope), "", FstScopeType::Module)?;
    for (place, signal) in layout.signals_of(scope) {
        let bits = match &signal.states {
            Some(states) => usize::BITS - states.len().saturating_sub(1).max(1).leading_zeros(),
            None => signal.bits,
        };
        let kind = FstSignalType::bit_vec(bits);
        let id = header.var(&signal.name, kind, FstVarType::Wire, FstVarDirection::Implicit, None)?;
        last[place.index()] = Some(Last { value: 0, known: false, bits, id });
    }
    for &child in layout.children(scope) {
        declare(header, layout, child, last)?;
    }
    header.up_scope()
}
