//! Where sessions live: in a directory, or where `SESSION_STORE` says.

use std::{error::Error, sync::Arc, time::Duration};

use sessile::{Events, Options, Place};
use sessile_backends::{Backend, Embedded, connect};
use sessile_control::Control;

use crate::var;

/// A home of sessions. Only a directory tells what happens in it, and can be acted on by `sessile` while this process has it.
pub type Found = (Arc<dyn Backend>, Option<Events>, Option<Control>);

/// Where sessions live: `SESSION_STORE` says, or it is a directory.
pub async fn home() -> Result<Found, Box<dyn Error>> {
    let address = var("SESSION_STORE", "");
    if !address.is_empty() && !address.starts_with("sessile:") {
        return Ok((connect(&address).await?, None, None));
    }
    let options = Options::new().absolute(Duration::from_secs(12 * 3600)).lock_wait(Duration::from_secs(5));
    let home = if address.is_empty() {
        Embedded::open(options, var("SESSILE_DIR", "sessions")).await?
    } else {
        let place = Place::parse(&address)?;
        Embedded::open(place.options(options), place.directory()).await?
    };
    let events = home.store().events()?;
    let control = Control::serve(home.store().store()).inspect_err(|error| eprintln!("{error}")).ok();
    Ok((Arc::new(home), Some(events), control))
}
