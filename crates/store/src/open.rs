use crate::StoreError;
use crate::schema::{APPLICATION, TABLES, VERSION};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fs, thread};

/// How long a call waits for others by default.
const WAIT: Duration = Duration::from_secs(30);
/// Between two attempts where SQLite itself does not wait.
const PAUSE: Duration = Duration::from_millis(10);
/// How long an empty file is taken for one that another process is making a store of.
const MAKING: Duration = Duration::from_millis(500);

/// An open run store: one a thread, as many threads and processes as you like on one file.
///
/// Every call is one transaction that is on disk when the call returns. No call reads a clock: `now_ms` is
/// the caller's time, in milliseconds since any moment on which all who share the file agree.
#[derive(Debug)]
pub struct Store {
    pub(crate) db: Connection,
    file: PathBuf,
    wait: Duration,
    /// Let go behind the connection.
    _opened: Opened,
}

impl Store {
    /// Opens a store that is there. An empty file is looked at for half a second, because another process may be making a
    /// store of it.
    ///
    /// # Errors
    /// No such file, a file of another kind or version, one that is damaged, locked or cannot be written.
    pub fn open(file: impl AsRef<Path>) -> Result<Self, StoreError> {
        let file = file.as_ref();
        if !file.exists() {
            return Err(StoreError::NotThere { file: file.into() });
        }
        Self::connect(file, false)
    }

    /// Opens a store, or makes it where there is none. Several processes may do this at once.
    ///
    /// # Errors
    /// As [`Store::open`], and a folder that is not there or cannot be written.
    pub fn open_or_create(file: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::connect(file.as_ref(), true)
    }

    /// The same store, waiting at most so long for others that hold it, up to 24 days; 30 s unless told.
    ///
    /// # Errors
    /// None that is known of.
    pub fn wait_at_most(mut self, wait: Duration) -> Result<Self, StoreError> {
        // SQLite counts milliseconds in 31 bits
        let wait = wait.min(Duration::from_millis(i32::MAX.unsigned_abs().into()));
        self.wait = wait;
        self.db.busy_timeout(wait).map_err(|error| self.explain(error))?;
        Ok(self)
    }

    /// The file, as given.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Reads the whole file and checks that nothing of it is damaged. Takes time in proportion to its size.
    ///
    /// # Errors
    /// What is damaged first.
    pub fn check(&self) -> Result<(), StoreError> {
        let said: String = self.read(|db| db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)))?;
        match said.as_str() {
            "ok" => Ok(()),
            _ => Err(StoreError::Corrupt { file: self.file.clone(), what: said }),
        }
    }

    fn connect(file: &Path, create: bool) -> Result<Self, StoreError> {
        let opened = Opened::new(file, create)?;
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
        // its place: SQLite has a meaning of its own for `:memory:` and `file:x`
        let db = Connection::open_with_flags(opened.0.as_deref().unwrap_or(file), flags)
            .map_err(|source| StoreError::Open { file: file.into(), source })?;
        let store = Self { db, file: file.into(), wait: WAIT, _opened: opened }.wait_at_most(WAIT)?;
        let mut version = store.version()?;
        let mut waited = Duration::ZERO;
        // who makes it may not be done yet
        while version.is_none() && !create && waited < MAKING {
            thread::sleep(PAUSE);
            waited += PAUSE;
            version = store.version()?;
        }
        if store.read(|db| db.is_readonly("main"))? {
            return Err(StoreError::ReadOnly { file: file.into() });
        }
        store.read(|db| db.execute_batch("PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON"))?;
        if version.is_none() {
            if !create {
                return Err(StoreError::NotAStore { file: file.into() });
            }
            store.write_ahead()?;
            store.make()?;
        }
        Ok(store)
    }

    /// The version of the file, if it is one that this crate reads; none where the file is empty.
    fn version(&self) -> Result<Option<i64>, StoreError> {
        let (tables, application, found) = self.read(|db| {
            // one snapshot: between two, somebody else may make the tables
            let snapshot = db.unchecked_transaction()?;
            let number = |sql: &str| snapshot.query_row(sql, [], |row| row.get::<_, i64>(0));
            // the first statement that reads the file: what is no database is found here
            let tables = number("SELECT count(*) FROM sqlite_schema")?;
            Ok((tables, number("PRAGMA application_id")?, number("PRAGMA user_version")?))
        })?;
        let file = self.file.clone();
        match (application, found) {
            (APPLICATION, VERSION) => Ok(Some(VERSION)),
            (APPLICATION, _) => Err(StoreError::OtherVersion { file, found, expected: VERSION }),
            (0, 0) if tables == 0 => Ok(None),
            _ => Err(StoreError::NotAStore { file }),
        }
    }

    /// Turns on the write-ahead log, for which SQLite waits in some cases and in others, where others open the same new
    /// file, does not.
    fn write_ahead(&self) -> Result<(), StoreError> {
        self.read(|db| db.busy_timeout(Duration::ZERO))?;
        let mut waited = Duration::ZERO;
        let mode = loop {
            let turned = self.db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
            match turned {
                Err(error) if is_busy(&error) && waited < self.wait => thread::sleep(PAUSE),
                turned => break turned.map_err(|error| self.explain(error))?,
            }
            waited += PAUSE;
        };
        if mode != "wal" {
            return Err(StoreError::NoLog { file: self.file.clone(), mode });
        }
        self.read(|db| db.busy_timeout(self.wait))
    }

    /// Makes the tables, unless somebody else just did.
    fn make(&self) -> Result<(), StoreError> {
        self.write(|db| {
            let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if found == 0 {
                db.execute_batch(TABLES)?;
                db.pragma_update(None, "application_id", APPLICATION)?;
                db.pragma_update(None, "user_version", VERSION)?;
            }
            Ok(())
        })?;
        // somebody of another version may have been faster
        self.version().map(|_| ())
    }

    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        work(&self.db).map_err(|error| self.explain(error))
    }

    /// All of `work` or nothing; on disk when this returns.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let all = || {
            // immediate: who reads first and writes later can be refused without having waited
            let transaction = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
            let made = work(&transaction)?;
            transaction.commit()?;
            Ok(made)
        };
        all().map_err(|error| self.explain(error))
    }

    pub(crate) fn explain(&self, error: Error) -> StoreError {
        let file = self.file.clone();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreError::Busy { file, waited: self.wait }
            }
            Some(ErrorCode::DiskFull) => StoreError::Full { file },
            Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { file },
            Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { file },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt { file, what: error.to_string() },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                StoreError::Open { file, source: error }
            }
            Some(ErrorCode::TooBig) => StoreError::TooLarge { file },
            Some(_) => StoreError::Sqlite { file, source: error },
            // a field that does not hold what we write there
            None => StoreError::Corrupt { file, what: error.to_string() },
        }
    }
}

/// How many stores of this process each file is open as.
static OPEN: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

/// One of them. POSIX gives up all locks that a process has on a file when it closes any descriptor of it, SQLite's too, and
/// another process would then delete the log that this one writes. So a file is looked into only while no store of it is
/// open here.
#[derive(Debug)]
struct Opened(Option<PathBuf>);

impl Opened {
    fn new(file: &Path, create: bool) -> Result<Self, StoreError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if create && !file.exists() {
            // so that it has a place by which it is known; SQLite says why there can be none
            let _ = fs::OpenOptions::new().append(true).create(true).open(file);
        }
        let Ok(place) = file.canonicalize() else { return Ok(Self(None)) };
        if !open.contains_key(&place) {
            whole(file)?;
        }
        *open.entry(place.clone()).or_default() += 1;
        Ok(Self(Some(place)))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = &self.0 else { return };
        let left = open.get(place).map_or(0, |count| count - 1);
        if left == 0 {
            open.remove(place);
        } else {
            open.insert(place.clone(), left);
        }
    }
}

/// Refuses what SQLite would take for whole: a file below its smallest page, over which it would write, and
/// one whose last page is cut off.
fn whole(file: &Path) -> Result<(), StoreError> {
    let mut head = Vec::new();
    let read = fs::File::open(file).and_then(|opened| opened.take(100).read_to_end(&mut head));
    let Ok((bytes, _)) = fs::metadata(file).and_then(|about| Ok((about.len(), read?))) else { return Ok(()) };
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let page = match head.get(16..18) {
        Some(&[0, 1]) => 65_536,
        Some(&[high, low]) => u64::from(high) * 256 + u64::from(low),
        _ => 512,
    };
    // a log that is not yet worked in may still bring the rest
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let logged = fs::metadata(log).is_ok_and(|about| about.len() > 0);
    let (magic, known) = (&MAGIC[..head.len().min(MAGIC.len())], head.get(..MAGIC.len()).unwrap_or(&head));
    let cut = bytes < 512 || !logged && !bytes.is_multiple_of(page.max(512));
    match known == magic {
        _ if bytes == 0 => Ok(()),
        false => Err(StoreError::NotADatabase { file: file.into() }),
        true if cut => {
            let what = format!("{bytes} bytes, expected whole pages of {}", page.max(512));
            Err(StoreError::Corrupt { file: file.into(), what })
        }
        true => Ok(()),
    }
}

fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Filter, Key, Measured};
    use nas_core::Seed;

    fn key(arch: String) -> Key {
        let [space, metric, device, fidelity, code_version] = [const { String::new() }; 5];
        Key { space, arch, metric, device, fidelity, seed: Seed(0), code_version }
    }

    #[test]
    fn a_full_disk_is_an_error_and_loses_nothing() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open_or_create(dir.path().join("runs.sqlite")).unwrap();
        store.finish(&key("first".into()), &Measured::of(1.0), 0).unwrap();
        store.db.pragma_update(None, "max_page_count", 8).unwrap();
        let mut error = None;
        for i in 0..1_000 {
            error = store.finish(&key(format!("{i:0>100}")), &Measured::of(1.0), 0).err();
            if error.is_some() {
                break;
            }
        }
        let text = error.expect("no room").to_string();
        assert!(text.starts_with("no room left for ") && text.ends_with("nothing is lost"), "{text}");
        store.check().unwrap();
        let before = store.results(&Filter::default()).unwrap().len();
        store.db.pragma_update(None, "max_page_count", 1_000).unwrap();
        assert!(store.finish(&key("last".into()), &Measured::of(1.0), 0).unwrap());
        assert_eq!(store.results(&Filter::default()).unwrap().len(), before + 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn another_store_of_the_same_file_leaves_the_locks_of_the_first() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("runs.sqlite");
        let store = Store::open_or_create(&file).unwrap();
        store.finish(&key("first".into()), &Measured::of(1.0), 0).unwrap();
        let inode = format!(":{} ", fs::metadata(&file).unwrap().ino());
        let locks = || fs::read_to_string("/proc/locks").unwrap().matches(&inode).count();
        let before = locks();
        assert!(before > 0, "an open store holds no lock");
        drop(Store::open(&file).unwrap());
        assert_eq!(locks(), before);
        // once all are closed, it is looked into again
        drop(store);
        fs::write(&file, "SQLite format 3\0").unwrap();
        assert!(matches!(Store::open(&file), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn what_must_not_be_written_is_an_error() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open_or_create(dir.path().join("runs.sqlite")).unwrap();
        store.db.pragma_update(None, "query_only", true).unwrap();
        let error = store.finish(&key("a".into()), &Measured::of(1.0), 0).unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    }

    #[test]
    fn claims_and_keys_go_by_an_index() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open_or_create(dir.path().join("runs.sqlite")).unwrap();
        let plan = |sql: String| -> String {
            let mut plan = store.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let rows = plan.query_map(Filter::default().values([]), |row| row.get::<_, String>(3)).unwrap();
            rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
        };
        let claim = plan(format!(
            "SELECT id FROM unit WHERE state = 'open' AND {} ORDER BY id",
            crate::schema::MATCHES
        ));
        assert!(claim.contains("unit_by_state") && !claim.contains("TEMP B-TREE"), "{claim}");
        let one = plan(format!(
            "SELECT id FROM unit WHERE state = 'open' AND {} ORDER BY id",
            Filter::from(&key("one".into())).condition()
        ));
        assert!(one.contains("sqlite_autoindex_unit_1"), "{one}");
        let get = plan(format!("SELECT value FROM unit WHERE {}", crate::schema::IS));
        assert!(get.contains("sqlite_autoindex_unit_1"), "{get}");
    }
}
