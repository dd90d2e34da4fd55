//! `logway up` where it cannot: each fault has its code, its cause and what to do.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use bus::roles::{Role, nats_conf};
use logway_tests::{NatsServer, NatsVersion, Process, Up, parts, skip};
use rustix::process::Signal;

fn up(data: &std::path::Path, args: &[&str]) -> Process {
    let mut command = Command::new(parts::logway());
    command.arg("up").arg("--data").arg(data).args(args);
    Process::start("logway up", &mut command)
}

#[test]
fn it_takes_as_many_open_files_as_it_may() {
    let dir = logway_tests::short_dir();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 256 && exec \"$0\" \"$@\""]).arg(parts::logway());
    command.arg("up").arg("--data").arg(dir.path().join("d"));
    command.args(["--nats-port", "0", "--proxy-port", "0", "--http-port", "0"]);
    let up = Process::start("logway up", &mut command);
    up.wait_for_stderr("ready", |line| line == "ready");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", up.pid())).expect("reading its limits");
    let files =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("there is one of files");
    let files: Vec<&str> = files.split_whitespace().collect();
    assert!(files[0] == files[1] && files[0] != "256", "{files:?}");
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("binding a port");
    let port = taken.local_addr().expect("it has an address").port().to_string();
    let flags = ["--nats-port", "--proxy-port", "--http-port"];
    for flag in flags {
        let dir = logway_tests::short_dir();
        let mut args = vec![flag, &port];
        flags.iter().filter(|other| **other != flag).for_each(|other| args.extend([other, "0"]));
        let (status, out, err) = up(&dir.path().join("d"), &args).wait_with_output();
        assert!(status.code() == Some(1) && out.is_empty(), "{out}{err}");
        assert!(err.starts_with("error[LB03]: ") && err.contains(&port) && err.contains(flag), "{err}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_made_or_read() {
    let dir = logway_tests::short_dir();
    std::fs::write(dir.path().join("file"), "").expect("writing a file");
    let (status, _, err) =
        up(&dir.path().join("file"), &["--nats-port", "0", "--proxy-port", "0", "--http-port", "0"])
            .wait_with_output();
    assert!(status.code() == Some(1) && err.starts_with("error[LA14]: ") && err.contains("hint: "), "{err}");
    let inside = dir.path().join("file/d");
    let (status, _, err) =
        up(&inside, &["--nats-port", "0", "--proxy-port", "0", "--http-port", "0"]).wait_with_output();
    assert!(
        status.code() == Some(1) && err.starts_with("error[LA14]: ") && err.contains("Not a directory"),
        "{err}"
    );
}

#[test]
fn a_data_directory_that_may_not_be_written() {
    let dir = logway_tests::short_dir();
    let (program, above) = (dir.path().join("logway"), dir.path().join("above"));
    std::fs::copy(parts::logway(), &program).expect("copying the program to where all may read it");
    std::fs::create_dir(&above).expect("making a directory");
    for path in [dir.path(), &above] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o555)).expect("setting its mode");
    }
    let mut command = Command::new(&program);
    command.arg("up").arg("--data").arg(above.join("d")).args([
        "--nats-port",
        "0",
        "--proxy-port",
        "0",
        "--http-port",
        "0",
    ]);
    // Root may write everywhere.
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let (status, _, err) = Process::start("logway up", &mut command).wait_with_output();
    for path in [dir.path(), &above] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("setting its mode back");
    }
    let first = err.lines().next().unwrap_or_default();
    assert!(status.code() == Some(1) && first.starts_with("error[LA14]: "), "{err}");
    assert!(first.contains("above/d") && first.ends_with("Permission denied (os error 13)"), "{err}");
    assert!(err.contains("hint: Check owner and permissions"), "{err}");
}

#[test]
fn a_disk_that_is_full_from_the_start() {
    let dir = logway_tests::short_dir();
    // A file system of its own, in a namespace that ends with the process.
    let script =
        r#"mount -t tmpfs -o size=1m none "$0" && head -c "$1" /dev/zero >"$0/filler" && shift && exec "$@""#;
    let inside = |filler: &str, command: &[&std::ffi::OsStr]| {
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--map-root-user", "--mount", "sh", "-c", script])
            .arg(dir.path())
            .arg(filler)
            .args(command);
        Process::start("unshare", &mut unshare).wait_with_output()
    };
    if !inside("0", &["true".as_ref()]).0.success() {
        return skip("a_disk_that_is_full_from_the_start", "no tmpfs can be mounted in a namespace");
    }
    let (program, data) = (parts::logway(), dir.path().join("d"));
    let mut command = vec![program.as_os_str(), "up".as_ref(), "--data".as_ref(), data.as_os_str()];
    command.extend(["--nats-port", "0", "--proxy-port", "0", "--http-port", "0"].map(std::ffi::OsStr::new));
    let (status, out, err) = inside("1048576", &command);
    assert!(status.code() == Some(1) && out.is_empty(), "{status} {err}");
    assert!(err.starts_with("error[LA15]: ") && err.contains("hint: free some space, or"), "{err}");
}

#[test]
fn a_data_directory_that_another_one_uses() {
    let mut first = Up::start(&[]);
    let (status, _, err) =
        up(&first.data(), &["--nats-port", "0", "--proxy-port", "0", "--http-port", "0"]).wait_with_output();
    let pid = first.process().pid().to_string();
    assert!(status.code() == Some(1) && err.starts_with("error[LA14]: ") && err.contains(&pid), "{err}");
}

#[test]
fn a_socket_path_that_is_too_long() {
    let dir = logway_tests::short_dir();
    let deep = dir.path().join("d".repeat(100));
    let (status, _, err) =
        up(&deep, &["--nats-port", "0", "--proxy-port", "0", "--http-port", "0"]).wait_with_output();
    assert!(status.code() == Some(1) && err.starts_with("error[LA13]: ") && err.contains("hint: "), "{err}");
}

#[test]
fn secrets_are_for_the_owner_and_the_end_is_clean() {
    let mut up = Up::start(&[]);
    let mode = |path: &str| {
        let path = up.data().join(path);
        std::fs::metadata(&path)
            .unwrap_or_else(|why| panic!("{}: {why}", path.display()))
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode(""), mode("bus"), mode("bus/api"), mode("agent/admin.sock")),
        (0o700, 0o700, 0o600, 0o600)
    );
    let org = up.org();
    up.restart();
    assert_eq!(up.org(), org, "the org is minted once");
    up.process().signal(Signal::TERM);
    assert_eq!(up.process().wait().code(), Some(0));
    assert!(!up.data().join("up.json").exists());
}

#[test]
fn a_nats_server_that_is_away_is_reported_once_and_spooled_for() {
    // Nobody listens on port 1.
    let mut up = Up::start(&["--nats", "nats://127.0.0.1:1"]);
    assert!(up.run("run", &["--app", "web", "--", "echo", "hello"]).wait().success());
    up.process().signal(Signal::TERM);
    let (status, _, err) = up.process().wait_with_output();
    assert_eq!((status.code(), err.matches("LA11").count()), (Some(0), 1), "{err}");
    // What was written meanwhile is there for the next one.
    let next = up.run("up", &["--nats-port", "0", "--proxy-port", "0", "--http-port", "0"]);
    next.wait_for_stderr("ready", |line| line == "ready");
    let (status, out, err) = up.run("logs", &["-a", "web", "-n"]).wait_with_output();
    assert!(status.success() && out.lines().any(|line| line.ends_with("] hello")), "{out}{err}");
}

#[test]
fn a_nats_server_that_is_lost_is_reported_once_each_time() {
    let test = "a_nats_server_that_is_lost_is_reported_once_each_time";
    let Some((mut server, mut up, _)) = Up::beside_nats_server(test, NatsVersion::Current) else { return };
    let tail = up.run("logs", &["-a", "web"]);
    tail.wait_for_stderr("that it is live", |line| line.contains("● live"));
    for round in 1..=2 {
        server.stop();
        logway_tests::wait_until("the word of the loss", || {
            (up.process().stderr().text().matches("LA11").count() == round).then_some(())
        });
        let word = format!("hello {round}");
        assert!(up.run("run", &["--app", "web", "--", "echo", &word]).wait().success());
        server.restart();
        tail.wait_for_stdout("what was written meanwhile", |line| line.ends_with(&word));
    }
    up.process().signal(Signal::TERM);
    let (status, _, err) = up.process().wait_with_output();
    assert_eq!((status.code(), err.matches("LA11").count()), (Some(0), 2), "{err}");
    let lost = "NATS is not reachable, lines are spooled meanwhile";
    assert_eq!(err.matches(lost).count(), 2, "{err}");
}

#[test]
fn a_wrong_password_for_nats_is_named() {
    let test = "a_wrong_password_for_nats_is_named";
    let Some(server) =
        NatsServer::start(test, NatsVersion::Current, "authorization { user: a, password: b }\n")
    else {
        return skip(test, "no nats-server");
    };
    let url = server.url().replace("nats://", "nats://agent:wrong@");
    let mut up = Up::start(&["--nats", &url]);
    assert!(up.run("run", &["--app", "web", "--", "echo", "hello"]).wait().success());
    let (status, _, err) = up.run("logs", &["-n"]).wait_with_output();
    assert!(status.code() == Some(4) && err.contains("error[LB01]: ") && !err.contains("wrong"), "{err}");
    up.process().signal(Signal::TERM);
    let (_, _, err) = up.process().wait_with_output();
    assert!(err.contains("LB01") && !err.contains("agent:wrong"), "{err}");
}

#[test]
fn a_login_of_the_front_door_that_is_refused_is_named_with_its_file() {
    let test = "a_login_of_the_front_door_that_is_refused_is_named_with_its_file";
    let users = [(Role::Agent, "agent", "secret"), (Role::Registry, "registry", "secret")];
    let Some(server) = NatsServer::start(test, NatsVersion::Current, &nats_conf(&users)) else { return };
    let mut up = Up::on_servers(&server.url(), |role| format!("{role}:secret"), &[], &[]);
    let path = up.data().join("bus/proxy").display().to_string();
    let process = up.process();
    process.wait_for_stderr("the warning", |row| {
        row.starts_with("warning[LB01]: the front door is not let in by NATS")
            && row.contains("Authorization")
    });
    process.wait_for_stderr("its file", |row| row.starts_with("hint: ") && row.contains(&path));
    process.wait_for_stderr("the log", |row| {
        row.contains("LB01") && row.contains("refused the front door's login")
    });
}
