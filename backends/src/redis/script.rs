//! Scripts: what the server does in one step, written in its own language.
//!
//! Owns: the sources and their names by digest. A script is sent by its digest, and whole when the server does not know it,
//! which then knows it; so nothing is to be loaded, also after a restart or a failover.

use std::sync::LazyLock;

use ::redis::Script as Digested;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal),+ $(,)?) => {
        $($(#[$doc])* pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("lua/common.lua"), "\n", include_str!(concat!("lua/", $file))))
        });)+
    };
}

/// A script by its source and the digest by which the server knows it.
pub(super) struct Script {
    pub source: &'static str,
    pub digest: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, digest: Digested::new(source).get_hash().to_owned() }
    }
}

scripts! {
    /// Writes a session.
    PUT = "put.lua",
    /// Moves its deadline.
    TOUCH = "touch.lua",
    /// Reads it.
    GET = "get.lua",
    /// Ends it.
    DESTROY = "destroy.lua",
    /// Gives it another id.
    ROTATE = "rotate.lua",
    /// Ends all of a subject.
    REVOKE = "revoke.lua",
    /// Ends all: says that somebody is at it.
    CLEARING = "clearing.lua",
    /// He is done.
    CLEARED = "cleared.lua",
    /// What must hold at a subject for a session elsewhere.
    ADMIT = "admit.lua",
    /// Removes a session that was found revoked.
    DROP = "drop.lua",
    /// Removes one that has just been revoked.
    FORGET = "forget.lua",
    /// Takes sessions off a subject's list.
    TIDY = "tidy.lua",
    /// The steps of a rotate between two servers.
    PREPARE = "prepare.lua",
    /// The one that counts.
    LEAVE = "leave.lua",
    /// It is there for all to see, or it goes.
    ARRIVE = "arrive.lua",
    /// Whether it has left, and that it will not.
    FENCE = "fence.lua",
    /// What is left at the old key goes.
    SETTLE = "settle.lua",
}
