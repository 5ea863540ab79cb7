use crate::files::{File, Finding};
use crate::rust_code::{blank, holds, without_tests};
use std::collections::BTreeSet;

/// Words that code must not use, and where it may.
struct Ban {
    words: &'static [&'static str],
    /// Crates that may.
    except: &'static [&'static str],
    /// Whether tests, benches, examples and build scripts must not either.
    everywhere: bool,
    why: &'static str,
}

const BANS: [Ban; 5] = [
    Ban {
        words: &["println!", "eprintln!", "print!", "eprint!", "dbg!"],
        except: &["brp-nas", "xtask"],
        everywhere: false,
        why: "only brp-nas and xtask print: return the text, or take an observer",
    },
    Ban {
        words: &["Instant", "SystemTime"],
        except: &["latbench", "brp-nas", "xtask"],
        everywhere: false,
        why: "only latbench, brp-nas and xtask read a clock: take the time from the caller",
    },
    Ban {
        words: &["std::fs", "fs::", "File::", "OpenOptions"],
        except: &["tables", "store", "images", "brp-nas", "xtask"],
        everywhere: false,
        why: "only tables, store, images, brp-nas and xtask open files: take bytes or a reader",
    },
    Ban {
        words: &["rand::rng(", "thread_rng", "from_os_rng", "from_entropy", "getrandom", "OsRng", "SysRng"],
        except: &[],
        everywhere: true,
        why: "nothing asks the system for randomness: use a stream of `nas_core::Seed`",
    },
    Ban {
        words: &["#[ignore", "todo!", "unimplemented!"],
        except: &[],
        everywhere: true,
        why: "nothing is left open: finish it or take it out",
    },
];

const LIB_LINES: usize = 60;
const FILE_BYTES: u64 = 1_500_000;

/// Checks everything that the files alone show.
pub fn check_texts(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files {
        if file.bytes > FILE_BYTES {
            let size = file.bytes;
            let message = format!("{size} bytes: keep files below {FILE_BYTES}, or make them with a script");
            found.push(Finding::new(&file.path, 1, message));
        }
        form(file, &mut found);
        words(file, &mut found);
        if file.path.ends_with(".rs") {
            rust(file, &mut found);
        }
    }
    crates(files, &mut found);
    fixtures(files, &mut found);
    readme(files, &mut found);
    found
}

/// White space; golden data stays as its source made it.
fn form(file: &File, found: &mut Vec<Finding>) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let ours = match name.trim_start_matches('.').rsplit_once('.') {
        Some((_, end)) => ["rs", "md", "toml", "py", "sh"].contains(&end),
        None => true,
    };
    if !ours || file.text.is_empty() {
        return;
    }
    for (i, line) in file.text.split('\n').enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            found.push(Finding::new(&file.path, i + 1, "white space at the end of the line: take it out"));
        }
        if file.path.ends_with(".rs") && line.contains('\t') {
            found.push(Finding::new(&file.path, i + 1, "a tab: use spaces, or \\t in a string"));
        }
    }
    if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
        let last = file.text.lines().count();
        found.push(Finding::new(&file.path, last, "the file must end in exactly one newline"));
    }
}

/// Paths of one machine, and notes of unfinished work.
fn words(file: &File, found: &mut Vec<Finding>) {
    if file.path.starts_with("xtask/") {
        return;
    }
    for (i, line) in file.text.lines().enumerate() {
        for path in ["/home/", "/Users/", "/mnt/", "/tmp/"] {
            let inside = |c: char| c.is_alphanumeric() || "_.~-}$".contains(c);
            let starts = |at: usize| !line[..at].chars().next_back().is_some_and(inside);
            if file.path != ".ci/run" && line.match_indices(path).any(|(at, _)| starts(at)) {
                let message = format!("`{path}` is a path of one machine: use one from the workspace");
                found.push(Finding::new(&file.path, i + 1, message));
            }
        }
        for word in ["TODO", "FIXME"] {
            if holds(line, word) {
                let message = format!("{word}: do it, or write it down in LIMITS.md");
                found.push(Finding::new(&file.path, i + 1, message));
            }
        }
    }
}

fn rust(file: &File, found: &mut Vec<Finding>) {
    let krate = file.krate().unwrap_or_default();
    let code = blank(&file.text);
    let product = if file.path.contains("/src/") { without_tests(&code) } else { String::new() };
    for ban in BANS.iter().filter(|ban| !ban.except.contains(&krate)) {
        let code = if ban.everywhere { &code } else { &product };
        for (i, line) in code.lines().enumerate() {
            if let Some(word) = ban.words.iter().find(|word| holds(line, word)) {
                found.push(Finding::new(&file.path, i + 1, format!("`{word}`: {}", ban.why)));
            }
        }
    }
    let lines: Vec<&str> = file.text.lines().collect();
    for (i, _) in code.lines().enumerate().filter(|(_, line)| holds(line, "unsafe")) {
        let near = lines.get(i.saturating_sub(5)..=i).unwrap_or_default();
        if krate != "cpu-ops" {
            let message = "`unsafe` is forbidden outside cpu-ops: write it in safe code, or move it there";
            found.push(Finding::new(&file.path, i + 1, message));
        } else if !near.iter().any(|line| line.contains("SAFETY:")) {
            let message = "`unsafe` without `// SAFETY:` in the five lines above: say why it holds";
            found.push(Finding::new(&file.path, i + 1, message));
        }
    }
    if file.path.ends_with("/src/lib.rs") && lines.len() > LIB_LINES {
        let message =
            format!("{} lines, at most {LIB_LINES}: move code to a file of its concept", lines.len());
        found.push(Finding::new(&file.path, LIB_LINES + 1, message));
    }
}

/// The crates under crates/ and xtask that have a manifest.
fn names(files: &[File]) -> BTreeSet<&str> {
    let manifest = |file: &&File| {
        file.krate().is_some_and(|name| {
            let folder = file.path.strip_suffix("/Cargo.toml").unwrap_or_default();
            folder.strip_prefix("crates/").unwrap_or(folder) == name
        })
    };
    files.iter().filter(manifest).filter_map(File::krate).collect()
}

fn crates(files: &[File], found: &mut Vec<Finding>) {
    for name in names(files) {
        let folder = if name == "xtask" { name.to_owned() } else { format!("crates/{name}") };
        let manifest = format!("{folder}/Cargo.toml");
        let readme = format!("{folder}/README.md");
        if !files.iter().any(|file| file.path == readme) {
            found.push(Finding::new(&manifest, 1, "no README.md beside it: write one with an example"));
        }
        let tests = format!("{folder}/tests/");
        let tested = |file: &File| {
            file.krate() == Some(name)
                && (file.path.starts_with(&tests) || file.path.contains("/src/"))
                && blank(&file.text).contains("#[test]")
        };
        if !files.iter().any(tested) {
            found.push(Finding::new(&manifest, 1, "no test: a crate appears with its first test"));
        }
    }
}

fn fixtures(files: &[File], found: &mut Vec<Finding>) {
    let case = |file: &File| {
        let mut parts = file.path.strip_prefix("fixtures/")?.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(krate), Some(case), Some(_)) => Some(format!("fixtures/{krate}/{case}/README.md")),
            _ => None,
        }
    };
    let wanted: BTreeSet<String> = files.iter().filter_map(case).collect();
    for readme in wanted.into_iter().filter(|path| !files.iter().any(|file| file.path == *path)) {
        let message = "missing: write where the data of this folder comes from and what made it";
        found.push(Finding::new(&readme, 1, message));
    }
}

/// The table of crates of README.md: the one whose first heading is "crate".
fn readme(files: &[File], found: &mut Vec<Finding>) {
    let Some(readme) = files.iter().find(|file| file.path == "README.md") else { return };
    let cell = |line: &str| {
        line.trim().strip_prefix('|').map(|row| row.split('|').next().unwrap_or("").trim().to_owned())
    };
    let heading = |line: &str| {
        cell(line).is_some_and(|cell| matches!(cell.to_lowercase().as_str(), "crate" | "crates"))
    };
    let lines: Vec<&str> = readme.text.lines().collect();
    let start = lines.iter().position(|line| heading(line)).unwrap_or(lines.len());
    let rows = lines.iter().enumerate().skip(start + 1).map_while(|(i, line)| Some((i + 1, cell(line)?)));
    let listed: Vec<(usize, String)> = rows
        .filter(|(_, cell)| cell.starts_with('`') || cell.starts_with("[`"))
        .filter_map(|(line, cell)| Some((line, cell.split('`').nth(1)?.to_owned())))
        .collect();
    let there = names(files);
    for (line, name) in listed.iter().filter(|(_, name)| !there.contains(name.as_str())) {
        found.push(Finding::new("README.md", *line, format!("there is no crate `{name}`: take the row out")));
    }
    let missing = |name: &&&str| **name != "xtask" && !listed.iter().any(|(_, other)| other == **name);
    for name in there.iter().filter(missing) {
        let message = format!("the table of crates has no row for `{name}`: add one");
        found.push(Finding::new("README.md", (start + 1).min(lines.len()), message));
    }
}
