use crate::Key;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why the store cannot do what it is asked for. What was written before stays.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No file where an existing store was to be opened.
    #[error("there is no store {}: check the path, or submit work to it first", file.display())]
    NotThere {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be opened or made.
    #[error("cannot open or make {}: check that its folder exists and may be written", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A file of another kind.
    #[error("{} is not an SQLite file: name a run store, or a new file", file.display())]
    NotADatabase {
        /// The file.
        file: PathBuf,
    },
    /// An SQLite file of another program, or an empty one.
    #[error("{} is an SQLite file, but not a run store: name a run store, or a new file", file.display())]
    NotAStore {
        /// The file.
        file: PathBuf,
    },
    /// A store of another version.
    #[error(
        "{} is a run store of version {found}, expected version {expected}: \
         use the release that made it, or a new file",
        file.display()
    )]
    OtherVersion {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The version of this crate.
        expected: i64,
    },
    /// A store that is damaged or cut off.
    #[error(
        "{} is damaged or cut off ({what}): restore a copy, or save what is left with `sqlite3 FILE .recover`",
        file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What SQLite or a check of ours says.
        what: String,
    },
    /// A store that cannot be written.
    #[error("{} cannot be written: allow writing to the file and its folder, or copy it", file.display())]
    ReadOnly {
        /// The file.
        file: PathBuf,
    },
    /// No write-ahead log can be kept beside the file.
    #[error(
        "{} cannot have a write-ahead log (SQLite stays with `{mode}`): name a file on a disk of this machine",
        file.display()
    )]
    NoLog {
        /// The file.
        file: PathBuf,
        /// How SQLite would write instead.
        mode: String,
    },
    /// The disk is full. Nothing was written, the store is as it was.
    #[error("no room left for {}: make room on its disk and go on, nothing is lost", file.display())]
    Full {
        /// The file.
        file: PathBuf,
    },
    /// Others kept the store locked all the time.
    #[error(
        "{} was locked by others for {} s: look for a program that holds it, or wait longer",
        file.display(),
        waited.as_secs_f64()
    )]
    Busy {
        /// The file.
        file: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// Somebody else holds the unit by now, or it was given back: stop working on it.
    #[error(
        "{owner} no longer holds {key} ({}): drop this work, and renew earlier or lease longer",
        held(holder)
    )]
    LeaseLost {
        /// The unit.
        key: Box<Key>,
        /// Who held it.
        owner: String,
        /// Who holds it now.
        holder: Option<String>,
    },
    /// A value that is NaN or infinite.
    #[error("{key} is {value}, expected a finite number: record it as diverged")]
    NotFinite {
        /// The unit.
        key: Box<Key>,
        /// The value or the cost.
        value: f64,
    },
    /// A payload that is not JSON.
    #[error("the payload of {key} is not JSON: write it with a JSON library")]
    NotJson {
        /// The unit.
        key: Box<Key>,
        /// Where.
        source: serde_json::Error,
    },
    /// A checkpoint, payload or text beyond what SQLite keeps in one field.
    #[error("more than SQLite keeps in one field of {} (1,000,000,000 bytes): keep it elsewhere", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// A disk that fails, or anything else that SQLite says.
    #[error("{} cannot be read or written: check its disk", file.display())]
    Sqlite {
        /// The file.
        file: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

fn held(by: &Option<String>) -> String {
    by.as_ref().map_or_else(|| "nobody does".into(), |by| format!("{by} does"))
}
