//! The tables, and the only place that makes them.

/// Raised with every change of the tables. A store of another version is refused, never changed.
pub(crate) const VERSION: i64 = 1;

/// "BRPN": tells a run store from other SQLite files.
pub(crate) const APPLICATION: i64 = 0x4252_504e;

/// `state` says what came of a unit; whether somebody works on an open one is said by its lease alone.
/// `tries` grows with every lease, so that a lease that ran out is told from the next one, even of the same
/// owner. Seeds are stored as the signed number of the same 64 bits.
pub(crate) const TABLES: &str = "
CREATE TABLE unit (
    id INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    arch TEXT NOT NULL,
    metric TEXT NOT NULL,
    device TEXT NOT NULL,
    fidelity TEXT NOT NULL,
    seed INTEGER NOT NULL,
    code_version TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed', 'diverged')),
    owner TEXT,
    until_ms INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    value REAL,
    payload TEXT,
    cost_s REAL,
    reason TEXT,
    at_ms INTEGER NOT NULL,
    CHECK ((state = 'done') = (value IS NOT NULL)),
    CHECK ((state IN ('failed', 'diverged')) = (reason IS NOT NULL)),
    UNIQUE (space, arch, metric, device, fidelity, seed, code_version)
) STRICT;
CREATE INDEX unit_by_state ON unit (state, id);
CREATE TABLE checkpoint (unit INTEGER PRIMARY KEY REFERENCES unit (id), bytes BLOB NOT NULL) STRICT;
";

/// The parts of a key as columns, in the order of `?1` to `?7`.
pub(crate) const KEY: &str = "space, arch, metric, device, fidelity, seed, code_version";

/// One unit.
pub(crate) const IS: &str = "space = ?1 AND arch = ?2 AND metric = ?3 AND device = ?4 AND fidelity = ?5 \
    AND seed = ?6 AND code_version = ?7";

/// The units of a filter.
pub(crate) const MATCHES: &str = "(?1 IS NULL OR space = ?1) AND (?2 IS NULL OR arch = ?2) \
    AND (?3 IS NULL OR metric = ?3) AND (?4 IS NULL OR device = ?4) AND (?5 IS NULL OR fidelity = ?5) \
    AND (?6 IS NULL OR seed = ?6) AND (?7 IS NULL OR code_version = ?7)";

/// The order of every listing, equal to the order of `Key`: large seeds are negative here.
pub(crate) const ORDER: &str = "space, arch, metric, device, fidelity, seed < 0, seed, code_version";
