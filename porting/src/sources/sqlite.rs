//! Tables in a SQLite file: connect-sqlite3, better-sqlite3-session-store, tower-sessions-sqlx-store.
//!
//! The file is opened for reading only, also while its server writes to it: what stands in the write-ahead log is read too.
//! Pages go by rowid. Who is saved anew by these stores gets a higher one, so nobody is passed over.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::{Entry, PAGE, Page, Position, Source};
use crate::address::{Address, Format};
use crate::error::{Error, Result};
use crate::formats::moment::{self, Raw, Usual};
use crate::formats::{express, tower};
use crate::session::{Kind, Moving, Name, Unit, Why};

pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) struct Table {
    connection: Connection,
    home: String,
    format: Format,
    query: String,
    count: String,
    after: i64,
}

/// What a format calls its table and columns.
fn usual(format: Format) -> [&'static str; 4] {
    match format {
        Format::ConnectSqlite3 => ["sessions", "sid", "sess", "expired"],
        Format::BetterSqlite3 => ["sessions", "sid", "sess", "expire"],
        _ => ["tower_sessions", "id", "data", "expiry_date"],
    }
}

impl Table {
    pub fn open(mut address: Address, from: Option<&Position>) -> Result<Self> {
        let [table, id, data, expires] = usual(address.format);
        let table = quoted(&address.take_or("table", table));
        let [id, data, expires] = [("id", id), ("data", data), ("expires", expires)]
            .map(|(word, usual)| quoted(&address.take_or(word, usual)));
        address.taken()?;
        let path = address.path()?;
        let home = path.display().to_string();
        std::fs::metadata(&path).map_err(|error| Error::file("reading", &path, error))?;
        let failed = |error: rusqlite::Error| Error::Server { home: home.clone(), why: said(&error) };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        let query = format!(
            "SELECT rowid, {id}, {data}, {expires} FROM {table} WHERE rowid > ?1 ORDER BY rowid LIMIT {PAGE}"
        );
        // A name in quotes that is no column is text to SQLite; with the table's name before it, it is an error.
        let probe = format!(
            "SELECT {table}.rowid, {table}.{id}, {table}.{data}, {table}.{expires} FROM {table} LIMIT 0"
        );
        connection.prepare(&probe).map_err(|error| shape(&home, &error))?;
        let count = format!("SELECT count(*) FROM {table} WHERE rowid > ?1");
        let after = from.and_then(|position| position.parse().ok()).unwrap_or(i64::MIN);
        Ok(Self { connection, home, format: address.format, query, count, after })
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        Error::Server { home: self.home.clone(), why: said(error) }
    }

    fn entry(format: Format, row: &Row<'_>) -> std::result::Result<Moving, Why> {
        let value = |column| row.get_ref(column).map_err(|_| Why::from(Kind::Data));
        let (id, data, expires) = (value(1)?, value(2)?, value(3)?);
        let ValueRef::Text(id) = id else { return Err(Why::with(Kind::Id, "it is no text")) };
        let usual = match format {
            Format::ConnectSqlite3 => Usual::Number(Unit::Milliseconds),
            _ => Usual::Text,
        };
        let (deadline, note) = moment::read(raw(expires)?, usual)?;
        let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = data else {
            return Err(Why::with(Kind::Data, "is neither text nor bytes"));
        };
        if format == Format::TowerSqlx {
            let id = std::str::from_utf8(id).map_err(|_| Why::from(Kind::Id)).and_then(tower::id)?;
            return Ok(Moving::new(Name::Id(id), tower::data(bytes)?, deadline).noted(note));
        }
        let facts = express::read(bytes)?;
        Ok(Moving::new(Name::Id(id.to_vec()), bytes.to_vec(), deadline).idle_ms(facts.max_age_ms).noted(note))
    }
}

impl Source for Table {
    fn total(&mut self) -> Result<Option<u64>> {
        let count = self.connection.query_row(&self.count, [self.after], |row| row.get::<_, i64>(0));
        count.map(|count| u64::try_from(count).ok()).map_err(|error| self.failed(&error))
    }

    fn page(&mut self) -> Result<Page> {
        let mut page = Page::default();
        let mut statement =
            self.connection.prepare_cached(&self.query).map_err(|error| self.failed(&error))?;
        let mut rows = statement.query([self.after]).map_err(|error| self.failed(&error))?;
        let mut after = self.after;
        while let Some(row) = rows.next().map_err(|error| self.failed(&error))? {
            after = row.get(0).map_err(|error| self.failed(&error))?;
            let entry: Entry = Self::entry(self.format, row).map_err(|why| (format!("rowid {after}"), why));
            page.entries.push(entry);
        }
        drop(rows);
        drop(statement);
        self.after = after;
        page.position = Some(after.to_string());
        page.last = page.entries.len() < PAGE;
        Ok(page)
    }
}

fn raw(value: ValueRef<'_>) -> std::result::Result<Raw<'_>, Why> {
    Ok(match value {
        ValueRef::Null => Raw::Null,
        ValueRef::Integer(number) => Raw::Whole(number),
        ValueRef::Real(number) => Raw::Real(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Raw::Text(std::str::from_utf8(text).map_err(|_| Why::from(Kind::Moment))?)
        }
    })
}

/// A name of a table or column, as SQL takes it whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

/// What SQLite said. It names tables and columns, and no values.
pub(crate) fn said(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) if failure.code == rusqlite::ErrorCode::NotADatabase => {
            "is no SQLite database; if it is encrypted, decrypt it first".to_owned()
        }
        error => format!("SQLite says: {error}"),
    }
}

fn shape(home: &str, error: &rusqlite::Error) -> Error {
    Error::Shape(format!(
        "{home}: {}; name the table and its columns behind a question mark, for example ?table=user_sessions&id=sid&data=sess&expires=expired",
        said(error)
    ))
}
