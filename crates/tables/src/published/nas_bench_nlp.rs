//! NAS-Bench-NLP (Klyuchnikov et al., 2020): logs `log_stats_model_*.json` of training recurrent cells, one a
//! training, as `main_one_model_train.py` of its release writes them.

use super::curves::{CurveRow, Measured};
use crate::json::without_nan;
use crate::table::Cell;
use crate::{ColumnInfo, Flaw, Kind, Table};
use serde::Deserialize;

/// Bytes of a recipe, which stands in every row of the curves, and of other texts; published ones have a thousand.
const TEXT: usize = 10_000;
/// Epochs of a training; published ones have 50.
const EPOCHS: usize = 4_096;

/// What is read of a log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Log {
    /// The cell, as JSON; the release spells the key `recepie`.
    #[serde(alias = "recipe")]
    pub recepie: String,
    /// Its number in the list of recipes.
    #[serde(default, alias = "recipe_id")]
    pub recepie_id: Option<i64>,
    /// Parameters.
    #[serde(default)]
    pub num_params: Option<i64>,
    /// Where the corpus lay, which names it, for instance `data/ptb`.
    #[serde(default)]
    pub data: Option<String>,
    /// Losses by epoch; none where they were not a number.
    #[serde(default)]
    pub train_losses: Vec<Option<f64>>,
    /// See there.
    #[serde(default)]
    pub val_losses: Vec<Option<f64>>,
    /// See there.
    #[serde(default)]
    pub test_losses: Vec<Option<f64>>,
    /// Seconds of training by epoch.
    #[serde(default)]
    pub wall_times: Vec<Option<f64>>,
    /// `OK`, or how the training ended.
    #[serde(default)]
    pub status: Option<String>,
}

/// Reads the bytes of one log.
///
/// # Errors
/// Where it is no such JSON: the line and column; texts and lists far longer than published ones.
pub fn read(bytes: &[u8]) -> Result<Log, Flaw> {
    let log: Log = serde_json::from_slice(&without_nan(bytes)).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Flaw::new(place, "a log with recepie, num_params, losses, wall_times and status", error)
    })?;
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let texts =
        [("recepie", log.recepie.len()), ("data", length(&log.data)), ("status", length(&log.status))];
    for (key, found) in texts {
        if found > TEXT {
            return Err(Flaw::new(format!("key '{key}'"), format!("at most {TEXT} bytes"), found));
        }
    }
    let lists = [&log.train_losses, &log.val_losses, &log.test_losses, &log.wall_times];
    match lists.iter().map(|list| list.len()).find(|len| *len > EPOCHS) {
        Some(found) => Err(Flaw::new("", format!("at most {EPOCHS} epochs"), found)),
        None => Ok(log),
    }
}

/// The columns of a table of one row a log.
pub fn columns() -> Vec<ColumnInfo> {
    let text = |name: &str| ColumnInfo::new(name, Kind::Text);
    let whole = |name: &str| ColumnInfo::new(name, Kind::Integer);
    let loss = |name: &str, split: &str| ColumnInfo::new(name, Kind::Number).split(split);
    vec![
        text("arch"),
        whole("recipe_id"),
        whole("parameters"),
        whole("epochs"),
        text("status"),
        loss("best_valid_loss", "valid"),
        loss("test_loss_at_best_valid", "test"),
        loss("last_train_loss", "train"),
        loss("last_valid_loss", "valid"),
        loss("last_test_loss", "test"),
        ColumnInfo::new("wall_s", Kind::Number).unit("s"),
    ]
}

/// Adds the row of a log to a table of [`columns`].
pub fn push_row(table: &mut Table, log: &Log) {
    let whole = |value: Option<i64>| value.map_or(Cell::None, Cell::Integer);
    let valid = log.val_losses.iter().enumerate().filter_map(|(i, loss)| Some((i, (*loss)?)));
    let best = valid.min_by(|a, b| a.1.total_cmp(&b.1));
    let last = |losses: &[Option<f64>]| Cell::from(losses.last().copied().flatten());
    table.push([
        Cell::Text(log.recepie.clone()),
        whole(log.recepie_id),
        whole(log.num_params),
        Cell::Integer(log.val_losses.len() as i64),
        log.status.clone().map_or(Cell::None, Cell::Text),
        Cell::from(best.map(|(_, loss)| loss)),
        Cell::from(best.and_then(|(i, _)| log.test_losses.get(i).copied().flatten())),
        last(&log.train_losses),
        last(&log.val_losses),
        last(&log.test_losses),
        Cell::from(Some(log.wall_times.iter().flatten().sum::<f64>()).filter(|sum| *sum > 0.0)),
    ]);
}

/// Adds every epoch of a log to a table of curves; epochs are counted from 1, as in the log.
pub fn push_curves(table: &mut Table, log: &Log, repeat: i64) {
    let lists = [&log.train_losses, &log.val_losses, &log.test_losses];
    let epochs = lists.iter().map(|list| list.len()).max().unwrap_or_default();
    let mut whole = Some((log.num_params.map(|number| number as f64), None, None));
    for i in 0..epochs {
        let at = |list: &[Option<f64>]| list.get(i).copied().flatten();
        let [train, valid, test] = lists.map(|list| Measured { loss: at(list), ..Measured::default() });
        CurveRow {
            arch: &log.recepie,
            schedule: epochs as i64,
            dataset: log.data.as_deref().unwrap_or_default(),
            seed: repeat,
            epoch: i as i64 + 1,
            splits: [Measured { seconds: at(&log.wall_times), ..train }, valid, test, Measured::default()],
            run: whole.take().unwrap_or_default(),
        }
        .push_to(table);
    }
}
