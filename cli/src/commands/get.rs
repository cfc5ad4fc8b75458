//! `sessile get`: one session, named by its id on standard input or by its handle.

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sessile_control::{Facts, Request};

use super::facts;
use crate::args::Get;
use crate::door::{self, expect_answer};
use crate::failure::Failure;
use crate::output::{self, Report};
use crate::secret;

pub(super) fn run(get: &Get) -> Result<(), Failure> {
    let name = secret::name(get.handle.as_deref())?;
    let kind = name.kind();
    let door = door::to_look(&get.look.dir)?;
    let found = expect_answer!(door.answer(&Request::Get { name, data: get.data })?, Got);
    let (facts, data) = found.ok_or(Failure::NotFound(kind))?;
    let data = data.map(|bytes| bytes.0);
    if let (Some(data), false) = (&data, get.look.json) {
        let mut out = io::stdout().lock();
        return out.write_all(data).and_then(|()| out.flush()).map_err(Failure::Output);
    }
    output::show(&One { facts, data: data.map(Data::of).unwrap_or_default() }, get.look.json)
}

#[derive(Debug, Serialize)]
struct One {
    #[serde(flatten)]
    facts: Facts,
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
        output::facts(facts::rows(&self.facts))
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
