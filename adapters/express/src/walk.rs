//! Walks: streams of sessions, taken some at a time, so that the event loop can do other things in between.

use napi_derive::napi;
use sessile::{Session, Sessions};

use crate::answer::count;
use crate::failure::{Failure, Thrown};
use crate::writes::{ms_of, text_of};

/// A stream of sessions.
#[napi]
pub struct Walk {
    sessions: Sessions,
}

/// One session of a stream. Times in milliseconds since the epoch.
#[napi(object)]
pub struct Walked {
    /// What names it without being its id.
    pub handle: String,
    /// Its id, in a store that keeps them.
    pub id: Option<String>,
    /// The session as JSON.
    pub data: String,
    /// When it began.
    pub created: f64,
    /// When it was last used, to within the slack of touches.
    pub last_used: f64,
    /// When it ends; infinite for never.
    pub deadline: f64,
}

impl Walk {
    /// Walks over these.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

#[napi]
impl Walk {
    /// The next sessions, at most so many; fewer only at the end.
    #[napi]
    pub fn next(&mut self, at_most: u32) -> Result<Vec<Walked>, Thrown> {
        let mut walked = Vec::new();
        while walked.len() < at_most as usize
            && let Some(session) = self.sessions.next()
        {
            walked.push(walked_of(session.map_err(Failure::from)?)?);
        }
        Ok(walked)
    }
}

fn walked_of(session: Session) -> Result<Walked, Failure> {
    Ok(Walked {
        handle: session.handle().to_string(),
        id: session.id().map(|id| String::from_utf8_lossy(id).into_owned()),
        created: count(session.created_ms()),
        last_used: count(session.last_used_ms()),
        deadline: ms_of(session.deadline()),
        data: text_of(session.into_data())?,
    })
}
