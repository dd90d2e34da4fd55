//! A choice from a list, at a terminal: numbers, and a name typed in whole or in part.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use super::known::Named;
use crate::logs::neutral;
use crate::output::notice;

/// Names that are shown at most; others can be typed in.
const MAX_SHOWN: usize = 100;
/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 4096;

/// What a person answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// One of the list.
    One(usize),
    /// Nothing: what is usual.
    Usual,
    /// Nothing that can be understood, and why.
    Unclear(String),
}

/// Whether somebody is there who can be asked without being told to.
pub(super) fn is_somebody_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Where answers come from: stdin if that is a terminal, else the terminal of the session.
fn terminal() -> Option<Box<dyn BufRead + Send>> {
    if io::stdin().is_terminal() {
        return Some(Box::new(BufReader::new(io::stdin())));
    }
    let terminal = File::open("/dev/tty").ok()?;
    Some(Box::new(BufReader::new(terminal)))
}

/// Asks which one of `all` is meant; with `usual`, what is meant by an empty answer. `None`: nobody can be asked, or the answer
/// was the end of input.
pub(super) async fn ask(what: &str, all: &[Named], usual: Option<&str>) -> Option<Answer> {
    let mut terminal = terminal()?;
    show(what, all);
    loop {
        let _ = write!(
            io::stderr(),
            "number or name{}: ",
            usual.map_or(String::new(), |usual| format!(" [{usual}]"))
        );
        // Whoever types may take his time, and may rather press Ctrl-C.
        let read = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            let count = io::Read::take(&mut terminal, MAX_ANSWER_BYTES).read_line(&mut text);
            (count, text, terminal)
        });
        let Ok((Ok(1..), text, again)) = read.await else { return None };
        terminal = again;
        match understand(&text, all, usual.is_some()) {
            Answer::Unclear(why) => notice(&why),
            answer => return Some(answer),
        }
    }
}

fn show(what: &str, all: &[Named]) {
    let width = all.iter().take(MAX_SHOWN).map(|named| named.name.chars().count()).max().unwrap_or(0);
    let digits = all.len().min(MAX_SHOWN).to_string().len();
    notice(what);
    for (at, named) in all.iter().take(MAX_SHOWN).enumerate() {
        let (name, about) = (neutral::plain(&named.name), neutral::plain(&named.about));
        notice(format!("  {:>digits$}  {name:<width$}  {about}", at + 1).trim_end());
    }
    if all.len() > MAX_SHOWN {
        notice(&format!("  and {} more", all.len() - MAX_SHOWN));
    }
}

/// What an answer means.
fn understand(text: &str, all: &[Named], has_usual: bool) -> Answer {
    let text = text.trim();
    if text.is_empty() && has_usual {
        return Answer::Usual;
    }
    if let Some(at) = all.iter().position(|named| named.name == text) {
        return Answer::One(at);
    }
    let number = text.parse::<usize>().ok().filter(|number| (1..=all.len()).contains(number));
    if let Some(number) = number {
        return Answer::One(number - 1);
    }
    let found: Vec<usize> =
        (0..all.len()).filter(|&at| !text.is_empty() && all[at].name.contains(text)).collect();
    match found[..] {
        [at] => Answer::One(at),
        [] => Answer::Unclear(format!("give a number from 1 to {}, or a name", all.len())),
        _ => Answer::Unclear(format!("{} names have that in them: give more of it", found.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let all = ["web", "webshop", "7"].map(|name| Named { name: name.into(), about: String::new() });
        let one = |at| Some(Answer::One(at));
        for (text, has_usual, wanted) in [
            ("1\n", false, one(0)),
            ("web", false, one(0)),
            ("shop ", false, one(1)),
            ("7", false, one(2)),
            ("3", false, one(2)),
            ("", true, Some(Answer::Usual)),
            ("", false, None),
            ("4", false, None),
            ("0", false, None),
            ("we", false, None),
            ("nothing", false, None),
        ] {
            let found = understand(text, &all, has_usual);
            match wanted {
                Some(wanted) => assert_eq!(found, wanted, "{text:?}"),
                None => assert!(matches!(found, Answer::Unclear(_)), "{text:?}"),
            }
        }
    }
}
