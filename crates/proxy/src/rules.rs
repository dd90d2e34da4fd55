//! What a pattern that a client wrote stands for. Pure.

use access::{Action, Scope};

/// Where clients ask agents for recent lines; the answers come to their own inbox.
pub const RECENT: &str = "logway.recent";
/// Where clients hear how far the boots that they may read have come.
pub const MARKS: &str = "logway.marks";

/// Where what matches a pattern comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// From the bus: subscribe there, within the org.
    Bus,
    /// From the front door itself, and never from the bus: the client's inboxes.
    Inbox,
    /// From the front door: heartbeats.
    Marks,
    /// From nowhere: the client may not.
    Refused,
}

/// What `pattern`, a legal one, stands for with this scope.
pub(crate) fn target(scope: &Scope, pattern: &str) -> Target {
    let first = pattern.split('.').next().unwrap_or_default();
    if !scope.actions.has(Action::Read) {
        return Target::Refused;
    }
    match first {
        "_INBOX" => Target::Inbox,
        // What servers and their tools use among themselves. It does not exist in an org, and who asks should know.
        _ if first.starts_with('$') || first.starts_with('_') => Target::Refused,
        _ if pattern == MARKS => Target::Marks,
        _ if scope.may_read(pattern) => Target::Bus,
        _ => Target::Refused,
    }
}

/// The queue group on the bus for one that a client named. It begins with a word of ours, so that it is none of those that
/// servers keep for themselves, and bytes that are not letters, digits, `-` or `_` are escaped; one name gives one group on every
/// front door. The org need not be in it: the subjects are.
pub(crate) fn inner_queue(queue: &[u8]) -> String {
    let mut inner = String::from("q-");
    for byte in queue {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            inner.push(char::from(*byte));
        } else {
            inner.push_str(&format!("%{byte:02X}"));
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::Actions;
    use line::Name;
    use proptest::prelude::*;

    #[test]
    fn what_patterns_stand_for() {
        let app = Scope { apps: Some([Name::new("app", "web").unwrap()].into()), ..Scope::ALL };
        let deaf = Scope { actions: [Action::Write].into_iter().collect::<Actions>(), ..Scope::ALL };
        let rows = [
            // pattern, with a whole org, with the app web
            ("logs.>", Target::Bus, Target::Refused),
            ("logs.web.>", Target::Bus, Target::Bus),
            ("logs.web.*.*", Target::Bus, Target::Bus),
            ("logs.api.lhr.i", Target::Bus, Target::Refused),
            ("logs.*.lhr.>", Target::Bus, Target::Refused),
            ("metrics.>", Target::Bus, Target::Refused),
            (">", Target::Bus, Target::Refused),
            ("*", Target::Bus, Target::Refused),
            ("*.>", Target::Bus, Target::Refused),
            ("o.other.>", Target::Bus, Target::Refused),
            ("logs.a>", Target::Bus, Target::Refused),
            ("_INBOX.>", Target::Inbox, Target::Inbox),
            ("_INBOX.a.*", Target::Inbox, Target::Inbox),
            ("_INBOXES.a", Target::Refused, Target::Refused),
            ("$SYS.>", Target::Refused, Target::Refused),
            ("$JS.API.>", Target::Refused, Target::Refused),
            ("_R_.>", Target::Refused, Target::Refused),
            ("logway.marks", Target::Marks, Target::Marks),
            ("logway.>", Target::Bus, Target::Refused),
        ];
        for (pattern, whole, one) in rows {
            let found = [target(&Scope::ALL, pattern), target(&app, pattern), target(&deaf, pattern)];
            assert_eq!(found, [whole, one, Target::Refused], "{pattern}");
        }
    }

    #[test]
    fn queues() {
        for (queue, inner) in
            [("", "q-"), ("web-1_x", "q-web-1_x"), ("$SYS.a", "q-%24SYS%2Ea"), ("ü", "q-%C3%BC")]
        {
            assert_eq!(inner_queue(queue.as_bytes()), inner, "{queue}");
        }
    }

    proptest! {
        #[test]
        fn two_queues_are_two_groups_and_one_word(
            a in proptest::collection::vec(any::<u8>(), 0..8), b in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            prop_assert_eq!(inner_queue(&a) == inner_queue(&b), a == b);
            prop_assert!(inner_queue(&a).bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.'));
        }
    }
}
