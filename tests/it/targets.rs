//! What speaks the wire protocol: the embedded broker, and real servers that hold the same table of roles. A test of the
//! protocol takes any of them, and writes what depends on it as a word such as `<reader>`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{Directory, Keyring, Scope, SigningKey, Tokens};
use bus::broker::{self, Config, User};
use bus::client::{Credentials, Options};
use bus::roles::{Role, nats_conf};
use bus::session::Settings;
use line::OrgId;
use logway_tests::{DEADLINE, NatsServer, NatsVersion};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// The password of every role.
const PASSWORD: &str = "secret";

/// What a target is: answers differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The embedded broker.
    Broker,
    /// The front door. Who publishes there is one of another org, and may not.
    Proxy,
    /// A real server.
    Nats(NatsVersion),
}

/// Something that speaks as a NATS server does, on a port of its own.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    words: Words,
    /// Dropped, it ends.
    _server: Option<NatsServer>,
}

/// What a target calls things.
struct Words {
    reader: String,
    writer: String,
    secret: String,
    prefix: &'static str,
}

impl Words {
    /// On a bus.
    fn bus() -> Self {
        let (reader, writer) = (login(Role::Api), login(Role::Agent));
        Self { reader, writer, secret: PASSWORD.to_owned(), prefix: "o.k." }
    }
}

impl Target {
    /// The embedded broker as a task of this runtime. It ends with the runtime.
    pub(crate) async fn broker(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(broker::run(config, listener, std::future::pending()));
        Self { kind: Kind::Broker, address, words: Words::bus(), _server: None }
    }

    /// The front door as a task of this runtime, before a broker of its own, with nearly no bounds for each address and org.
    pub(crate) async fn proxy(settings: Settings) -> Self {
        let bus = Self::broker(patient()).await;
        let key = SigningKey::generate(1);
        let mut directory = Directory::new(1);
        directory.add_key(key.public(), 0, None);
        let ring = Keyring::new(Vec::new()).with_signing_key(key);
        let login = |id: &str, slug: &str, directory: &mut Directory| {
            let org = OrgId::new(id).unwrap();
            directory.add_org(org.clone(), slug);
            let token = ring.mint(&org, &Scope::ALL).unwrap();
            (format!("\"user\":\"{slug}\",\"pass\":\"{token}\""), token)
        };
        let (reader, secret) = login("k3f9", "acme", &mut directory);
        let (writer, _) = login("m7x2", "umbrella", &mut directory);
        let known = watch::Sender::new(Some((Arc::new(directory), Instant::now())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Options {
            servers: vec![format!("nats://{}", bus.address).parse().unwrap()],
            name: "test".to_owned(),
            credentials: Some(credentials(Role::Proxy)),
            inbox_prefix: Role::Proxy.inbox_prefix(),
            tls: None,
        };
        let mut config = proxy::Config::new(listener, upstream, known.subscribe());
        config.session = Settings { read_bytes: config.session.read_bytes, ..settings };
        let limits = &mut config.limits;
        (limits.connections_per_address, limits.connects_per_s) = (u32::MAX, u32::MAX);
        (limits.failures_per_min, limits.org.connections) = (u32::MAX, u32::MAX);
        limits.org.subscriptions = u32::MAX;
        let (ready, is_ready) = oneshot::channel();
        config.ready = Some(ready);
        tokio::spawn(async move {
            // What is known stays known for as long as the sender is there.
            let _known = known;
            proxy::run(config, std::future::pending()).await
        });
        is_ready.await.unwrap();
        let words = Words { reader, writer, secret, prefix: "" };
        Self { kind: Kind::Proxy, address, words, _server: None }
    }

    /// A real server with these lines in its configuration beside the table of roles and the time to log in. `None`, said
    /// loudly, if there is none.
    pub(crate) fn nats(
        test: &str,
        version: NatsVersion,
        login_timeout: Duration,
        config: &str,
    ) -> Option<Self> {
        let users = nats_conf(&Role::ALL.map(|role| (role, role.as_str(), PASSWORD)));
        let timeout = format!("{{\n  timeout: {}", login_timeout.as_secs_f64());
        let config = format!("{}{config}", users.replacen('{', &timeout, 1));
        let server = NatsServer::start(test, version, &config)?;
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        Some(Self { kind: Kind::Nats(version), address, words: Words::bus(), _server: Some(server) })
    }

    /// `text` with its words in angle brackets replaced, as bytes:
    ///
    /// | word | what it becomes |
    /// |---|---|
    /// | `<reader>`, `<writer>` | the keys `user` and `pass` of somebody who may read lines, and of one who may publish them |
    /// | `<secret>` | the reader's password |
    /// | `<o>` | what an org's subjects begin with, as the reader has to write them |
    /// | `<n>` | `number`, which no other run has |
    /// | `<0xff>` | the byte |
    /// | `<5000*x>` | that text so often |
    /// | `<50 subs>` | so many subscriptions with the ids 1 to 50 |
    pub(crate) fn fill(&self, text: &str, number: usize) -> Vec<u8> {
        let (mut filled, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('<') {
            filled.extend_from_slice(before.as_bytes());
            let known = after.split_once('>').and_then(|(word, rest)| Some((self.word(word, number)?, rest)));
            if let Some((bytes, behind)) = known {
                filled.extend(bytes);
                rest = behind;
            } else {
                filled.push(b'<');
                rest = after;
            }
        }
        filled.extend_from_slice(rest.as_bytes());
        filled
    }

    fn word(&self, word: &str, number: usize) -> Option<Vec<u8>> {
        Some(match word {
            "reader" => self.words.reader.clone().into(),
            "writer" => self.words.writer.clone().into(),
            "secret" => self.words.secret.clone().into(),
            "o" => self.words.prefix.into(),
            "n" => number.to_string().into(),
            "50 subs" => {
                (1..=50).map(|sid| format!("SUB o.k.logs.{number} {sid}\r\n")).collect::<String>().into()
            }
            _ => match (word.strip_prefix("0x"), word.split_once('*')) {
                (Some(hex), _) => vec![u8::from_str_radix(hex, 16).ok()?],
                (_, Some((count, text))) => text.as_bytes().repeat(count.parse().ok()?),
                _ => return None,
            },
        })
    }
}

/// The keys of a CONNECT that say that it is a role.
pub(crate) fn login(role: Role) -> String {
    format!("\"user\":\"{role}\",\"pass\":\"{PASSWORD}\"")
}

fn credentials(role: Role) -> Credentials {
    Credentials { user: role.to_string(), password: PASSWORD.to_owned() }
}

/// How the broker behaves in these tests: with the usual bounds, and patient, so that a loaded machine is no failure.
pub(crate) fn patient() -> Config {
    let user = |role: Role| User { role, credentials: credentials(role) };
    let mut config = Config::new(Role::ALL.map(user).into());
    let session = &mut config.session;
    (session.login_timeout, session.stall, session.ping_interval) = (DEADLINE, DEADLINE, DEADLINE);
    config
}
