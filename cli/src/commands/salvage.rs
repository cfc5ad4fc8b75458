//! `sessile salvage`: what can be trusted of a damaged store, shown first, and then brought to a sound one.

use serde::Serialize;
use sessile::{Options, SalvageReport};
use sessile_control::Place;

use crate::args::Salvage;
use crate::failure::Failure;
use crate::open;
use crate::output::{self, Report, grouped};
use crate::progress;

pub(super) fn run(salvage: &Salvage) -> Result<(), Failure> {
    let Some(dir) = salvage.named.as_ref().or(salvage.dir.as_ref()) else {
        return Err(Failure::Usage("name the damaged store: sessile salvage DIR".to_owned()));
    };
    open::owned(dir)?;
    let options = open::with_keys(Options::new())?;
    let work = |to: Option<&std::path::Path>| {
        let work = || options.salvage(dir, to);
        progress::during("reading every record", work).map_err(|error| Failure::store(dir, error))
    };
    let mut found = work(None)?;
    // What is sound is left where it is.
    let to = salvage.to.as_ref().filter(|_| !found.damage.is_empty());
    if let Some(to) = to {
        found = work(Some(to))?;
    }
    let shown = |path: &std::path::PathBuf| path.display().to_string();
    output::show(&Salvaged::of(found, shown(dir), to.map(shown)), salvage.json)
}

#[derive(Debug, Serialize)]
struct Salvaged {
    dir: String,
    to: Option<String>,
    kept: u64,
    ended: u64,
    unreadable: u64,
    damage: Vec<Place>,
}

impl Salvaged {
    fn of(found: SalvageReport, dir: String, to: Option<String>) -> Self {
        let SalvageReport { kept, ended, unreadable, damage, .. } = found;
        Self { dir, to, kept, ended, unreadable, damage: damage.into_iter().map(Place::from).collect() }
    }
}

impl Report for Salvaged {
    fn text(&self) -> String {
        if self.damage.is_empty() {
            return format!("{} is sound: there is nothing to salvage.", self.dir);
        }
        let mut text = output::facts([
            ("sessions that can be trusted", grouped(self.kept)),
            ("that the damage may have ended", grouped(self.ended)),
            ("whose record cannot be read", grouped(self.unreadable)),
            ("damaged places", grouped(u64::try_from(self.damage.len()).unwrap_or(u64::MAX))),
        ]);
        for place in &self.damage {
            text.push_str(&format!("\n  {} at byte {}: {}", place.file, place.offset, place.what));
        }
        let dir = &self.dir;
        match &self.to {
            None => text.push_str(&format!(
                "\n\nNothing was changed. A session that the damage may have ended is ended, since nobody can tell; one that\n\
                 cannot be read is lost; of one that nothing else tells of nobody knows. To keep the rest in a new directory, and leave this one as it is:\n\
                 sessile salvage {dir} --to COPY"
            )),
            Some(to) => text.push_str(&format!(
                "\n\n{to} is a sound store with the sessions that can be trusted; {dir} is as it was. To put it in its place,\n\
                 with the server stopped:\n\
                 mv {dir} {dir}.damaged && mv {to} {dir}"
            )),
        }
        text
    }
}
