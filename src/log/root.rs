//! The file `STORE`: the store's header in two copies, and the one place that changes it.
//!
//! Owns: the file. A crash can fall between the two copies: the one that was written first is whole then, and says
//! the same or more; [`Root::read`] takes the copy that says most. A crash within the second leaves the first alone; so
//! whoever writes next begins with the other one, and at every moment one copy is whole. So a copy that is damaged is written anew, from
//! the other one, by the next opening.
//!
//! An upgrade is a change of the header like any other: it has happened from the first whole copy in the newer format on. That
//! one counts above every copy in an older format, and is enough for an older release to refuse the store.

use std::path::Path;
use std::sync::Arc;

use super::format::{Format, StoreEnvelope};
use super::header::{COPY_BYTES, StoreCopy, StoreHeader};
use crate::error::{Damage, Error, Result};
use crate::sealing::wrapped::Wrapped;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::vfs::{self, Vfs, VfsFile};

/// The file's name.
pub(crate) const FILE_NAME: &str = "STORE";
const TMP_NAME: &str = "STORE.tmp";

/// The open `STORE` file.
pub(crate) struct Root {
    file: Arc<dyn VfsFile>,
    header: Mutex<StoreHeader>,
    /// The format that both copies have, for whoever must not wait for the disk.
    format: AtomicU32,
    /// Where the header was read from: the copy there is written last.
    read_at: u64,
    /// Which of the copies was not whole when it was read. Whoever writes next writes that one first.
    damaged_at: Option<u64>,
    /// What was read may be in the page cache alone, left by a process that died: it is synced before the other copy is
    /// touched.
    known_durable: AtomicBool,
}

impl Root {
    /// Creates the file with this header: under another name, synced, renamed, the directory synced.
    pub fn create(vfs: &dyn Vfs, directory: &Path, header: StoreHeader) -> Result<Self> {
        let root = Self::draft(vfs, directory, header)?;
        root.publish(vfs, directory)?;
        Ok(root)
    }

    /// The file under a name that counts for nothing, whole and durable.
    pub fn draft(vfs: &dyn Vfs, directory: &Path, header: StoreHeader) -> Result<Self> {
        let failed = |error| Error::io(format!("creating {FILE_NAME} in {}", directory.display()), error);
        let tmp = directory.join(TMP_NAME);
        match vfs.remove(&tmp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = vfs.create(&tmp).map_err(failed)?;
        let root = Self::of(file, header, COPY_BYTES, true);
        root.write_copies(&root.header()).map_err(failed)?;
        Ok(root)
    }

    /// Gives a draft its name, durably. What had the name before is what counts until then.
    pub fn publish(&self, vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        let failed = |error| Error::io(format!("naming {FILE_NAME} in {}", directory.display()), error);
        vfs.rename(&directory.join(TMP_NAME), &directory.join(FILE_NAME)).map_err(failed)?;
        vfs.sync_dir(directory).map_err(failed)
    }

    /// Reads the file, or `None` when there is none.
    pub fn read(vfs: &dyn Vfs, directory: &Path, writable: bool) -> Result<Option<Self>> {
        let failed = |error| Error::io(format!("reading {FILE_NAME} in {}", directory.display()), error);
        let file = match vfs.open(&directory.join(FILE_NAME), writable) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut best: Option<(StoreHeader, u64)> = None;
        let mut damaged_at = None;
        for offset in [0, COPY_BYTES] {
            let mut bytes = vec![0; StoreHeader::BYTES_MAX];
            let read = vfs::read_up_to(file.as_ref(), &mut bytes, offset).map_err(failed)?;
            bytes.truncate(read);
            match StoreHeader::decode(&bytes) {
                StoreCopy::Sound(header) => {
                    let rank = |header: &StoreHeader| {
                        let stage = Wrapped::stage_of(header.envelope.bytes());
                        (header.format, header.opening, header.durable_lsn, stage)
                    };
                    if best.as_ref().is_none_or(|(best, _)| rank(&header) > rank(best)) {
                        best = Some((header, offset));
                    }
                }
                StoreCopy::Newer(found) => {
                    return Err(Error::NewerFormat { found, newest_known: Format::NEWEST.number() });
                }
                StoreCopy::Damaged => damaged_at = Some(offset),
            }
        }
        match best {
            Some((header, read_at)) => {
                Ok(Some(Self { damaged_at, ..Self::of(file, header, read_at, false) }))
            }
            None => Err(Error::corrupt(
                FILE_NAME,
                0,
                "both copies of the store's header are damaged, and with them the key by which ids are recognised, so salvage \
                 cannot help",
            )),
        }
    }

    fn of(file: Arc<dyn VfsFile>, header: StoreHeader, read_at: u64, known_durable: bool) -> Self {
        Self {
            file,
            format: AtomicU32::new(header.format.number()),
            header: Mutex::new(header),
            read_at,
            damaged_at: None,
            known_durable: AtomicBool::new(known_durable),
        }
    }

    /// The header as it stands.
    pub fn header(&self) -> StoreHeader {
        self.header.lock().clone()
    }

    /// The format that the store has, durably. Waits for nobody who writes the header.
    pub fn format(&self) -> Format {
        Format::of_number(self.format.load(Ordering::Acquire)).unwrap_or_default()
    }

    /// The copy that was not whole when the header was read: torn by a crash, or damaged. [`set`](Self::set) writes it anew.
    pub fn damage(&self) -> Option<Damage> {
        let what = "this copy of the store's header was not whole; the other one is, and says all".to_owned();
        self.damaged_at.map(|offset| Damage { file: FILE_NAME.to_owned(), offset, what })
    }

    /// Names another root, opening and durable LSN, durably. What it names must be durable already.
    pub fn set(&self, opening: u64, root: u32, durable_lsn: u64) -> Result<()> {
        self.change(|header| StoreHeader { opening, root, durable_lsn, ..header })
    }

    /// Moves the store to this format, durably, and gives the one that it had. A newer one it keeps.
    pub fn upgrade(&self, to: Format) -> Result<Format> {
        let had = self.format();
        if had < to {
            self.change(|header| StoreHeader { format: to.max(header.format), ..header })?;
        }
        Ok(had)
    }

    /// From now on the store's secret is in this envelope and nowhere else, durably; that takes the newest format.
    pub fn seal(&self, envelope: StoreEnvelope) -> Result<()> {
        self.change(|header| StoreHeader { format: Format::NEWEST, secret: [0; 32], envelope, ..header })
    }

    fn change(&self, to: impl FnOnce(StoreHeader) -> StoreHeader) -> Result<()> {
        let mut header = self.header.lock();
        let next = to(header.clone());
        self.write_copies(&next).map_err(|error| Error::io(format!("writing {FILE_NAME}"), error))?;
        self.format.store(next.format.number(), Ordering::Release);
        *header = next;
        Ok(())
    }

    /// Makes durable what was read: a segment of the format that it says must not outlive it.
    pub fn settle(&self) -> Result<()> {
        self.sync_read().map_err(|error| Error::io(format!("syncing {FILE_NAME}"), error))
    }

    fn sync_read(&self) -> std::io::Result<()> {
        if !self.known_durable.load(Ordering::Acquire) {
            self.file.sync()?;
            self.known_durable.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn write_copies(&self, header: &StoreHeader) -> std::io::Result<()> {
        self.sync_read()?;
        let bytes = header.encode();
        for offset in [COPY_BYTES - self.read_at, self.read_at] {
            vfs::write_all_at(self.file.as_ref(), &bytes, offset)?;
            self.file.sync()?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::sealing::wrapped::Stage;
    use crate::vfs::{CallKind, Fault, SimVfs, Times};

    const DIRECTORY: &str = "/store";

    fn begun() -> SimVfs {
        let sim = SimVfs::new();
        sim.create_dir(Path::new(DIRECTORY)).unwrap();
        let header = StoreHeader {
            format: Format::V1,
            store_id: [1; 16],
            secret: [2; 32],
            opening: 1,
            durable_lsn: 0,
            root: 1,
            keeps_ids: false,
            envelope: StoreEnvelope::default(),
        };
        Root::create(&sim, Path::new(DIRECTORY), header).unwrap();
        sim
    }

    fn read(sim: &SimVfs) -> Result<Option<Root>> {
        Root::read(sim, Path::new(DIRECTORY), true)
    }

    /// A store that cannot be read now would be begun anew over the one that is there.
    #[test]
    fn a_header_that_cannot_be_opened_is_not_a_header_that_is_not_there() {
        let sim = begun();
        sim.fail(CallKind::Open, 1, Fault::Eio, Times::Once);
        assert!(matches!(read(&sim), Err(Error::Io { .. })));
        assert!(matches!(read(&sim), Ok(Some(_))));
    }

    #[test]
    fn of_two_copies_the_one_that_says_more_counts_wherever_it_stands() {
        let sim = begun();
        let path = Path::new(DIRECTORY).join(FILE_NAME);
        let old = sim.read_file(&path).unwrap();
        read(&sim).unwrap().unwrap().set(1, 2, 70).unwrap();
        let new = sim.read_file(&path).unwrap();
        assert_eq!(old.len(), new.len());
        let middle = COPY_BYTES as usize;
        for mixed in [[&old[..middle], &new[middle..]].concat(), [&new[..middle], &old[middle..]].concat()] {
            sim.write_file(&path, &mixed).unwrap();
            let root = read(&sim).unwrap().unwrap();
            assert_eq!((root.header().root, root.header().durable_lsn), (2, 70));
            root.set(2, 3, 90).unwrap();
            assert_eq!(read(&sim).unwrap().unwrap().header().root, 3);
        }
    }

    /// A store that is being encrypted, and one that is, differ in nothing else for a moment.
    #[test]
    fn of_two_copies_that_are_equal_otherwise_the_one_counts_that_is_further_encrypted() {
        let path = Path::new(DIRECTORY).join(FILE_NAME);
        let wrapped = |stage| Wrapped { stage, name: "a".into(), nonce: [1; 12], sealed: [2; 48] }.encode();
        let of = |stage: Option<Stage>| {
            let sim = begun();
            let root = read(&sim).unwrap().unwrap();
            root.upgrade(Format::NEWEST).unwrap();
            if let Some(stage) = stage {
                root.seal(StoreEnvelope::new(wrapped(stage)).unwrap()).unwrap();
            }
            sim.read_file(&path).unwrap()
        };
        let middle = COPY_BYTES as usize;
        for (less, more) in [(None, Stage::Sealing), (Some(Stage::Sealing), Stage::Sealed)] {
            let (old, new) = (of(less), of(Some(more)));
            for mixed in
                [[&old[..middle], &new[middle..]].concat(), [&new[..middle], &old[middle..]].concat()]
            {
                let sim = begun();
                sim.write_file(&path, &mixed).unwrap();
                let header = read(&sim).unwrap().unwrap().header();
                assert_eq!(Wrapped::stage_of(header.envelope.bytes()), Some(more));
                assert_eq!(header.secret, [0; 32], "it is in the envelope and nowhere else");
            }
        }
    }

    /// Of a write that is torn one copy is left: the one that was not read is written first, and both in the end.
    #[test]
    fn a_torn_write_of_one_copy_leaves_the_other() {
        let sim = begun();
        let root = read(&sim).unwrap().unwrap();
        for call in [1, 2] {
            let number = call as u32 + 1;
            sim.fail(CallKind::Write, call, Fault::Eio, Times::Once);
            assert!(root.set(1, number, 10 * call).is_err());
            sim.clear_faults();
            let found = read(&sim).unwrap().unwrap().header().root;
            assert_eq!(found, if call == 1 { 1 } else { number });
        }
        root.set(1, 9, 90).unwrap();
        let bytes = sim.read_file(&Path::new(DIRECTORY).join(FILE_NAME)).unwrap();
        let copy = root.header().encode();
        for at in [0, COPY_BYTES as usize] {
            assert_eq!(bytes[at..at + copy.len()], copy);
        }
    }
}
