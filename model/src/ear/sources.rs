//! Which recordings, and their labels: files, folders, zip archives; names, patterns, tables.

use super::Error;
use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zip::ZipArchive;

/// Most bytes of one recording.
const LARGEST: u64 = 256 << 20;

type Archive = ZipArchive<Cursor<Arc<[u8]>>>;

/// A recording that has not been read yet.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path below the folder or archive that was named; of a single file its name.
    pub name: String,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Entry(Archive, usize),
}

impl Source {
    /// Name without folders.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Entry(..) => self.name.clone(),
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Audio`] if too large.
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        let io = |source| Error::Io { path: self.shown().into(), source };
        let mut bytes = Vec::new();
        match &self.place {
            Place::File(path) => {
                let file = std::fs::File::open(path).map_err(io)?;
                file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io)?;
            }
            Place::Entry(archive, index) => {
                let mut archive = archive.clone();
                let entry = archive.by_index(*index).map_err(|e| io(std::io::Error::other(e)))?;
                entry.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io)?;
            }
        }
        if bytes.len() as u64 > LARGEST {
            let reason = format!("larger than {} MB; cut it into pieces", LARGEST >> 20);
            return Err(Error::Audio { name: self.shown(), reason });
        }
        Ok(bytes)
    }
}

/// Recordings below a path: a file itself, or all `.wav` and `.flac` of a folder or zip archive,
/// sorted by name.
///
/// # Errors
/// [`Error::Io`]; [`Error::Audio`] where there is none.
pub fn find(path: &Path) -> Result<Vec<Source>, Error> {
    let io = |source| Error::Io { path: path.into(), source };
    let data = std::fs::metadata(path).map_err(io)?;
    let mut sources = Vec::new();
    if data.is_dir() {
        walk(path, "", &mut sources)?;
    } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip")) {
        let bytes: Arc<[u8]> = std::fs::read(path).map_err(io)?.into();
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| io(std::io::Error::other(e)))?;
        for (index, name) in archive.file_names().enumerate() {
            let name = name.map_err(|e| io(std::io::Error::other(e)))?;
            if is_audio(&name) {
                let place = Place::Entry(archive.clone(), index);
                sources.push(Source { name: name.to_string(), place });
            }
        }
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(vec![Source { name, place: Place::File(path.into()) }]);
    }
    if sources.is_empty() {
        let reason = "holds no .wav or .flac; name a recording, or a folder or zip archive of them".into();
        return Err(Error::Audio { name: path.display().to_string(), reason });
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sources)
}

fn walk(folder: &Path, below: &str, sources: &mut Vec<Source>) -> Result<(), Error> {
    let io = |source| Error::Io { path: folder.into(), source };
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        // Links to files count, links to folders do not: they could run in a circle.
        if entry.file_type().map_err(io)?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), sources)?;
        } else if is_audio(&name) {
            sources.push(Source { name, place: Place::File(entry.path()) });
        }
    }
    Ok(())
}

fn is_audio(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|e| e.eq_ignore_ascii_case("wav") || e.eq_ignore_ascii_case("flac"))
}

/// How labels are found.
#[derive(Debug)]
pub enum Labels {
    /// The number that a file's name begins with; none where it does not.
    Leading,
    /// A [`Pattern`] that every name must match.
    Pattern(Pattern),
    /// A table that must hold every recording.
    Table(Table),
}

impl Labels {
    /// Label of a recording.
    ///
    /// # Errors
    /// [`Error::Label`] where one was asked for and there is none.
    pub fn of(&self, source: &Source) -> Result<Option<u32>, Error> {
        match self {
            Self::Leading => Ok(leading(source.file_name())),
            Self::Pattern(pattern) => pattern.label(source.file_name()).map(Some).ok_or_else(|| {
                let reason = format!("has no label by `--pattern {}`", pattern.text);
                Error::Label { name: source.shown(), reason }
            }),
            Self::Table(table) => {
                let found = table.rows.get(&source.name).or_else(|| table.rows.get(source.file_name()));
                found.map(|&l| Some(l)).ok_or_else(|| {
                    let reason = format!("no row for `{}`; add it", source.name);
                    Error::Label { name: table.path.display().to_string(), reason }
                })
            }
        }
    }
}

fn leading(name: &str) -> Option<u32> {
    let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    name[..end].parse().ok()
}

/// Names like `{digit}_{speaker}` with one field called `label`, a whole number.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    /// Literal text before each field, and whether the field is the label.
    fields: Vec<(String, bool)>,
    end: String,
}

impl std::str::FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut fields, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (field, after) =
                after.split_once('}').ok_or_else(|| format!("`{text}`: `{{` without `}}`"))?;
            if before.is_empty() && !fields.is_empty() {
                return Err(format!("`{text}`: `{{{field}}}` follows a field without text between"));
            }
            fields.push((before.to_owned(), field == "label"));
            rest = after;
        }
        if fields.iter().filter(|f| f.1).count() != 1 {
            return Err(format!(
                "`{text}`: needs the field {{label}} once, like {{label}}_{{speaker}}_{{take}}"
            ));
        }
        Ok(Self { text: text.into(), fields, end: rest.into() })
    }
}

impl Pattern {
    /// The label in a file's name, its extension left out; none where it does not match.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<u32> {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let mut rest = stem.strip_prefix(self.fields[0].0.as_str())?;
        let mut label = None;
        for (i, (_, is_label)) in self.fields.iter().enumerate() {
            // A field runs to the next literal text; the last one to the end.
            let (value, after) = match self.fields.get(i + 1) {
                Some((next, _)) => rest.split_once(next.as_str())?,
                None => (rest.strip_suffix(self.end.as_str())?, ""),
            };
            if *is_label {
                label = Some(value.parse().ok()?);
            }
            rest = after;
        }
        label
    }
}

/// A CSV with columns `file` and `label`; others are ignored.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    rows: HashMap<String, u32>,
}

impl Table {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Label`], naming the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Label { name: path.display().to_string(), reason };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(|e| wrong(e.to_string()))?;
        let header = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
        let column = |name: &str| {
            let found = header.iter().position(|h| h == name);
            found.ok_or_else(|| wrong(format!("no column `{name}`; the header must name file and label")))
        };
        let (file, label) = (column("file")?, column("label")?);
        let mut rows = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(|e| wrong(e.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let number = record[label].parse().map_err(|_| {
                wrong(format!("line {line}: label `{}` is not a whole number", &record[label]))
            })?;
            if rows.insert(record[file].to_owned(), number).is_some() {
                return Err(wrong(format!("line {line}: `{}` stands twice", &record[file])));
            }
        }
        Ok(Self { path: path.into(), rows })
    }
}
