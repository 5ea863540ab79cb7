use super::work::Row;
use crate::compare::{COMPARED, Compared, compared_cells, compared_grid};
use crate::output::{Show, grid};
use crate::registry::Space;
use proxies::Proxy;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The result of `score`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    space: Space,
    seed: u64,
    /// One object an architecture: `arch`, every proxy with its value or null, `<proxy>_log` where it has one,
    /// `reasons{}` where a value is null.
    scores: Vec<Map<String, Value>>,
    /// Of all architectures together; passes that proxies share count for each.
    seconds: BTreeMap<&'static str, f64>,
    /// Architectures without any score.
    failed: usize,
    /// How many were already in the store.
    found: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Vec<Compared>>,
    wall_s: f64,
    #[serde(skip)]
    names: Vec<&'static str>,
}

impl Report {
    pub(super) fn new(
        space: Space,
        seed: u64,
        proxies: &[&'static dyn Proxy],
        rows: Vec<Row>,
        found: usize,
        compared: Option<Vec<Compared>>,
        wall_s: f64,
    ) -> Self {
        let names: Vec<&'static str> = proxies.iter().map(|proxy| proxy.name()).collect();
        let mut seconds: BTreeMap<&'static str, f64> = names.iter().map(|&name| (name, 0.0)).collect();
        let mut failed = 0;
        let mut scores = Vec::new();
        for row in rows {
            let mut object = Map::new();
            object.insert("arch".into(), row.arch.into());
            let mut reasons = Map::new();
            failed += usize::from(row.scores.iter().all(|kept| kept.value.is_none() && kept.log.is_none()));
            for (&name, kept) in names.iter().zip(row.scores) {
                object.insert(name.into(), kept.value.into());
                if let Some(log) = kept.log {
                    object.insert(format!("{name}_log"), log.into());
                }
                if let Some(reason) = kept.reason {
                    reasons.insert(name.into(), reason.into());
                }
                *seconds.entry(name).or_default() += kept.seconds;
            }
            if !reasons.is_empty() {
                object.insert("reasons".into(), reasons.into());
            }
            scores.push(object);
        }
        Self { space, seed, scores, seconds, failed, found, compared, wall_s, names }
    }

    /// Where no architecture has a score, why the first has none.
    pub(super) fn nothing(&self) -> Option<&str> {
        let first = self.scores.first().filter(|_| self.failed == self.scores.len())?;
        let reason = first.get("reasons").and_then(|reasons| reasons.as_object()?.values().next()?.as_str());
        Some(reason.unwrap_or("no reason was kept"))
    }
}

fn cell(value: Option<&Value>) -> String {
    value.filter(|value| !value.is_null()).map_or_else(String::new, Value::to_string)
}

impl Show for Report {
    fn table(&self) -> String {
        let Self { scores, failed, found, wall_s, compared, names, .. } = self;
        let short = |value: Option<&Value>| match value.and_then(Value::as_f64) {
            Some(value) if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) => format!("{value:.3e}"),
            Some(value) => format!("{value:.4}"),
            None => String::new(),
        };
        // architectures are many and proxies are many: one architecture a column where there are few
        let mut text = String::new();
        if scores.len() <= 4 {
            let heads: Vec<String> =
                scores.iter().map(|row| row["arch"].as_str().unwrap_or_default().into()).collect();
            let header: Vec<&str> =
                std::iter::once("proxy").chain(heads.iter().map(String::as_str)).collect();
            let rows = names.iter().map(|name| {
                let values = scores.iter().map(|row| short(row.get(*name)));
                std::iter::once((*name).to_owned()).chain(values).collect()
            });
            text += &grid(&header, rows);
        } else if compared.is_none() {
            let header: Vec<&str> = std::iter::once("architecture").chain(names.iter().copied()).collect();
            let rows = scores.iter().map(|row| {
                let arch = row["arch"].as_str().unwrap_or_default().to_owned();
                std::iter::once(arch).chain(names.iter().map(|name| short(row.get(*name)))).collect()
            });
            text += &grid(&header, rows);
        }
        if let Some(compared) = compared {
            text += &compared_grid(compared);
        }
        let count = scores.len();
        let lost = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
        text + &format!("{count} scored{lost}, {found} of them found in the store, {wall_s:.1} s\n")
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let logs = |name: &str| self.scores.iter().any(|row| row.contains_key(&format!("{name}_log")));
        let mut header = vec!["arch".to_owned()];
        for name in &self.names {
            header.push((*name).to_owned());
            if logs(name) {
                header.push(format!("{name}_log"));
            }
        }
        let row = |row: &Map<String, Value>| {
            let arch = row["arch"].as_str().unwrap_or_default().to_owned();
            std::iter::once(arch).chain(header[1..].iter().map(|name| cell(row.get(name)))).collect()
        };
        (header.clone(), self.scores.iter().map(row).collect())
    }
}

/// How scores that are there already go with a column.
#[derive(Debug, Serialize)]
pub(super) struct Known {
    pub(super) space: Space,
    pub(super) seed: u64,
    pub(super) column: String,
    pub(super) compared: Vec<Compared>,
}

impl Show for Known {
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        (COMPARED.map(String::from).to_vec(), self.compared.iter().map(compared_cells).collect())
    }
}
