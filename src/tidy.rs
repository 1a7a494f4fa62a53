//! Holds the ladder: a module imports only from modules below it, and a library that one module owns
//! is named nowhere else. Also that every file opens with its purpose and stays short enough to read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines after which a file is two files.
const LONGEST_FILE: usize = 600;

/// Libraries and standard modules that have one home: (how the name appears in code, where it may appear).
const OWNED_NAMES: [(&str, &[&str]); 4] = [
    ("object_store::", &["src/storage/"]),
    ("delta_kernel", &["src/storage/"]),
    ("std::env", &["src/config/", "src/main.rs"]),
    ("env::var", &["src/config/", "src/main.rs"]),
];

struct SourceFile {
    /// From the repository's root, with forward slashes.
    path: String,
    text: String,
}

impl SourceFile {
    /// The ladder's module that this file belongs to; `None` for the crate's own root files.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (!["lib", "main", "tidy"].contains(&module)).then_some(module)
    }

    /// Lines that are code, numbered from one.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<SourceFile> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    paths
        .iter()
        .map(|path| SourceFile {
            path: name(path),
            text: fs::read_to_string(path).unwrap(),
        })
        .collect()
}

/// The modules of lib.rs, the highest first.
fn ladder() -> Vec<String> {
    let root = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let module = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_string());
    root.lines().filter_map(module).collect()
}

/// The first path segments that follow `crate::` in a line: one, or those of a group in braces.
fn imported_modules(line: &str) -> BTreeSet<String> {
    let identifier = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut found = BTreeSet::new();
    for (start, _) in line.match_indices("crate::") {
        let inside_a_word = line[..start]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
        if inside_a_word {
            continue;
        }
        let rest = &line[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => {
                found.insert(identifier(rest));
            }
            Some(group) => {
                let mut depth = 0;
                let mut at_start = true;
                for (index, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_start = true,
                        c if at_start && depth == 0 && !c.is_whitespace() => {
                            found.insert(identifier(&group[index..]));
                            at_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn report(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

#[test]
fn modules_import_downward_only() {
    let ladder = ladder();
    let rung = |module: &str| ladder.iter().position(|name| name == module);
    assert!(
        rung("server") < rung("error") && ladder.len() > 15,
        "lib.rs no longer lists the ladder"
    );
    let mut violations = Vec::new();
    for file in sources() {
        let Some(own_rung) = file.module().and_then(rung) else {
            continue;
        };
        // Imports may be spread over lines: a group is joined before it is read.
        let mut pending = String::new();
        for (number, line) in file.code_lines() {
            pending.push_str(line.trim());
            if pending.contains("crate::{") && pending.matches('{').count() > pending.matches('}').count() {
                continue;
            }
            for target in imported_modules(&pending) {
                if rung(&target).is_some_and(|target_rung| target_rung < own_rung) {
                    violations.push(format!("{}:{number} imports {target}, which is above it", file.path));
                }
            }
            pending.clear();
        }
    }
    report(
        "a module imports only from modules below it, in the order of src/lib.rs",
        &violations,
    );
}

#[test]
fn libraries_stay_with_their_owner() {
    let mut violations = Vec::new();
    for file in sources()
        .iter()
        .filter(|file| file.path != "src/tidy.rs" && file.path != "src/lib.rs")
    {
        for (name, homes) in OWNED_NAMES {
            if homes.iter().any(|home| file.path.starts_with(home)) {
                continue;
            }
            // What one's own macro or string literal spells out is not an import of the name.
            let names_it = |line: &str| line.match_indices(name).any(|(start, _)| !line[..start].ends_with('"'));
            let lines = file.code_lines().filter(|(_, line)| names_it(line));
            violations.extend(lines.map(|(number, _)| format!("{}:{number} names {name}", file.path)));
        }
    }
    report("a library is named by its owner only", &violations);
}

#[test]
fn files_open_with_their_purpose() {
    let without = sources().into_iter().filter(|file| {
        let opening = file
            .text
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        !opening.starts_with("//!") && !opening.starts_with("#![doc")
    });
    report(
        "every file opens with `//!`",
        &without.map(|file| file.path).collect::<Vec<_>>(),
    );
}

#[test]
fn files_stay_short() {
    let long = sources().into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LONGEST_FILE).then(|| format!("{} has {lines} lines", file.path))
    });
    report("a file holds at most 600 lines", &long.collect::<Vec<_>>());
}

#[test]
fn imports_are_recognized() {
    let check = |line: &str, expected: &[&str]| {
        let expected = expected
            .iter()
            .map(|module| module.to_string())
            .collect::<BTreeSet<_>>();
        assert_eq!(imported_modules(line), expected, "{line}");
    };
    check("use crate::error::{Error, Result};", &["error"]);
    check("use crate::{catalog::{self, model}, types};", &["catalog", "types"]);
    check(
        "pub(crate) fn f(plan: crate::governance::GovernedPlan) -> crate::error::Result<()> {",
        &["governance", "error"],
    );
    check("$crate::error::Error", &[]);
    check("use datafusion::prelude::*;", &[]);
}
