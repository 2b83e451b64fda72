//! How a capture ended: the summary's line, and the failure where the boot did not end well.

use crate::ground::failure::Failure;
use crate::ground::text::{counted, printable};
use crate::source::capture::Summary;
use miette::miette;
use std::io;
use std::path::Path;

/// Why no more is captured.
#[derive(Debug)]
pub enum How {
    /// The boot's last frame came.
    Over,
    /// It was in the file before.
    Before,
    /// The input has ended.
    End,
    /// It can't be read any more.
    Unreadable(io::Error),
    /// No byte came for too long.
    Idle,
    /// The user has asked to stop.
    Interrupted,
}

/// Everything that says how a capture ended.
#[derive(Debug)]
pub struct Ending<'a> {
    /// Why it ended.
    pub how: How,
    /// The capture's file.
    pub file: &'a Path,
    /// The port's name.
    pub port: &'a str,
    /// The length of the file.
    pub bytes: u64,
    /// What is in it.
    pub summary: &'a Summary,
    /// The last frame in words.
    pub last: &'a str,
    /// After how many seconds without a byte it ends.
    pub idle: u64,
}

impl Ending<'_> {
    /// What was captured, and how the boot ended.
    pub fn line(&self) -> String {
        let file = self.file();
        let Summary { recovered, lost, broken, ended, error, restarted, .. } = self.summary;
        if self.bytes == 0 {
            return format!("{file}: not made, since nothing came");
        }
        let boot = match error {
            Some(error) => format!("the boot ended with an error: {}", printable(error)),
            None if *restarted => "the machine restarted by itself".to_owned(),
            None if *ended => "the boot ended with its goodbye".to_owned(),
            None => "the boot's end is missing".to_owned(),
        };
        let before = match self.how {
            How::Before => " before; nothing is left to capture",
            _ => "",
        };
        format!(
            "{file}: {}, {lost} missing, {}, {}; {boot}{before}",
            counted(*recovered, "whole frame"),
            counted(*broken, "damaged piece"),
            counted(self.bytes, "byte"),
        )
    }

    /// `Ok` if every frame of the boot came.
    ///
    /// A boot that ended with an error, or of which frames are missing, is a [`Failure::Verdict`]; one whose end did not
    /// come is a [`Failure::Environment`].
    pub fn judge(&self) -> Result<(), Failure> {
        let file = self.file();
        let Summary { lost, ended, error, restarted, .. } = self.summary;
        if error.is_some() {
            return Err(Failure::Verdict(miette!(
                help = format!("`cargo analyze show {file}` shows the trials before it"),
                "the boot did not end with a goodbye but with an error frame"
            )));
        }
        if *restarted {
            return Err(Failure::Verdict(miette!(
                help = "capture each boot in a file of its own; a machine that resets itself has taken a triple fault, or a \
                        watchdog's reset",
                "a second boot begins in {file}, after {} of the first; expected one boot",
                counted(self.summary.recovered, "frame")
            )));
        }
        if *ended {
            return match lost {
                0 => Ok(()),
                lost => Err(Failure::Verdict(miette!(
                    help = format!(
                        "`cargo analyze show {file}` uses the trials that came whole, and names the gaps"
                    ),
                    "{} of the boot {} missing in {file}",
                    counted(*lost, "frame"),
                    if *lost == 1 { "is" } else { "are" }
                ))),
            };
        }
        Err(Failure::Environment(self.cut()))
    }

    /// The boot's end did not come.
    fn cut(&self) -> miette::Report {
        let port = self.port;
        let kept = if self.bytes == 0 {
            "nothing came"
        } else {
            "what came is kept; while the boot goes on, `--resume` appends to it"
        };
        match &self.how {
            How::Interrupted => miette!(help = kept, "interrupted before the boot's goodbye"),
            How::Unreadable(error) => miette!(
                help = format!("look at the cable; {kept}"),
                "can't read {port} any more, before the boot's goodbye: {error}"
            ),
            How::Idle => self.idle(),
            How::Over | How::Before | How::End => miette!(
                help = format!("look at what sends the bytes; {kept}"),
                "{port} ended {}; expected the boot's goodbye or an error frame before that",
                self.place()
            ),
        }
    }

    /// No byte came for too long.
    fn idle(&self) -> miette::Report {
        let Ending { port, idle, bytes, .. } = self;
        let seconds = counted(*idle, "second");
        if *bytes == 0 {
            return miette!(
                help = "start the machine after this command; look at the port's name and at the cable: a null modem, \
                        to the machine's first serial port. `--idle SECONDS` waits longer",
                "no byte came from {port} in {seconds}; expected the first of a boot"
            );
        }
        if self.summary.recovered == 0 {
            return miette!(
                help = "text alone means that no kernel of Rollcall has started; anything else, that the rate is another: \
                        compare `--baud` with what the kernel sends at",
                "no byte came from {port} for {seconds}, and the {} before are no frame; expected the frames of a boot",
                counted(*bytes, "byte")
            );
        }
        miette!(
            help = "a kernel that works sends at least at each trial's end. If it still does, `--resume` goes on in the \
                    same file and `--idle SECONDS` waits longer; if not, it has stopped there",
            "no byte came from {port} for {seconds} {}; expected the boot's goodbye or an error frame",
            self.place()
        )
    }

    /// How far the boot was.
    fn place(&self) -> String {
        match self.last {
            "" => "before the first frame".to_owned(),
            last => format!("after {last}"),
        }
    }

    fn file(&self) -> String {
        printable(&self.file.display().to_string())
    }
}
