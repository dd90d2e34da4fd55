//! The record of lines that are known to be missing.

/// Lines that are known to be missing, and why. The record that carries it has the first lost sequence number as its
/// `seq` and their count as its `span`. A line always wins over a gap for the same seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Why they are missing.
    pub reason: GapReason,
    /// The hop that lost them, or that noticed.
    pub hop: Hop,
    /// Bytes of text lost; 0 when nobody could count them.
    pub bytes: u64,
}

impl Gap {
    /// What a person reads of a gap of `span` sequence numbers.
    pub fn message(&self, span: u64) -> String {
        let lines = if span == 1 { "line" } else { "lines" };
        format!("{span} {lines} lost: {}", self.reason.sentence())
    }
}

macro_rules! names {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $type { $($(#[$doc])* $variant = $code,)* }

        impl $type {
            /// Every value, in the order of the codes; the last one says that it is not known.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The value of that name; `Unknown` for any other.
            pub fn from_name(name: &str) -> Self {
                Self::ALL.iter().copied().find(|v| v.as_str() == name).unwrap_or(Self::Unknown)
            }

            /// The code in binary formats. It never changes.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The value of that code; `Unknown` for a code of a later version.
            pub fn from_code(code: u8) -> Self {
                Self::ALL.iter().copied().find(|v| v.code() == code).unwrap_or(Self::Unknown)
            }
        }
    };
}

names! {
    /// Why lines are missing. The code is written to disk and sent between versions: a new reason takes the next one.
    GapReason {
        /// Init's ring was full of unacknowledged lines and the policy is `drop-oldest`.
        RingFull = 0 "ring_full",
        /// The boot ended without a goodbye: what init still held is gone.
        Vanished = 1 "vanished",
        /// The agent's spool was above 80 % and the app over its fair share.
        SpoolFull = 2 "spool_full",
        /// The app wrote faster than the rate limit it was given.
        RateLimited = 3 "rate_limited",
        /// Acknowledged lines were in a part of the spool that can no longer be read.
        SpoolDamaged = 4 "spool_damaged",
        /// The bus was away too long: live readers skip ahead, the store has the lines.
        LiveLag = 5 "live-lag",
        /// The store refused the batch; it is in the agent's dead-letter file.
        Rejected = 6 "rejected",
        /// Records arrived whose sequence numbers skip some, and nobody said why.
        SequenceHole = 7 "sequence_hole",
        /// A reader was too slow for its queue.
        SlowReader = 8 "slow_reader",
        /// A reason of a later version.
        Unknown = 255 "unknown",
    }
}

names! {
    /// The hop that lost lines or noticed that they are missing.
    Hop {
        /// Init, inside the Machine.
        Init = 0 "init",
        /// The host agent.
        Agent = 1 "agent",
        /// The bus or its embedded broker.
        Bus = 2 "bus",
        /// The NATS front door.
        Proxy = 3 "proxy",
        /// The store.
        Store = 4 "store",
        /// The shipper.
        Ship = 5 "ship",
        /// A hop of a later version.
        Unknown = 255 "unknown",
    }
}

impl GapReason {
    /// The catalogue's code for this reason (see [`crate::codes`]).
    pub const fn code_name(self) -> &'static str {
        match self {
            Self::RingFull => "LI04",
            Self::Vanished => "LA02",
            Self::SpoolFull => "LA01",
            Self::RateLimited => "LA04",
            Self::SpoolDamaged => "LA03",
            Self::LiveLag => "LA05",
            Self::Rejected => "LA16",
            Self::SequenceHole | Self::Unknown => "LA08",
            Self::SlowReader => "LB05",
        }
    }

    /// The sentence that a person reads, without the count.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::RingFull => "the Machine's buffer was full while the host could not take more",
            Self::Vanished => "the Machine ended without saying goodbye",
            Self::SpoolFull => "the host's spool is nearly full and this app is over its share",
            Self::RateLimited => "the app wrote faster than its rate limit",
            Self::SpoolDamaged => "a part of the host's spool could not be read",
            Self::LiveLag => "the bus was away too long, live output skipped ahead",
            Self::Rejected => "the store refused them",
            Self::SequenceHole => "their sequence numbers never arrived",
            Self::SlowReader => "this reader was too slow",
            Self::Unknown => "the reason is not known to this version",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_round_trip_and_later_versions_are_unknown() {
        for &reason in GapReason::ALL {
            assert_eq!(GapReason::from_name(reason.as_str()), reason);
            assert_eq!(GapReason::from_code(reason.code()), reason);
            assert!(crate::codes::find(reason.code_name()).is_some(), "{reason:?}");
        }
        for &hop in Hop::ALL {
            assert_eq!((Hop::from_name(hop.as_str()), Hop::from_code(hop.code())), (hop, hop));
        }
        // What an older version reads of one that knows more.
        for code in [GapReason::SlowReader.code() + 1, 200, 255] {
            assert_eq!(
                (GapReason::from_code(code), Hop::from_code(code)),
                (GapReason::Unknown, Hop::Unknown)
            );
        }
        assert_eq!((GapReason::Unknown.code(), Hop::Unknown.code()), (255, 255), "whatever is added");
        assert_eq!((GapReason::SlowReader.code(), Hop::Ship.code()), (8, 5));
        assert_eq!(Hop::from_name("moon"), Hop::Unknown);
    }
}
