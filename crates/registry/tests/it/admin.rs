//! The admin socket, and what a change there does to whoever follows.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::Ended;
use bus::roles::Role;
use disk::fault::FaultDisk;
use line::OrgId;
use registry::admin::{self, Request, Response};
use registry::{Limits, Local};

use crate::support::{Bus, DEADLINE, Follower, Home, Running, within};

async fn call(home: &Home, request: Request) -> Result<Response, admin::Error> {
    let socket = home.path().join(admin::SOCKET);
    tokio::task::spawn_blocking(move || admin::call(&socket, &request, DEADLINE)).await.unwrap()
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_token_lets_in_at_once_and_no_more_once_it_is_revoked() {
    let (bus, home) = (Bus::start().await, Home::new());
    let _running = Running::start(&bus, &home).await;
    let mut follower = Follower::start(&bus, Role::Proxy).await;
    call(&home, Request::CreateOrg { slug: "acme".into() }).await.unwrap();
    let mint = Request::Mint { org: "acme".into(), limits: Limits::default(), name: "ci".into() };
    let Response::Minted { token, info } = call(&home, mint).await.unwrap() else { panic!() };
    assert_eq!((info.slug.as_str(), info.name.as_str(), info.standing.as_str()), ("acme", "ci", "good"));
    let directory = follower.wait_for_org("acme").await;
    let grant = directory.login("acme", &token, now_s()).unwrap();
    let Response::Verdict(verdict) = call(&home, Request::Verify { token: token.clone() }).await.unwrap()
    else {
        panic!()
    };
    assert!(verdict.refusal.is_none() && verdict.limits.is_some());
    call(&home, Request::Revoke { token: info.id.clone() }).await.unwrap();
    // The follower hears of it at once: nobody waits for the next announcement, least of all 5 seconds.
    follower.wait_for("the revocation", |now, _| now.standing(&grant, now_s()) == Err(Ended::Revoked)).await;
    call(&home, Request::RenameOrg { org: "acme".into(), slug: "new".into() }).await.unwrap();
    follower.wait_for_org("new").await;
    call(&home, Request::EndOrg { org: "new".into() }).await.unwrap();
    follower.wait_for("the org's end", |now, _| now.slug(&grant.org).is_none()).await;
}

/// What the socket answers to these bytes.
fn say(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // It may have answered before it read everything.
    let _written = stream.write_all(bytes);
    let _shut = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = String::new();
    let _read = stream.read_to_string(&mut answer);
    answer
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_harms_nobody() {
    let (bus, home) = (Bus::start().await, Home::new());
    let _running = Running::start(&bus, &home).await;
    let socket: PathBuf = home.path().join(admin::SOCKET);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // Some that never say a word take no more than their places.
    let _silent: Vec<_> = (0..4).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let rows: [(&str, Vec<u8>); 6] = [
        ("nothing", Vec::new()),
        ("no line", b"{\"orgs\":{}}".to_vec()),
        ("noise", b"\xff\x00\n".to_vec()),
        ("another request", b"{\"stop\":{}}\n".to_vec()),
        ("a key too many", b"{\"orgs\":{\"x\":1}}\n".to_vec()),
        ("too much", vec![b' '; admin::MAX_REQUEST_BYTES + 1]),
    ];
    for (what, bytes) in rows {
        let socket = socket.clone();
        let answer = tokio::task::spawn_blocking(move || say(&socket, &bytes)).await.unwrap();
        assert!(
            answer.starts_with(r#"{"error":{"code":"LR12","#) && answer.ends_with("}}\n"),
            "{what}: {answer}"
        );
    }
    assert_eq!(call(&home, Request::Orgs {}).await.unwrap(), Response::Orgs(Vec::new()));
    let refused = call(&home, Request::CreateOrg { slug: "No".into() }).await.unwrap_err();
    assert!(refused.to_string().starts_with("[LR06] slug \"No\" is not 1 to 63"), "{refused}");
}

#[tokio::test]
async fn the_machine_s_own_org_and_token_are_kept() {
    let (bus, home) = (Bus::start().await, Home::new());
    let org = OrgId::new("0ldid").unwrap();
    let token_file = home.path().join("token");
    let local = Local { org: org.clone(), slug: "personal".into(), token_file: token_file.clone() };
    let token = || String::from_utf8(home.disk.content(&token_file).unwrap()).unwrap();
    let start = async || Running::start_with(&bus, &home, |config| config.local = Some(local.clone())).await;
    let running = start().await;
    let first = token();
    let mut follower = Follower::start(&bus, Role::Proxy).await;
    let directory = follower.wait_for_org("personal").await;
    let grant = directory.login("personal", &first, now_s()).unwrap();
    assert_eq!((&grant.org, &grant.scope), (&org, &access::Scope::ALL));
    running.stop().await;
    let running = start().await;
    assert_eq!(token(), first, "it is made once");
    // When its key is about to retire there is another one, before anybody needs it.
    call(&home, Request::Rotate { retire_after_s: 3600 }).await.unwrap();
    let renewed = async |old: &str| {
        within("another token", async {
            while token() == old {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        token()
    };
    let second = renewed(&first).await;
    call(&home, Request::Revoke { token: second.clone() }).await.unwrap();
    let third = renewed(&second).await;
    follower.wait_for("the third token", |now, _| now.login("", &third, now_s()).is_ok()).await;
    // An org that ended stays so, and its token file as it is.
    call(&home, Request::EndOrg { org: "personal".into() }).await.unwrap();
    running.stop().await;
    let _running = start().await;
    assert_eq!((token(), call(&home, Request::Orgs {}).await.unwrap()), (third, Response::Orgs(Vec::new())));
}

#[tokio::test]
async fn a_damaged_journal_and_a_full_disk_do_not_keep_it_from_starting() {
    let (bus, home) = (Bus::start().await, Home::new());
    Running::start(&bus, &home).await.stop().await;
    let journal = home.path().join(registry::JOURNAL);
    let damage: [fn(&FaultDisk, &Path); 3] = [
        |disk, journal| disk.put(journal, b"nothing of a journal"),
        |disk, journal| disk.flip_bit(journal, 1100, 3).unwrap(),
        |disk, _| disk.set_space(Some(0)),
    ];
    for damage in damage {
        damage(&home.disk, &journal);
        let running = Running::start(&bus, &home).await;
        assert!(matches!(call(&home, Request::Orgs {}).await, Ok(Response::Orgs(_))));
        running.stop().await;
    }
    home.disk.set_space(None);
    let _running = Running::start(&bus, &home).await;
    call(&home, Request::CreateOrg { slug: "acme".into() }).await.unwrap();
}
