//! Tables in PostgreSQL: connect-pg-simple and tower-sessions-sqlx-store.
//!
//! Everything is read in one transaction that sees the table as it was at its beginning, in the order of a digest of the ids,
//! which is also the position.

use postgres::Row;
use postgres::types::Type;

use super::{PAGE, Page, Position, Source};
use crate::address::{Address, Format};
use crate::error::{Error, Result};
use crate::formats::moment::{self, Raw, Usual};
use crate::formats::{express, tower};
use crate::servers::postgres::Postgres;
use crate::session::{Kind, Moving, Name, Unit, Why};

pub(super) struct Table {
    postgres: Postgres,
    format: Format,
    count: String,
    read: u64,
}

/// What a format calls its schema, table and columns. connect-pg-simple leaves the schema to the search path.
const fn usual(format: Format) -> [&'static str; 5] {
    match format {
        Format::TowerSqlx => ["tower_sessions", "session", "id", "data", "expiry_date"],
        _ => ["", "session", "sid", "sess", "expire"],
    }
}

/// A table and its columns, quoted.
pub(crate) struct Names {
    pub table: String,
    pub id: String,
    pub data: String,
    pub expires: String,
}

impl Names {
    pub fn take(address: &mut Address) -> Self {
        let [schema, table, id, data, expires] = usual(address.format);
        let [schema, table, id, data, expires] =
            [("schema", schema), ("table", table), ("id", id), ("data", data), ("expires", expires)]
                .map(|(word, usual)| quoted(&address.take_or(word, usual)));
        let table = if schema == "\"\"" { table } else { format!("{schema}.{table}") };
        Self { table, id, data, expires }
    }
}

/// A name of a table or column, as SQL takes it whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

impl Table {
    pub fn open(mut address: Address, from: Option<&Position>) -> Result<Self> {
        let names = Names::take(&mut address);
        let zone = address.take("timezone");
        let mut postgres = Postgres::connect(&address)?;
        postgres.use_zone(zone)?;
        let expires = moment_of(&mut postgres, &names)?;
        let Names { table, id, data, .. } = &names;
        let after = from.filter(|position| position.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let after = after.map_or("", String::as_str);
        // Compared byte by byte, whatever the database's language.
        let digest = format!("encode(sha256(convert_to({id}::text, 'UTF8')), 'hex') COLLATE \"C\"");
        let data = if address.format == Format::TowerSqlx { data.clone() } else { format!("{data}::text") };
        let rows = format!("FROM {table} WHERE {digest} > '{after}'");
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             DECLARE sessions NO SCROLL CURSOR FOR SELECT {digest}, {id}::text, {data}, {expires} {rows} ORDER BY 1"
        );
        postgres.client.batch_execute(&begin).map_err(|error| postgres.failed(&error))?;
        // A row without an id has no digest, and is not among them.
        let count = format!("SELECT count(*) {rows}");
        Ok(Self { postgres, format: address.format, count, read: 0 })
    }

    fn entry(&self, row: &Row) -> std::result::Result<Moving, Why> {
        let text = |column| row.try_get::<_, Option<&str>>(column).map_err(|_| Why::from(Kind::Data));
        let id = text(1)?.ok_or(Kind::Id)?;
        let raw = text(3)?.map_or(Raw::Null, Raw::Text);
        let (deadline, note) = moment::read(raw, Usual::Number(Unit::Milliseconds))?;
        if self.format == Format::TowerSqlx {
            let data: Option<&[u8]> = row.try_get(2).map_err(|_| Why::with(Kind::Data, "is not bytea"))?;
            let data = tower::data(data.unwrap_or_default())?;
            return Ok(Moving::new(Name::Id(tower::id(id)?), data, deadline).noted(note));
        }
        let data = text(2)?.unwrap_or_default().as_bytes();
        let facts = express::read(data)?;
        let name = Name::Id(id.as_bytes().to_vec());
        Ok(Moving::new(name, data.to_vec(), deadline).idle_ms(facts.max_age_ms).noted(note))
    }
}

/// How the moment is asked for, by its column's type: as milliseconds, rounded down, if it is a time; else as it is.
///
/// A time without a zone is one of the session's zone, since that is how it was written.
fn moment_of(postgres: &mut Postgres, names: &Names) -> Result<String> {
    let Names { table, id, data, expires } = names;
    let probe = format!("SELECT {id}, {data}, {expires} FROM {table}");
    let types = postgres.client.prepare(&probe).map_err(|error| {
        let Error::Server { home, why } = postgres.failed(&error) else { return postgres.failed(&error) };
        Error::Shape(format!(
            "{home}: {why}; name schema, table and columns behind a question mark, for example \
             ?schema=public&table=user_sessions&id=sid&data=sess&expires=expire"
        ))
    })?;
    let is_time = types
        .columns()
        .get(2)
        .is_some_and(|column| [Type::TIMESTAMP, Type::TIMESTAMPTZ].contains(column.type_()));
    Ok(if is_time {
        format!(
            "CASE WHEN isfinite({expires}) THEN floor(extract(epoch FROM {expires}::timestamptz) * 1000)::bigint::text \
             WHEN {expires} > 'now' THEN 'infinity' ELSE '0' END"
        )
    } else {
        format!("{expires}::text")
    })
}

impl Source for Table {
    fn total(&mut self) -> Result<Option<u64>> {
        let count = self.postgres.client.query_one(&self.count, &[]);
        let count =
            count.and_then(|row| row.try_get::<_, i64>(0)).map_err(|error| self.postgres.failed(&error))?;
        Ok(u64::try_from(count).ok())
    }

    fn page(&mut self) -> Result<Page> {
        let rows = self.postgres.client.query(&format!("FETCH {PAGE} FROM sessions"), &[]);
        let rows = rows.map_err(|error| self.postgres.failed(&error))?;
        let mut page = Page { last: rows.len() < PAGE, ..Page::default() };
        for row in &rows {
            self.read += 1;
            page.entries.push(
                self.entry(row).map_err(|why| (format!("row {} in the order of sha256", self.read), why)),
            );
        }
        page.position = rows.last().and_then(|row| row.try_get(0).ok());
        Ok(page)
    }
}
