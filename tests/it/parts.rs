//! The test parts themselves: what the other tests start is there and is what it says.

use std::process::Command;

use logway_tests::{NatsServer, NatsVersion, Process, parts, skip};

/// The stock client and both servers speak with each other; what fails here is not Logway's fault.
#[test]
fn stock_client_meets_both_servers() {
    let Some(python) = parts::python_with_nats() else {
        return skip("stock_client_meets_both_servers", "no Python with nats-py is installed");
    };
    let script = "\
import asyncio, sys, nats
async def main():
    client = await nats.connect(sys.argv[1], allow_reconnect=False)
    lines = await client.subscribe('logs.>')
    await client.publish('logs.web.lhr.i1', b'one line')
    message = await lines.next_msg(timeout=30)
    print(message.subject, message.data.decode())
    await client.close()
asyncio.run(main())
";
    for version in NatsVersion::ALL {
        let Some(server) = NatsServer::start("stock_client_meets_both_servers", version, "") else { return };
        let mut command = Command::new(&python);
        let mut client = Process::start("nats-py", command.args(["-c", script]).arg(server.url()));
        let (status, out, err) = client.wait_with_output();
        assert!(status.success(), "{err}");
        assert_eq!(out, "logs.web.lhr.i1 one line\n", "{version:?}");
    }
}
