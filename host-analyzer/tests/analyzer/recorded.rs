//! `capture`: a boot over a serial line, which is a pseudo-terminal here, and over a pipe.

use crate::simulated::{capture, encoded, folder, frames};
use crate::terminal::terminal;
use bringup::CpuIndex;
use bringup::frame::{Body, Error, Frame};
use host_analyzer::source::capture::{self as source, Recorder, Summary};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const BOOT: &str = "repetitions=2 cost-wake=9us cell strategy=serial cell strategy=full-parallel";

const FIRMWARE: &[u8] = b"SeaBIOS (version 1.16.3)\r\n\x1b[2JBooting from ROM..\n";

/// A serial line: what is written to `machine` arrives at the port of that path.
struct Line {
    machine: File,
    /// Keeps what is written before the port is opened.
    _port: File,
    path: PathBuf,
}

fn line() -> Line {
    let (machine, port, path) = terminal();
    let mut settings = tcgetattr(&port).unwrap();
    settings.make_raw();
    tcsetattr(&port, OptionalActions::Now, &settings).unwrap();
    Line { machine, _port: port, path }
}

impl Line {
    /// Starts the program at this line.
    fn capture(&self, to: &Path, more: &[&str]) -> Child {
        start(self.path.as_os_str(), to, more, Stdio::null())
    }
}

fn start(port: &OsStr, to: &Path, more: &[&str], input: Stdio) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
    command.arg("capture").arg("--port").arg(port).arg("-o").arg(to).args(more);
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The exit code, and what the program has written to standard error.
fn ended(child: Child) -> (i32, String) {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    // Messages are wrapped to the width of a terminal.
    let text = String::from_utf8(stderr).unwrap().replace("\n  │", "");
    (status.code().unwrap(), text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Sends the bytes through a pipe, which is closed behind them.
fn piped(bytes: &[u8], to: &Path, more: &[&str]) -> (i32, String) {
    let mut child = start(OsStr::new("-"), to, more, Stdio::piped());
    // A program that has ended reads no more.
    let _ = child.stdin.take().unwrap().write_all(bytes);
    ended(child)
}

/// Waits until the file has so many bytes.
fn has(path: &Path, bytes: usize) {
    let began = Instant::now();
    while fs::metadata(path).map_or(0, |about| about.len()) < bytes as u64 {
        assert!(began.elapsed() < Duration::from_secs(30), "{} bytes did not come", bytes);
        thread::sleep(Duration::from_millis(2));
    }
}

fn read(path: &Path) -> (Vec<u32>, Summary) {
    let mut numbers = Vec::new();
    let summary = source::read(path, |frame| {
        numbers.push(frame.number);
        ControlFlow::Continue(())
    });
    (numbers, summary.map_err(|failure| failure.into_report()).unwrap())
}

fn shown(path: &Path) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
    // The name is part of what is shown.
    command.current_dir(path.parent().unwrap()).args(["show", "--format=json"]);
    let output = command.arg(path.file_name().unwrap()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_line_gives_the_bytes_that_were_sent_whatever_their_pieces() {
    let (_keep, folder) = folder();
    let bytes = [FIRMWARE, &capture(BOOT, 3)].concat();
    let direct = folder.join("direct");
    fs::create_dir(&direct).unwrap();
    fs::write(direct.join("boot.bin"), &bytes).unwrap();
    // Of one byte each, so that every place in a frame is the end of a piece; of more, and in one.
    for (piece, pause) in [(1, 100), (7, 500), (100, 1000), (bytes.len(), 0)] {
        let file = folder.join("boot.bin");
        let mut line = line();
        let child = line.capture(&file, &[]);
        for part in bytes.chunks(piece) {
            line.machine.write_all(part).unwrap();
            thread::sleep(Duration::from_micros(pause));
        }
        let (code, text) = ended(child);
        assert_eq!(code, 0, "{text}");
        let whole = frames(BOOT, 3).len();
        let summary = format!(
            "boot.bin: {whole} whole frames, 0 missing, 0 damaged pieces, {} bytes; the boot ended with its goodbye",
            bytes.len()
        );
        assert!(text.ends_with(&summary), "{text}");
        assert!(fs::read(&file).unwrap() == bytes, "pieces of {piece}");
        let (code, json) = shown(&file);
        assert_eq!((code, json), shown(&direct.join("boot.bin")));
        assert_eq!(code, 0);
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn every_cut_costs_the_frame_that_it_lies_in_and_no_other() {
    let (_keep, folder) = folder();
    let frames = frames("repetitions=1", 2);
    let bytes = frames.concat();
    let file = folder.join("boot.bin");
    for cut in 0..bytes.len() {
        let mut recorder = Recorder::create(&file).unwrap();
        recorder.take(&bytes[..cut], |_| {}).unwrap();
        drop(recorder);
        assert_eq!(fs::read(&file).unwrap_or_default(), bytes[..cut], "cut at {cut}");
        let mut ends = frames.iter().scan(0, |end, frame| {
            *end += frame.len();
            Some(*end)
        });
        // All but the last zero of a frame are the frame.
        let between = cut == 0 || ends.any(|end| cut == end || cut + 1 == end);
        if cut < frames[0].len() - 1 && cut > 0 {
            // Nothing tells that this is a capture.
            assert!(Recorder::resume(&file, |_| {}).is_err(), "cut at {cut}");
            fs::remove_file(&file).unwrap();
            continue;
        }
        let mut again = 0;
        let mut recorder = Recorder::resume(&file, |_| again += 1).unwrap();
        recorder.take(&bytes[cut..], |_| again += 1).unwrap();
        drop(recorder);
        let expected = match cut {
            0 => bytes.clone(),
            // The goodbye was whole but for its zero, so nothing is left to come.
            _ if cut + 1 == bytes.len() => bytes[..cut].to_vec(),
            _ => [&bytes[..cut], &[0], &bytes[cut..]].concat(),
        };
        assert_eq!(fs::read(&file).unwrap(), expected, "cut at {cut}");
        let (numbers, summary) = read(&file);
        assert_eq!(numbers.len(), frames.len() - usize::from(!between), "cut at {cut}");
        assert_eq!(again, numbers.len());
        assert_eq!(summary.lost + u64::from(summary.cut()), u64::from(!between), "cut at {cut}");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn an_interrupted_capture_goes_on_where_it_was_cut() {
    let (_keep, folder) = folder();
    let frames = frames(BOOT, 3);
    let bytes = frames.concat();
    let cut = frames[..20].iter().map(Vec::len).sum::<usize>() + 5;
    let file = folder.join("boot.bin");
    let mut line = line();
    let child = line.capture(&file, &[]);
    line.machine.write_all(&bytes[..cut]).unwrap();
    has(&file, cut);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let (code, text) = ended(child);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("20 whole frames, 0 missing"), "{text}");
    assert!(text.contains("interrupted") && text.contains("--resume"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), bytes[..cut]);

    let (code, text) = ended(line.capture(&file, &[]));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("exists already") && text.contains("--resume"), "{text}");

    // While nobody listened, the boot went on for three frames.
    let rest = frames[..23].iter().map(Vec::len).sum::<usize>();
    let child = line.capture(&file, &["--resume"]);
    line.machine.write_all(&bytes[rest..]).unwrap();
    let (code, text) = ended(child);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&format!("{} whole frames, 3 missing", frames.len() - 3)), "{text}");
    assert!(text.contains("3 frames of the boot are missing"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), [&bytes[..cut], &[0], &bytes[rest..]].concat());
    let (code, json) = shown(&file);
    assert_eq!(code, 1);
    assert!(json.contains("incomplete"), "{json}");

    // Nothing is left to be captured, and no port is asked.
    let before = fs::read(&file).unwrap();
    let child = start(OsStr::new("/nowhere"), &file, &["--resume"], Stdio::null());
    let (code, text) = ended(child);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("goodbye before; nothing is left to capture"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_pipe_is_captured_to_its_goodbye_or_to_its_end() {
    let (_keep, folder) = folder();
    let bytes = capture(BOOT, 3);
    let file = folder.join("boot.bin");
    // What comes after the goodbye is no part of the boot.
    let (code, text) = piped(&[&bytes, FIRMWARE].concat(), &file, &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(fs::read(&file).unwrap(), bytes);

    let cut = folder.join("cut.bin");
    let (code, text) = piped(&bytes[..bytes.len() - 9], &cut, &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("the boot's end is missing"), "{text}");
    assert!(text.contains("standard input ended after the end of trial 2"), "{text}");
    assert_eq!(fs::read(&cut).unwrap(), bytes[..bytes.len() - 9]);

    let (code, text) = piped(&bytes[bytes.len() - 9..], &cut, &["--resume"]);
    assert_eq!(code, 3, "{text}");
    let (_, summary) = read(&cut);
    assert!(summary.cut() && summary.lost == 0);

    // A goodbye whose zero is lost is found at the end.
    let unended = folder.join("unended.bin");
    let (code, text) = piped(&bytes[..bytes.len() - 1], &unended, &[]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = piped(b"", &unended, &["--resume"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(fs::read(&unended).unwrap(), bytes[..bytes.len() - 1]);

    let nothing = folder.join("nothing.bin");
    let (code, text) = piped(b"", &nothing, &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("not made, since nothing came") && !nothing.exists(), "{text}");
}

#[test]
fn a_port_that_goes_away_ends_the_capture() {
    let (_keep, folder) = folder();
    let bytes = capture(BOOT, 3);
    let file = folder.join("boot.bin");
    let Line { mut machine, _port, path } = line();
    let child = start(path.as_os_str(), &file, &[], Stdio::null());
    machine.write_all(&bytes[..300]).unwrap();
    has(&file, 300);
    drop(machine);
    let (code, text) = ended(child);
    assert_eq!(code, 3, "{text}");
    assert!(
        text.contains(&format!("{} ended after CPU 2 in the list of CPUs", path.display())),
        "{text}"
    );
    assert_eq!(fs::read(&file).unwrap(), bytes[..300]);
}

#[test]
fn a_silent_line_ends_the_capture_and_the_message_says_what_was_expected() {
    let (_keep, folder) = folder();
    let bytes = capture(BOOT, 3);
    let cases: [(&[u8], &str); 4] = [
        (b"", "no byte came from LINE in 1 second; expected the first of a boot"),
        (FIRMWARE, "for 1 second, and the 49 bytes before are no frame; expected the frames"),
        (&[0xf8, 0, 0x80, 0xff, 0, 0xe6], "the 6 bytes before are no frame"),
        (&bytes[..300], "no byte came from LINE for 1 second after CPU 2 in the list of CPUs"),
    ];
    let children = cases.iter().enumerate().map(|(index, (bytes, _))| {
        let mut line = line();
        let child = line.capture(&folder.join(index.to_string()), &["--idle=1"]);
        line.machine.write_all(bytes).unwrap();
        (line, child)
    });
    let children: Vec<(Line, Child)> = children.collect();
    for (index, (line, child)) in children.into_iter().enumerate() {
        let (bytes, expected) = cases[index];
        let (code, text) = ended(child);
        assert_eq!(code, 3, "{text}");
        let expected = expected.replace("LINE", line.path.to_str().unwrap());
        assert!(text.contains(&expected), "{text}");
        assert_eq!(fs::read(folder.join(index.to_string())).unwrap_or_default(), bytes);
    }
}

/// What ends a boot ends the capture, though the line stays open and the limit is far.
#[test]
fn an_error_frame_or_a_second_boot_ends_the_capture() {
    let (_keep, folder) = folder();
    let frames = frames(BOOT, 3);
    let message = "the APIC of 2 does not answer";
    let error = Error::Panic { cpu: CpuIndex(0), message };
    let error = encoded(&Frame { number: 9, body: Body::Error(error) });
    let failed = [frames[..9].concat(), error].concat();
    let again = [frames[..9].concat(), frames.concat()].concat();
    let lost = [frames[..9].concat(), frames[10..].concat()].concat();
    let cases = [
        (&failed, failed.len(), "ended with an error: the kernel panicked on CPU 0: the APIC of 2"),
        (&again, frames[..9].concat().len() * 2, "a second boot begins"),
        (&lost, lost.len(), "1 frame of the boot is missing"),
    ];
    for (index, (bytes, least, expected)) in cases.into_iter().enumerate() {
        let file = folder.join(format!("{index}.bin"));
        let mut line = line();
        let child = line.capture(&file, &["--idle=20"]);
        line.machine.write_all(bytes).unwrap();
        let (code, text) = ended(child);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(expected), "{expected}: {text}");
        let kept = fs::read(&file).unwrap();
        assert!(bytes.starts_with(&kept), "{index}");
        assert!(index == 1 || kept.len() == least, "{index}");
    }
}

#[test]
fn a_request_that_can_not_be_met_leaves_no_file() {
    let (_keep, folder) = folder();
    let text = folder.join("notes.txt");
    fs::write(&text, "no capture\n").unwrap();
    let file = folder.join("boot.bin");
    let nowhere = folder.join("nowhere/boot.bin");
    let text = text.as_path();
    let cases: [(&str, &Path, &[&str], i32, &str); 8] = [
        ("/dev/nowhere", &file, &[], 2, "there is no port /dev/nowhere"),
        (text.to_str().unwrap(), &file, &[], 2, "is no serial port"),
        ("/dev/null", &file, &[], 3, "can't open /dev/null as a serial port of 115200 baud"),
        ("-", &file, &["--baud=0"], 2, "invalid value '0' for '--baud"),
        ("-", &nowhere, &[], 2, "there is no such folder"),
        ("-", text, &[], 2, "exists already"),
        ("-", text, &["--resume"], 2, "is no capture to go on with"),
        ("-", &folder, &["--resume"], 2, "it is no regular file"),
    ];
    for (port, to, more, expected, words) in cases {
        let (code, message) = ended(start(OsStr::new(port), to, more, Stdio::null()));
        assert_eq!(code, expected, "{message}");
        assert!(message.contains(words), "{words}: {message}");
        assert!(!file.exists(), "{message}");
    }
    assert_eq!(fs::read(text).unwrap(), b"no capture\n");
}

#[test]
fn a_port_is_captured_by_one_program_at_a_time() {
    let (_keep, folder) = folder();
    let (mut line, first) = (line(), folder.join("first.bin"));
    let bytes = capture(BOOT, 3);
    let child = line.capture(&first, &[]);
    line.machine.write_all(&bytes[..100]).unwrap();
    has(&first, 100);
    let (code, text) = ended(line.capture(&folder.join("second.bin"), &[]));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("is in use by another program"), "{text}");
    line.machine.write_all(&bytes[100..]).unwrap();
    assert_eq!(ended(child).0, 0);
}

#[test]
fn without_a_terminal_progress_is_a_line_now_and_then() {
    let (_keep, folder) = folder();
    let bytes = capture(BOOT, 3);
    let file = folder.join("boot.bin");
    let mut child = start(OsStr::new("-"), &file, &[], Stdio::piped());
    let mut pipe = child.stdin.take().unwrap();
    // A pipe takes so few bytes in one piece.
    pipe.write_all(&bytes[..1000]).unwrap();
    has(&file, 1000);
    pipe.write_all(&bytes[1000..]).unwrap();
    let (_, text) = ended(child);
    assert!(
        text.starts_with("1000 bytes, 14 frames, cell 0 (serial) trial 2; 0 missing, 0 "),
        "{text}"
    );
    assert_eq!(text.matches(" missing, 0 damaged pieces").count(), 2, "{text}");
}

#[test]
fn on_a_terminal_progress_is_a_line_that_changes() {
    let (_keep, folder) = folder();
    let bytes = capture(BOOT, 3);
    let (mut screen, side, _) = terminal();
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-analyzer"));
    command.args(["capture", "--port=-", "--idle=20", "-o"]).arg(folder.join("boot.bin"));
    command.env("TERM", "xterm-256color").stdin(Stdio::piped()).stderr(side);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut pipe = child.stdin.take().unwrap();
    let mut drawn = String::new();
    let mut piece = [0; 1024];
    let mut wait_for = |words: &str| {
        while !drawn.contains(words) {
            // Reading ends with an error when nobody holds the other side any more.
            let length = screen.read(&mut piece).unwrap_or(0);
            assert!(length > 0, "no {words:?} in {drawn:?}");
            drawn += &String::from_utf8_lossy(&piece[..length]);
        }
    };
    wait_for("waiting for the first byte");
    pipe.write_all(&bytes[..1000]).unwrap();
    wait_for("1000 bytes, 14 frames, cell 0 (serial) trial 2; 0 missing");
    pipe.write_all(&bytes[1000..]).unwrap();
    wait_for("the boot ended with its goodbye");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(drawn.contains("\r"), "{drawn:?}");
}
