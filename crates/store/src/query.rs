use crate::key::read_key;
use crate::lease::signed;
use crate::schema::{IS, KEY, ORDER};
use crate::{Counts, Filter, Key, Measured, Row, State, Store, StoreError};
use rusqlite::types::Type;
use rusqlite::{Error, OptionalExtension};

/// Of a row, behind the key.
const REST: &str = "state, owner, until_ms, tries, value, payload, cost_s, reason, at_ms";

impl Store {
    /// One unit; none where it was never submitted.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn get(&self, key: &Key, now_ms: u64) -> Result<Option<Row>, StoreError> {
        let sql = format!("SELECT {KEY}, {REST} FROM unit WHERE {IS}");
        self.read(|db| db.query_row(&sql, key.values([]), |row| read_row(row, now_ms)).optional())
    }

    /// All units of a filter, in the order of their keys: what to export.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn rows(&self, units: &Filter, now_ms: u64) -> Result<Vec<Row>, StoreError> {
        let condition = units.condition();
        let sql = format!("SELECT {KEY}, {REST} FROM unit WHERE {condition} ORDER BY {ORDER}");
        self.read(|db| db.prepare(&sql)?.query_map(units.values([]), |row| read_row(row, now_ms))?.collect())
    }

    /// The results of a filter, in the order of their keys.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn results(&self, units: &Filter) -> Result<Vec<(Key, Measured)>, StoreError> {
        let condition = units.condition();
        let sql = format!(
            "SELECT {KEY}, value, payload, cost_s FROM unit WHERE state = 'done' AND {condition} ORDER BY {ORDER}"
        );
        self.read(|db| {
            let mut select = db.prepare(&sql)?;
            let rows = select.query_map(units.values([]), |row| {
                Ok((
                    read_key(row)?,
                    Measured { value: row.get(7)?, payload: row.get(8)?, cost_s: row.get(9)? },
                ))
            })?;
            rows.collect()
        })
    }

    /// How many units of a filter stand how.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn counts(&self, units: &Filter, now_ms: u64) -> Result<Counts, StoreError> {
        let condition = units.condition();
        let sql = format!(
            "SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'open' AND until_ms > ?8), \
             count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'diverged'), count(*) \
             FROM unit WHERE {condition}"
        );
        self.read(|db| {
            db.query_row(&sql, units.values([signed(now_ms).into()]), |row| {
                let number = |i| row.get::<_, i64>(i).map(i64::cast_unsigned);
                let (done, running, failed, diverged) = (number(0)?, number(1)?, number(2)?, number(3)?);
                let missing = number(4)?.saturating_sub(done + running + failed + diverged);
                Ok(Counts { done, running, failed, diverged, missing })
            })
        })
    }
}

fn read_row(row: &rusqlite::Row<'_>, now_ms: u64) -> Result<Row, Error> {
    let until_ms = row.get::<_, i64>(9)?;
    let state: String = row.get(7)?;
    let state = match state.as_str() {
        "open" if until_ms > signed(now_ms) => {
            let owner = row.get::<_, Option<String>>(8)?.unwrap_or_default();
            State::Running { owner, until_ms: until_ms.cast_unsigned() }
        }
        "open" => State::Missing,
        "done" => State::Done(Measured { value: row.get(11)?, payload: row.get(12)?, cost_s: row.get(13)? }),
        "failed" => State::Failed { reason: row.get(14)? },
        "diverged" => State::Diverged { reason: row.get(14)? },
        other => {
            let unknown = format!("state `{other}`, expected open, done, failed or diverged");
            return Err(Error::FromSqlConversionFailure(7, Type::Text, unknown.into()));
        }
    };
    let at_ms = row.get::<_, i64>(15)?.cast_unsigned();
    Ok(Row { key: read_key(row)?, state, tries: row.get(10)?, at_ms })
}
