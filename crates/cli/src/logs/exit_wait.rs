//! `--until-exit`: which instance is followed, and how its app ended.

use anyhow::Result;
use line::{Body, Boot, Event, GapReason};

use super::item::Item;
use crate::exit::Exit;
use crate::fail::Fail;

/// Records that are needed beside those that are asked for.
pub(super) const ALSO: &str = "logway.event.kind:in(started, exec_failed, config_error, exited)";

/// Waits for the end of one start of an instance.
#[derive(Debug, Clone)]
pub(super) struct ExitWait {
    /// Whether a Machine was named: then its newest start counts, also one that has ended.
    is_named: bool,
    /// From when on a start counts, Unix nanoseconds, where no Machine was named.
    from: i64,
    /// The start that is followed.
    followed: Option<(String, Boot)>,
}

impl ExitWait {
    /// The newest start of a Machine that was named: this one, as far as is known, or one that comes.
    pub(super) const fn of_machine(newest: Option<(String, Boot)>) -> Self {
        Self { is_named: true, from: 0, followed: newest }
    }

    /// The next start of an app, from a time on.
    pub(super) const fn of_next(from: i64) -> Self {
        Self { is_named: false, from, followed: None }
    }

    /// Whether a line is of the start that is followed.
    pub(super) fn concerns(&mut self, item: &Item) -> bool {
        let message = &item.message;
        let Some(boot) = message.boot else { return false };
        let this = (message.instance.clone(), boot);
        match &self.followed {
            Some(followed) if *followed == this => return true,
            // A Machine that starts again before it has said how it ended: the newest start counts.
            Some((instance, followed)) if self.is_named && *instance == this.0 && *followed < boot => {}
            None if self.is_named => {}
            None if message.entry.time >= self.from && begins(item) => {}
            _ => return false,
        }
        self.followed = Some(this);
        true
    }

    /// How it ended, if this line says so.
    pub(super) fn outcome(&self, item: &Item) -> Option<Result<Exit>> {
        match &item.message.entry.body {
            Body::Event(event) if event.kind == "exited" => Some(Ok(exit_of(event))),
            Body::Gap(gap) if gap.reason == GapReason::Vanished => Some(vanished(&item.message.instance)),
            _ => None,
        }
    }
}

/// Whether a start begins here: its first records, of which one may be lost.
fn begins(item: &Item) -> bool {
    let is_first = item.message.entry.seq <= 1;
    let is_start = |event: &Event<'_>| matches!(&*event.kind, "started" | "exec_failed" | "config_error");
    is_first || matches!(&item.message.entry.body, Body::Event(event) if is_start(event))
}

/// The number that the app ended with, 128+N by signal N.
fn exit_of(event: &Event<'_>) -> Exit {
    let signal = event.get_int("signal").filter(|signal| *signal > 0);
    let code = event.get_int("code").or(signal.map(|signal| 128 + signal)).unwrap_or(1);
    Exit::Child(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}

fn vanished(instance: &str) -> Result<Exit> {
    let instance = super::neutral::plain(instance);
    Fail::new(Exit::Partial, format!("the Machine {instance} has vanished: how its app ended is not known"))
        .code("LA02")
        .err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(instance: &str, boot: u64, seq: u64, event: serde_json::Value) -> Item {
        let mut json = serde_json::json!({
            "event": {"provider": "runner"}, "fly": {"app": {"instance": instance, "name": "web"}, "region": "lhr"},
            "message": "x", "timestamp": "2026-11-22T10:00:00Z",
            "logway": {"boot": format!("{boot:016x}"), "seq": seq, "stream": "init"},
        });
        if !event.is_null() {
            json["logway"]["event"] = event;
        }
        Item::read(json.to_string().into()).unwrap()
    }

    fn started(instance: &str, boot: u64) -> Item {
        item(instance, boot, 5, serde_json::json!({"kind": "started", "pid": 7}))
    }

    fn exited(instance: &str, boot: u64, code: i64, signal: i64) -> Item {
        item(instance, boot, 9, serde_json::json!({"kind": "exited", "code": code, "signal": signal}))
    }

    fn code(wait: &ExitWait, item: &Item) -> Option<u8> {
        wait.outcome(item).map(|outcome| outcome.unwrap().code())
    }

    #[test]
    fn the_next_start_of_an_app_is_followed() {
        let time = started("a", 1).message.entry.time;
        let mut wait = ExitWait::of_next(time);
        assert!(
            !wait.concerns(&exited("a", 1, 0, -1))
                && !wait.concerns(&item("b", 2, 7, serde_json::Value::Null))
        );
        assert!(wait.concerns(&started("b", 3)) && !wait.concerns(&started("c", 4)));
        assert!(!wait.concerns(&exited("c", 4, 0, -1)) && wait.concerns(&exited("b", 3, 7, -1)));
        let mut wait = ExitWait::of_next(time + 1);
        assert!(!wait.concerns(&started("b", 3)));
    }

    #[test]
    fn of_a_machine_the_newest_start_counts() {
        let mut wait = ExitWait::of_machine(None);
        assert!(wait.concerns(&item("a", 1, 7, serde_json::Value::Null)));
        assert!(wait.concerns(&started("a", 2)) && !wait.concerns(&exited("a", 1, 0, -1)));
    }

    #[test]
    fn outcomes() {
        let wait = ExitWait::of_machine(None);
        assert_eq!(code(&wait, &started("a", 1)), None);
        for (number, signal, wanted) in [(0, -1, 0), (3, -1, 3), (137, 9, 137), (143, 15, 143)] {
            assert_eq!(code(&wait, &exited("a", 1, number, signal)), Some(wanted));
        }
        let older = item("a", 1, 9, serde_json::json!({"kind": "exited", "signal": 9}));
        assert_eq!(code(&wait, &older), Some(137));
        let json = r#"{"fly":{"app":{"instance":"a","name":"web"}},"message":"x","timestamp":"2026-11-22T10:00:00Z","gap":{"reason":"vanished","hop":"agent","bytes":0},"logway":{"boot":"0000000000000001","seq":7}}"#;
        let error = wait.outcome(&Item::read(json.into()).unwrap()).unwrap().unwrap_err();
        assert!(crate::fail::describe(&error).0.contains("error[LA02]"));
    }
}
