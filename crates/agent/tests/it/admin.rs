//! The admin socket and the registrations.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use agent::admin::{Error, Registration, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{Agent, Bus, Init, Tail, Told, boot, gaps, nowhere, registration, within};

fn code(answer: Result<Response, Error>) -> String {
    match answer {
        Err(Error::Refused { code, .. }) => code,
        other => panic!("not refused: {other:?}"),
    }
}

async fn answer_to(socket: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    // A client that is sent away while it still writes sees a broken pipe, and a reset after the answer.
    let _written = stream.write_all(request).await;
    let mut answer = Vec::new();
    while within("an answer", stream.read_buf(&mut answer)).await.is_ok_and(|read| read > 0) {}
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_of_another_org_is_refused_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let bus = nowhere().await;
    let agent = Agent::start(dir.path(), bus).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    assert_eq!(agent.register("k3f9", "web", "i1").await, socket);
    let register = |org: &str, app: &str| Request::Register(registration(org, app, "i1"));
    assert_eq!(code(agent.call(register("other", "web")).await), "LA10");
    assert_eq!(code(agent.call(register("k3f9", "api")).await), "LA18");
    let foreign = Request::Deregister { org: "other".into(), instance: "i1".into() };
    agent.call(foreign).await.unwrap();
    assert!(socket.exists());
    agent.call(Request::Deregister { org: "k3f9".into(), instance: "i1".into() }).await.unwrap();
    assert!(!socket.exists());
    agent.stop().await;
    let agent = Agent::start(dir.path(), bus).await;
    assert_eq!(code(agent.call(register("other", "web")).await), "LA10");
    agent.register("k3f9", "web", "i1").await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_names_and_bad_requests_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), nowhere().await).await;
    for (org, app, instance) in
        [("K!", "web", "i"), ("k", "", "i"), ("k", "web", ""), ("k", "web", &*"x".repeat(64))]
    {
        assert_eq!(code(agent.call(Request::Register(registration(org, app, instance))).await), "LA12");
    }
    let odd = registration("k", "a b.c\n*", "i");
    let Response::Registered(odd) = agent.call(Request::Register(odd)).await.unwrap() else { panic!() };
    assert_eq!(odd.app, "a%20b%2Ec%0A%2A");
    let socket = agent.admin_socket();
    for request in [&b"nonsense\n"[..], b"{\"stop\":{}}\n", b"\n", b"\xff\n"] {
        assert!(answer_to(&socket, request).await.starts_with(r#"{"error":{"code":"LA08""#));
    }
    let endless = vec![b'x'; 70 << 10];
    assert!(answer_to(&socket, &endless).await.starts_with(r#"{"error":{"code":"LA08""#));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_client_is_told_to_wait_and_a_silent_one_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), nowhere().await).await;
    let socket = agent.admin_socket();
    assert_eq!(std::fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
    let mut silent = UnixStream::connect(&socket).await.unwrap();
    silent.write_all(b"{\"li").await.unwrap();
    let second = answer_to(&socket, b"").await;
    assert!(second.starts_with(r#"{"error":{"code":"LA06""#), "{second}");
    // `call` waits for its turn: the silent one is cut after two seconds.
    assert_eq!(agent.call(Request::List {}).await.unwrap(), Response::Machines(Vec::new()));
    let mut rest = Vec::new();
    within("the cut", silent.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_and_status_say_who_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    agent.register("k3f9", "web", "i2").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["one", "two"]).await;
    init.flush().await;
    let Response::Machines(machines) = agent.call(Request::List {}).await.unwrap() else { panic!() };
    let shape: Vec<_> =
        machines.iter().map(|machine| (machine.registered.instance.as_str(), machine.connected)).collect();
    assert_eq!(shape, [("i1", true), ("i2", false)]);
    let Response::Status(status) = agent.call(Request::Status {}).await.unwrap() else { panic!() };
    assert_eq!((status.machines, status.connected, status.fault), (2, 1, None));
    assert_eq!((status.apps.len(), status.apps[0].lines), (1, 2));
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_path_that_is_too_long_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("x".repeat(87 - dir.path().as_os_str().len()));
    std::fs::create_dir(&deep).unwrap();
    let agent = Agent::start(&deep, nowhere().await).await;
    assert_eq!(code(agent.call(Request::Register(registration("k", "web", "i"))).await), "LA13");
    agent.stop().await;
    let deeper = deep.join("y".repeat(40));
    std::fs::create_dir(&deeper).unwrap();
    let options = crate::support::options(bus::roles::Role::Agent, nowhere().await);
    let config = agent::Config::new(deeper, "h1".into(), "lhr".into(), options);
    let error = agent::run(config, std::future::pending()).await.unwrap_err();
    assert!(error.to_string().starts_with("[LA13]"), "{error}");
}

/// Connects as user 65534 and gives what the socket says. Needs root, and two programs that every Debian has.
fn as_nobody(socket: &Path) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let script =
        "my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; $s->sysread(my $said, 4096); print $said";
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut command = Command::new("setpriv");
    command.args(user).args(["/usr/bin/perl", "-MIO::Socket::UNIX", "-e", script]).arg(socket);
    let output = command.output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Says so, and has it counted as `cargo xtask test` wants it.
fn skip(what: &str) {
    use std::io::Write;
    println!("SKIPPED {what}");
    if let Some(path) = std::env::var_os("LOGWAY_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(format!("{what}\n").as_bytes())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), nowhere().await).await;
    let machine = agent.register("k3f9", "web", "i1").await;
    let admin = agent.admin_socket();
    // The permissions alone keep others out; here they are opened, so that the second check is met.
    for path in [dir.path(), admin.parent().unwrap(), &admin, machine.parent().unwrap(), &machine]
        .into_iter()
        .chain(machine.ancestors().skip(2).take(1))
    {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    for socket in [&admin, &machine] {
        let Some(answer) = tokio::task::block_in_place(|| as_nobody(socket)) else {
            skip("another_user_is_refused: it needs root, setpriv and perl");
            return agent.stop().await;
        };
        assert!(answer.contains("LA07"), "{}: {answer:?}", socket.display());
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ephemeral_machine_is_gone_after_its_goodbye_and_after_it_vanished() {
    let dir = tempfile::tempdir().unwrap();
    let bus = nowhere().await;
    let agent = Agent::start_with(dir.path(), bus, |config| {
        config.vanish_after = std::time::Duration::from_millis(50);
        // The inits of a test are of its own process, which cannot be watched to its end.
        config.forget_after = std::time::Duration::from_millis(50);
    })
    .await;
    let ephemeral = |instance| Registration { ephemeral: true, ..registration("k3f9", "web", instance) };
    let said_goodbye = agent.register_as(ephemeral("i1")).await;
    let vanished = agent.register_as(ephemeral("i2")).await;
    for (socket, goodbye) in [(&said_goodbye, true), (&vanished, false)] {
        let mut init = Init::greet(socket, boot(1)).await;
        init.lines(&["x"]).await;
        init.flush().await;
        if goodbye {
            init.bye().await;
        }
    }
    within("the end of both", async {
        loop {
            let Response::Machines(machines) = agent.call(Request::List {}).await.unwrap() else { panic!() };
            if machines.is_empty() && !said_goodbye.exists() && !vanished.exists() {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let stolen = Request::Register(registration("other", "web", "i1"));
    assert_eq!(code(agent.call(stolen).await), "LA10");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_registered_meanwhile_still_comes_in_when_an_ephemeral_machine_says_goodbye() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), nowhere().await).await;
    // The second registration comes after the first init has connected, or before.
    for (instance, first_connects_before) in [("i1", true), ("i2", false)] {
        let ephemeral = Registration { ephemeral: true, ..registration("k3f9", "web", instance) };
        let socket = agent.register_as(ephemeral.clone()).await;
        let mut first = None;
        if first_connects_before {
            first = Some(Init::greet(&socket, boot(1)).await);
        }
        assert_eq!(agent.register_as(ephemeral).await, socket);
        let first = match first {
            Some(first) => first,
            None => Init::greet(&socket, boot(1)).await,
        };
        let mut second = Init::connect(&socket, boot(2)).await;
        assert_eq!(second.told().await, Told::Refused("LA06".into()));
        first.bye().await;
        agent.wait_for(|status| status.connected == 0).await;
        Init::greet(&socket, boot(2)).await.bye().await;
        within("the end of the registration", async {
            while socket.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_whose_socket_cannot_be_made_does_not_keep_the_others_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let sockets = [
        agent.register("k", "web", "i1").await,
        agent.register("k", "web", "i2").await,
        agent.register("k", "web", "i3").await,
    ];
    let mut lost = Init::greet(&sockets[1], boot(1)).await;
    lost.lines(&["x"]).await;
    lost.flush().await;
    drop(lost);
    agent.stop().await;
    // One of them has a directory in the socket's place; of another the agent's own folder is of no use.
    std::fs::remove_file(&sockets[0]).unwrap();
    std::fs::create_dir_all(sockets[0].join("full")).unwrap();
    let folder = sockets[1].parent().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::write(folder, "").unwrap();
    let mut tail = Tail::start(&bus, "o.k.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    for at in [0, 2] {
        Init::greet(&sockets[at], boot(1)).await;
    }
    // Nobody could come back to it: what is missing is stated.
    let lines = tail.take_until(|line| !gaps(std::slice::from_ref(line)).is_empty()).await;
    assert_eq!(gaps(&lines), [(2, 1, "vanished".to_owned())]);
    std::fs::remove_file(folder).unwrap();
    assert_eq!(agent.register("k", "web", "i2").await, sockets[1]);
    assert_eq!(Init::greet_again(&sockets[1], boot(1), 2, 2).await.1, 2);
    agent.stop().await;
    bus.stop().await;
}
