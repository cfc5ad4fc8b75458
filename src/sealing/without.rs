//! What stands for keys in a build without the feature `encryption`: nothing, and nothing can be made of it.

use super::Whose;
use super::wrapped::{Stage, Wrapped};
use crate::error::Result;

/// No key ring.
#[derive(Debug)]
pub(crate) enum KeyRing {}

/// No data key.
#[derive(Debug)]
pub(crate) enum DataKey {}

impl KeyRing {
    pub fn newest(&self) -> &str {
        match *self {}
    }

    pub fn knows_newest_of(&self, _other: &Self) -> Result<()> {
        match *self {}
    }

    pub fn new_data_key(&self, _whose: Whose) -> Result<(Wrapped, DataKey)> {
        match *self {}
    }

    pub fn data_key(&self, _wrapped: &Wrapped, _whose: Whose) -> Result<DataKey> {
        match *self {}
    }

    pub fn wrap(&self, _key: &[u8; 32], _whose: Whose, _stage: Stage) -> Result<Wrapped> {
        match *self {}
    }

    pub fn unwrap(&self, _wrapped: &Wrapped, _whose: Whose) -> Result<[u8; 32]> {
        match *self {}
    }
}

impl DataKey {
    pub fn seal(&self, _offset: u64, _bound: &[u8], _out: &mut Vec<u8>, _from: usize) {
        match *self {}
    }

    pub fn open(&self, _offset: u64, _bound: &[u8], _sealed: &[u8]) -> Option<Vec<u8>> {
        match *self {}
    }
}
