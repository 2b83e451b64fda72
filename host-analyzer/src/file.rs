//! Files that appear whole or not at all.

use crate::failure::Failure;
use miette::miette;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a file beside its final place, then renames it; what was there before stays until then.
/// Makes the folders above it where they are missing.
///
/// Fails with [`Failure::Environment`], naming the file.
pub fn write_whole(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    let mut file = WholeFile::create(path)?;
    file.write_all(contents).map_err(|error| unwritable(path, &error))?;
    file.finish()
}

/// A file that is written bit by bit and takes its place when it is finished; dropped before, it
/// leaves nothing behind.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    /// Where it is written until then; `None` for what is no regular file, as a pipe.
    beside: Option<PathBuf>,
    output: BufWriter<File>,
}

impl WholeFile {
    /// Begins the file beside its final place. Makes the folders above it where they are missing.
    ///
    /// Fails with [`Failure::Environment`], naming the file.
    pub fn create(path: &Path) -> Result<WholeFile, Failure> {
        let create = || -> io::Result<WholeFile> {
            let special = fs::metadata(path).is_ok_and(|about| !about.is_file());
            if !special && let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let beside = (!special).then(|| {
                let mut beside = path.as_os_str().to_owned();
                beside.push(format!(".{}.part", std::process::id()));
                PathBuf::from(beside)
            });
            let output = BufWriter::new(File::create(beside.as_deref().unwrap_or(path))?);
            Ok(WholeFile { path: path.to_owned(), beside, output })
        };
        create().map_err(|error| unwritable(path, &error))
    }

    /// Puts the file in its place.
    ///
    /// Fails with [`Failure::Environment`], naming the file.
    pub fn finish(mut self) -> Result<(), Failure> {
        let mut finish = || -> io::Result<()> {
            self.output.flush()?;
            if let Some(beside) = &self.beside {
                self.output.get_ref().sync_all()?;
                fs::rename(beside, &self.path)?;
                self.beside = None;
            }
            Ok(())
        };
        let finished = finish();
        finished.map_err(|error| unwritable(&self.path, &error))
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // There is nothing to keep, and nobody to tell.
            let _ = fs::remove_file(beside);
        }
    }
}

/// Says that a file can't be written.
pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::Environment(miette!(
        help = "make room, or choose a folder that you may write to",
        "can't write {}: {error}",
        path.display()
    ))
}
