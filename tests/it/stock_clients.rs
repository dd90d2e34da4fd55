//! A stock NATS client gets lines in the shape that flyctl decodes, from the embedded broker and from real servers.

use std::process::Command;

use logway_tests::{NatsVersion, Process, Up, parts, skip};

/// Subscribes as any program would, and decodes each message as flyctl's Go struct does: these fields, all text, names in
/// any case, a time that RFC 3339 with nanoseconds allows; unknown fields are passed over.
const CLIENT: &str = r#"
import asyncio, json, re, sys, nats
def text(of, *path):
    for key in path:
        of = next((v for k, v in of.items() if k.lower() == key), None)
    assert isinstance(of, str), (path, of)
    return of
async def main():
    url, user, password = sys.argv[1:]
    client = await nats.connect(url, user=user, password=password, allow_reconnect=False)
    lines = await client.subscribe('o.*.logs.>')
    await client.flush()
    print('subscribed', flush=True)
    while True:
        message = await lines.next_msg(timeout=60)
        assert message.subject.startswith('o.') and len(message.subject.split('.')) == 6, message.subject
        log = json.loads(message.data)
        row = [text(log, 'event', 'provider'), text(log, 'fly', 'app', 'instance'), text(log, 'fly', 'app', 'name'),
               text(log, 'fly', 'region'), text(log, 'host'), text(log, 'log', 'level'), text(log, 'message')]
        assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z', text(log, 'timestamp'))
        assert row[5] in ('debug', 'info', 'warn', 'error')
        print('|'.join([row[0], row[2], row[3], row[5], row[6]]), flush=True)
        if log.get('logway', {}).get('event', {}).get('kind') == 'exited':
            break
    await client.close()
asyncio.run(main())
"#;

fn a_client_reads(up: &Up, url: &str) {
    let python = parts::python_with_nats().expect("asked for before");
    let login = std::fs::read_to_string(up.data().join("bus/proxy")).expect("reading the proxy's credential");
    let (user, password) = login.trim().split_once(':').expect("user:password");
    let mut command = Command::new(python);
    let mut client = Process::start("nats-py", command.args(["-c", CLIENT, url, user, password]));
    client.wait_for_stdout("that it listens", |line| line == "subscribed");
    let script = "echo hello; echo ERROR: broken >&2";
    assert!(up.run("run", &["--app", "web", "--region", "lhr", "--", "sh", "-c", script]).wait().success());
    let (status, out, err) = client.wait_with_output();
    assert!(status.success(), "{out}{err}");
    for row in ["app|web|lhr|info|hello", "app|web|lhr|error|ERROR: broken"] {
        assert!(out.lines().any(|line| line == row), "{row} is not in\n{out}");
    }
}

#[test]
fn nats_py_reads_from_the_embedded_broker() {
    if parts::python_with_nats().is_none() {
        return skip("nats_py_reads_from_the_embedded_broker", "no Python with nats-py is installed");
    }
    let up = Up::start(&[]);
    a_client_reads(&up, &format!("nats://{}", up.address("nats")));
}

#[test]
fn nats_py_reads_from_real_servers() {
    let name = "nats_py_reads_from_real_servers";
    if parts::python_with_nats().is_none() {
        return skip(name, "no Python with nats-py is installed");
    }
    for version in NatsVersion::ALL {
        let Some((_server, up, url)) = Up::beside_nats_server(name, version) else { return };
        a_client_reads(&up, &url);
    }
}
