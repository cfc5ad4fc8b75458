//! A version of a session as its user knows it, and what of it may be found.

use sessile::{Session, SubjectDigest};

use crate::dice::mix;

/// A lifetime beyond this is for ever.
const FAR_MS: u64 = 1 << 46;

/// A version of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Which version it is: no two have the same number.
    pub serial: u64,
    /// The number in its data, which a rotation carries on.
    pub tag: u64,
    /// Bytes of data.
    pub bytes: u32,
    /// When the session began.
    pub created_ms: u64,
    /// Its idle lifetime; `u64::MAX` is for ever.
    pub idle_ms: u64,
    /// The latest deadline that it may have.
    pub deadline_ms: u64,
    /// The earliest deadline that it may have in memory; what the log knows may be earlier by less than the slack.
    pub early_ms: u64,
    /// Its absolute deadline.
    pub absolute_ms: u64,
    /// Whose it is.
    pub subject: Option<u8>,
    /// Its version, once the store has told it; else 0.
    pub version: u64,
    /// Another operation of the same session was under way, or the clock was: only tag, data and bounds are certain.
    pub loose: bool,
}

impl Known {
    /// How much earlier the log may think that it ends.
    #[must_use]
    pub fn slack_ms(&self, slack_ms: u64) -> u64 {
        // The lifetime stands in the record rounded up.
        slack_ms.min(self.idle_ms / 10 + 1).max(1)
    }

    /// What is wrong with what was found, if it should be this version with a deadline from `early_ms` on.
    #[must_use]
    pub fn differs(&self, seen: &Seen, early_ms: u64) -> Option<String> {
        if seen.tag != self.tag {
            return Some(format!("it is version {} and not {}", seen.tag, self.tag));
        }
        if !seen.whole || seen.bytes != self.bytes {
            return Some("its data are not what was written".to_owned());
        }
        if self.version != 0 && seen.version != self.version {
            return Some(format!("its version is {:x} and was {:x}", seen.version, self.version));
        }
        if seen.deadline_ms > self.deadline_ms {
            return Some(format!(
                "it lives until {}, later than the {} that was issued",
                seen.deadline_ms, self.deadline_ms
            ));
        }
        if seen.deadline_ms < early_ms {
            return Some(format!("it lives until {} only, and not {early_ms}", seen.deadline_ms));
        }
        if self.loose {
            return None;
        }
        if self.idle_ms < FAR_MS
            && !(self.idle_ms..=self.idle_ms + (self.idle_ms >> 18)).contains(&seen.idle_ms)
        {
            return Some(format!("its idle lifetime is {} and not {}", seen.idle_ms, self.idle_ms));
        }
        let told = [
            ("created_ms", seen.created_ms, self.created_ms),
            ("absolute_ms", seen.absolute_ms, self.absolute_ms),
        ];
        let wrong = told.into_iter().find(|(_, found, known)| found != known);
        if let Some((what, found, known)) = wrong {
            return Some(format!("{what} is {found} and not {known}"));
        }
        (seen.subject != self.subject)
            .then(|| format!("its subject is {:?} and not {:?}", seen.subject, self.subject))
    }

    /// Whether all that a version is told by is the same, but for its deadline.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        let told = |known: &Self| (known.created_ms, known.idle_ms, known.absolute_ms, known.subject);
        told(self) == told(other)
    }

    /// The same, as it was found.
    #[must_use]
    pub fn as_seen(&self, seen: &Seen) -> Self {
        Self {
            created_ms: seen.created_ms,
            idle_ms: if seen.idle_ms >= FAR_MS { u64::MAX } else { seen.idle_ms },
            deadline_ms: seen.deadline_ms,
            early_ms: seen.deadline_ms,
            absolute_ms: seen.absolute_ms,
            subject: seen.subject,
            version: seen.version,
            loose: false,
            ..*self
        }
    }
}

/// A session as the store shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The tag in its data.
    pub tag: u64,
    /// How long the data are, and whether they are what that tag was written with.
    pub bytes: u32,
    /// See [`bytes`](Self::bytes).
    pub whole: bool,
    /// Its version.
    pub version: u64,
    /// When it began.
    pub created_ms: u64,
    /// Its idle lifetime.
    pub idle_ms: u64,
    /// Its deadline.
    pub deadline_ms: u64,
    /// Its absolute deadline.
    pub absolute_ms: u64,
    /// Whose it is; 255 is somebody whom nobody named.
    pub subject: Option<u8>,
}

impl Seen {
    /// What a session shows, given the digests of the subjects.
    #[must_use]
    pub fn of(session: &Session, subjects: &[SubjectDigest]) -> Self {
        let data = session.data();
        let tag = data.first_chunk().map_or(0, |front| u64::from_le_bytes(*front));
        let named = |digest: SubjectDigest| {
            subjects.iter().position(|known| *known == digest).map_or(255, |at| at as u8)
        };
        Self {
            tag,
            bytes: data.len() as u32,
            whole: is_payload(data, tag),
            version: session.version().as_u64(),
            created_ms: session.created_ms(),
            idle_ms: u64::try_from(session.idle().as_millis()).unwrap_or(u64::MAX),
            deadline_ms: session.deadline().as_ms(),
            absolute_ms: session.absolute_deadline().as_ms(),
            subject: session.subject().map(named),
        }
    }
}

/// The data of a version: its tag, and bytes that only it has.
#[must_use]
pub fn payload(tag: u64, bytes: u32) -> Vec<u8> {
    let fill = mix(tag).to_le_bytes();
    let mut data = Vec::with_capacity(bytes as usize + 8);
    data.extend_from_slice(&tag.to_le_bytes());
    while data.len() < bytes as usize {
        data.extend_from_slice(&fill);
    }
    data.truncate(bytes.max(8) as usize);
    data
}

fn is_payload(data: &[u8], tag: u64) -> bool {
    let fill = mix(tag).to_le_bytes();
    data.len() >= 8 && data[8..].chunks(8).all(|chunk| fill.starts_with(chunk))
}
