//! Any bytes as the data of a typed session: a value that reads back the same, or an error of the one kind.
//!
//! What must not happen: a panic, a hang, an allocation that a lying length asked for (the fuzzer's own limit on
//! memory sees that), a value that is read but cannot be written again.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use sessile::Error;
use sessile::typed::{Encoded, SessionValue};

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

fuzz_target!(|data: &[u8]| {
    let read = Encoded::parse(data).and_then(|bytes| Ok((bytes.codec(), bytes.into_value::<Login>()?)));
    match read {
        Ok((codec, login)) => {
            let again = Encoded::write(&login, codec).expect("a value that was read can be written");
            let reread = Encoded::parse(&again).and_then(Encoded::into_value::<Login>);
            assert_eq!(reread.expect("what was written can be read"), login);
        }
        Err(Error::Codec(why)) => assert!(why.len() < 1000, "an error that goes on for ever: {why}"),
        Err(other) => panic!("not an error of decoding: {other:?}"),
    }
});
