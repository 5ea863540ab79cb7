use crate::lease::signed;
use crate::schema::{IS, KEY};
use crate::{Filter, Key, Lease, Measured, Store, StoreError};
use rusqlite::{Connection, Error, params};
use serde::de::IgnoredAny;

impl Store {
    /// Records a result: on disk when this returns, so show it afterwards. The unit's checkpoint goes.
    ///
    /// The first outcome of a unit stays: true means that it is this one, false that there was one already
    /// and nothing was changed. No lease is needed: work that was done is never lost, be it that the lease
    /// ran out meanwhile, or that the unit was never submitted.
    ///
    /// # Errors
    /// A value or cost that is not finite, a payload that is not JSON, a store that cannot be written.
    pub fn finish(&self, key: &Key, result: &Measured, now_ms: u64) -> Result<bool, StoreError> {
        Ok(self.finish_all(&[(key, result)], now_ms)? == 1)
    }

    /// [`Store::finish`] for many results in one transaction: all or none. Returns how many were the first.
    ///
    /// # Errors
    /// As there; then none is recorded.
    pub fn finish_all(&self, results: &[(&Key, &Measured)], now_ms: u64) -> Result<usize, StoreError> {
        results.iter().try_for_each(|(key, result)| check(key, result))?;
        let sql = format!(
            "INSERT INTO unit ({KEY}, state, value, payload, cost_s, at_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'done', ?8, ?9, ?10, ?11) ON CONFLICT ({KEY}) DO UPDATE \
             SET state = 'done', value = ?8, payload = ?9, cost_s = ?10, at_ms = ?11, owner = NULL, until_ms = 0 \
             WHERE state = 'open' RETURNING id"
        );
        self.write(|db| {
            let mut insert = db.prepare(&sql)?;
            let mut first = 0;
            for (key, result) in results {
                let Measured { value, payload, cost_s } = (*result).clone();
                let given = [value.into(), payload.into(), cost_s.into(), signed(now_ms).into()];
                let mut recorded = insert.query_map(key.values(given), |row| row.get(0))?;
                if let Some(unit) = recorded.next().transpose()? {
                    forget(db, unit)?;
                    first += 1;
                }
            }
            Ok(first)
        })
    }

    /// Records that a unit could not be done, and why; [`Store::retry`] asks for it again. True means that
    /// this is the outcome now, false that there was one already and nothing was changed.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] where somebody else has taken the unit: his outcome counts.
    pub fn fail(&self, held: &Lease, reason: &str, now_ms: u64) -> Result<bool, StoreError> {
        self.end_without(held, "failed", reason, now_ms)
    }

    /// Records that what came of a unit is not a number, and where: it is not lost, and not done again. True
    /// and false as for [`Store::fail`].
    ///
    /// # Errors
    /// As there.
    pub fn diverge(&self, held: &Lease, reason: &str, now_ms: u64) -> Result<bool, StoreError> {
        self.end_without(held, "diverged", reason, now_ms)
    }

    /// Makes failed units missing again, for anybody to claim. Returns how many.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn retry(&self, units: &Filter) -> Result<usize, StoreError> {
        let condition = units.condition();
        let sql =
            format!("UPDATE unit SET state = 'open', reason = NULL WHERE state = 'failed' AND {condition}");
        self.write(|db| db.execute(&sql, units.values([])))
    }

    fn end_without(&self, held: &Lease, state: &str, reason: &str, now_ms: u64) -> Result<bool, StoreError> {
        let there = format!("SELECT state <> 'open' FROM unit WHERE {IS}");
        let (ended, there) = self.write(|db| {
            let sql = "UPDATE unit SET state = ?3, reason = ?4, at_ms = ?5, owner = NULL, until_ms = 0 \
                       WHERE id = ?1 AND tries = ?2 AND state = 'open' AND owner IS NOT NULL";
            let ended = db.execute(sql, params![held.unit, held.tries, state, reason, signed(now_ms)])?;
            if ended == 1 {
                forget(db, held.unit)?;
            }
            Ok((ended == 1, db.query_row(&there, held.key.values([]), |row| row.get(0))?))
        })?;
        if ended || there { Ok(ended) } else { Err(self.lost(held)?) }
    }
}

/// Drops the checkpoint of a unit.
fn forget(db: &Connection, unit: i64) -> Result<usize, Error> {
    db.execute("DELETE FROM checkpoint WHERE unit = ?1", [unit])
}

fn check(key: &Key, result: &Measured) -> Result<(), StoreError> {
    let numbers = [Some(result.value), result.cost_s];
    if let Some(value) = numbers.into_iter().flatten().find(|number| !number.is_finite()) {
        return Err(StoreError::NotFinite { key: Box::new(key.clone()), value });
    }
    let payload = result.payload.as_deref().map(serde_json::from_str::<IgnoredAny>);
    payload.transpose().map_err(|source| StoreError::NotJson { key: Box::new(key.clone()), source })?;
    Ok(())
}
