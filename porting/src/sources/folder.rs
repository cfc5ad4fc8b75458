//! Folders of session-file-store: a file a session, named by its id.
//!
//! Files are taken in the order of a digest of their names, which is also the position: names are ids.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sessile::Deadline;

use super::{Entry, PAGE, Page, Position, Source};
use crate::address::Address;
use crate::error::{Error, Result};
use crate::formats::express;
use crate::session::{Kind, Moving, Name, Why};

/// What session-file-store gives a session whose cookie does not say how long it lives.
const TTL_SECONDS: u64 = 3600;

pub(super) struct Folder {
    dir: PathBuf,
    extension: String,
    ttl_ms: u64,
    /// Names behind their digests, the last one first.
    left: Vec<([u8; 16], String)>,
    /// How many names are no text, and so no session's.
    strange: usize,
}

impl Folder {
    pub fn open(mut address: Address, from: Option<&Position>) -> Result<Self> {
        let extension = address.take_or("extension", ".json");
        let ttl = address.take("ttl").map(|ttl| ttl.parse::<u64>());
        let ttl = ttl.unwrap_or(Ok(TTL_SECONDS)).map_err(|_| {
            Error::address("session-file-store: ttl is its option of that name, a number of seconds")
        })?;
        address.taken()?;
        let dir = address.path()?;
        let after = from.cloned().unwrap_or_default();
        let mut folder =
            Self { dir, extension, ttl_ms: ttl.saturating_mul(1000), left: Vec::new(), strange: 0 };
        folder.list(&after).map_err(|error| Error::file("listing", &folder.dir, error))?;
        Ok(folder)
    }

    fn list(&mut self, after: &str) -> io::Result<()> {
        for file in fs::read_dir(&self.dir)? {
            match file?.file_name().into_string() {
                Ok(name) if name.ends_with(&self.extension) => self.left.push((digest(&name), name)),
                Ok(_) => {}
                Err(_) => self.strange += 1,
            }
        }
        self.left.retain(|(digest, _)| crate::formats::lines::hex(digest).as_str() > after);
        self.left.sort_unstable_by(|one, other| other.cmp(one));
        Ok(())
    }

    fn read(&self, name: &str) -> std::result::Result<Option<Moving>, Why> {
        let data = match fs::read(self.dir.join(name)) {
            Ok(data) => data,
            // Ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A folder of that name, or another's file.
            Err(error) => return Err(Why::with(Kind::Data, error.kind())),
        };
        let id = name.strip_suffix(&self.extension).filter(|id| !id.is_empty()).ok_or(Kind::Id)?;
        self.decode(id, data).map(Some)
    }

    /// It lives for its cookie's `originalMaxAge`, or for `ttl`, from when it was last used.
    fn decode(&self, id: &str, data: Vec<u8>) -> std::result::Result<Moving, Why> {
        let facts = express::read(&data).map_err(|why| match why.kind {
            Kind::Data if looks_encrypted(&data) => Kind::Encrypted.into(),
            _ => why,
        })?;
        let last = facts.last_access_ms.filter(|ms| *ms >= 0.0 && ms.is_finite());
        let last = last.ok_or_else(|| Why::with(Kind::Moment, "it has no __lastAccess"))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; never later")]
        let last = last as u64;
        let lifetime = facts.max_age_ms.unwrap_or(self.ttl_ms);
        let deadline = Deadline::at_ms(last.saturating_add(lifetime));
        Ok(Moving::new(Name::Id(id.as_bytes().to_vec()), data, deadline).idle_ms(Some(lifetime)))
    }
}

fn digest(name: &str) -> [u8; 16] {
    let mut short = [0; 16];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut short);
    short
}

/// Written with a `secret`: text in hexadecimal or base64, or bytes, and no JSON.
fn looks_encrypted(data: &[u8]) -> bool {
    let is_code = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_\"".contains(byte);
    data.len() > 32 && (data.iter().all(is_code) || std::str::from_utf8(data).is_err())
}

impl Source for Folder {
    fn total(&mut self) -> Result<Option<u64>> {
        Ok(u64::try_from(self.left.len()).ok())
    }

    fn page(&mut self) -> Result<Page> {
        let mut page = Page::default();
        for _ in 0..std::mem::take(&mut self.strange) {
            page.entries.push(Err(("a file".into(), Why::with(Kind::Id, "its name is no text"))));
        }
        while page.entries.len() < PAGE {
            let Some((digest, name)) = self.left.pop() else { break };
            page.position = Some(crate::formats::lines::hex(&digest));
            let entry: Option<Entry> =
                self.read(&name).map_err(|why| (place(&self.dir.join(&name)), why)).transpose();
            page.entries.extend(entry);
        }
        page.last = self.left.is_empty();
        Ok(page)
    }
}

/// A file without its name, which is an id: its length and when it was changed find it.
fn place(path: &Path) -> String {
    let Ok(facts) = fs::metadata(path) else { return "a file".to_owned() };
    let changed = facts.modified().ok().and_then(|at| jiff::Timestamp::try_from(at).ok());
    let changed =
        changed.map_or_else(String::new, |at| at.strftime(", changed %Y-%m-%dT%H:%M:%SZ").to_string());
    format!("a file of {} bytes{changed}", facts.len())
}
