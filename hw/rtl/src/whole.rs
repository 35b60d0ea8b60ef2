//! Files that appear under their name only when they are whole.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Where a file is to come.
#[derive(Debug)]
pub struct Place(To);

#[derive(Debug)]
enum To {
    /// A file; where a link was named, the one that it names.
    File(PathBuf),
    /// A pipe or a device, which is written to and never replaced by a file.
    Stream(File),
}

impl Place {
    /// The place that a path names; a pipe is opened.
    ///
    /// # Errors
    /// Where the path is a folder, or what it names cannot be opened.
    pub fn of(path: &Path) -> io::Result<Self> {
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder; name a file in it"))
            }
            Ok(found) if !found.is_file() || path.starts_with("/dev") => {
                Ok(Self(To::Stream(File::options().append(true).open(path)?)))
            }
            Ok(_) => Ok(Self(To::File(path.canonicalize()?))),
            Err(_) => Ok(Self(To::File(path.into()))),
        }
    }

    /// A new temporary file: beside its place, so that it can be renamed to it.
    ///
    /// # Errors
    /// Those of the folder.
    pub fn temporary(&self) -> io::Result<NamedTempFile> {
        match &self.0 {
            To::File(path) => {
                let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
                NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))
            }
            To::Stream(_) => NamedTempFile::new(),
        }
    }

    /// Puts a file that is whole in its place, as readable as any file of the user's.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn put(self, file: NamedTempFile) -> io::Result<()> {
        match self.0 {
            To::File(path) => {
                #[cfg(unix)]
                {
                    use std::os::unix::fs::PermissionsExt;
                    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
                }
                file.persist(path).map_err(|e| e.error)?;
            }
            To::Stream(mut out) => {
                io::copy(&mut file.reopen()?, &mut out)?;
            }
        }
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;

    fn put(path: &Path, text: &str) -> io::Result<()> {
        let place = Place::of(path)?;
        let mut file = place.temporary()?;
        file.write_all(text.as_bytes())?;
        place.put(file)
    }

    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "before").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        put(&link, "after").expect("written");
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(std::fs::read_to_string(&file).expect("there"), "after");
        assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 2, "nothing else is left");
    }

    #[test]
    fn a_pipe_is_written_to_and_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read_to_string(pipe)
        });
        put(&pipe, "all of it").expect("written");
        assert_eq!(reader.join().expect("read").expect("read"), "all of it");
        use std::os::unix::fs::FileTypeExt;
        assert!(std::fs::metadata(&pipe).expect("there").file_type().is_fifo());
    }

    #[test]
    fn a_folder_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let refusal = Place::of(folder.path()).expect_err("refused").to_string();
        assert!(refusal.contains("name a file in it"), "{refusal}");
    }
}
