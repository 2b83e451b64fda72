//! A Debian's own archive: packages of its suite and of its backports, downloaded by apt and unpacked in a folder,
//! installed nowhere. Root is not needed, and the machine's own lists stay as they are.

use crate::runner::process::{Output, answer, finish};
use crate::runner::progress::write_line;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::file::{make_folder, write_whole};
use miette::miette;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// What is fetched, for messages.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The begin of a sentence, as in "kernels are fetched".
    pub what: &'static str,
    /// What else there is where it can't be fetched.
    pub instead: &'static str,
    /// The only release that has it, by its code name; any has it without one.
    pub release: Option<&'static str>,
}

/// apt with lists of its own, in a folder.
#[derive(Debug)]
pub struct Apt {
    folder: PathBuf,
    /// The suite whose packages are taken before those of the others.
    preferred: Option<String>,
}

impl Apt {
    /// With the source of this machine's own archive, for its suite and for the backports.
    ///
    /// Fails with [`Failure::Environment`] on another distribution or release, and where apt knows no source.
    pub fn beside(folder: &Path, wanted: Wanted) -> Result<Apt, Failure> {
        let suite = suite(&fs::read_to_string("/etc/os-release").unwrap_or_default(), wanted)?;
        let mut targets = Command::new("apt-get");
        targets.args(["indextargets", "--format", "$(SOURCESENTRY) $(REPO_URI) $(RELEASE)"]);
        let targets = answer(&mut targets)?;
        let Some((list, uri)) = source(&targets, &suite) else {
            return Err(Failure::Environment(miette!(
                help = "run `apt-get update` once",
                "apt has no source of the suite {suite} on this machine"
            )));
        };
        for part in ["lists/partial", "cache/archives/partial", "unpacked"] {
            make_folder(&folder.join(part))?;
        }
        let list = fs::read_to_string(list).unwrap_or_default();
        let signed =
            keyring(&list, uri).map_or_else(String::new, |key| format!("[signed-by={key}] "));
        let lists = [suite.clone(), backports(&suite)]
            .map(|suite| format!("deb {signed}{uri} {suite} main\n"));
        write_whole(&folder.join("sources.list"), lists.concat().as_bytes())?;
        let apt = Apt { folder: folder.to_owned(), preferred: None };
        apt.update()?;
        Ok(apt)
    }

    /// The same, but a package comes from the backports of the release where these have it.
    pub fn preferring_backports(self, release: &str) -> Apt {
        Apt { preferred: Some(backports(release)), ..self }
    }

    /// Where the packages' files are.
    pub fn unpacked(&self) -> PathBuf {
        self.folder.join("unpacked")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let at = |name: &str| self.folder.join(name).display().to_string();
        let preferred = self.preferred.iter().map(|suite| format!("APT::Default-Release={suite}"));
        let own = [
            format!("Dir::Etc::SourceList={}", at("sources.list")),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", at("lists")),
            format!("Dir::Cache={}", at("cache")),
            // What is installed does not count: it may come from a suite that is not looked at.
            "Dir::State::Status=/dev/null".to_owned(),
            // The files are this user's own.
            "APT::Sandbox::User=".to_owned(),
        ];
        for option in own.into_iter().chain(preferred) {
            command.args(["-o", &option]);
        }
        command
    }

    fn update(&self) -> Result<(), Failure> {
        let mut command = self.command("apt-get");
        command.args(["-q", "update"]);
        run(&mut command, "apt-get update")
    }

    /// The versions of a package.
    ///
    /// Fails with [`Failure::Environment`] where apt does.
    pub fn versions(&self, package: &str) -> Result<Vec<String>, Failure> {
        let table = answer(self.command("apt-cache").args(["madison", package]))?;
        let version = |line: &str| Some(line.split('|').nth(1)?.trim().to_owned());
        Ok(table.lines().filter_map(version).collect())
    }

    /// The package that a version of another depends on first.
    ///
    /// Fails with [`Failure::Environment`] where there is none.
    pub fn depends(&self, package: &str, version: &str) -> Result<String, Failure> {
        let about =
            answer(self.command("apt-cache").args(["show", &format!("{package}={version}")]))?;
        let depends = about.lines().find_map(|line| line.strip_prefix("Depends: "));
        let first = depends.and_then(|depends| depends.split([' ', ',']).next());
        first.map(str::to_owned).ok_or_else(|| {
            Failure::Environment(miette!(
                "the package {package} of version {version} depends on no other"
            ))
        })
    }

    /// Downloads a package and unpacks its files.
    ///
    /// Fails with [`Failure::Environment`] where it can't be downloaded or unpacked.
    pub fn unpack(&self, package: &str) -> Result<(), Failure> {
        write_line(&format!("{package} …"));
        // A folder of its own, so that no other version is unpacked as well.
        let downloads = tempfile::tempdir_in(self.folder.join("cache")).map_err(|error| {
            Failure::Environment(miette!(
                "can't make a folder in {}: {error}",
                self.folder.display()
            ))
        })?;
        let mut download = self.command("apt-get");
        download.args(["-q", "download", package]).current_dir(downloads.path());
        run(&mut download, &format!("apt-get download {package}"))?;
        for file in fs::read_dir(downloads.path()).into_iter().flatten().flatten() {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("-x").arg(file.path()).arg(self.unpacked());
            run(&mut unpack, &format!("dpkg-deb -x {}", file.file_name().display()))?;
        }
        Ok(())
    }
}

fn backports(release: &str) -> String {
    format!("{release}-backports")
}

/// The suite of the machine, by its os-release(5).
fn suite(os_release: &str, wanted: Wanted) -> Result<String, Failure> {
    let field = |key: &str| {
        let value =
            os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    };
    let suite = field("VERSION_CODENAME").filter(|_| field("ID").as_deref() == Some("debian"));
    let fits = |suite: &String| wanted.release.is_none_or(|release| release == suite);
    suite.filter(fits).ok_or_else(|| {
        Failure::Environment(miette!(
            help = wanted.instead,
            "{} on Debian{} alone, and this is {}",
            wanted.what,
            wanted.release.map_or_else(String::new, |release| format!(" {release}")),
            field("PRETTY_NAME").unwrap_or_else(|| "another system".to_owned())
        ))
    })
}

/// The file and the URI of a suite's source, as `apt-get indextargets` lists them: `FILE:ENTRY URI SUITE`.
fn source<'t>(targets: &'t str, suite: &str) -> Option<(&'t str, &'t str)> {
    targets.lines().find_map(|line| {
        let (entry, uri) = line.strip_suffix(suite)?.strip_suffix(' ')?.rsplit_once(' ')?;
        Some((entry.rsplit_once(':').map_or(entry, |(file, _)| file), uri))
    })
}

/// The keyring that a list of sources has for a URI; `None` where it names none, or holds the key itself.
fn keyring<'l>(list: &'l str, uri: &str) -> Option<&'l str> {
    let uri = uri.trim_end_matches('/');
    // An entry is a line of a list, or a paragraph of a deb822 file.
    let between = if list.lines().any(|line| line.starts_with("URIs:")) { "\n\n" } else { "\n" };
    let names =
        |entry: &str| entry.split_whitespace().any(|word| word.trim_end_matches('/') == uri);
    let entry = list.split(between).find(|entry| names(entry))?;
    let at = entry.to_ascii_lowercase().find("signed-by")? + "signed-by".len();
    let value = entry[at..].trim_start_matches([':', '=', ' ', '\n']);
    let path = value.split([' ', ',', ']', '\n']).next()?;
    path.starts_with('/').then_some(path)
}

/// Runs a command to its end; `words` is its short form.
fn run(command: &mut Command, words: &str) -> Result<(), Failure> {
    finish(command, Output::Kept, Some(LIMIT), |_| ())?.succeeded(
        words,
        "it needs the distribution's archive: look at the network, then try again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted =
        Wanted { what: "a thing is fetched", instead: "make it", release: Some("bookworm") };

    #[test]
    fn only_the_release_that_has_it_is_asked() {
        let debian = |name: &str| {
            format!("PRETTY_NAME=\"Debian ({name})\"\nID=debian\nVERSION_CODENAME={name}\n")
        };
        assert_eq!(suite(&debian("bookworm"), WANTED).unwrap(), "bookworm");
        let any = Wanted { release: None, ..WANTED };
        assert_eq!(suite(&debian("trixie"), any).unwrap(), "trixie");
        for (text, is) in [
            (debian("trixie"), "Debian (trixie)"),
            ("ID=ubuntu\nVERSION_CODENAME=bookworm\nPRETTY_NAME=U".to_owned(), "U"),
            (String::new(), "another system"),
        ] {
            let failure = suite(&text, WANTED).unwrap_err();
            assert!(matches!(failure, Failure::Environment(_)));
            let told = failure.report().to_string();
            assert_eq!(
                told,
                format!("a thing is fetched on Debian bookworm alone, and this is {is}")
            );
        }
    }

    #[test]
    fn the_machines_own_source_is_taken_with_its_keyring() {
        let targets = "/etc/apt/a b.sources:2 http://one/debian-security/ bookworm-security\n\
                       /etc/apt/a b.sources:1 http://one/debian/ bookworm\n";
        assert_eq!(
            source(targets, "bookworm"),
            Some(("/etc/apt/a b.sources", "http://one/debian/"))
        );
        assert_eq!(source(targets, "trixie"), None);

        let deb822 = "Types: deb\nURIs: http://one/debian-security\nSigned-By: /k/security.gpg\n\n\
                      Types: deb\nURIs: http://one/debian\nSuites: bookworm\nSigned-By: /k/debian.gpg\n";
        assert_eq!(keyring(deb822, "http://one/debian/"), Some("/k/debian.gpg"));
        let lines = "deb http://two/debian bookworm main\n\
                     deb [arch=amd64 signed-by=/k/a.gpg,/k/b.gpg] http://one/debian/ bookworm main\n";
        assert_eq!(keyring(lines, "http://one/debian/"), Some("/k/a.gpg"));
        assert_eq!(keyring(lines, "http://two/debian/"), None);
        let embedded =
            "URIs: http://one/debian\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(keyring(embedded, "http://one/debian/"), None);
    }
}
