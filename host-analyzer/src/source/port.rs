//! Where the bytes of a machine come from: a serial port, or standard input.

use crate::ground::failure::Failure;
use crate::ground::text::{list, printable};
use miette::{Report, miette};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serialport::{ErrorKind as PortError, SerialPort};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

/// The name of standard input.
pub const STDIN: &str = "-";

/// How far a port's rate may be from the requested one, in percent: beyond it 8N1 loses bits.
const TOLERANCE: u32 = 3;

/// A source of bytes that can be waited for.
pub struct Port {
    name: String,
    source: Source,
}

enum Source {
    Serial(Box<dyn SerialPort>),
    Stdin(File),
}

/// What has come from a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing in the given time.
    Nothing,
    /// The end: the other side has closed the pipe, or the port is gone.
    End,
}

impl Port {
    /// Opens a serial port at so many baud, 8N1 and raw, or standard input where its name is [`STDIN`].
    ///
    /// Fails with [`Failure::Request`] where there is no such port or it does not have the rate, and with
    /// [`Failure::Environment`] where it can't be opened.
    pub fn open(name: &str, baud: u32) -> Result<Port, Failure> {
        let failed = |error: io::Error| {
            Failure::Environment(miette!(
                help = "connect something to it, as `ssh HOST cat /dev/ttyS0 | …`",
                "can't read standard input: {error}"
            ))
        };
        if name == STDIN {
            let file = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
            return Ok(Port {
                name: "standard input".to_owned(),
                source: Source::Stdin(file.into()),
            });
        }
        let shown = printable(name);
        match fs::metadata(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Failure::Request(missing(&shown)));
            }
            Ok(about) if !about.file_type().is_char_device() => {
                return Err(Failure::Request(miette!(
                    help = "name a serial port, as `/dev/ttyUSB0`; `--port -` reads standard input",
                    "{shown} is no serial port: it is no character device"
                )));
            }
            _ => {}
        }
        let port = serialport::new(name, baud).open();
        let port = port.map_err(|error| unopened(&shown, baud, &error))?;
        // A driver that lacks a rate takes another one, and says so only here.
        let rate = port.baud_rate().unwrap_or(baud);
        if !agree(baud, rate) {
            return Err(Failure::Request(miette!(
                help = "choose a rate that the port has, and that the kernel sends at",
                "the port {shown} does not have {baud} baud: its driver set {rate}"
            )));
        }
        Ok(Port { name: shown, source: Source::Serial(port) })
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for bytes, not longer than `wait`, and reads those that are there.
    pub fn read(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Arrival> {
        let read = match &mut self.source {
            Source::Serial(port) => {
                port.set_timeout(wait).map_err(io::Error::from).and_then(|()| port.read(buffer))
            }
            Source::Stdin(file) => match readable(file, wait) {
                Ok(true) => file.read(buffer),
                Ok(false) => Err(ErrorKind::TimedOut.into()),
                Err(error) => Err(error),
            },
        };
        match read {
            Ok(0) => Ok(Arrival::End),
            Ok(length) => Ok(Arrival::Bytes(length)),
            Err(error) => match error.kind() {
                ErrorKind::TimedOut | ErrorKind::Interrupted | ErrorKind::WouldBlock => {
                    Ok(Arrival::Nothing)
                }
                // A port that is gone.
                ErrorKind::BrokenPipe => Ok(Arrival::End),
                _ => Err(error),
            },
        }
    }
}

/// True where there is something to read, the end as well; false after `wait`.
fn readable(file: &File, wait: Duration) -> io::Result<bool> {
    let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
    Ok(poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&wait))? > 0)
}

fn agree(asked: u32, rate: u32) -> bool {
    u64::from(asked.abs_diff(rate)) * 100 <= u64::from(asked) * u64::from(TOLERANCE)
}

fn missing(name: &str) -> Report {
    let ports = serialport::available_ports().unwrap_or_default();
    let here = match &ports[..] {
        [] => "this machine lists none; is the adapter plugged in?".to_owned(),
        ports => {
            format!("here are {}", list(ports.iter().map(|port| printable(&port.port_name))))
        }
    };
    miette!(
        help = format!("name a serial port: {here}; `--port -` reads standard input"),
        "there is no port {name}"
    )
}

fn unopened(name: &str, baud: u32, error: &serialport::Error) -> Failure {
    match error.kind() {
        PortError::Io(ErrorKind::PermissionDenied) => Failure::Environment(miette!(
            help = "join the group that owns it, on most systems dialout: `sudo usermod -aG dialout $USER`, and log \
                    in again",
            "no permission to open the port {name}; expected that you may read and write it"
        )),
        PortError::NoDevice => Failure::Environment(miette!(
            help = "end the other program: a terminal program, or a login on this line",
            "the port {name} is in use by another program"
        )),
        _ => Failure::Environment(miette!(
            help = "name a port with a device behind it, and a rate that it has: 115200 is one of every port",
            "can't open {name} as a serial port of {baud} baud: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_agrees_within_the_tolerance() {
        assert!(agree(115_200, 115_200) && agree(115_200, 117_647) && agree(921_600, 923_076));
        assert!(!agree(115_200, 9_600) && !agree(115_200, 125_000) && !agree(1, 0));
    }

    #[test]
    fn a_refusal_names_the_group_and_a_port_in_use_its_other_user() {
        let text = |kind| {
            let failure = unopened("/dev/ttyUSB0", 9600, &serialport::Error::new(kind, "why"));
            assert!(matches!(failure, Failure::Environment(_)));
            format!("{:?}", failure.report())
        };
        let refused = text(PortError::Io(ErrorKind::PermissionDenied));
        assert!(refused.contains("/dev/ttyUSB0") && refused.contains("dialout"), "{refused}");
        assert!(text(PortError::NoDevice).contains("in use by another program"));
        assert!(text(PortError::Unknown).contains("9600 baud: why"));
    }
}
