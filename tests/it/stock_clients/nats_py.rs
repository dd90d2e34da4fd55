//! nats-py, the client for Python.

use std::path::Path;
use std::process::Command;

use logway_tests::{parts, skip};

use super::{Client, Login};

const CLIENT: &str = r"
import asyncio, sys, nats
async def main():
    url, user, password = sys.argv[1:]
    async def back():
        await client.flush()
        print('back', flush=True)
    def printer(subscription):
        async def show(message):
            print(subscription, message.subject, message.data.decode(), flush=True)
        return show
    client = await nats.connect(url, user=user, password=password, reconnected_cb=back,
                                reconnect_time_wait=0.1, max_reconnect_attempts=-1)
    await client.subscribe('o.*.logs.>', cb=printer('all'))
    await client.subscribe('o.*.logs.>', queue='readers', cb=printer('queue'))
    await client.flush()
    print('subscribed', flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
";

fn start(python: &Path, login: &Login) -> Client {
    Client::program("nats-py", Command::new(python).args(["-c", CLIENT]), login)
}

#[test]
fn nats_py_reads_from_the_embedded_broker() {
    let Some(python) = parts::python_with_nats() else {
        return skip("nats_py_reads_from_the_embedded_broker", "no Python with nats-py is installed");
    };
    super::reads_from_the_embedded_broker(|login| start(&python, login));
}

#[test]
fn nats_py_reads_from_real_servers() {
    let name = "nats_py_reads_from_real_servers";
    let Some(python) = parts::python_with_nats() else {
        return skip(name, "no Python with nats-py is installed");
    };
    super::reads_from_real_servers(name, |login| start(&python, login));
}
