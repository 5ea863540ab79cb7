use crate::files::Finding;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An arrow between crates may only point to a lower layer.
const LAYERS: [(&str, u8); 18] = [
    ("charts", 0),
    ("nas-core", 0),
    ("pickle", 0),
    ("arch-graph", 1),
    ("cpu-ops", 1),
    ("search", 1),
    ("cluster", 2),
    ("store", 1),
    ("surrogates", 1),
    ("images", 1),
    ("spaces", 2),
    ("gcn", 2),
    ("predictors", 3),
    ("cellnet", 3),
    ("tables", 3),
    ("proxies", 4),
    ("latbench", 4),
    ("brp-nas", 5),
];

/// What a crate must not reach, not even through others.
const BANS: [(&str, &[&str]); 14] = [
    ("charts", &["candle-core", "petgraph"]),
    ("nas-core", &["candle-core", "petgraph"]),
    ("pickle", &["candle-core", "petgraph"]),
    ("arch-graph", &["candle-core"]),
    ("spaces", &["candle-core"]),
    ("search", &["candle-core", "petgraph"]),
    ("store", &["candle-core", "petgraph"]),
    ("surrogates", &["candle-core", "petgraph"]),
    ("images", &["candle-core", "petgraph"]),
    ("tables", &["candle-core"]),
    ("cpu-ops", &["petgraph"]),
    ("gcn", &["petgraph"]),
    ("proxies", &["search"]),
    ("latbench", &["search"]),
];

/// Checks the arrows between crates on the output of `cargo metadata --format-version 1`.
pub fn check_graph(metadata: &Value) -> Vec<Finding> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = list(&metadata["packages"]);
    let names: BTreeMap<String, String> =
        packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    let members: BTreeMap<String, String> = list(&metadata["workspace_members"])
        .iter()
        .filter_map(|id| Some((names.get(id.as_str()?)?.clone(), text(id))))
        .collect();
    let normal = |dep: &Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev");
    let arrows: BTreeMap<String, Vec<String>> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let deps = list(&node["deps"]);
            (text(&node["id"]), deps.iter().filter(|dep| normal(dep)).map(|dep| text(&dep["pkg"])).collect())
        })
        .collect();

    let mut found = Vec::new();
    for (name, id) in &members {
        let folder = if name == "xtask" { "xtask".to_owned() } else { format!("crates/{name}") };
        let mut say = |message: String| found.push(Finding::new(&format!("{folder}/Cargo.toml"), 1, message));
        let layer = |name: &str| LAYERS.iter().find(|(other, _)| *other == name).map(|(_, layer)| *layer);
        if name != "xtask" && layer(name).is_none() {
            say("the crate has no layer: give it one in xtask/src/graph.rs".into());
        }
        for to in arrows.get(id).into_iter().flatten().filter_map(|to| names.get(to)) {
            if !members.contains_key(to) {
                continue;
            }
            if name == "xtask" || to == "xtask" {
                say(format!("{name} -> {to}: xtask knows no crate and none knows it"));
            } else if layer(to) >= layer(name) {
                say(format!("{name} -> {to}: an arrow must point to a lower layer (ARCHITECTURE.md)"));
            }
        }
        let banned = BANS.iter().find(|(other, _)| other == name).map_or(&[][..], |(_, banned)| banned);
        for path in reached(id, &arrows) {
            let path: Vec<&str> = path.iter().filter_map(|id| names.get(id)).map(String::as_str).collect();
            if path.last().is_some_and(|last| banned.contains(last)) {
                say(format!("{}: {name} must not depend on it, not even so", path.join(" -> ")));
            }
        }
    }
    found
}

/// For every package that `start` reaches, a way to it.
fn reached(start: &str, arrows: &BTreeMap<String, Vec<String>>) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::from([start.to_owned()]);
    let mut ways = vec![vec![start.to_owned()]];
    let mut next = 0;
    while let Some(way) = ways.get(next).cloned() {
        next += 1;
        for to in way.last().and_then(|last| arrows.get(last)).into_iter().flatten() {
            if seen.insert(to.clone()) {
                ways.push(way.iter().chain([to]).cloned().collect());
            }
        }
    }
    ways
}
