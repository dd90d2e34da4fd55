use super::fake::{Fake, chunked, partial, refusal, unfinished};
use super::*;

const PATH: &str = "/select/logsql/query";

async fn lines(server: &Server) -> Result<Vec<String>, Trouble> {
    let mut answer = server.ask_again(PATH, &Form::new().with("query", "a b")).await?;
    let mut lines = Vec::new();
    while let Some(line) = answer.line().await? {
        lines.push(String::from_utf8(line.to_vec()).unwrap());
    }
    Ok(lines)
}

#[tokio::test]
async fn a_question_and_its_answer() {
    let fake = Fake::of(&[chunked(&["{\"a\":1}", "", "{\"b\":2}"])]).await;
    assert_eq!(lines(&fake.server()).await.unwrap(), ["{\"a\":1}", "{\"b\":2}"]);
    let asked = fake.asked().remove(0);
    assert!(asked.head.starts_with("POST /select/logsql/query HTTP/1.1\r\n"), "{}", asked.head);
    let head = asked.head.to_ascii_lowercase();
    for wanted in [
        "\r\nauthorization: bearer secret",
        "\r\nhost: 127.0.0.1:",
        "\r\ncontent-type: application/x-www-form-urlencoded",
    ] {
        assert!(head.contains(wanted), "{head}");
    }
    assert_eq!(asked.form, "query=a%20b");
}

#[tokio::test]
async fn an_answer_that_is_not_whole_is_none() {
    let header = format!("HTTP/1.1 200 OK\r\n{}: s2; s3\r\nContent-Length: 0\r\n\r\n", answer::PARTIAL);
    let said = r#"{"logway.partial":"late"}"#;
    let replies =
        [unfinished(&["{}"]), partial(&["{}"], "store s2"), header, unfinished(&["{}", said]), String::new()];
    let fake = Fake::of(&replies).await;
    let server = fake.server();
    assert!(matches!(lines(&server).await, Err(Trouble::Broken(_))));
    for wanted in [&["store s2"][..], &["s2", "s3"], &["late"]] {
        let missing = wanted.iter().map(|one| (*one).to_owned()).collect();
        assert_eq!(lines(&server).await, Err(Trouble::Partial(missing)));
    }
    assert!(matches!(lines(&server).await, Err(Trouble::Away(_))));
}

#[tokio::test]
async fn who_is_busy_is_asked_again() {
    let busy = refusal(503, "Retry-After: 0\r\n", "busy\n");
    let fake = Fake::of(&[busy.clone(), busy.clone(), chunked(&["{}"])]).await;
    assert_eq!(lines(&fake.server()).await.unwrap(), ["{}"]);
    let fake = Fake::of(&vec![busy; 9]).await;
    assert!(matches!(lines(&fake.server()).await, Err(Trouble::Refused { status: 503, .. })));
    assert_eq!(fake.asked().len(), TRIES);
    // What is wrong stays wrong.
    let fake = Fake::of(&[refusal(400, "", "no")]).await;
    let wanted = Trouble::Refused { status: 400, text: "no".into(), retry_after: None };
    assert_eq!(lines(&fake.server()).await, Err(wanted));
}

#[tokio::test]
async fn a_question_that_is_dropped_ends_the_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let server = Server::new(address, "t", None, Duration::from_secs(5)).unwrap();
    let asking = tokio::spawn(async move { server.ask(PATH, &Form::new()).await.map(drop) });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_buf(&mut stream, &mut bytes).await.unwrap();
    asking.abort();
    let ended = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes);
    timeout(Duration::from_secs(5), ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn over_tls_with_the_right_ca_alone() {
    let certs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../bus/tests/certs"));
    let identity = tls::Identity { certificate: &certs.join("server.pem"), key: &certs.join("server.key") };
    let acceptor = tls::Server::load(identity, None).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut bytes = Vec::new();
            while !String::from_utf8_lossy(&bytes).contains("\r\n\r\n") {
                tokio::io::AsyncReadExt::read_buf(&mut stream, &mut bytes).await.unwrap();
            }
            let reply = chunked(&["{}"]);
            tokio::io::AsyncWriteExt::write_all(&mut stream, reply.as_bytes()).await.unwrap();
            tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
        }
    });
    let server = |ca: Option<&str>| {
        let address = format!("https://127.0.0.1:{port}").parse().unwrap();
        let ca = ca.map(|file| certs.join(file));
        Server::new(address, "t", ca.as_deref(), Duration::from_secs(5))
    };
    assert_eq!(lines(&server(Some("ca.pem")).unwrap()).await.unwrap(), ["{}"]);
    assert!(format!("{}", server(None).unwrap_err()).contains("cannot be dialled"));
    let other = lines(&server(Some("other-ca.pem")).unwrap()).await;
    assert!(matches!(&other, Err(Trouble::Tls(why)) if why.contains("LB06")), "{other:?}");
}
