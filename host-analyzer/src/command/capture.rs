//! `capture`: the bytes of a serial port as a capture.

mod ending;
mod progress;

use super::output::note;
use crate::ground::failure::Failure;
use crate::ground::interrupt;
use crate::source::capture::Recorder;
use crate::source::port::{Arrival, Port};
use ending::{Ending, How};
use progress::Progress;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often Ctrl-C is looked for, and the progress shown.
const TICK: Duration = Duration::from_millis(100);

/// How many bytes are read at once.
const CHUNK: usize = 64 * 1024;

/// Captures what a kernel on real hardware sends over a serial cable.
///
/// The bytes go to the file as they come, and every command that takes a run takes that file. It ends with the boot's last
/// frame, a goodbye or an error; when no byte has come for a while; at the end of the input; and with Ctrl-C. What came is
/// kept in each case. Exit code 0: the goodbye came, and every frame before it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo analyze capture --port /dev/ttyUSB0 -o boot.bin
  cargo analyze capture --port /dev/ttyUSB0 -o boot.bin --resume     # goes on after Ctrl-C
  cargo analyze capture --port - -o boot.bin                         # a pipe: ssh, socat")]
pub struct Capture {
    /// The serial port, 8N1; `-` is standard input
    #[arg(long)]
    port: String,
    /// Bits a second of the port
    #[arg(long, default_value_t = 115_200, value_parser = clap::value_parser!(u32).range(1..))]
    baud: u32,
    /// The capture's file, which must not exist
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Append to a capture that was cut off, while its boot goes on
    #[arg(long)]
    resume: bool,
    /// End when no byte has come for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    idle: u64,
}

impl Capture {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        interrupt::watch()?;
        let mut progress = Progress::begin();
        let mut recorder = match self.resume {
            true => Recorder::resume(&self.output, |frame| progress.frame(frame))?,
            false => Recorder::create(&self.output)?,
        };
        let mut name = self.port.clone();
        let how = if recorder.over() {
            How::Before
        } else {
            let mut port = Port::open(&self.port, self.baud)?;
            name = port.name().to_owned();
            self.follow(&mut port, &mut recorder, &mut progress)?
        };
        let bytes = recorder.bytes();
        let summary = recorder.finish(|frame| progress.frame(frame))?;
        let last = progress.end();
        let ending = Ending {
            how,
            file: &self.output,
            port: &name,
            bytes,
            summary: &summary,
            last: &last,
            idle: self.idle,
        };
        note(&ending.line());
        ending.judge()
    }

    /// Records until the boot is over, or nothing more is to be expected.
    fn follow(
        &self,
        port: &mut Port,
        recorder: &mut Recorder,
        progress: &mut Progress,
    ) -> Result<How, Failure> {
        let idle = Duration::from_secs(self.idle);
        let mut buffer = vec![0; CHUNK];
        let mut last = Instant::now();
        loop {
            progress.show(recorder.bytes(), recorder.summary());
            if recorder.over() {
                return Ok(How::Over);
            }
            if interrupt::requested() {
                return Ok(How::Interrupted);
            }
            let Some(left) = idle.checked_sub(last.elapsed()) else { return Ok(How::Idle) };
            match port.read(&mut buffer, left.min(TICK)) {
                Ok(Arrival::Bytes(length)) => {
                    last = Instant::now();
                    recorder.take(&buffer[..length], |frame| progress.frame(frame))?;
                }
                Ok(Arrival::Nothing) => {}
                Ok(Arrival::End) => return Ok(How::End),
                Err(error) => return Ok(How::Unreadable(error)),
            }
        }
    }
}
