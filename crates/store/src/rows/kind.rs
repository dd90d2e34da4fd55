//! The small facts of a row in one number.

use line::{Clock, Level, LevelSource, Provider, Stream};

/// What a row is, apart from its text. It packs into 13 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// How grave it is.
    pub level: Level,
    /// Where it was read; `None` for a row that came over HTTP and did not say.
    pub stream: Option<Stream>,
    /// Who wrote it.
    pub provider: Provider,
    /// What told the level.
    pub level_source: LevelSource,
    /// Whose clock its time is from.
    pub clock: Clock,
    /// The line goes on in a further row.
    pub more: bool,
    /// No newline ended it.
    pub open: bool,
}

/// The stream's bits in a row without one.
const NO_STREAM: u16 = 7;

impl Kind {
    /// A line of the app on its standard output, level `info`.
    pub const PLAIN: Self = Self {
        level: Level::Info,
        stream: Some(Stream::Stdout),
        provider: Provider::App,
        level_source: LevelSource::Default,
        clock: Clock::Guest,
        more: false,
        open: false,
    };

    /// From bit 0: level (2 bits), stream (3, with 7 for none), provider (2), source of the level (3), host's clock, more,
    /// open (1 each).
    #[must_use]
    pub fn bits(self) -> u16 {
        let provider = match self.provider {
            Provider::App => 0,
            Provider::Runner => 1,
            Provider::Proxy => 2,
            Provider::Import => 3,
        };
        u16::from(self.level.code())
            | self.stream.map_or(NO_STREAM, |stream| u16::from(stream.code())) << 2
            | provider << 5
            | u16::from(self.level_source.code()) << 7
            | u16::from(self.clock == Clock::Host) << 10
            | u16::from(self.more) << 11
            | u16::from(self.open) << 12
    }

    /// The kind of those bits. Values that this version does not know become the plain ones: a bit of a later version costs
    /// no row.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        let [low, high] = bits.to_le_bytes();
        let plain = Self::PLAIN;
        Self {
            level: Level::from_code(low & 3).unwrap_or(plain.level),
            stream: Stream::from_code(low >> 2 & 7).ok(),
            provider: Provider::ALL[usize::from(low >> 5 & 3)],
            level_source: LevelSource::from_code((bits >> 7).to_le_bytes()[0] & 7)
                .unwrap_or(plain.level_source),
            clock: if high & 4 == 0 { Clock::Guest } else { Clock::Host },
            more: high & 8 != 0,
            open: high & 16 != 0,
        }
    }

    /// The value of the field of that name, empty where a row does not have it; `None` if the kind does not tell it.
    #[must_use]
    pub fn value(self, field: &str) -> Option<&'static str> {
        let source = match self.level_source {
            LevelSource::Default | LevelSource::Platform => "",
            source => source.as_str(),
        };
        Some(match field {
            "level" => self.level.as_str(),
            "stream" => self.stream.map_or("", Stream::as_str),
            "provider" => self.provider.as_str(),
            "logway.level_source" => source,
            "logway.clock" if self.clock == Clock::Host => "host",
            "logway.more" if self.more => "true",
            "logway.open" if self.open => "true",
            "logway.clock" | "logway.more" | "logway.open" => "",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        for bits in 0..1u16 << 13 {
            let kind = Kind::from_bits(bits);
            assert_eq!(Kind::from_bits(kind.bits()), kind, "{bits:#x}");
        }
        assert_eq!(Kind::from_bits(Kind::PLAIN.bits()), Kind::PLAIN);
        let other = Kind {
            level: Level::Error,
            stream: None,
            provider: Provider::Import,
            level_source: LevelSource::Syslog,
            clock: Clock::Host,
            more: true,
            open: true,
        };
        assert_eq!(Kind::from_bits(other.bits()), other);
        assert_eq!((other.value("stream"), other.value("logway.open")), (Some(""), Some("true")));
        assert_eq!(other.value("boot"), None);
    }
}
