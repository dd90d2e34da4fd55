//! nats.js, the client for Node, in both lines that people use: the old package and the one that took its place.

use std::path::Path;
use std::process::Command;

use logway_tests::{parts, skip};

use super::{Client, Login};

const LINES: [&str; 2] = ["nats", "@nats-io/transport-node"];

const CLIENT: &str = r"
const [line, servers, user, pass] = process.argv.slice(1);
const { connect } = require(line);
async function show(subscription, messages) {
    for await (const message of messages) console.log(subscription, message.subject, message.string());
}
async function main() {
    const client = await connect({ servers, user, pass, reconnectTimeWait: 100, maxReconnectAttempts: -1 });
    show('all', client.subscribe('o.*.logs.>'));
    show('queue', client.subscribe('o.*.logs.>', { queue: 'readers' }));
    await client.flush();
    console.log('subscribed');
    for await (const { type } of client.status()) {
        if (type !== 'reconnect') continue;
        await client.flush();
        console.log('back');
    }
}
main();
";

fn start(line: &str, packages: &Path, login: &Login) -> Client {
    let mut node = Command::new("node");
    Client::program(line, node.env("NODE_PATH", packages).args(["-e", CLIENT, "--", line]), login)
}

#[test]
fn nats_js_reads_from_the_embedded_broker() {
    let Some(packages) = parts::node_packages() else {
        return skip("nats_js_reads_from_the_embedded_broker", "nats.js is not installed");
    };
    for line in LINES {
        super::reads_from_the_embedded_broker(|login| start(line, &packages, login));
    }
}

#[test]
fn nats_js_reads_from_real_servers() {
    let name = "nats_js_reads_from_real_servers";
    let Some(packages) = parts::node_packages() else { return skip(name, "nats.js is not installed") };
    for line in LINES {
        super::reads_from_real_servers(name, |login| start(line, &packages, login));
    }
}
