use crate::files::{File, Finding};
use toml::{Table, Value};

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks the manifests of the members: inherited lints, no version of their own, a description.
pub fn check_manifests(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("/Cargo.toml") && file.krate().is_some()) {
        let mut say = |line, message: String| found.push(Finding::new(&file.path, line, message));
        let manifest: Table = match toml::from_str(&file.text) {
            Ok(manifest) => manifest,
            Err(error) => {
                say(1, format!("not a manifest: {}", error.message()));
                continue;
            }
        };
        let inherits = |value: Option<&Value>| {
            value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
        };
        if !inherits(manifest.get("lints")) {
            say(1, "does not inherit the lints: add `[lints]` with `workspace = true`".into());
        }
        let about = manifest.get("package").and_then(|package| package.get("description"));
        if about.and_then(Value::as_str).is_none_or(|text| text.trim().is_empty()) {
            say(1, "no description: add one line to `[package]`".into());
        }
        let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
        let tables = targets.filter_map(|(_, target)| target.as_table()).chain([&manifest]);
        let dependencies =
            tables.flat_map(|table| KINDS.iter().filter_map(|&kind| table.get(kind)?.as_table()));
        for (name, value) in dependencies.flatten() {
            if !inherits(Some(value)) {
                let line = file.text.lines().position(|line| line.trim_start().starts_with(name.as_str()));
                let message = format!("`{name}` has a version of its own: use `{name}.workspace = true`");
                say(line.map_or(1, |line| line + 1), message);
            }
        }
    }
    found
}
