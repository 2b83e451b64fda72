//! Baselines: runs that are kept for later comparison, and how a run becomes one.

use crate::ground::failure::Failure;
use crate::ground::file::{NewFolder, make_folder, write_whole};
use crate::ground::manifest::{Ended, Manifest};
use crate::ground::text::printable;
use crate::run::{Part, Run, read_manifest};
use miette::{Report, miette};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{self, Path, PathBuf};

/// Where a baseline is: its path in the working directory, else in the folder of the budgets' file
/// or one above it, so that `results/reference/…` is found from anywhere; where it is nowhere yet, in
/// the working directory. One path for each place, in whatever way it is named.
pub fn place(named: &str, budgets: &Path) -> PathBuf {
    let here = resolved_above(Path::new(named));
    if Path::new(named).is_absolute() || here.exists() {
        return here;
    }
    let file = fs::canonicalize(budgets).unwrap_or_else(|_| budgets.to_owned());
    let above = file.ancestors().skip(1).map(|folder| resolved_above(&folder.join(named)));
    above.into_iter().find(|path| path.exists()).unwrap_or(here)
}

/// Opens a baseline.
pub fn open(named: &str, budgets: &Path) -> Result<Run, Failure> {
    let path = place(named, budgets);
    if !path.join("run.json").exists() {
        return Err(Failure::Request(miette!(
            help = "`cargo analyze check RUN --budgets FILE --accept` makes a run the baseline",
            "there is no baseline at {named}, neither here nor above {}",
            budgets.display()
        )));
    }
    let run = Run::open(&path).map_err(|failure| damaged(named, &path, failure))?;
    match run.gaps.first() {
        None => Ok(run),
        Some(gap) => Err(Failure::Request(miette!(
            help =
                "restore it from version control, or accept a run as the new baseline: `--accept`",
            "the baseline {named} is not whole: {}",
            run.sentence(gap.part, &run.varying_options(), &gap.what)
        ))),
    }
}

/// The files of a baseline, those that are missing too; its `run.json` alone where that can't be read.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let manifest = read_manifest(path);
    let captures = manifest.iter().flat_map(parts).map(|part| path.join(part));
    captures.chain([path.join("run.json")]).collect()
}

/// A baseline that can't be read: the help for a damaged run, to name one of its captures, does not apply.
fn damaged(named: &str, path: &Path, failure: Failure) -> Failure {
    let described = |report: Report| {
        let help = format!(
            "restore it from version control; or remove the folder {} by hand, then make a run the \
             baseline anew: `--accept`",
            path.display()
        );
        miette!(help = help, "the baseline {named} can't be read: {report}")
    };
    match failure {
        Failure::Request(report) => Failure::Request(described(report)),
        Failure::Environment(report) => Failure::Environment(described(report)),
        other => other,
    }
}

/// A place that a run can be put to as a baseline: nothing is there yet, or a baseline and nothing
/// else.
#[derive(Debug)]
pub struct Place {
    /// As [`place`] finds it.
    path: PathBuf,
    /// The baseline that is there.
    old: Option<Manifest>,
}

impl Place {
    /// Looks at the place that a budget names.
    ///
    /// Fails with [`Failure::Request`] where putting a baseline there could remove something else: the path
    /// has no last name of its own (`.`, `..`, `/`); a file, a link or a folder that
    /// is no run folder is there; the run in it was not put there by `--accept`; or the folder holds
    /// more than `run.json` and the captures that it names.
    pub fn find(named: &str, budgets: &Path) -> Result<Place, Failure> {
        let refused = |what: &str| {
            Failure::Request(miette!(
                help = "nothing was changed; name a folder that does not exist yet, as \
                        `results/reference/NAME`, or one that `--accept` has made",
                "`{named}` can't be a baseline: {what}"
            ))
        };
        if Path::new(named).file_name().is_none() {
            return Err(refused("it does not end with a name"));
        }
        let path = place(named, budgets);
        let about = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Place { path, old: None });
            }
            Err(error) => return Err(refused(&error.to_string())),
            Ok(about) => about,
        };
        if about.is_symlink() {
            return Err(refused("it is a link"));
        }
        if !about.is_dir() {
            return Err(refused("it is a file"));
        }
        if !path.join("run.json").exists() {
            return Err(refused("it is a folder without a run.json, so it is not a run folder"));
        }
        let old = read_manifest(&path).map_err(|failure| damaged(named, &path, failure))?;
        if !was_accepted(&old) {
            return Err(refused(&format!(
                "its run.json does not have `\"baseline\": true`, so it is a run, or a baseline older \
                 than that key; if you no longer need it, remove {} by hand",
                path.display()
            )));
        }
        if let Some(other) = other_than(&path, &old).map_err(|error| refused(&error.to_string()))? {
            return Err(refused(&format!(
                "its folder also holds {}, which is not part of a baseline",
                other.display()
            )));
        }
        Ok(Place { path, old: Some(old) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether one of the two lies in the other; a place does not lie in itself.
    pub fn is_entangled_with(&self, other: &Place) -> bool {
        let within = |one: &Place, other: &Place| one.path.starts_with(&other.path);
        self.path != other.path && (within(self, other) || within(other, self))
    }

    /// Moves a folder here in place of the old baseline. Returns what is left of that one and why, if anything
    /// is.
    fn take(self, mut fresh: NewFolder) -> io::Result<Option<String>> {
        let Some(manifest) = &self.old else { return fresh.move_to(&self.path).map(|()| None) };
        let aside = hidden_beside(&self.path, "old");
        fs::rename(&self.path, &aside)?;
        if let Err(error) = fresh.move_to(&self.path) {
            fs::rename(&aside, &self.path)?;
            return Err(error);
        }
        // `find` saw nothing but a baseline there; files added since then stay.
        let files = parts(manifest).map(|part| aside.join(part));
        let folders = part_folders(manifest).into_iter().rev().map(|part| aside.join(part));
        let removed = files.map(fs::remove_file);
        let removed = removed.chain(folders.chain([aside.clone()]).map(fs::remove_dir));
        // A part may be missing: a baseline is replaced because it is not whole, too.
        let missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        let mut failed = removed.filter_map(Result::err).filter(|error| !missing(error));
        let left = |error| format!("the old baseline is left in {}: {error}", aside.display());
        Ok(failed.next().map(left))
    }
}

/// Whether `--accept` has made this.
///
/// Old baselines have no mark, but no folders in their engines' commands either. A run of a kernel names its
/// folder there. An old baseline of the simulator alone can't be distinguished from a run, so it does not
/// count as a baseline.
fn was_accepted(manifest: &Manifest) -> bool {
    let before_the_mark = || {
        manifest.ended == Ended::Complete
            && manifest.kernel.is_some()
            && manifest.command.is_empty()
            && without_folders(manifest) == *manifest
    };
    manifest.baseline || before_the_mark()
}

/// A path as it is once the folders that it lacks are made: absolute, without links and `..`; only its
/// last part may be a link.
fn resolved_above(path: &Path) -> PathBuf {
    let path = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent(), path.file_name()) {
        (Some(above), Some(name)) => resolved(above).join(name),
        _ => resolved(&path),
    }
}

fn resolved(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(above), Some(name)) => resolved(above).join(name),
        // Above a folder that does not exist yet.
        (Some(above), None) => resolved(above).parent().unwrap_or(Path::new("/")).to_owned(),
        (None, _) => path.to_owned(),
    }
}

/// The files of a baseline, in its folder.
fn parts(manifest: &Manifest) -> impl Iterator<Item = PathBuf> {
    let captures = manifest.boots.iter().map(|boot| PathBuf::from(&boot.capture));
    captures.chain([PathBuf::from("run.json")]).collect::<BTreeSet<_>>().into_iter()
}

/// The folders of its files, each after those that it lies in.
fn part_folders(manifest: &Manifest) -> BTreeSet<PathBuf> {
    let above = |part: PathBuf| {
        let above: Vec<PathBuf> = part.ancestors().skip(1).map(Path::to_owned).collect();
        above.into_iter().filter(|folder| !folder.as_os_str().is_empty())
    };
    parts(manifest).flat_map(above).collect()
}

/// Something in the folder that is no part of its baseline.
fn other_than(folder: &Path, manifest: &Manifest) -> io::Result<Option<PathBuf>> {
    let files: BTreeSet<PathBuf> = parts(manifest).collect();
    let folders = part_folders(manifest);
    let mut inside = vec![PathBuf::new()];
    while let Some(within) = inside.pop() {
        for entry in fs::read_dir(folder.join(&within))? {
            let entry = entry?;
            let part = within.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() && folders.contains(&part) {
                inside.push(part);
            } else if !kind.is_file() || !files.contains(&part) {
                return Ok(Some(part));
            }
        }
    }
    Ok(None)
}

/// A hidden name beside a path, that of this process.
fn hidden_beside(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.{what}", std::process::id()))
}

/// Fails with [`Failure::Request`] where the run can't be a baseline at these places: it is no run
/// folder, has noise (unless `noisy`), is not whole, did not go well, is the baseline already, or
/// lies in it or around it.
pub fn acceptable<'r>(
    run: &'r Run,
    places: &[Place],
    noisy: bool,
) -> Result<&'r Manifest, Failure> {
    let refused =
        |why: &str| Failure::Request(miette!("{} can't be a baseline: {why}", run.path.display()));
    let Some(manifest) = &run.manifest else {
        return Err(refused("it is a capture: a baseline needs the run's folder"));
    };
    if !noisy && let Some(boot) = manifest.boots.iter().find(|boot| !boot.exact) {
        return Err(refused(&format!(
            "{} is a noisy engine, whose numbers depend on the host; `--noisy` accepts it \
             nevertheless",
            printable(&boot.engine)
        )));
    }
    if let Some(gap) = run.gaps.first() {
        let what = run.sentence(gap.part, &run.varying_options(), &gap.what);
        return Err(refused(&format!("it is not whole: {what}")));
    }
    if let Some(index) = run.boots.iter().position(|boot| !boot.summary.is_whole()) {
        let what = "frames are lost, damaged or repeated";
        return Err(refused(&run.sentence(Part::Boot(index), &[], what)));
    }
    if run.verdict().is_err() {
        return Err(refused("not every trial went well"));
    }
    let here = fs::canonicalize(&run.path).ok();
    for place in places {
        let Some(here) = &here else { continue };
        if place.path == *here {
            return Err(refused("it is the baseline already"));
        }
        if place.path.starts_with(here) || here.starts_with(&place.path) {
            let place = place.path.display();
            return Err(refused(&format!("the baseline {place} lies inside it, or around it")));
        }
    }
    Ok(manifest)
}

/// Puts a run into the place: its `run.json` and its captures. Returns a warning where part of the old
/// baseline could not be removed.
///
/// Fails with [`Failure::Environment`] where files can't be copied; the old baseline is then still
/// there.
pub fn accept(run: &Run, manifest: &Manifest, place: Place) -> Result<Option<String>, Failure> {
    let path = place.path.clone();
    let failed = |error: io::Error| {
        Failure::Environment(miette!("can't make the baseline {}: {error}", path.display()))
    };
    if let Some(above) = path.parent() {
        fs::create_dir_all(above).map_err(failed)?;
    }
    let fresh = NewFolder::create(&hidden_beside(&path, "part")).map_err(failed)?;
    copy(run, manifest, fresh.path())?;
    place.take(fresh).map_err(failed)
}

fn copy(run: &Run, manifest: &Manifest, to: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: io::Error| {
        Failure::Environment(miette!("can't copy {} to {}: {error}", path.display(), to.display()))
    };
    for part in part_folders(manifest) {
        make_folder(&to.join(part))?;
    }
    for boot in &manifest.boots {
        let from = run.path.join(&boot.capture);
        let bytes = fs::read(&from).map_err(|error| failed(&from, error))?;
        write_whole(&to.join(&boot.capture), &bytes)?;
    }
    let path = to.join("run.json");
    let manifest = Manifest { baseline: true, ..without_folders(manifest) };
    let mut json =
        serde_json::to_vec_pretty(&manifest).map_err(|error| failed(&path, error.into()))?;
    json.push(b'\n');
    write_whole(&path, &json)
}

/// Without the folders of the user who made the run, since others use the baseline too.
fn without_folders(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    let boots = manifest.boots.iter_mut().flat_map(|boot| &mut boot.command);
    for argument in boots.chain(&mut manifest.command) {
        *argument = match file_name(argument) {
            Some(name) => name,
            // As `--results=/home/…`, and `if=pflash,file=/home/…,format=raw`.
            None => argument.split(',').map(value_without_folder).collect::<Vec<_>>().join(","),
        };
    }
    manifest
}

/// The last part of an absolute path.
fn file_name(path: &str) -> Option<String> {
    let path = Path::new(path);
    let name = path.file_name().filter(|_| path.is_absolute())?;
    Some(name.to_string_lossy().into_owned())
}

fn value_without_folder(word: &str) -> String {
    let named = word.split_once('=').and_then(|(key, value)| Some((key, file_name(value)?)));
    named.map_or(word.to_owned(), |(key, name)| format!("{key}={name}"))
}
