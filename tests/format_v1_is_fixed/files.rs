//! The files of a store: kept without the zeros at their ends, read frame by frame, damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Files by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

/// A frame of a segment, by the layout that `DESIGN.md` gives; read without the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub offset: usize,
    pub length: usize,
    pub kind: u8,
}

pub const PUT: u8 = 1;
pub const MARK: u8 = 6;

impl Files {
    /// What stands in a directory, but for the lock, which is only for people.
    pub fn read_from(directory: &Path) -> Self {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
        let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
        Self(
            named
                .filter(|(name, _)| name != "LOCK")
                .map(|(name, path)| (name, fs::read(path).unwrap()))
                .collect(),
        )
    }

    pub fn write_to(&self, directory: &Path) {
        for (name, bytes) in &self.0 {
            fs::write(directory.join(name), bytes).unwrap();
        }
    }

    pub fn load(directory: &Path, lengths: &BTreeMap<String, u64>) -> Self {
        let read = |(name, length): (&String, &u64)| {
            let mut bytes = fs::read(directory.join(name)).unwrap();
            assert!(bytes.len() as u64 <= *length, "{name} is longer than it was");
            bytes.resize(usize::try_from(*length).unwrap(), 0);
            (name.clone(), bytes)
        };
        Self(lengths.iter().map(read).collect())
    }

    pub fn save(&self, directory: &Path) {
        for (name, bytes) in &self.0 {
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            fs::write(directory.join(name), &bytes[..used]).unwrap();
        }
    }

    pub fn lengths(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect()
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> Vec<String> {
        self.0.keys().filter(|name| name.ends_with(".seg")).cloned().collect()
    }

    /// The segment that the store's header names.
    pub fn root(&self) -> String {
        let number: [u8; 4] = self.0["STORE"][80..84].try_into().unwrap();
        format!("{:08}.seg", u32::from_le_bytes(number))
    }

    /// The frames of a segment, up to the first place where none can be.
    pub fn frames(&self, name: &str) -> Vec<Frame> {
        let bytes = &self.0[name];
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let (mut frames, mut offset) = (Vec::new(), word(84) as usize);
        while offset + 16 <= bytes.len() {
            let (length, kind) = ((word(offset + 4) & 0xff_ffff) as usize, bytes[offset + 7]);
            if length < 16 || !(1..=8).contains(&kind) {
                break;
            }
            frames.push(Frame { offset, length, kind });
            offset += length.next_multiple_of(8);
        }
        frames
    }

    /// The segment and frame whose payload ends with these bytes.
    pub fn find(&self, payload: &str) -> (String, Frame) {
        let holds = |name: &String, frame: &Frame| {
            self.0[name][frame.offset..frame.offset + frame.length].ends_with(payload.as_bytes())
        };
        let found = self.segments().into_iter().find_map(|name| {
            let frame = self.frames(&name).into_iter().find(|frame| frame.kind == PUT && holds(&name, frame));
            frame.map(|frame| (name, frame))
        });
        found.unwrap_or_else(|| panic!("no record of {payload}"))
    }

    pub fn flip(&mut self, name: &str, at: usize) {
        self.0.get_mut(name).unwrap()[at] ^= 8;
    }
}
