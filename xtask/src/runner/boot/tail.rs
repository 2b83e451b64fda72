//! A capture that still grows, and whether it is the same afterwards.

use bringup::frame::Frame;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::counted;
use host_analyzer::source::capture::{Decoder, Incompatible, Summary};
use miette::miette;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// A capture as it was read and judged.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
    bytes: u64,
}

impl Place {
    /// How the file at the path differs from the one that was read; `None` where it is the same.
    pub fn changed(&self) -> Option<String> {
        let about = match fs::symlink_metadata(&self.path) {
            Ok(about) => about,
            Err(error) => return Some(format!("is not there any more: {error}")),
        };
        let read = counted(self.bytes, "byte");
        if (about.dev(), about.ino()) != (self.device, self.inode) {
            Some(
                "was replaced by another file after the boot had begun to write it: the engine must \
                 write the bytes of the serial port to that path itself"
                    .to_owned(),
            )
        } else if about.len() > self.bytes {
            Some(format!(
                "went on growing after the engine had ended ({read} were read then): a process that \
                 the engine started still writes there, or did; the engine must end last"
            ))
        } else if about.len() < self.bytes {
            Some(format!("has only {} of the {read} that were read", about.len()))
        } else {
            None
        }
    }

    /// Fails where it is no longer what was judged.
    pub fn check(&self) -> Result<(), Failure> {
        match self.changed() {
            None => Ok(()),
            Some(how) => Err(Failure::Environment(miette!(
                help = "what it holds now is not what its boot was judged by: find what wrote to it, \
                        and run again",
                "the capture {} {how}",
                self.path.display()
            ))),
        }
    }
}

/// A capture file that still grows.
pub struct Tail {
    /// Where it is.
    pub path: PathBuf,
    file: Option<File>,
    decoder: Decoder,
    /// Why the kernel's Hello is not understood.
    pub incompatible: Option<Incompatible>,
    /// How many bytes were read.
    pub bytes: u64,
}

impl Tail {
    /// Nothing was read yet; the engine may still have to make the file.
    pub fn new(path: PathBuf) -> Tail {
        Tail { path, file: None, decoder: Decoder::new(), incompatible: None, bytes: 0 }
    }

    /// Reads what is new, or a part of it: an engine may write faster than this reads, and the
    /// caller has a clock to watch. False if nothing is new.
    pub fn read(&mut self, frame: &mut dyn FnMut(&Frame<'_>)) -> Result<bool, Failure> {
        if self.file.is_none() {
            self.file = self.open()?;
        }
        // The engine has not made it yet.
        let Some(file) = &mut self.file else { return Ok(false) };
        let mut chunk = [0; 64 * 1024];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(length) if self.incompatible.is_none() => {
                    self.bytes += length as u64;
                    self.incompatible = self.decoder.push(&chunk[..length], &mut *frame).err();
                    return Ok(true);
                }
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(&error)),
            }
        }
    }

    /// Opens the file, without waiting and without following a link: the run's folder must hold what
    /// was captured, and a pipe or a device has no end. `None` where it is not there.
    fn open(&self) -> Result<Option<File>, Failure> {
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let open = || -> io::Result<(bool, File)> {
            let mut options = OpenOptions::new();
            let file = options.read(true).custom_flags(flags.bits() as i32).open(&self.path)?;
            Ok((file.metadata()?.is_file(), file))
        };
        match open() {
            Ok((true, file)) => Ok(Some(file)),
            Ok((false, _)) => Err(self.irregular()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => match Errno::from_io_error(&error) {
                // A link; a socket.
                Some(Errno::LOOP | Errno::NXIO) => Err(self.irregular()),
                _ => Err(self.unreadable(&error)),
            },
        }
    }

    /// How many bytes the file has.
    pub fn size(&self) -> Result<u64, Failure> {
        let Some(file) = &self.file else { return Ok(0) };
        Ok(file.metadata().map_err(|error| self.unreadable(&error))?.len())
    }

    /// What is being read; `None` where there is no file.
    pub fn place(&self) -> Result<Option<Place>, Failure> {
        let Some(file) = &self.file else { return Ok(None) };
        let about = file.metadata().map_err(|error| self.unreadable(&error))?;
        let (device, inode) = (about.dev(), about.ino());
        Ok(Some(Place { path: self.path.clone(), device, inode, bytes: self.bytes }))
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::Environment(miette!("can't read the capture {}: {error}", self.path.display()))
    }

    fn irregular(&self) -> Failure {
        Failure::Environment(miette!(
            help = "the engine must write the bytes of the serial port to that path itself: a link, a \
                    pipe, a folder or a device in its place is refused",
            "the capture {} is no regular file",
            self.path.display()
        ))
    }

    /// What the whole capture says.
    pub fn finish(self, frame: &mut dyn FnMut(&Frame<'_>)) -> Summary {
        // Nothing more can follow a Hello that is not understood.
        self.decoder.finish(frame).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_capture_is_a_regular_file_or_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("file"), "").unwrap();
        fs::create_dir(place("folder")).unwrap();
        symlink(place("file"), place("link")).unwrap();
        symlink("/dev/zero", place("device")).unwrap();
        symlink("nowhere", place("nothing")).unwrap();
        let _listener = UnixListener::bind(place("socket")).unwrap();
        let pipe = place("pipe").display().to_string();
        crate::runner::process::said("mkfifo", &[&pipe]).unwrap();
        assert!(Tail::new(place("file")).open().unwrap().is_some());
        assert!(Tail::new(place("not-yet")).open().unwrap().is_none());
        for name in ["folder", "link", "device", "nothing", "socket", "pipe"] {
            let failure = Tail::new(place(name)).open().unwrap_err();
            assert!(failure.report().to_string().ends_with("is no regular file"), "{name}");
        }
    }
}
