//! The units of a run store as a table, and a table as units.

use crate::failure::{Failure, OrFail};
use crate::host::now_ms;
use crate::output::Show;
use crate::registry::Space;
use anyhow::{Context, anyhow};
use nas_core::Seed;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use store::{Filter, Key, Measured, Row, State, Store};
use tables::{ColumnInfo, Kind, Table, TableRef, Values};

/// Results that one transaction records.
pub(crate) const BATCH: usize = 10_000;

/// The columns of an export. A seed is text because a column of whole numbers has a sign.
const COLUMNS: [(&str, Kind); 15] = [
    ("space", Kind::Text),
    ("arch", Kind::Text),
    ("metric", Kind::Text),
    ("device", Kind::Text),
    ("fidelity", Kind::Text),
    ("seed", Kind::Text),
    ("code_version", Kind::Text),
    ("state", Kind::Text),
    ("value", Kind::Number),
    ("cost_s", Kind::Number),
    ("payload", Kind::Text),
    ("reason", Kind::Text),
    ("owner", Kind::Text),
    ("tries", Kind::Integer),
    ("at_ms", Kind::Integer),
];

/// A table of units, one a row, in the order in which the store lists them.
pub(crate) fn table(rows: &[Row]) -> Table {
    let columns = COLUMNS.map(|(name, kind)| ColumnInfo::new(name, kind)).to_vec();
    let text = |of: &dyn Fn(&Row) -> Option<String>| Values::Text(rows.iter().map(of).collect());
    let number = |of: &dyn Fn(&Row) -> Option<f64>| Values::Number(rows.iter().map(of).collect());
    let whole = |of: &dyn Fn(&Row) -> u64| {
        Values::Integer(rows.iter().map(|row| i64::try_from(of(row)).ok()).collect())
    };
    let done = |row: &Row| match &row.state {
        State::Done(measured) => Some(measured.clone()),
        _ => None,
    };
    let values = vec![
        text(&|row| Some(row.key.space.clone())),
        text(&|row| Some(row.key.arch.clone())),
        text(&|row| Some(row.key.metric.clone())),
        text(&|row| Some(row.key.device.clone())),
        text(&|row| Some(row.key.fidelity.clone())),
        text(&|row| Some(row.key.seed.0.to_string())),
        text(&|row| Some(row.key.code_version.clone())),
        text(&|row| Some(state(&row.state).into())),
        number(&|row| done(row).filter(|measured| !undefined(measured)).map(|measured| measured.value)),
        number(&|row| done(row).and_then(|measured| measured.cost_s)),
        text(&|row| done(row).and_then(|measured| measured.payload)),
        text(&|row| match &row.state {
            State::Failed { reason } | State::Diverged { reason } => Some(reason.clone()),
            _ => None,
        }),
        text(&|row| match &row.state {
            State::Running { owner, .. } => Some(owner.clone()),
            _ => None,
        }),
        whole(&|row| u64::from(row.tries)),
        whole(&|row| row.at_ms),
    ];
    Table { columns, values }
}

/// Whether a unit is done without a number, as a score that is not defined for its network: its payload says so. One
/// that is too large for a number still has its logarithm.
fn undefined(measured: &Measured) -> bool {
    let payload = measured.payload.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    payload.is_some_and(|payload| {
        payload.get("value").is_some_and(Value::is_null) && payload.get("log").is_none_or(Value::is_null)
    })
}

fn state(state: &State) -> &'static str {
    match state {
        State::Missing => "missing",
        State::Running { .. } => "running",
        State::Done(_) => "done",
        State::Failed { .. } => "failed",
        State::Diverged { .. } => "diverged",
        _ => "",
    }
}

/// What the units of `FILE:COLUMN` are.
pub(crate) struct Into {
    pub(crate) space: Space,
    pub(crate) device: String,
    pub(crate) fidelity: String,
    /// The column, where it is not named behind the file.
    pub(crate) column: Option<String>,
}

/// What was taken into a store.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    /// Rows of the file.
    rows: u64,
    /// Results, failures and open units that were new.
    taken: u64,
    /// Units whose outcome was there already, which stays.
    there: u64,
    /// Rows without a value.
    without_value: u64,
    source: String,
}

/// The column that is named behind a file.
pub(crate) fn named_column(file: &Path) -> Option<TableRef> {
    file.to_str().and_then(|text| text.parse::<TableRef>().ok()).filter(|_| !file.exists())
}

/// Takes a table into a store: an export row by row, or one column of any table.
pub(crate) fn import(file: &Path, store: &Path, into: &Into) -> Result<Taken, Failure> {
    let (file, column) = match named_column(file) {
        Some(TableRef { file, column }) => (file, Some(column)),
        None => (file.to_path_buf(), into.column.clone()),
    };
    let table = tables::read_table(&file, Default::default()).or_input()?;
    let units = match column {
        Some(column) => of_column(&table, &file, &column, into)?,
        None => of_export(&table, &file)?,
    };
    let rows = table.rows() as u64;
    let without_value = rows - units.len() as u64;
    let store = Store::open_or_create(store).or_input()?;
    let taken = put(&store, &units)?;
    let there = units.len() as u64 - taken;
    Ok(Taken { rows, taken, there, without_value, source: file.display().to_string() })
}

pub(crate) type Unit = (Key, State);

fn of_column(table: &Table, file: &Path, column: &str, into: &Into) -> Result<Vec<Unit>, Failure> {
    let missing = |name: &str| {
        let there: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        anyhow!("{}: no column `{name}`; there are {}", file.display(), there.join(", "))
    };
    let archs = table.column("arch").ok_or_else(|| missing("arch")).or_input()?;
    let values = table.column(column).ok_or_else(|| missing(column)).or_input()?;
    if values.kind() == Kind::Text {
        return Err(anyhow!("{}: the column `{column}` holds text; name one of numbers", file.display()))
            .or_input();
    }
    let mut units = Vec::new();
    for row in 0..table.rows() {
        let place = || format!("{}, row {} below the header", file.display(), row + 1);
        let arch = archs.text(row).unwrap_or_default();
        into.space.describe(&arch).with_context(place).or_input()?;
        let Some(value) = values.number(row) else { continue };
        let key = Key {
            space: into.space.name().into(),
            arch,
            metric: column.into(),
            device: into.device.clone(),
            fidelity: into.fidelity.clone(),
            seed: Seed(0),
            code_version: "imported".into(),
        };
        units.push((key, State::Done(Measured::of(value))));
    }
    Ok(units)
}

fn of_export(table: &Table, file: &Path) -> Result<Vec<Unit>, Failure> {
    if let Some((name, _)) = COLUMNS.into_iter().find(|(name, _)| table.column(name).is_none()) {
        let advice = "import an export of a store, or name FILE:COLUMN";
        return Err(anyhow!("{}: no column `{name}`, as an export of a store has; {advice}", file.display()))
            .or_input();
    }
    let mut units = Vec::new();
    for row in 0..table.rows() {
        let text = |name: &str| table.column(name)?.text(row);
        let number = |name: &str| table.column(name)?.number(row);
        let or = |name: &str| text(name).unwrap_or_default();
        let place = format!("{}, row {} below the header", file.display(), row + 1);
        let seed = or("seed").parse();
        let seed =
            Seed(seed.with_context(|| format!("{place}, field `seed`: expected a whole number")).or_input()?);
        let key = Key {
            space: or("space"),
            arch: or("arch"),
            metric: or("metric"),
            device: or("device"),
            fidelity: or("fidelity"),
            seed,
            code_version: or("code_version"),
        };
        let state = match or("state").as_str() {
            "done" => {
                let (payload, cost_s) = (text("payload"), number("cost_s"));
                let none = Measured { value: 0.0, payload, cost_s };
                let value = number("value").or(undefined(&none).then_some(0.0));
                let value =
                    value.ok_or_else(|| anyhow!("{place}, field `value`: expected a number, found none"));
                State::Done(Measured { value: value.or_input()?, ..none })
            }
            "failed" => State::Failed { reason: or("reason") },
            "diverged" => State::Diverged { reason: or("reason") },
            // whoever worked on it there does not work on it here
            "missing" | "running" => State::Missing,
            other => {
                let expected = "done, failed, diverged, missing or running";
                return Err(anyhow!("{place}, field `state`: expected {expected}, found `{other}`"))
                    .or_input();
            }
        };
        units.push((key, state));
    }
    Ok(units)
}

/// Records units; gives how many were new.
pub(crate) fn put(store: &Store, units: &[Unit]) -> Result<u64, Failure> {
    let mut taken = 0;
    for part in units.chunks(BATCH) {
        let mut done = Vec::new();
        let mut open = Vec::new();
        for (key, state) in part {
            match state {
                State::Done(measured) => done.push((key, measured)),
                _ => open.push(key.clone()),
            }
        }
        taken += store.finish_all(&done, now_ms()).or_input()? as u64;
        taken += store.submit(&open, now_ms()).or_failed()? as u64;
        for (key, state) in part {
            let (State::Failed { reason } | State::Diverged { reason }) = state else { continue };
            let owner = format!("import {}", std::process::id());
            let lease = Duration::from_secs(60);
            let held = store.claim(&owner, &Filter::from(key), 1, now_ms(), lease).or_failed()?;
            for held in held {
                match state {
                    State::Failed { .. } => store.fail(&held, reason, now_ms()).or_failed()?,
                    _ => store.diverge(&held, reason, now_ms()).or_failed()?,
                };
            }
        }
    }
    Ok(taken)
}

impl Show for Taken {
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["rows", "taken", "there", "without_value", "source"].map(str::to_owned).to_vec();
        let counts = [self.rows, self.taken, self.there, self.without_value].map(|count| count.to_string());
        (header, vec![counts.into_iter().chain([self.source.clone()]).collect()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_for_a_number_is_not_undefined() {
        let payload = |payload: Option<&str>| {
            undefined(&Measured { value: 1.0, payload: payload.map(String::from), cost_s: None })
        };
        assert!(payload(Some(r#"{"value":null,"seconds":0.1}"#)));
        assert!(payload(Some(r#"{"value":null,"log":null}"#)));
        assert!(!payload(Some(r#"{"value":null,"log":848.1}"#)));
        assert!(!payload(Some(r#"{"value":0.0}"#)) && !payload(Some(r#"{"test":71.5}"#)));
        assert!(!payload(Some("no JSON")) && !payload(None));
    }
}
