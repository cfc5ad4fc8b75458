//! Everything that a store shows, in every way that it can be asked; the ways must agree.

use sessile::{Error, Session, Store, SubjectDigest};

use crate::oracle::{Found, RECORD_BYTES, Seen};
use crate::run::stage::{id_name, subject_name};

/// Reads all ids. With `damaged`, records may be damaged where the store says so.
pub fn all(
    store: &Store,
    ids: usize,
    subjects: &[SubjectDigest],
    damaged: bool,
) -> Result<Vec<Found>, String> {
    let mut found = Vec::with_capacity(ids);
    let mut by_id: Vec<Session> = Vec::with_capacity(ids);
    for id in 0..ids {
        let name = id_name(id);
        let session = match store.get(&name) {
            Err(Error::Corrupt(_)) if damaged => {
                found.push(Found::Damaged);
                continue;
            }
            session => session.map_err(|error| format!("id {id} cannot be read: {error}"))?,
        };
        let seen = session.as_ref().map(|session| Seen::of(session, subjects));
        if let Some(seen) = seen.filter(|seen| seen.subject == Some(255)) {
            return Err(format!("id {id} belongs to somebody whom nobody named: {seen:?}"));
        }
        found.push(Found::Shown(seen));
        by_id.extend(session);
    }
    agree(store, ids, &by_id, subjects, damaged)?;
    Ok(found)
}

/// `iter`, `sessions_of`, `get_ref`, `get_handle` and `len` against what `get` shows.
fn agree(
    store: &Store,
    ids: usize,
    by_id: &[Session],
    subjects: &[SubjectDigest],
    damaged: bool,
) -> Result<(), String> {
    let mut known: Vec<&Session> = by_id.iter().collect();
    known.sort_by_key(|session| session.handle());
    let readable = |session: &Result<Session, Error>| !(damaged && matches!(session, Err(Error::Corrupt(_))));
    let listed = |stream: Result<sessile::Sessions, Error>, what: &str| -> Result<Vec<Session>, String> {
        let stream = stream.map_err(|error| format!("{what}: {error}"))?.filter(readable);
        let mut sessions: Vec<Session> =
            stream.collect::<Result<_, _>>().map_err(|error| format!("{what}: {error}"))?;
        sessions.sort_by_key(Session::handle);
        Ok(sessions)
    };
    let iterated = listed(store.iter(), "iter")?;
    if iterated.len() != known.len() || !iterated.iter().zip(&known).all(|(a, b)| a == *b) {
        return Err(format!("iter shows {} sessions, and get {}, or others", iterated.len(), known.len()));
    }
    for (number, digest) in subjects.iter().enumerate() {
        let of = listed(store.sessions_of(subject_name(number as u8)), "sessions_of")?;
        let mut expected = known.iter().filter(|session| session.subject() == Some(*digest));
        let same = of.iter().all(|session| expected.next() == Some(&session)) && expected.next().is_none();
        if !same {
            return Err(format!(
                "sessions_of subject {number} shows {} sessions, and not those of get",
                of.len()
            ));
        }
    }
    for session in known {
        let by_handle = store.get_handle(&session.handle()).map_err(|error| error.to_string())?;
        if by_handle.as_ref() != Some(session) {
            return Err("get_handle shows another session than get".to_owned());
        }
    }
    if store.len() < by_id.len() as u64 {
        return Err(format!("len is {} with {} sessions to be seen", store.len(), by_id.len()));
    }
    for id in 0..ids.min(4) {
        let (copied, in_place) = (store.get(id_name(id)), store.get_ref(id_name(id)));
        if let (Ok(copied), Ok(in_place)) = (copied, in_place) {
            let same = match (&copied, &in_place) {
                (Some(copied), Some(in_place)) => {
                    copied.data() == in_place.data() && copied.version() == in_place.version()
                }
                (None, None) => true,
                _ => false,
            };
            if !same {
                return Err(format!("get and get_ref of id {id} differ"));
            }
        }
    }
    Ok(())
}

/// `verify` is clean and counts what is shown, and live and dead bytes add up to the files.
pub fn sound(store: &Store, sim: &sessile::vfs::SimVfs, shown: &[Found]) -> Result<(), String> {
    let alive: Vec<&Seen> = shown
        .iter()
        .filter_map(|found| if let Found::Shown(seen) = found { seen.as_ref() } else { None })
        .collect();
    let verified = store.verify().map_err(|error| format!("verify: {error}"))?;
    if !verified.damage.is_empty() {
        return Err(format!("verify found damage: {:?}", verified.damage));
    }
    if verified.sessions != alive.len() as u64 {
        return Err(format!("verify counts {} sessions, and {} are shown", verified.sessions, alive.len()));
    }
    let stats = store.stats();
    let (live, dead) = (stats.live_bytes, stats.dead_bytes);
    if live > verified.bytes || live + dead < verified.bytes || live + dead > stats.disk_bytes {
        return Err(format!(
            "{live} live and {dead} dead bytes do not fit {} bytes of records in {} bytes of files",
            verified.bytes, stats.disk_bytes
        ));
    }
    if store.len() == alive.len() as u64 {
        let data: u64 = alive.iter().map(|seen| u64::from(seen.bytes)).sum();
        let (least, most) = (data + 48 * alive.len() as u64, data + RECORD_BYTES * alive.len() as u64);
        if !(least..=most).contains(&live) {
            return Err(format!("{live} bytes are said to be live, and the sessions take {least} to {most}"));
        }
    }
    let files = files_bytes(sim)?;
    if files != stats.disk_bytes {
        return Err(format!("the segments have {files} bytes, and the store counts {}", stats.disk_bytes));
    }
    Ok(())
}

fn files_bytes(sim: &sessile::vfs::SimVfs) -> Result<u64, String> {
    use sessile::vfs::Vfs;
    let directory = std::path::Path::new(super::DIRECTORY);
    let names = sim.list(directory).map_err(|error| error.to_string())?;
    let mut bytes = 0;
    for name in names.iter().filter(|name| name.ends_with(".seg")) {
        let file = sim.open(&directory.join(name), false).map_err(|error| error.to_string())?;
        bytes += file.len().map_err(|error| error.to_string())?;
    }
    Ok(bytes)
}
