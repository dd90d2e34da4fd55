//! nats.js, the client for Node, in both lines that people use: the old package and the one that took its place.

use std::path::Path;
use std::process::Command;

use logway_tests::{parts, skip};

use super::{Client, Login};

const LINES: [&str; 2] = ["nats", "@nats-io/transport-node"];

const CLIENT: &str = r"
const [line, servers, user, pass, pattern] = process.argv.slice(1);
const { connect } = require(line);
async function show(subscription, messages) {
    for await (const message of messages) console.log(subscription, message.subject, message.string());
}
async function main() {
    const client = await connect({ servers, user, pass, reconnectTimeWait: 100, maxReconnectAttempts: -1 });
    show('all', client.subscribe(pattern));
    show('queue', client.subscribe(pattern, { queue: 'readers' }));
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

/// Asks for more than its token allows, then for what it allows. It prints `refused` with what it is told, and `gone` if it loses
/// the connection.
const NARROW: &str = r"
const [line, servers, user, pass, pattern] = process.argv.slice(1);
const { connect } = require(line);
async function show(subscription, messages) {
    for await (const message of messages) console.log(subscription, message.subject, message.string());
}
async function watch(client) {
    for await (const { type } of client.status()) {
        if (type !== 'error') console.log('gone', type);
    }
}
function refused(why) {
    console.log('refused', why.message, why.cause ? why.cause.message : '');
}
async function main() {
    const client = await connect({ servers, user, pass });
    watch(client);
    await show('all', client.subscribe('logs.>')).catch(refused);
    await client.request('some.service', '?', { timeout: 60000 }).catch(refused);
    show('all', client.subscribe(pattern));
    show('queue', client.subscribe(pattern, { queue: 'readers' }));
    await client.flush();
    console.log('subscribed');
}
main();
";

fn start(script: &str, line: &str, packages: &Path, login: &Login) -> Client {
    let mut node = Command::new("node");
    Client::program(line, node.env("NODE_PATH", packages).args(["-e", script, "--", line]), login)
}

#[test]
fn nats_js_reads_from_the_embedded_broker() {
    let Some(packages) = parts::node_packages() else {
        return skip("nats_js_reads_from_the_embedded_broker", "nats.js is not installed");
    };
    for line in LINES {
        super::reads_from_the_embedded_broker(|login| start(CLIENT, line, &packages, login));
    }
}

#[test]
fn nats_js_reads_from_real_servers() {
    let name = "nats_js_reads_from_real_servers";
    let Some(packages) = parts::node_packages() else { return skip(name, "nats.js is not installed") };
    for line in LINES {
        super::reads_from_real_servers(name, |login| start(CLIENT, line, &packages, login));
    }
}

#[test]
fn nats_js_reads_at_front_doors() {
    let name = "nats_js_reads_at_front_doors";
    let Some(packages) = parts::node_packages() else { return skip(name, "nats.js is not installed") };
    for line in LINES {
        super::door::clients_read_at_front_doors(name, |login| start(CLIENT, line, &packages, login));
    }
}

#[test]
fn nats_js_stays_when_it_is_refused() {
    let Some(packages) = parts::node_packages() else {
        return skip("nats_js_stays_when_it_is_refused", "nats.js is not installed");
    };
    for line in LINES {
        super::door::clients_stay_when_refused(|login| start(NARROW, line, &packages, login));
    }
}
