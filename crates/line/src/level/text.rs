//! Levels in lines that are not JSON.

use super::{Level, LevelSource};

/// How many words may stand before the level word.
const MAX_WORDS: usize = 12;

pub(super) fn infer(line: &[u8]) -> Option<(Level, LevelSource)> {
    if let Some(level) = syslog(line) {
        return Some((level, LevelSource::Syslog));
    }
    if let Some(level) = letter(line).or_else(|| leading_word(line)) {
        return Some((level, LevelSource::Text));
    }
    logfmt(line).map(|level| (level, LevelSource::Logfmt))
}

/// A priority as of syslog, `<13>`: facility times eight plus severity.
fn syslog(line: &[u8]) -> Option<Level> {
    let rest = line.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|&b| b == b'>')?;
    let priority: u16 = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    if priority > 191 || end == 0 {
        return None;
    }
    Some(match priority % 8 {
        0..=3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        _ => Level::Debug,
    })
}

/// klog and glog, `E1122 10:00:00.000000`, and Ruby's logger, `E, [2026-11-22T10:00:00`.
fn letter(line: &[u8]) -> Option<Level> {
    let (first, rest) = line.split_first()?;
    let klog = rest.len() > 5
        && rest[..4].iter().all(u8::is_ascii_digit)
        && rest[4] == b' '
        && rest[5].is_ascii_digit();
    let glog = rest.len() > 9
        && rest[..8].iter().all(u8::is_ascii_digit)
        && rest[8] == b' '
        && rest[9].is_ascii_digit();
    if !klog && !glog && !rest.starts_with(b", [") {
        return None;
    }
    Some(match first {
        b'D' => Level::Debug,
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' | b'F' => Level::Error,
        _ => return None,
    })
}

/// A level word behind nothing but times, numbers, and names in brackets. Bare, it must be in capitals, or begin the line
/// and have a colon behind it (`error: no such file`); in brackets any case will do.
fn leading_word(line: &[u8]) -> Option<Level> {
    let mut rest = line;
    for position in 0..MAX_WORDS {
        rest = rest.trim_ascii_start();
        let (word, after) = next_word(rest);
        if word.is_empty() {
            return None;
        }
        if let Some(level) = level_of_word(word, position == 0) {
            return Some(level);
        }
        if !may_stand_before(word) {
            return None;
        }
        rest = after;
    }
    None
}

/// The next word, and what follows. A bracketed group counts as one word even with blanks in it.
fn next_word(text: &[u8]) -> (&[u8], &[u8]) {
    let close = match text.first() {
        Some(b'[') => memchr::memchr(b']', text),
        Some(b'(') => memchr::memchr(b')', text),
        _ => None,
    };
    let end = close
        .map_or_else(|| text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len()), |at| at + 1);
    text.split_at(end)
}

fn level_of_word(word: &[u8], first: bool) -> Option<Level> {
    if let [b'[' | b'(' | b'<', inner @ .., b']' | b')' | b'>'] = word {
        return Level::from_word_bytes(inner.trim_ascii());
    }
    let bare_len = word.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let (bare, tail) = word.split_at(bare_len);
    let level = Level::from_word_bytes(bare)?;
    let ends_well = matches!(tail.first(), None | Some(b':' | b'[' | b'|' | b']' | b',' | b'('));
    let capitals = bare.iter().all(u8::is_ascii_uppercase);
    let labelled = first && tail.first() == Some(&b':');
    (ends_well && (capitals || labelled)).then_some(level)
}

/// Times, dates, process numbers, thread names in brackets, separators: what loggers put before the level.
fn may_stand_before(word: &[u8]) -> bool {
    const NAMES: [&[u8]; 26] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
        b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun", b"UTC", b"GMT", b"CET", b"CEST", b"EST",
        b"PST", b"Z",
    ];
    matches!(word.first(), Some(b'[' | b'('))
        || word.iter().any(u8::is_ascii_digit)
        || !word.iter().any(u8::is_ascii_alphanumeric)
        || NAMES.contains(&word)
}

/// `level=warn` and kin, as a key of logfmt.
fn logfmt(line: &[u8]) -> Option<Level> {
    for key in [&b"level="[..], b"lvl=", b"severity="] {
        for at in memchr::memmem::find_iter(line, key) {
            if at > 0 && !line[at - 1].is_ascii_whitespace() {
                continue;
            }
            let value = line[at + key.len()..].strip_prefix(b"\"").unwrap_or(&line[at + key.len()..]);
            let end = value.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(value.len());
            let number = || Some(Level::from_number(std::str::from_utf8(&value[..end]).ok()?.parse().ok()?));
            return Level::from_word_bytes(&value[..end]).or_else(number);
        }
    }
    None
}
