//! The slate: a number that an answer has beside its text. An object with two properties would cost more than to find the session.
//!
//! Owns: eight bytes of JavaScript's memory. What stands there is of the last call, so JavaScript reads it before the next.

use napi::bindgen_prelude::Buffer;

/// Where the number is written.
pub struct Slate(Buffer);

impl Slate {
    /// A slate in this memory.
    pub fn new(memory: Buffer) -> Self {
        Self(memory)
    }

    /// Writes the number as JavaScript has its numbers in memory.
    pub fn write(&mut self, number: f64) {
        if let Some(place) = self.0.first_chunk_mut() {
            *place = number.to_ne_bytes();
        }
    }
}
