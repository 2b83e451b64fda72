//! Which source uses which: every path in the code, resolved to the file that defines what it names.
//!
//! A module's declaration (`mod x;`) and the re-export of what is in it (`pub use x::Y;`) use nothing; what is
//! reached through a re-export is used where it is defined. Code for tests alone is left out. A call of an
//! inherent method (`trial.park()`) has no path, so a circle that such calls close is not seen.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use syn::{Attribute, Item, UseTree, Visibility};

/// A source: its place among the modules, and the paths in it.
#[derive(Clone)]
pub struct Source {
    path: String,
    /// Its crate and modules, `["host_analyzer", "run", "measure"]`.
    module: Vec<String>,
    /// The paths of its code, each with the module (inline ones too) that it stands in.
    paths: Vec<(Vec<String>, Vec<String>)>,
    /// What it re-exports: the name, and the path of what that is.
    exports: Vec<(String, Vec<String>)>,
    /// The modules that it declares for tests alone.
    tests: Vec<Vec<String>>,
}

/// True for what is compiled for tests alone.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.to_token_stream().to_string().replace(' ', "");
        text.starts_with("#[cfg(test") || text.starts_with("#[cfg(all(test") || text == "#[test]"
    })
}

impl Source {
    /// Reads a source by its path below the workspace, `host-analyzer/src/run/measure.rs`.
    pub fn parse(path: &str, text: &str) -> Source {
        let (package, inside) = path.split_once("/src/").expect("a source of a package");
        let mut module = vec![package.replace('-', "_")];
        let inside = inside.trim_end_matches(".rs");
        module.extend(inside.split('/').map(str::to_owned));
        if ["mod", "lib", "main"].contains(&module.last().unwrap().as_str()) {
            module.pop();
        }
        let mut source = Source {
            path: path.to_owned(),
            module: module.clone(),
            paths: Vec::new(),
            exports: Vec::new(),
            tests: Vec::new(),
        };
        let file = syn::parse_file(text).unwrap_or_else(|fault| panic!("{path}: {fault}"));
        source.take_items(&module, &file.items);
        source
    }

    fn take_items(&mut self, module: &[String], items: &[Item]) {
        let declared = items.iter().filter_map(|item| match item {
            Item::Mod(inner) => Some(inner.ident.to_string()),
            _ => None,
        });
        let declared: BTreeSet<String> = declared.collect();
        for item in items {
            match item {
                Item::Mod(inner) => {
                    let mut module = module.to_vec();
                    module.push(inner.ident.to_string());
                    if is_test(&inner.attrs) {
                        self.tests.push(module);
                    } else if let Some((_, items)) = &inner.content {
                        self.take_items(&module, items);
                    }
                }
                Item::Use(import) if !matches!(import.vis, Visibility::Inherited) => {
                    let mut exports = Vec::new();
                    flatten(&import.tree, &mut Vec::new(), &mut exports);
                    let foreign = exports.iter().filter(|(_, path)| !declared.contains(&path[0]));
                    self.paths.extend(foreign.map(|(_, path)| (module.to_vec(), path.clone())));
                    self.exports.extend(exports);
                }
                Item::Fn(function) if is_test(&function.attrs) => {}
                Item::Impl(inner) if is_test(&inner.attrs) => {}
                _ => {
                    let mut paths = Vec::new();
                    scan(item.to_token_stream(), &[], &mut paths);
                    self.paths.extend(paths.into_iter().map(|path| (module.to_vec(), path)));
                }
            }
        }
    }
}

/// The names that a `use` brings, each with its path.
fn flatten(tree: &UseTree, before: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    let mut leaf = |name: String, last: String| {
        let mut path = before.clone();
        path.push(last);
        found.push((name, path));
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, found);
            before.pop();
        }
        UseTree::Name(name) => leaf(name.ident.to_string(), name.ident.to_string()),
        UseTree::Rename(name) => leaf(name.rename.to_string(), name.ident.to_string()),
        UseTree::Glob(_) => leaf("*".to_owned(), "*".to_owned()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, found)),
    }
}

/// Finds every path of two or more names in the tokens, in the arguments of macros too.
fn scan(tokens: TokenStream, before: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = before.to_vec();
    let mut colons = 0;
    let mut finish = |path: &mut Vec<String>| {
        if path.len() > 1 {
            found.push(path.clone());
        }
        path.clear();
    };
    let mut inner = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == ':' => {
                colons += 1;
                continue;
            }
            TokenTree::Ident(name) => {
                if colons != 2 && !(path == before && colons == 0) {
                    finish(&mut path);
                    path.extend_from_slice(before);
                }
                path.push(name.to_string());
            }
            TokenTree::Group(group) => {
                let prefix = if colons == 2 { path.clone() } else { Vec::new() };
                inner.push((group.stream(), prefix));
                finish(&mut path);
                path.extend_from_slice(before);
            }
            _ => {
                finish(&mut path);
                path.extend_from_slice(before);
            }
        }
        colons = 0;
    }
    finish(&mut path);
    for (tokens, prefix) in inner {
        scan(tokens, &prefix, found);
    }
}

/// Who uses whom.
pub struct Imports {
    uses: BTreeMap<String, BTreeSet<String>>,
    tests: BTreeSet<String>,
}

impl Imports {
    /// Resolves the paths of all sources.
    pub fn of(sources: &[Source]) -> Imports {
        let modules = Modules::of(sources);
        let tests = sources.iter().flat_map(|source| &source.tests).collect::<Vec<_>>();
        let is_of_tests =
            |source: &Source| tests.iter().any(|test| source.module.starts_with(test));
        let mut imports = Imports { uses: BTreeMap::new(), tests: BTreeSet::new() };
        for source in sources {
            if is_of_tests(source) {
                imports.tests.insert(source.path.clone());
                continue;
            }
            let uses = imports.uses.entry(source.path.clone()).or_default();
            let found = source.paths.iter().filter_map(|(at, path)| modules.file(at, path, 0));
            uses.extend(found.filter(|file| *file != source.path).map(str::to_owned));
        }
        imports
    }

    /// Every pair of files of which the first uses the second.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.uses.iter().flat_map(|(from, to)| to.iter().map(|to| (from.as_str(), to.as_str())))
    }

    /// The files that hold tests alone.
    pub fn tests(&self) -> &BTreeSet<String> {
        &self.tests
    }

    /// For each file that uses itself over others the shortest such way, each circle once.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        let mut known = BTreeSet::new();
        for start in self.uses.keys() {
            if let Some(circle) = self.circle(start) {
                let members = circle.iter().cloned().collect::<BTreeSet<_>>();
                if known.insert(members) {
                    found.push(circle);
                }
            }
        }
        found
    }

    fn circle(&self, start: &str) -> Option<Vec<String>> {
        let mut ways = vec![vec![start.to_owned()]];
        let mut seen = BTreeSet::new();
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                for next in self.uses.get(way.last()?).into_iter().flatten() {
                    let mut way = way.clone();
                    way.push(next.clone());
                    if next == start {
                        return Some(way);
                    }
                    if seen.insert(next.clone()) {
                        longer.push(way);
                    }
                }
            }
            ways = longer;
        }
        None
    }
}

/// The modules by name, with their files and re-exports.
struct Modules<'a> {
    by_name: BTreeMap<&'a [String], Vec<&'a Source>>,
}

impl<'a> Modules<'a> {
    fn of(sources: &'a [Source]) -> Modules<'a> {
        let mut by_name = BTreeMap::<_, Vec<_>>::new();
        for source in sources {
            by_name.entry(source.module.as_slice()).or_default().push(source);
        }
        Modules { by_name }
    }

    /// The file that defines what a path in a module names; `None` for what is of no source here.
    fn file(&self, at: &[String], path: &[String], depth: usize) -> Option<&'a str> {
        let (mut module, mut rest) = self.start(at, path)?;
        while let Some((next, after)) = rest.split_first() {
            let mut deeper = module.clone();
            deeper.push(next.clone());
            if !self.by_name.contains_key(deeper.as_slice()) {
                break;
            }
            (module, rest) = (deeper, after);
        }
        let source = *self.by_name.get(module.as_slice())?.first()?;
        if let Some(name) = rest.first() {
            let export = source.exports.iter().find(|(export, _)| export == name);
            if let Some((_, path)) = export.filter(|_| depth < 8) {
                let mut path = path.clone();
                path.extend_from_slice(&rest[1..]);
                return self.file(&module, &path, depth + 1);
            }
        }
        Some(&source.path)
    }

    /// Where a path begins: the module, and the names that follow.
    fn start<'b>(&self, at: &[String], path: &'b [String]) -> Option<(Vec<String>, &'b [String])> {
        let mut module = at.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                module.truncate(1);
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let mut child = module.clone();
                child.push(first.to_owned());
                if !self.by_name.contains_key(child.as_slice()) {
                    if !self.by_name.contains_key(&path[..1]) {
                        return None;
                    }
                    module.clear();
                }
            }
        }
        Some((module, rest))
    }
}
