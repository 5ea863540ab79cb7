use crate::key::read_key;
use crate::schema::{IS, KEY};
use crate::{Filter, Key, Store, StoreError};
use rusqlite::{Connection, Error, OptionalExtension, params};
use std::time::Duration;

/// One unit of work in somebody's hands, until it runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What to do.
    pub key: Key,
    /// Who holds it.
    pub owner: String,
    /// How often it was handed out, this time included: more than 1 where a holder died or gave it back.
    pub tries: u32,
    /// When it runs out, in milliseconds of the caller's clock.
    pub until_ms: u64,
    pub(crate) unit: i64,
}

impl Store {
    /// Adds units of work; those that are there stay as they are. Returns how many are new.
    ///
    /// # Errors
    /// A store that cannot be written; then none is added.
    pub fn submit(&self, keys: &[Key], now_ms: u64) -> Result<usize, StoreError> {
        let sql = format!(
            "INSERT INTO unit ({KEY}, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING"
        );
        self.write(|db| {
            let mut insert = db.prepare(&sql)?;
            keys.iter().map(|key| insert.execute(key.values([signed(now_ms).into()]))).sum()
        })
    }

    /// Hands out at most `most` units without an outcome that nobody holds or whose lease ran out, in the
    /// order in which they were submitted. None means that there is nothing to do now; units that others hold
    /// may come back ([`Store::counts`]).
    ///
    /// `owner` names the worker in listings; a lease is told from any other by its number of tries, so that
    /// no harm comes of two workers of one name, until one of them [releases](Store::release) what both hold.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn claim(
        &self,
        owner: &str,
        units: &Filter,
        most: usize,
        now_ms: u64,
        lease: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        let until_ms = end(now_ms, lease);
        let condition = units.condition();
        let sql = format!(
            "UPDATE unit SET owner = ?8, until_ms = ?9, tries = tries + 1 WHERE id IN \
             (SELECT id FROM unit WHERE state = 'open' AND until_ms <= ?10 AND {condition} ORDER BY id LIMIT ?11) \
             RETURNING {KEY}, id, tries"
        );
        let mut leases: Vec<Lease> = self.write(|db| {
            let mut update = db.prepare(&sql)?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let ends = [owner.to_owned().into(), signed(until_ms).into(), signed(now_ms).into(), most.into()];
            let rows = update.query_map(units.values(ends), |row| {
                Ok(Lease {
                    key: read_key(row)?,
                    owner: owner.into(),
                    tries: row.get(8)?,
                    until_ms,
                    unit: row.get(7)?,
                })
            })?;
            rows.collect()
        })?;
        leases.sort_by_key(|lease| lease.unit);
        Ok(leases)
    }

    /// Holds a unit for longer, from now on. A lease that ran out can be renewed as long as nobody else took
    /// the unit.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] where somebody did, or where the unit has an outcome: stop the work.
    pub fn renew(&self, held: &mut Lease, now_ms: u64, lease: Duration) -> Result<(), StoreError> {
        match self.renew_all(std::slice::from_mut(held), now_ms, lease)? {
            0 => Err(self.lost(held)?),
            _ => Ok(()),
        }
    }

    /// The same of several units at once, in one transaction: those that are lost stay as they are. Returns how many are held.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn renew_all(&self, held: &mut [Lease], now_ms: u64, lease: Duration) -> Result<usize, StoreError> {
        let until_ms = end(now_ms, lease);
        let renewed: Vec<bool> = self.write(|db| {
            let sql = "UPDATE unit SET until_ms = ?3 WHERE id = ?1 AND tries = ?2 AND state = 'open' AND owner IS NOT NULL";
            let mut update = db.prepare(sql)?;
            let one =
                |held: &Lease| Ok(update.execute(params![held.unit, held.tries, signed(until_ms)])? > 0);
            held.iter().map(one).collect()
        })?;
        for (held, _) in held.iter_mut().zip(&renewed).filter(|(_, renewed)| **renewed) {
            held.until_ms = until_ms;
        }
        Ok(renewed.into_iter().filter(|renewed| *renewed).count())
    }

    /// Gives back everything that `owner` holds, for others to take at once: before a worker ends, or when it
    /// begins again under the name that it had when it was killed. A worker of the same name that still runs finds its
    /// leases lost, so names are to differ. Checkpoints stay. Returns how many.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn release(&self, owner: &str) -> Result<usize, StoreError> {
        let sql = "UPDATE unit SET owner = NULL, until_ms = 0 WHERE state = 'open' AND owner = ?1";
        self.write(|db| db.execute(sql, [owner]))
    }

    /// The error for somebody who does not hold his unit any more.
    pub(crate) fn lost(&self, held: &Lease) -> Result<StoreError, StoreError> {
        let holder = self.read(|db| holder(db, &held.key))?;
        Ok(StoreError::LeaseLost { key: Box::new(held.key.clone()), owner: held.owner.clone(), holder })
    }
}

fn holder(db: &Connection, key: &Key) -> Result<Option<String>, Error> {
    let sql = format!("SELECT owner FROM unit WHERE {IS}");
    Ok(db.query_row(&sql, key.values([]), |row| row.get(0)).optional()?.flatten())
}

fn end(now_ms: u64, lease: Duration) -> u64 {
    now_ms.saturating_add(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)).min(i64::MAX.cast_unsigned())
}

/// SQLite has signed numbers alone; what is later than they reach is never.
pub(crate) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
