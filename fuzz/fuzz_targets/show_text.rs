//! App to terminal: any text. What is written moves no cursor and hides nothing, marks change nothing else, and what waits for a stack
//! trace comes once, in the order of its source.
#![no_main]
// The modules of the command line hold more than bytes are thrown at here.
#![allow(dead_code, unused_imports)]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use line::LevelSource;

#[path = "../../crates/cli/src/logs"]
mod logs {
    mod highlight;
    mod joiner;
    mod neutral;
    mod trace;

    use std::time::Duration;

    use line::LevelSource;

    use self::joiner::{Joinable, Joiner, Piece};

    /// The text without the sequences of colours, which are the only ones that may be in it.
    fn colourless(out: &str) -> String {
        let mut parts = out.split('\u{1b}');
        let mut rest = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (sequence, text) = part.split_once('m').expect("a colour has an end");
            let numbers = sequence.strip_prefix('[').expect("a colour has a bracket");
            assert!(numbers.bytes().all(|byte| byte.is_ascii_digit() || b";:".contains(&byte)), "{out:?}");
            rest.push_str(text);
        }
        let turns = |char| matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!rest.contains(|char: char| turns(char) || (char.is_control() && char != '\t')), "{out:?}");
        rest
    }

    pub(super) fn show(text: &str) {
        let plain = neutral::plain(text);
        assert_eq!(colourless(&plain), plain);
        let (mut coloured, mut marked, mut json) = (String::new(), String::new(), String::new());
        neutral::write(text, true, &mut coloured);
        highlight::write(text, &mut marked);
        neutral::json(text.as_bytes(), &mut json);
        assert_eq!((colourless(&coloured), colourless(&marked)), (plain.clone(), plain));
        colourless(&json);
    }

    /// Joins lines of two sources, each with how long after the one before it came.
    pub(super) fn join(lines: &[(bool, LevelSource, Duration, &str)]) {
        let (mut joiner, mut out, mut now) = (Joiner::default(), Vec::new(), Duration::ZERO);
        for (number, &(is_other, source, after, text)) in lines.iter().enumerate() {
            now += after;
            joiner.tick(now, &mut out);
            let key = if is_other { "b" } else { "a" }.to_owned();
            let text = Some((text.to_owned(), source));
            joiner.take(now, Joinable { key, text, payload: (is_other, number) }, &mut out);
        }
        joiner.finish(now, &mut out);
        let shown: Vec<_> = out.iter().map(|(Piece::First(line) | Piece::Rest(line))| *line).collect();
        assert_eq!(shown.len(), lines.len());
        for source in [false, true] {
            let own: Vec<_> = shown.iter().filter(|(is_other, _)| *is_other == source).collect();
            assert!(own.is_sorted_by_key(|(_, number)| *number));
        }
        // What goes on with a line is of its source.
        for pair in out.windows(2) {
            if let [Piece::First((a, _)) | Piece::Rest((a, _)), Piece::Rest((b, _))] = pair {
                assert_eq!(a, b);
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    logs::show(&text);
    // Of each line the first two letters say whose it is, and when it came.
    let sources = [LevelSource::Default, LevelSource::Text, LevelSource::Json, LevelSource::Platform];
    let lines: Vec<_> = text
        .lines()
        .map(|line| {
            let head = line.bytes().next().unwrap_or_default();
            let rest = line.get(1..).unwrap_or(line);
            let after = Duration::from_millis(u64::from(head >> 3) * 20);
            (head & 1 == 1, sources[usize::from(head >> 1 & 3)], after, rest)
        })
        .collect();
    logs::join(&lines);
});
