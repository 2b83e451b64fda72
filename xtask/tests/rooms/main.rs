//! How the sources may use each other, and how long they may be.
//!
//! The sources are read, not compiled, so that a planted import can be judged as well.

mod imports;

use imports::{Imports, Source};
use proc_macro2::Span;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use syn::spanned::Spanned;
use syn::visit::Visit;
use xtask::root;

/// The packages; none uses a later one.
const PACKAGES: [&str; 4] = ["bringup", "testbed-kernel", "host-analyzer", "xtask"];

/// The rooms of the analyzer, in the order in which the data flows.
const ROOMS: [&str; 6] = ["ground", "source", "run", "judge", "present", "command"];

/// The lines that a source may have.
const LINES_OF_A_FILE: usize = 450;

/// The lines that a function may have, from its name to its last brace.
const LINES_OF_A_FUNCTION: usize = 60;

/// All sources of the packages, by path; those of tests and benchmarks are left out.
fn sources() -> &'static BTreeMap<String, String> {
    static SOURCES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    SOURCES.get_or_init(read)
}

fn read() -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    PACKAGES.iter().for_each(|package| walk(&root().join(package).join("src"), &mut found));
    assert!(found.len() > 100, "{} sources", found.len());
    found
}

/// The sources, parsed.
fn parsed() -> &'static [Source] {
    static PARSED: OnceLock<Vec<Source>> = OnceLock::new();
    PARSED.get_or_init(|| sources().iter().map(|(path, text)| Source::parse(path, text)).collect())
}

/// The imports of the sources with a line added to one of them.
fn with_a_line(to: &str, line: &str) -> Imports {
    let at = sources().keys().position(|path| path == to).unwrap_or_else(|| panic!("no {to}"));
    let mut all = parsed().to_vec();
    all[at] = Source::parse(to, &(sources()[to].clone() + line));
    Imports::of(&all)
}

/// The room of a source of the analyzer, as its place in the order.
fn room(path: &str) -> Option<usize> {
    let inside = path.strip_prefix("host-analyzer/src/")?;
    ROOMS.iter().position(|room| inside.starts_with(&format!("{room}/")))
}

/// The imports that go from a room to a later one, or from the runner to the tasks that use it.
fn backward(imports: &Imports) -> Vec<String> {
    let tasks = |path: &str| {
        path.starts_with("xtask/src/")
            && !path.starts_with("xtask/src/runner/")
            && path != "xtask/src/lib.rs"
    };
    let goes_back = |from: &str, to: &str| match (room(from), room(to)) {
        (Some(from), Some(to)) => from < to,
        _ => from.starts_with("xtask/src/runner/") && tasks(to),
    };
    let all = imports.all().filter(|(from, to)| goes_back(from, to));
    all.map(|(from, to)| format!("{from} uses {to}")).collect()
}

#[test]
fn no_room_uses_a_later_one() {
    let found = backward(&Imports::of(parsed()));
    assert!(found.is_empty(), "expected {}:\n{}", ROOMS.join(" → "), found.join("\n"));
}

#[test]
fn every_source_of_the_analyzer_is_in_a_room() {
    let outside = sources().keys().filter(|path| room(path).is_none());
    let of_analyzer = outside.filter(|path| path.starts_with("host-analyzer/"));
    let expected = ["host-analyzer/src/lib.rs", "host-analyzer/src/main.rs"];
    assert!(of_analyzer.eq(expected), "expected one of {}", ROOMS.join(", "));
}

#[test]
fn a_planted_import_of_a_later_room_is_found() {
    let judge = "host-analyzer/src/judge/critical.rs";
    let export = "pub(crate) use crate::present::table::Table;\n";
    let found = backward(&with_a_line(judge, export));
    assert_eq!(found, [format!("{judge} uses host-analyzer/src/present/table.rs")]);
    let found = backward(&with_a_line(judge, "use crate::present::report::page::Page;\n"));
    assert!(
        found
            .iter()
            .any(|found| found.starts_with(&format!("{judge} uses host-analyzer/src/present/"))),
        "{found:?}"
    );
    let engine = "xtask/src/runner/engine/pin.rs";
    let found = backward(&with_a_line(engine, "fn planted() { crate::setup::ensure() }\n"));
    assert!(found.contains(&format!("{engine} uses xtask/src/setup.rs")), "{found:?}");
}

#[test]
fn no_two_files_use_each_other_in_a_circle() {
    let found = Imports::of(parsed()).circles();
    let found = found.iter().map(|files| files.join(" → ")).collect::<Vec<_>>();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_circle_is_found_inside_a_crate_and_over_three_files() {
    let found = with_a_line("bringup/src/stamp.rs", "use crate::wire::read;\n").circles();
    let circle = found.iter().find(|files| files.contains(&"bringup/src/stamp.rs".to_owned()));
    let circle = circle.expect("stamp → wire → frame → stamp");
    assert!(circle.contains(&"bringup/src/wire.rs".to_owned()), "{circle:?}");
    assert!(circle.contains(&"bringup/src/frame.rs".to_owned()), "{circle:?}");
}

#[test]
fn no_package_uses_a_later_one() {
    let place = |path: &str| PACKAGES.iter().position(|name| path.starts_with(&format!("{name}/")));
    for (from, to) in Imports::of(parsed()).all() {
        assert!(place(from) >= place(to), "{from} uses {to}");
    }
}

#[test]
fn no_source_is_longer_than_one_idea() {
    let tests = Imports::of(parsed()).tests().clone();
    let shipped = sources().iter().filter(|(path, _)| !tests.contains(*path));
    let scripts = ["base", "overview", "timeline", "controls"].map(|name| {
        let script = format!("host-analyzer/templates/report/{name}.js");
        let text = fs::read_to_string(root().join(&script)).unwrap();
        (script, text)
    });
    let scripts = scripts.iter().map(|(path, text)| (path, text));
    let long = shipped.chain(scripts).filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > LINES_OF_A_FILE).then(|| format!("{path} has {lines} lines"))
    });
    let long = long.collect::<Vec<_>>();
    assert!(long.is_empty(), "at most {LINES_OF_A_FILE}:\n{}", long.join("\n"));
}

/// The functions of a file that are too long; tests are left out.
#[derive(Default)]
struct Long(Vec<String>);

impl Long {
    fn weigh(&mut self, signature: &syn::Signature, end: Span) {
        let (from, to) = (signature.span().start().line, end.end().line);
        let lines = to - from + 1;
        if lines > LINES_OF_A_FUNCTION {
            self.0.push(format!("line {from}: `{}` has {lines} lines", signature.ident));
        }
    }
}

impl<'ast> Visit<'ast> for Long {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !imports::is_test(&module.attrs) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.weigh(&function.sig, function.block.span());
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.weigh(&function.sig, function.block.span());
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.weigh(&function.sig, function.span());
        syn::visit::visit_trait_item_fn(self, function);
    }
}

fn long_functions(path: &str, text: &str) -> Vec<String> {
    let mut long = Long::default();
    long.visit_file(&syn::parse_file(text).unwrap_or_else(|fault| panic!("{path}: {fault}")));
    long.0.into_iter().map(|found| format!("{path}, {found}")).collect()
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let tests = Imports::of(parsed()).tests().clone();
    let shipped = sources().iter().filter(|(path, _)| !tests.contains(*path));
    let long = shipped.flat_map(|(path, text)| long_functions(path, text)).collect::<Vec<_>>();
    assert!(long.is_empty(), "at most {LINES_OF_A_FUNCTION}:\n{}", long.join("\n"));
}

#[test]
fn a_planted_long_function_is_found() {
    let body = "let _ = 0;\n".repeat(LINES_OF_A_FUNCTION - 2);
    assert_eq!(long_functions("x.rs", &format!("fn fits() {{\n{body}}}")), [""; 0]);
    let found =
        long_functions("x.rs", &format!("struct S;\nimpl S {{ fn long() {{\n{body}\n}} }}"));
    assert_eq!(found, ["x.rs, line 2: `long` has 61 lines"]);
}
