//! A capture's file while its boot runs: bytes go to the file as they come, and through the decoder.

use crate::ground::failure::Failure;
use crate::ground::file::unwritable;
use crate::ground::text::{counted, printable};
use crate::source::capture::decoder::Decoder;
use crate::source::capture::errors::incompatible;
use crate::source::capture::summary::Summary;
use bringup::frame::Frame;
use miette::miette;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Records a boot into a capture's file, up to the boot's last frame.
///
/// A file that it has made and that no byte has come into is removed when this is dropped.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: File,
    decoder: Decoder,
    /// The length of the file.
    bytes: u64,
    /// The file was made here.
    made: bool,
    /// A zero byte goes before the next bytes: the file ends somewhere in a frame.
    severed: bool,
}

impl Recorder {
    /// Makes the file, which must not exist.
    ///
    /// Fails with [`Failure::Request`] where it exists, or its folder does not; with
    /// [`Failure::Environment`] where it can't be written.
    pub fn create(path: &Path) -> Result<Recorder, Failure> {
        let name = printable(&path.display().to_string());
        let made = File::options().write(true).create_new(true).open(path);
        let file = made.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::Request(miette!(
                help = "name a file that does not exist; or `--resume`, which appends to the capture of a boot \
                        that still runs",
                "{name} exists already"
            )),
            ErrorKind::NotFound | ErrorKind::NotADirectory => Failure::Request(miette!(
                help = "make the folder, or name another one",
                "can't write {name}: there is no such folder"
            )),
            _ => unwritable(path, &error),
        })?;
        Ok(Recorder {
            path: path.to_owned(),
            file,
            decoder: Decoder::new(),
            bytes: 0,
            made: true,
            severed: false,
        })
    }

    /// Goes on in the file, or makes it where it does not exist; hands out the frames that it holds.
    ///
    /// Between the old bytes and the new ones goes a zero byte, which ends a frame that was cut, so that it
    /// takes no byte of the next one.
    ///
    /// Fails as [`Recorder::create`], and with [`Failure::Request`] where the file holds bytes and no frame.
    pub fn resume(path: &Path, mut frame: impl FnMut(&Frame<'_>)) -> Result<Recorder, Failure> {
        let name = printable(&path.display().to_string());
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Recorder::create(path),
            Ok(about) if !about.is_file() => {
                return Err(Failure::Request(miette!(
                    help = "name a regular file",
                    "can't go on in {name}: it is no regular file"
                )));
            }
            _ => {}
        }
        let failed = |error: io::Error| unwritable(path, &error);
        let file = File::options().read(true).append(true).open(path).map_err(failed)?;
        let mut recorder = Recorder {
            path: path.to_owned(),
            file,
            decoder: Decoder::new(),
            bytes: 0,
            made: false,
            severed: false,
        };
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let length = match recorder.file.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            recorder.bytes += length as u64;
            recorder.decode(&chunk[..length], &mut frame)?;
        }
        if recorder.bytes > 0 {
            recorder.severed = true;
            recorder.decode(&[0], &mut frame)?;
            if recorder.summary().recovered == 0 {
                return Err(Failure::Request(miette!(
                    help = "name a file that does not exist",
                    "{name} is no capture to go on with: none of its {} belong to an intact frame",
                    counted(recorder.bytes, "byte")
                )));
            }
        }
        Ok(recorder)
    }

    /// Takes the next bytes: writes them, and hands out the frames that they complete. What comes after the
    /// boot's last frame is dropped.
    ///
    /// Fails with [`Failure::Environment`] where the file can't be written, and with [`Failure::Request`] at a
    /// `Hello` that this version does not understand, which is in the file by then.
    pub fn take(&mut self, bytes: &[u8], mut frame: impl FnMut(&Frame<'_>)) -> Result<(), Failure> {
        let mut taken = 0;
        let mut decoded = Ok(());
        for piece in bytes.split_inclusive(|byte| *byte == 0) {
            if self.over() || decoded.is_err() {
                break;
            }
            taken += piece.len();
            decoded = self.decode(piece, &mut frame);
        }
        self.write(&bytes[..taken]).map_err(|error| unwritable(&self.path, &error))?;
        decoded
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.severed && !bytes.is_empty() {
            self.file.write_all(&[0])?;
            self.bytes += 1;
            self.severed = false;
        }
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn decode(&mut self, bytes: &[u8], frame: &mut impl FnMut(&Frame<'_>)) -> Result<(), Failure> {
        let name = || printable(&self.path.display().to_string());
        self.decoder.push(bytes, frame).map_err(|error| incompatible(&name(), error))
    }

    /// True after the boot's last frame: a goodbye or an error; and where the machine has restarted.
    pub fn over(&self) -> bool {
        let summary = self.summary();
        !summary.cut() || summary.restarted
    }

    /// The length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was seen so far.
    pub fn summary(&self) -> &Summary {
        self.decoder.summary()
    }

    /// Ends the recording: the file is on its disk, and bytes at its end without a zero byte are searched, too.
    ///
    /// Fails as [`Recorder::take`] does.
    pub fn finish(mut self, frame: impl FnMut(&Frame<'_>)) -> Result<Summary, Failure> {
        self.file.sync_all().map_err(|error| unwritable(&self.path, &error))?;
        let name = printable(&self.path.display().to_string());
        let decoder = std::mem::take(&mut self.decoder);
        decoder.finish(frame).map_err(|error| incompatible(&name, error))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.made && self.bytes == 0 {
            // An empty file is no capture, and `drop` can't report an error.
            let _ = fs::remove_file(&self.path);
        }
    }
}
