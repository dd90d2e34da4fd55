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

macro_rules! names {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$doc])* $variant,)* }

        impl $type {
            /// Every value, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The value of that name; the last one, which says that it is not known, for any other.
            pub fn from_name(name: &str) -> Self {
                Self::ALL.iter().copied().find(|v| v.as_str() == name).unwrap_or(Self::Unknown)
            }

            /// The code in binary formats.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The value of that code; the last one for a code of a later version.
            pub fn from_code(code: u8) -> Self {
                Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Unknown)
            }
        }
    };
}

names! {
    /// Why lines are missing. New reasons go before `Unknown`'s place only at the end of the list of codes: the code is
    /// written to disk and sent between versions.
    GapReason {
        /// Init's ring was full of unacknowledged lines and the policy is `drop-oldest`.
        RingFull = "ring_full",
        /// The boot ended without a goodbye: what init still held is gone.
        Vanished = "vanished",
        /// The agent's spool was above 80 % and the app over its fair share.
        SpoolFull = "spool_full",
        /// The app wrote faster than the rate limit it was given.
        RateLimited = "rate_limited",
        /// Acknowledged lines were in a part of the spool that can no longer be read.
        SpoolDamaged = "spool_damaged",
        /// The bus was away too long: live readers skip ahead, the store has the lines.
        LiveLag = "live-lag",
        /// The store refused the batch; it is in the agent's dead-letter file.
        Rejected = "rejected",
        /// Records arrived whose sequence numbers skip some, and nobody said why.
        SequenceHole = "sequence_hole",
        /// A reader was too slow for its queue.
        SlowReader = "slow_reader",
        /// A reason of a later version.
        Unknown = "unknown",
    }
}

names! {
    /// The hop that lost lines or noticed that they are missing.
    Hop {
        /// Init, inside the Machine.
        Init = "init",
        /// The host agent.
        Agent = "agent",
        /// The bus or its embedded broker.
        Bus = "bus",
        /// The NATS front door.
        Proxy = "proxy",
        /// The store.
        Store = "store",
        /// The shipper.
        Ship = "ship",
        /// A hop of a later version.
        Unknown = "unknown",
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
        assert_eq!(GapReason::from_code(200), GapReason::Unknown);
        assert_eq!(Hop::from_name("moon"), Hop::Unknown);
    }
}
