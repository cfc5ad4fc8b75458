//! What is shown of one session: everything but its id, which the store does not keep, and its data.

use sessile_control::Facts;

use crate::output;

/// Yes or no.
pub(super) fn subject(facts: &Facts) -> &'static str {
    if facts.has_subject { "yes" } else { "no" }
}

pub(super) fn rows(facts: &Facts) -> [(&'static str, String); 8] {
    [
        ("handle", facts.handle.clone()),
        ("version", facts.version.to_string()),
        ("created", output::moment(facts.created_ms)),
        ("last used", output::moment(facts.last_used_ms)),
        ("ends unless used", output::maybe_moment(facts.deadline_ms)),
        ("ends at the latest", output::maybe_moment(facts.absolute_deadline_ms)),
        ("has a subject", subject(facts).to_owned()),
        ("data", output::bytes(facts.data_bytes)),
    ]
}
