//! Planted bugs: faults that the tests must find, so that it is known that they can.
//!
//! Owns: their list, and which one of them is in force. They exist in a build with `--cfg sessile_planted` and in no
//! other: elsewhere `planted!` is the constant `false`, and what it would let loose is compiled to nothing. In that
//! build none is in force until a test chooses one, or the environment names one in `SESSILE_PLANTED`.

/// Whether this fault is in force; or what is wrong if it is, and what is right.
#[cfg(not(sessile_planted))]
macro_rules! planted {
    ($hazard:ident) => {
        false
    };
    ($hazard:ident, $wrong:expr, $right:expr) => {
        $right
    };
}

/// Whether this fault is in force; or what is wrong if it is, and what is right.
#[cfg(sessile_planted)]
macro_rules! planted {
    ($hazard:ident) => {
        $crate::planted::in_force($crate::planted::Plant::$hazard)
    };
    ($hazard:ident, $wrong:expr, $right:expr) => {
        if planted!($hazard) { $wrong } else { $right }
    };
}

#[cfg(sessile_planted)]
pub use chosen::{Plant, plant};
#[cfg(sessile_planted)]
pub(crate) use chosen::{in_force, panics};

#[cfg(sessile_planted)]
mod chosen {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The position of the fault in force in [`Plant::ALL`] and one more; 0 when there is none.
    static CHOSEN: LazyLock<AtomicUsize> = LazyLock::new(|| {
        let named = std::env::var("SESSILE_PLANTED").unwrap_or_default();
        let position = Plant::ALL.iter().position(|plant| plant.name() == named);
        assert!(position.is_some() || named.is_empty(), "no fault is called {named}");
        AtomicUsize::new(position.map_or(0, |position| position + 1))
    });

    /// Whether this fault is in force.
    pub fn in_force(plant: Plant) -> bool {
        CHOSEN.load(Ordering::Relaxed) == plant as usize + 1
    }

    /// Puts a fault in force in the whole process, in place of any other; `None` for none.
    pub fn plant(plant: Option<Plant>) {
        CHOSEN.store(plant.map_or(0, |plant| plant as usize + 1), Ordering::Relaxed);
    }

    /// What no library may do.
    #[expect(clippy::panic, reason = "it is the fault")]
    pub fn panics() -> ! {
        panic!("as it was planted")
    }

    macro_rules! plants {
        ($($(#[doc = $doc:literal])* $name:ident: $rule:literal $(, $model:literal)?;)*) => {
            /// A fault that can be put in force.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Plant {
                $($(#[doc = $doc])* $name,)*
            }

            impl Plant {
                /// Every one.
                pub const ALL: &[Self] = &[$(Self::$name,)*];

                /// What it is called.
                #[must_use]
                pub const fn name(self) -> &'static str {
                    match self {
                        $(Self::$name => stringify!($name),)*
                    }
                }

                /// The rule of the design that it breaks, 1 to 15.
                #[must_use]
                pub const fn rule(self) -> u8 {
                    match self {
                        $(Self::$name => $rule,)*
                    }
                }

                /// The break of the executable model that it is.
                #[must_use]
                pub fn model(self) -> Option<&'static str> {
                    match self {
                        $(Self::$name => [$($model)?].first().copied(),)*
                    }
                }

                /// What goes wrong, in a sentence.
                #[must_use]
                pub fn hazard(self) -> &'static str {
                    match self {
                        $(Self::$name => concat!($($doc,)*).trim(),)*
                    }
                }
            }
        };
    }

    plants! {
        /// Of two records of an id the one that lives longer counts as the newer.
        TimeOrdersWrites: 1;
        /// An opening does not count itself, so its LSNs begin where those of the last one did.
        LsnsGivenOutTwice: 1;
        /// A record that compaction moves gets a new LSN.
        MovedRecordGetsFreshLsn: 1, "fresh-lsn";

        /// Writers of one id do not wait for each other.
        WritersOfOneIdRace: 2;
        /// A rotate leaves the old id in memory; a replay of the log would not.
        RotatedIdStaysInMemory: 2;

        /// What has ended leaves no stub when its segment is rewritten.
        EndedLeavesNoStub: 3, "no-stub";
        /// An expired record is dropped although it shadows an older one that would live.
        ExpiredShadowIsDropped: 3;

        /// A record's ceiling is the deadline that its session had last, not the largest that it ever had.
        StubGoesByItsDeadline: 4, "deadline-not-ceiling";
        /// A tombstone is dropped early: nobody asks the other segments whether it still shadows anything.
        TombstoneDroppedUnasked: 4;
        /// A record counts as superseded by one of a later session with its id, whose end may leave nothing behind.
        SupersededByAnotherBirth: 4;
        /// A segment in which nothing lives is unlinked unread although its ceiling has not passed.
        UnlinkedBelowItsCeiling: 4;
        /// A revocation carries the smallest ceiling of those that it ends, not the largest.
        RevocationGoesEarly: 4;

        /// The newest record of a revoked session leaves no stub: only the revocation stays.
        RevocationForgets: 5, "revocation-forgets";
        /// A revocation is judged against every version, so an older anonymous one is left as the newest; nor does a version
        /// that becomes somebody's say that it ends the anonymous one.
        RevocationOfAnyVersion: 5;
        /// A rotate goes when the session that it made has moved on, and with it the end of the old id.
        RotateGoesWithOneEffect: 5, "rotate-one-effect";

        /// A touch extends whatever record of its id is there.
        TouchExtendsAnyRecord: 6, "touch-any-base";
        /// The newest touch sets the deadline, also to an earlier one.
        LastTouchWins: 6, "touch-last-wins";
        /// Compaction forgets a touch's deadline: the record moves with the one that it was written with.
        TouchForgottenInMove: 6;
        /// A touch is dropped when its segment is rewritten although nothing has folded it in.
        TouchDroppedUnfolded: 6;
        /// A touch never reaches the log, however far the log falls behind.
        TouchNeverLogged: 6;

        /// Segments are unlinked before the frame that takes them off the roster is durable.
        UnlinkedBeforeItIsDurable: 7;
        /// Compaction moves the index to its copies without looking whether a write came in between.
        RelocatesWithoutCompare: 7;
        /// Compaction judges a full segment while a write to it is on its way to the index.
        CompactsPastWritersInFlight: 7;
        /// A fired wheel entry ends its session although a touch has extended it meanwhile.
        ExpiryBelievesTheWheel: 7;

        /// A jump of the wall clock forward ends at once what it passes.
        JumpIsBelieved: 8;
        /// The store's time follows the wall clock back.
        TimeRunsBackwards: 8;
        /// Marks do not tell the time.
        MarkForgetsTheTime: 8;
        /// Opening judges deadlines by the wall clock and not by the durable mark.
        OpeningBelievesTheClock: 8;
        /// A reader is shown what has expired until the reaper has come by.
        ExpiredIsShown: 8;

        /// A file's name is not made durable: the directory is not synced.
        DirectorySyncSkipped: 9;
        /// A file gets its name, and is relied on, without its contents being durable.
        NamedUnsynced: 9;
        /// An opening uses the number of the newest segment again.
        SegmentNumberReused: 9;
        /// A segment that the roster lists and that is missing is passed over.
        MissingSegmentIgnored: 9;

        /// A hole below a mark counts as the end of the log.
        DamageTakenForTheEnd: 10;
        /// A hole above all marks is stepped over, and what stands behind it counts.
        TornTailSteppedOver: 10;
        /// A sync covers the newest segment and not the full ones before it.
        SeamPassedUnsynced: 10;
        /// A mark tells what was appended and not what is durable.
        MarkTellsTooMuch: 10;

        /// A `Synced` write is acknowledged without a sync.
        AcknowledgesBeforeSync: 11;
        /// The leader of a group commit wakes the waiters before it syncs.
        WakesWaitersBeforeSync: 11;
        /// A failed fsync is tried again, and its success believed.
        RetriesFailedSync: 11;
        /// After a failed write the log goes on behind the gap.
        AppendsBehindAFailedWrite: 11;
        /// What the page cache shows above the last mark is taken as durable, and not copied.
        UnsyncedTailIsTrusted: 11;
        /// An ending that cannot be written does not take effect in memory either.
        EndingWaitsForTheDisk: 11;

        /// `Strict` opens a damaged store.
        StrictOpensOnDamage: 12;
        /// `Salvage` trusts what the damage may have ended.
        SalvageTrustsAll: 12;
        /// What `Salvage` has ended is back at the next opening.
        SalvageForgetsItsVerdict: 12;
        /// Marks do not repeat the endings, and say nothing of it.
        EndingsStandOnce: 12;
        /// A version that ends sooner, or is somebody else's, does not say that it ends those before it.
        NarrowingEndsNothing: 12;

        /// Ordinary records use up what a segment has in reserve for endings.
        EndingsHaveNoReserve: 13;
        /// The log takes the room that compaction needs.
        LogSpendsTheReserve: 13;
        /// An ending that found no room is not owed to the log.
        OwedEndingIsForgotten: 13;

        /// A snapshot is believed whatever moment it speaks of.
        StaleSnapshotBelieved: 14;
        /// Recovery believes the length of a record whose checksum is wrong, and steps over it.
        BadLengthIsTrusted: 14;
        /// A frame's checksum is not looked at.
        ChecksumIsNotChecked: 14;
        /// The root names the new segment before that is durable.
        RootNamedFirst: 14;

        /// Damage ends the process that opens the store.
        PanicsOnDamage: 15;
    }
}
