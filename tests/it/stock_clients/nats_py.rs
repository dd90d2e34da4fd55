//! nats-py, the client for Python.

use std::path::Path;
use std::process::Command;

use logway_tests::{parts, skip};

use super::{Client, Login};

const CLIENT: &str = r"
import asyncio, sys, nats
async def main():
    url, user, password, pattern = sys.argv[1:]
    async def back():
        await client.flush()
        print('back', flush=True)
    def printer(subscription):
        async def show(message):
            print(subscription, message.subject, message.data.decode(), flush=True)
        return show
    client = await nats.connect(url, user=user, password=password, reconnected_cb=back,
                                reconnect_time_wait=0.1, max_reconnect_attempts=-1)
    await client.subscribe(pattern, cb=printer('all'))
    await client.subscribe(pattern, queue='readers', cb=printer('queue'))
    await client.flush()
    print('subscribed', flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
";

/// Asks for more than its token allows, then for what it allows. It prints `refused` with what it is told, and `gone` if it loses
/// the connection.
const NARROW: &str = r"
import asyncio, sys, nats
async def main():
    url, user, password, pattern = sys.argv[1:]
    refusals = asyncio.Queue()
    async def refused(why):
        refusals.put_nowait(why)
    async def gone():
        print('gone', client.last_error, flush=True)
    def printer(subscription):
        async def show(message):
            print(subscription, message.subject, message.data.decode(), flush=True)
        return show
    client = await nats.connect(url, user=user, password=password, error_cb=refused,
                                disconnected_cb=gone, closed_cb=gone)
    await client.subscribe('logs.>')
    print('refused', await refusals.get(), flush=True)
    asking = asyncio.create_task(client.request('some.service', b'?', timeout=60))
    print('refused', await refusals.get(), flush=True)
    asking.cancel()
    await client.subscribe(pattern, cb=printer('all'))
    await client.subscribe(pattern, queue='readers', cb=printer('queue'))
    await client.flush()
    print('subscribed', flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
";

fn start(script: &str, python: &Path, login: &Login) -> Client {
    Client::program("nats-py", Command::new(python).args(["-c", script]), login)
}

#[test]
fn nats_py_reads_from_the_embedded_broker() {
    let Some(python) = parts::python_with_nats() else {
        return skip("nats_py_reads_from_the_embedded_broker", "no Python with nats-py is installed");
    };
    super::reads_from_the_embedded_broker(|login| start(CLIENT, &python, login));
}

#[test]
fn nats_py_reads_from_real_servers() {
    let name = "nats_py_reads_from_real_servers";
    let Some(python) = parts::python_with_nats() else {
        return skip(name, "no Python with nats-py is installed");
    };
    super::reads_from_real_servers(name, |login| start(CLIENT, &python, login));
}

#[test]
fn nats_py_reads_at_front_doors() {
    let name = "nats_py_reads_at_front_doors";
    let Some(python) = parts::python_with_nats() else {
        return skip(name, "no Python with nats-py is installed");
    };
    super::door::clients_read_at_front_doors(name, |login| start(CLIENT, &python, login));
}

#[test]
fn nats_py_stays_when_it_is_refused() {
    let Some(python) = parts::python_with_nats() else {
        return skip("nats_py_stays_when_it_is_refused", "no Python with nats-py is installed");
    };
    super::door::clients_stay_when_refused(|login| start(NARROW, &python, login));
}
