//! Files and folders that appear whole or not at all, and the only code that deletes a folder.

use crate::ground::failure::Failure;
use miette::miette;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes a file beside its final place, then renames it; what was there before stays until then.
///
/// Fails as [`WholeFile::create`] and [`WholeFile::finish`] do.
pub fn write_whole(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    let mut file = WholeFile::create(path)?;
    file.write_all(contents).map_err(|error| unwritable(path, &error))?;
    file.finish()
}

/// A file that is written in pieces and takes its place when it is finished. Dropped before that, it leaves
/// no file.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    /// Where it is written until then; `None` where the path is not a regular file but, say, a pipe.
    beside: Option<PathBuf>,
    output: BufWriter<File>,
}

impl WholeFile {
    /// Begins the file beside its final place.
    ///
    /// Fails with [`Failure::Request`] where the folder that it should be in does not exist, or a
    /// folder has its name; else with [`Failure::Environment`]. Both name the file.
    pub fn create(path: &Path) -> Result<WholeFile, Failure> {
        let special = fs::metadata(path).is_ok_and(|about| !about.is_file());
        let beside = (!special).then(|| {
            let mut beside = path.as_os_str().to_owned();
            beside.push(format!(".{}.part", std::process::id()));
            PathBuf::from(beside)
        });
        let written = beside.as_deref().unwrap_or(path);
        let file = File::create(written).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Failure::Request(miette!(
                help = "make the folder, or name another one",
                "can't write {}: there is no folder {}",
                path.display(),
                written.parent().unwrap_or(path).display()
            )),
            ErrorKind::IsADirectory => Failure::Request(miette!(
                help = format!("name a file in it, as {}", path.join("FILE").display()),
                "can't write {}: it is a folder; expected a file",
                path.display()
            )),
            _ => unwritable(path, &error),
        })?;
        Ok(WholeFile { path: path.to_owned(), beside, output: BufWriter::new(file) })
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
            // The file is given up, and `drop` can't report an error.
            let _ = fs::remove_file(beside);
        }
    }
}

/// Makes a folder for files, and the folders above it, where they are missing.
///
/// Fails with [`Failure::Request`] where a file is in the way, else with
/// [`Failure::Environment`]. Both name the folder.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => Failure::Request(miette!(
            help = "name a folder; one that does not exist is made",
            "can't write into {}: it, or a folder on its path, is not a folder",
            path.display()
        )),
        _ => unwritable(path, &error),
    })
}

/// A folder that this process makes. Dropped, it is deleted with all that is in it, unless it was
/// moved to its final place or kept by then.
///
/// This is the only code that deletes recursively. It deletes only what [`NewFolder::create`] has
/// made: a folder that was there before is an error there.
#[derive(Debug)]
pub struct NewFolder {
    path: PathBuf,
    kept: bool,
}

impl NewFolder {
    /// Makes the folder.
    ///
    /// Fails where the path exists already, or the folder above it does not.
    pub fn create(path: &Path) -> io::Result<NewFolder> {
        // Later changes of the working directory must not change what is deleted.
        let path = std::path::absolute(path)?;
        fs::create_dir(&path)?;
        Ok(NewFolder { path, kept: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From here on it is not deleted, wherever it is.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Gives it its final name, where nothing may be yet, and keeps it. Where that fails, it stays where it is.
    pub fn move_to(&mut self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(&self.path, path)?;
        self.path = path.to_owned();
        self.keep();
        Ok(())
    }
}

/// Removes a run that shows nothing worth keeping: a folder with a `run.json`.
///
/// Fails with [`Failure::Environment`] where it is none, or can't be removed.
pub fn remove_run(folder: &Path) -> Result<(), Failure> {
    let is_run = folder.join("run.json").is_file();
    let removed = if is_run { fs::remove_dir_all(folder) } else { Err(ErrorKind::NotFound.into()) };
    removed.map_err(|error| {
        Failure::Environment(miette!("can't remove the run {}: {error}", folder.display()))
    })
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.kept {
            // The folder is given up, and `drop` can't report an error.
            let _ = fs::remove_dir_all(&self.path);
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
