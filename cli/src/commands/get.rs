//! `sessile get`: one session, named by its id on standard input or by its handle.

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sessile::Recovery;

use super::facts::SessionFacts;
use crate::args::Get;
use crate::failure::Failure;
use crate::open;
use crate::output::{self, Report};
use crate::secret::Name;

pub(super) fn run(get: &Get) -> Result<(), Failure> {
    let dir = &get.look.dir;
    let name = Name::from(get.handle.as_deref())?;
    let store = open::for_a_look(dir, Recovery::Strict)?;
    let found = match &name {
        Name::Id(id) => store.get(id),
        Name::Handle(handle) => store.get_handle(handle),
    };
    let session = found.map_err(|error| Failure::store(dir, error))?.ok_or(Failure::NotFound(name.kind()))?;
    if get.data && !get.look.json {
        let mut out = io::stdout().lock();
        return out.write_all(session.data()).and_then(|()| out.flush()).map_err(Failure::Output);
    }
    let facts = SessionFacts::from(&session);
    let data = if get.data { Data::of(session.into_data()) } else { Data::default() };
    output::show(&One { facts, data }, get.look.json)
}

#[derive(Debug, Serialize)]
struct One {
    #[serde(flatten)]
    facts: SessionFacts,
    #[serde(flatten)]
    data: Data,
}

/// The data in JSON: as a string, or in base64 where it is no UTF-8.
#[derive(Debug, Default, Serialize, PartialEq, Eq)]
struct Data {
    #[serde(rename = "data", skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(rename = "data_base64", skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl Data {
    fn of(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self { text: Some(text), base64: None },
            Err(error) => Self { text: None, base64: Some(BASE64_STANDARD.encode(error.as_bytes())) },
        }
    }
}

impl Report for One {
    fn text(&self) -> String {
        output::facts(self.facts.rows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_is_no_text_is_base64() {
        assert_eq!(Data::of(b"hi".to_vec()).text.as_deref(), Some("hi"));
        assert_eq!(Data::of(vec![0xff, 0]).base64.as_deref(), Some("/wA="));
    }
}
