use crate::schema::IS;
use crate::{Key, Lease, Store, StoreError};
use rusqlite::{OptionalExtension, params};

impl Store {
    /// Keeps how far a unit is, for instance an epoch and its weights, in place of what was kept before: who
    /// opens the store after a crash finds the old one or the new one, whole. It goes with the outcome.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] where somebody else has taken the unit, or where it has an outcome;
    /// [`StoreError::TooLarge`] above 1 GB.
    pub fn save(&self, held: &Lease, checkpoint: &[u8]) -> Result<(), StoreError> {
        let saved = self.write(|db| {
            let sql = "INSERT INTO checkpoint (unit, bytes) SELECT id, ?3 FROM unit \
                       WHERE id = ?1 AND tries = ?2 AND state = 'open' AND owner IS NOT NULL \
                       ON CONFLICT DO UPDATE SET bytes = excluded.bytes";
            db.execute(sql, params![held.unit, held.tries, checkpoint])
        })?;
        if saved == 0 { Err(self.lost(held)?) } else { Ok(()) }
    }

    /// How far a unit is: what was kept last, by whoever held it. None where it was never kept, or where the
    /// unit has an outcome.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn checkpoint(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = format!("SELECT bytes FROM checkpoint WHERE unit = (SELECT id FROM unit WHERE {IS})");
        self.read(|db| db.query_row(&sql, key.values([]), |row| row.get(0)).optional())
    }
}
