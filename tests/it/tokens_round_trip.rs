//! A token's whole life, with the real commands and a stock client: made, narrowed by its holder away from any Logway, used, revoked.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use logway_tests::{Process, Up, parts, short_dir, skip};

/// Within this a revocation ends sessions: docs/tokens.md and `logway tokens revoke` say so.
const PROMISED: Duration = Duration::from_secs(5);

/// Subscribes to each pattern on one connection, and prints `refused` with what it is told, `line` with each subject and payload, and
/// `closed` with the reason when it is closed for good. Without patterns it tries once to log in.
const READER: &str = r"
import asyncio, sys, nats
async def main():
    url, token, *patterns = sys.argv[1:]
    ended = asyncio.Event()
    async def refused(why):
        print('refused', why, flush=True)
    async def closed():
        print('closed', client.last_error, flush=True)
        ended.set()
    async def show(message):
        print('line', message.subject, message.data.decode(), flush=True)
    client = await nats.connect(url, user='personal', password=token, error_cb=refused, closed_cb=closed,
                                allow_reconnect=bool(patterns))
    for pattern in patterns:
        await client.subscribe(pattern, cb=show)
    await client.flush()
    print('subscribed', flush=True)
    await ended.wait()
asyncio.run(main())
";

fn reader(python: &Path, up: &Up, token: &str, patterns: &[&str]) -> Process {
    let url = format!("nats://{}", up.address("proxy"));
    Process::start("nats-py", Command::new(python).args(["-c", READER, &url, token]).args(patterns))
}

/// `logway tokens attenuate` of a person who has the token and nothing else.
fn narrowed(token: &str, args: &[&str]) -> String {
    let home = short_dir();
    let mut logway = Command::new(parts::logway());
    logway.args(["tokens", "attenuate", "--token", "-"]).args(args);
    logway.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path().join("config"));
    let mut process = Process::start("logway tokens attenuate", &mut logway);
    process.write_stdin(format!("{token}\n").as_bytes());
    let (status, out, err) = process.wait_with_output();
    assert!(status.success(), "{err}");
    out.trim().to_owned()
}

/// The apps whose lines it was given so far, up to the end of `last`.
fn apps_up_to(reader: &Process, last: &str) -> Vec<String> {
    let of_last = format!("line logs.{last}.");
    reader.wait_for_stdout("the app's end", |row| row.starts_with(&of_last) && row.contains("\"exited\""));
    let text = reader.stdout().text();
    let subjects = text.lines().filter_map(|row| row.strip_prefix("line logs."));
    let mut apps: Vec<_> = subjects.filter_map(|rest| rest.split('.').next().map(str::to_owned)).collect();
    apps.sort();
    apps.dedup();
    apps
}

/// Revokes `token`, and checks that `readers` are told so and closed in the time that is promised.
fn revoke(up: &Up, token: &str, readers: &[&Process]) {
    let (code, _, err) = up.output("tokens", &["revoke", token]);
    let revoked = Instant::now();
    assert!(code == 0 && err.contains("sessions end within 5 seconds"), "{err}");
    for reader in readers {
        let row = reader.wait_for_stdout("its end", |row| row.starts_with("closed"));
        let took = revoked.elapsed();
        assert_eq!(row, "closed nats: user authentication revoked");
        assert!(took < PROMISED, "the session went on for {took:?}");
    }
}

#[test]
fn promise_5_a_token_narrowed_offline_reads_one_app_until_it_is_revoked() {
    let name = "promise_5_a_token_narrowed_offline_reads_one_app_until_it_is_revoked";
    let Some(python) = parts::python_with_nats() else {
        return skip(name, "no Python with nats-py is installed");
    };
    let mut up = Up::start(&[]);
    let (code, whole, err) = up.output("tokens", &["create", "readonly", "personal"]);
    assert_eq!(code, 0, "{err}");
    let whole = whole.trim();
    // While no Logway runs anywhere, so that it cannot be asked.
    up.process().kill();
    let narrow = narrowed(whole, &["--app", "web"]);
    up.restart();

    let one = reader(&python, &up, &narrow, &["logs.web.>", "logs.>", "logs.api.>", "logs.*.lhr.>"]);
    let all = reader(&python, &up, whole, &["logs.>"]);
    for pattern in ["logs.>", "logs.api.>", "logs.*.lhr.>"] {
        let wanted = format!("refused nats: permissions violation for subscription to \"{pattern}\"");
        one.wait_for_stdout("the refusal", |row| row == wanted);
    }
    for reader in [&one, &all] {
        reader.wait_for_stdout("that it listens", |row| row == "subscribed");
    }
    for app in ["api", "web"] {
        assert!(up.run("run", &["--app", app, "--", "echo", "hello"]).wait().success());
    }
    assert_eq!(apps_up_to(&one, "web"), ["web"]);
    assert_eq!(apps_up_to(&all, "web"), ["api", "web"]);

    // A revocation ends what was made of a token, and not what it was made of.
    revoke(&up, &narrow, &[&one]);
    assert!(up.run("run", &["--app", "after", "--", "echo", "hello"]).wait().success());
    assert_eq!(apps_up_to(&all, "after"), ["after", "api", "web"]);
    let sibling = narrowed(whole, &["--app", "api"]);
    let other = reader(&python, &up, &sibling, &["logs.api.>"]);
    other.wait_for_stdout("that it listens", |row| row == "subscribed");
    revoke(&up, whole, &[&all, &other]);
    for token in [whole, &narrow, &sibling] {
        let (status, _, err) = reader(&python, &up, token, &[]).wait_with_output();
        assert!(!status.success() && err.contains("Authorization Violation"), "{err}");
    }
}
