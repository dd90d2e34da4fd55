//! The examples of docs/nats.md, run as they stand there.

use std::path::PathBuf;
use std::process::Command;

use logway_tests::{Process, Up, parts, skip, wait_until};

use super::door::Door;
use super::row;

const GUIDE: &str = include_str!("../../../docs/nats.md");

/// The example under the heading `### name`: the first indented block.
fn example(name: &str) -> String {
    let heading = format!("\n### {name}\n");
    let (_, rest) = GUIDE.split_once(&heading).unwrap_or_else(|| panic!("no heading {name}"));
    let is_code = |line: &&str| line.is_empty() || line.starts_with("    ");
    let code = rest.lines().skip_while(|line| !line.starts_with("    ")).take_while(is_code);
    code.map(|line| line.get(4..).unwrap_or_default().to_owned() + "\n").collect()
}

/// Starts what `command` makes of the example, with the front door's address in place of the one that is written there, and has it
/// print a line of an app.
fn reads(name: &str, change: impl Fn(String) -> String, command: impl FnOnce(&str) -> Command) {
    let door = Door::Own(Up::start(&[]));
    let login = door.login(&[], "logs.>");
    let written = example(name);
    assert!(written.contains("nats://127.0.0.1:4223") && written.contains("logs.>"), "{written}");
    let code = change(written.replace("nats://127.0.0.1:4223", &login.url));
    let client = Process::start(name, command(&code).env("TOKEN", &login.password));
    wait_until("a line", || {
        let run = door.up().run("run", &["--app", "web", "--", "echo", "hello"]).wait();
        assert!(run.success());
        let text = client.stdout().text();
        let found = text.lines().find(|line| line.contains("\"message\":\"hello\""))?;
        let (subject, payload) = found.split_once(' ').expect("subject and payload");
        assert!(row("", subject, &serde_json::from_str(payload).expect("JSON")).starts_with("app|web|"));
        Some(())
    });
}

#[test]
fn the_example_for_python_reads() {
    let Some(python) = parts::python_with_nats() else {
        return skip("the_example_for_python_reads", "no Python with nats-py is installed");
    };
    reads("nats-py", |code| code, |code| of(python, &["-c", code]));
}

#[test]
fn the_example_for_node_reads_with_both_packages() {
    let Some(packages) = parts::node_packages() else {
        return skip("the_example_for_node_reads_with_both_packages", "nats.js is not installed");
    };
    let new = "require(\"@nats-io/transport-node\")";
    for package in [new, "require(\"nats\")"] {
        let change = |code: String| {
            assert!(code.contains(new) && GUIDE.contains(package), "{code}");
            code.replace(new, package)
        };
        reads("nats.js", change, |code| {
            let mut node = of("node".into(), &["-e", code]);
            node.env("NODE_PATH", &packages);
            node
        });
    }
}

fn of(program: PathBuf, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}
