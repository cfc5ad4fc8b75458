//! Any bytes as the data of a typed session: a value that reads back the same, or an error of the one kind.
//!
//! What must hold: a value that is read can be written again; no length that lies allocates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sessile::Error;
use sessile::typed::{Encoded, SessionValue};

use crate::allocation::bounded;

/// One of everything that a codec treats in its own way.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Login {
    user: u64,
    name: String,
    initial: char,
    admin: Option<bool>,
    offset: i64,
    plan: Plan,
    cart: Vec<(u32, i8)>,
    flags: [bool; 3],
    notes: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Plan {
    Free,
    Trial(u16),
    Paid { seats: u32, coupon: Option<String> },
}

/// What version 1 was.
#[derive(Deserialize)]
struct LoginV1 {
    user: u64,
    name: String,
}

impl SessionValue for Login {
    const VERSION: u32 = 2;

    fn migrate(version: u32, bytes: Encoded<'_>) -> sessile::Result<Self> {
        if version != 1 {
            return Err(bytes.unknown_version::<Self>());
        }
        bytes.decode().map(|LoginV1 { user, name }| Self {
            user,
            name,
            initial: ' ',
            admin: None,
            offset: 0,
            plan: Plan::Free,
            cart: Vec::new(),
            flags: [false; 3],
            notes: BTreeMap::new(),
        })
    }
}

/// serde sets aside up to 1 MiB for a sequence before it has read an element, whatever length that claims.
const SERDE_BYTES: usize = (1 << 20) + (64 << 10);

pub fn check(data: &[u8]) {
    let parse = || Encoded::parse(data).and_then(|bytes| Ok((bytes.codec(), bytes.into_value::<Login>()?)));
    match bounded(data.len() * 64 + SERDE_BYTES, parse) {
        Ok((codec, login)) => {
            let again = Encoded::write(&login, codec).expect("a value that was read can be written");
            let reread = Encoded::parse(&again).and_then(Encoded::into_value::<Login>);
            assert_eq!(reread.expect("what was written can be read"), login);
        }
        Err(Error::Codec(why)) => assert!(why.len() < 1000, "an error that goes on for ever: {why}"),
        Err(other) => panic!("not an error of decoding: {other:?}"),
    }
}
