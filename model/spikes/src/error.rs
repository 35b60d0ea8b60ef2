use std::path::PathBuf;

/// What can be wrong with spike files and result files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Neither HDF5 nor npz.
    #[error("{}: neither SHD HDF5 nor .npz; spikes are read from these two", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A field is missing or wrong.
    #[error("{}: {field}: {message}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What is wrong, and what it should be.
        message: String,
    },
    /// A unit outside the network's input.
    #[error(
        "sample {sample}: unit {unit} is channel {channel} (group {group}), but the network has {channels} input channels; use the network that fits the recording, or another `group`"
    )]
    Channel {
        /// The sample.
        sample: usize,
        /// Unit in the file.
        unit: u16,
        /// Unit / group.
        channel: u32,
        /// Units that share a channel.
        group: u32,
        /// Channels of the network.
        channels: u32,
    },
    /// A file without samples.
    #[error("there is no sample in it; give a file with one at least")]
    Empty,
    /// Samples that are not there.
    #[error("sample range {range}: there are {len} samples, 0 to {}", len.saturating_sub(1))]
    Range {
        /// As typed.
        range: String,
        /// Number of samples.
        len: usize,
    },
}
