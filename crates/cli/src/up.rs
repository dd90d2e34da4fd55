//! `logway up`: bus, registry, front door and agent of one machine, in one process.

mod parts;
mod store;
mod tokens;
mod web;

use std::fmt;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use access::Deliveries;
use anyhow::{Context, Result};
use bus::broker::{self, Interest};
use bus::client::{Client, Credentials, Options, Status};
use bus::roles::Role;
use line::{Name, OrgId};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use self::parts::{Parts, until};
use crate::bus_link;
use crate::data::{Data, DataArg, Running, make_dir};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::{aside, notice};
use crate::registry_link::now_ns;
use crate::run::DEFAULT_REGION;
use crate::signals::Signals;

/// The arguments of `logway up`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The region that lines of this machine belong to
    #[arg(long, default_value = DEFAULT_REGION)]
    region: String,
    /// This machine's name in lines [default: its hostname]
    #[arg(long)]
    host: Option<String>,
    /// Use this NATS server instead of the broker that is built in: nats://[user:password@]host[:port], or
    /// tls://; those of a cluster with commas between them. The login is the agent's
    #[arg(long, value_name = "URL", conflicts_with = "nats_port")]
    nats: Option<String>,
    /// Port of the built-in broker, on loopback; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 4222)]
    nats_port: u16,
    /// Port of the front door, where NATS clients with a token read, on loopback; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 4223)]
    proxy_port: u16,
    /// Port of search, inserts, metrics and health over HTTP, on loopback; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 4280)]
    http_port: u16,
    /// Keep lines here under this name, those that the registry gives to it: a registry begins with
    /// giving all to 'main'
    #[arg(long = "store", value_name = "NAME", default_value = store::MAIN, value_parser = store::name)]
    store_name: Name,
    /// Keep no lines here: stores elsewhere on this bus do. Until they have them, they stay in the spool
    #[arg(long, conflicts_with = "store_name")]
    no_store: bool,
    /// No store keeps lines, here or elsewhere: who listens has them, 'logway logs' shows recent ones, and search finds
    /// nothing of this machine
    #[arg(long, conflicts_with_all = ["store_name", "no_store"])]
    live_only: bool,
    /// Days that lines are kept
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3660))]
    keep_days: u32,
    /// Most disk that the lines of an org may take; the oldest go first [default: no bound]
    #[arg(long, value_name = "SIZE")]
    keep_bytes: Option<Size>,
    /// How much disk lines may take while nobody takes them on
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    spool_quota: Size,
    /// Lines a second that each app may write; more become a gap record [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Hand lines to Vector's socket source instead of publishing them on NATS
    #[arg(long, value_name = "unix:PATH", value_parser = vector)]
    to_vector: Option<PathBuf>,
    /// Keep no registry of orgs and tokens here: another machine on this NATS server keeps it
    #[arg(long, requires = "nats")]
    no_registry: bool,
    #[command(flatten)]
    data: DataArg,
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway up                                             bus on port 4222, HTTP on port 4280
  logway up --data ./data --nats-port 0 --proxy-port 0 --http-port 0   anywhere, on free ports
  logway up --region lhr --nats nats://10.0.0.5:4222    on a real nats-server
  logway up --nats nats://10.0.0.5:4222 --no-store --no-registry    a host whose lines others keep
  logway up --to-vector unix:/run/logway/vector.sock    Vector publishes

Prints the addresses, then 'ready' when all parts serve; all on stderr. Ctrl-C or SIGTERM ends it.
The agent's login for --nats stands in the URL, or as user:password in DIR/bus/agent. The front
door, the registry, the store, and HTTP with 'logway logs' have logins of their own: write them
as user:password into DIR/bus/proxy, DIR/bus/registry, DIR/bus/store and DIR/bus/api.
For tls:// the CA's certificate stands in DIR/bus/ca.pem, and our own, if the server asks for
one, in DIR/bus/client.pem and DIR/bus/client.key.
DIR/token holds a token that may do everything in the org 'personal'.
LOGWAY_LOG=info shows more of what it does (error, warn, info, debug).";

/// How long front door and HTTP API may take to hear the registry before it is said that all serves.
const DOOR_PATIENCE: Duration = Duration::from_secs(5);

/// A number of bytes, as `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size(u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let shift = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kib" => 10,
            "m" | "mib" => 20,
            "g" | "gib" => 30,
            "t" | "tib" => 40,
            _ => return Err("give a size as 512MiB or 4GiB".to_owned()),
        };
        let number: u64 = number.parse().map_err(|_| "give a size as 512MiB or 4GiB".to_owned())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(|| "that is more than there is".to_owned())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn vector(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix:").filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| "give unix:PATH, the socket of Vector's socket source".to_owned())
}

/// Runs until a signal comes or a part fails.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    raise_files();
    let data = &args.data.dir()?;
    let mut signals = Signals::listen()?;
    let _lock = data.take()?;
    data.mint_org()?;
    data.mint_credentials()?;
    let http = listen(args.http_port, "--http-port").await?;
    let door = listen(args.proxy_port, "--proxy-port").await?;
    let mut parts = Parts::default();
    let (bus, interest) = start_broker(args, data, &mut parts).await?;
    let running = Running {
        pid: std::process::id(),
        // Without the login that the URL may have: that one is the agent's.
        nats: bus_link::names(&bus.servers),
        proxy: Some(format!("nats://{}", door.local_addr()?)),
        http: format!("http://{}", http.local_addr()?),
        region: args.region.clone(),
        host: args.host.clone().unwrap_or_else(hostname),
    };
    let has_registry = start_registry(args, data, &running, &mut parts)?;
    let store = store::start(args, data, &running, interest, &mut parts).await?;
    let deliveries = Arc::new(Deliveries::new(now_ns()?));
    let (proxy, has_door) = start_proxy(data, &running, door, Arc::clone(&deliveries), &mut parts)?;
    let (agent, has_agent) = start_agent(args, data, &running, bus, &mut parts)?;
    let store = store.map(|store| (args.store_name.clone(), store));
    let others = web::Others { store, proxy, agent, deliveries, has_registry: !args.no_registry };
    let has_web = web::start(data, &running, http, others, &mut parts)?;
    // Those who let people in wait for the bus and the registry, which are here in a moment if they are ours. A NATS server that is away
    // holds up no agent.
    let is_ready = async {
        let is_ready = has_registry.await.and(has_agent.await);
        if args.nats.is_none() {
            let _ = tokio::time::timeout(DOOR_PATIENCE, async { (has_door.await, has_web.await) }).await;
        }
        is_ready
    };
    let ended = tokio::select! {
        ended = parts.ended() => Some(ended),
        _ = signals.next() => None,
        Ok(()) = is_ready => serve(args, data, &running, &mut parts, &mut signals).await?,
    };
    data.remove_running();
    match ended {
        Some(error) => Err(error),
        None => parts.end().await,
    }
}

/// Takes as many open files as this process may: the store has half of them for its parts, and the bus one for each connection.
fn raise_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
        if let Err(error) = raised {
            tracing::info!(%error, "the limit of open files stays as it is");
        }
    }
}

/// All parts listen: says so, and waits for a signal, or for a part to fail.
async fn serve(
    args: &Args,
    data: &Data,
    running: &Running,
    parts: &mut Parts,
    signals: &mut Signals,
) -> Result<Option<anyhow::Error>> {
    data.write_running(running)?;
    announce(args, data, running);
    let ended = tokio::select! {
        error = parts.ended() => Some(error),
        signal = signals.next() => {
            aside(&format!("{signal}: lines that are not out yet stay in the spool"));
            None
        }
    };
    Ok(ended)
}

fn announce(args: &Args, data: &Data, running: &Running) {
    let whose = if args.nats.is_some() { "" } else { " (built in)" };
    notice(&format!("data     {}", data.path().display()));
    match &args.to_vector {
        Some(path) => notice(&format!("vector   unix:{}", path.display())),
        None => notice(&format!("bus      {}{whose}", running.nats)),
    }
    if let Some(proxy) = &running.proxy {
        notice(&format!("proxy    {proxy}"));
    }
    notice(&format!("http     {}", running.http));
    notice(&format!("pages    {}", pages(&running.http, &data.token_file(), io::stderr().is_terminal())));
    notice(&format!("host     {} in region {}", running.host, running.region));
    notice("ready");
}

/// Where the dashboard is. A person gets a link that signs in; what may be kept in a file gets the way to the token, not the token.
fn pages(http: &str, token_file: &Path, is_person: bool) -> String {
    match std::fs::read_to_string(token_file) {
        Ok(token) if is_person => format!("{http}/#token={}", token.trim()),
        Ok(_) => format!("{http}/ (the token to sign in is in {})", token_file.display()),
        // Another machine keeps the registry, and makes the tokens.
        Err(_) => format!("{http}/ (sign in with a token of 'logway tokens create')"),
    }
}

async fn listen(port: u16, flag: &str) -> Result<TcpListener> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Fail::new(Exit::Failure, format!("cannot listen on {address}"))
                .code("LB03")
                .why(error)
                .hint(format!(
                    "stop the other program, or choose another port with {flag}; 0 takes any free one"
                ))
                .err()
        }
        Err(error) => Fail::new(Exit::Failure, format!("cannot listen on {address}"))
            .why(error)
            .hint(format!("choose another port with {flag}"))
            .err(),
    }
}

/// Starts the built-in broker unless another server was named, and gives the agent's way to the bus, and who listens there if that is known.
async fn start_broker(args: &Args, data: &Data, parts: &mut Parts) -> Result<(Options, Option<Interest>)> {
    let agent = |url: &str| bus_link::options(data, url, Role::Agent, "logway agent");
    if let Some(url) = &args.nats {
        return Ok((agent(url)?, None));
    }
    let listener = listen(args.nats_port, "--nats-port").await?;
    let url = format!("nats://{}", listener.local_addr()?);
    let mut users = Vec::new();
    for role in Role::ALL {
        let (user, password) = data.credential(role.as_str())?.context("a credential has just gone")?;
        users.push(broker::User { role, credentials: Credentials { user, password } });
    }
    let config = broker::Config::new(users);
    let (options, interest) = (agent(&url)?, config.interest.clone());
    parts.start("broker", |ending| async {
        broker::run(config, listener, until(ending)).await.context("the broker failed")
    });
    Ok((options, Some(interest)))
}

/// Resolves when a part serves; an error says that it has ended.
type Ready = oneshot::Receiver<()>;

/// Starts the registry, with the org whose lines this machine's are, and a token for it.
fn start_registry(args: &Args, data: &Data, running: &Running, parts: &mut Parts) -> Result<Ready> {
    let (ready, is_ready) = oneshot::channel();
    if args.no_registry {
        // It is as ready as it gets; that nobody waits is no matter.
        let _told = ready.send(());
        return Ok(is_ready);
    }
    let bus = bus_link::options(data, &running.nats, Role::Registry, "logway registry")?;
    let mut config = registry::Config::new(data.registry(), bus);
    let org = data.org()?;
    let (org, slug, token_file) = (OrgId::new(&org.id)?, org.slug, data.token_file());
    config.local = Some(registry::Local { org, slug, token_file });
    config.ready = Some(ready);
    parts.start("registry", |ending| async {
        registry::run(config, until(ending)).await.map_err(registry_failed)
    });
    Ok(is_ready)
}

/// Starts the front door; gives its figures, and when it lets clients in.
fn start_proxy(
    data: &Data,
    running: &Running,
    listener: TcpListener,
    deliveries: Arc<Deliveries>,
    parts: &mut Parts,
) -> Result<(Arc<proxy::Figures>, Ready)> {
    let bus = bus_link::options(data, &running.nats, Role::Proxy, "logway proxy")?;
    let client = Client::start(bus.clone());
    tokio::spawn(tell_of_refusal(
        "front door",
        client.status(),
        data.path().join("bus").join(Role::Proxy.as_str()),
    ));
    let mut config = proxy::Config::new(listener, bus, registry::follow(client));
    // One machine, and its own people.
    config.limits.org.connections = 1024;
    (config.limits.connections_per_address, config.limits.connects_per_s) = (4096, 1000);
    let dir = data.path().join("proxy");
    make_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
    config.audit = Some(dir.join("audit.ndjson"));
    config.deliveries = deliveries;
    let figures = Arc::clone(&config.figures);
    let (ready, is_ready) = oneshot::channel();
    config.ready = Some(ready);
    parts.start("front door", |ending| async {
        proxy::run(config, until(ending))
            .await
            .map_err(|error| Fail::new(Exit::Failure, error.to_string()).code("LP01").into())
    });
    Ok((figures, is_ready))
}

/// Tells the person once if the server does not take the login of a part, and where that stands: with a server that was named it is
/// one that we have minted, until somebody writes another. Ends with the client.
async fn tell_of_refusal(what: &str, mut status: watch::Receiver<Status>, path: PathBuf) {
    let Ok(status) = status.wait_for(|status| matches!(status, Status::Refused { .. })).await else { return };
    let Status::Refused { reason } = &*status else { return };
    // What is wrong with certificates says itself what to do.
    let code = ["LB04", "LB06"].into_iter().find(|code| reason.contains(code)).unwrap_or("LB01");
    notice(&format!("warning[{code}]: the {what} is not let in by NATS, so it has no lines: {reason}"));
    if code == "LB01" {
        notice(&format!("hint: write its login as user:password into {}, and start again", path.display()));
    }
}

fn start_agent(
    args: &Args,
    data: &Data,
    running: &Running,
    bus: Options,
    parts: &mut Parts,
) -> Result<(Arc<agent::Figures>, Ready)> {
    let (ready, is_ready) = oneshot::channel();
    let config = agent_config(args, data, running, bus, ready)?;
    let figures = Arc::clone(&config.figures);
    parts.start("agent", |ending| async { agent::run(config, until(ending)).await.map_err(agent_failed) });
    Ok((figures, is_ready))
}

fn agent_config(
    args: &Args,
    data: &Data,
    running: &Running,
    bus: Options,
    ready: oneshot::Sender<()>,
) -> Result<agent::Config> {
    for (what, name) in [("region", &running.region), ("host", &running.host)] {
        if let Err(error) = Name::new(what, name) {
            return Fail::new(Exit::Usage, format!("--{what} cannot be used")).code("LA12").why(error).err();
        }
    }
    let mut config = agent::Config::new(data.agent(), running.host.clone(), running.region.clone(), bus);
    config.vector.clone_from(&args.to_vector);
    config.spool.quota_bytes = args.spool_quota.0;
    config.rate_limit = args.rate;
    config.ready = Some(ready);
    // Where its own store keeps nothing, others do, and they are to be found on the same bus.
    Ok(if args.live_only { config } else { config.with_store() })
}

fn agent_failed(error: agent::Error) -> anyhow::Error {
    let text = error.to_string();
    let code = line::codes::ALL.iter().find(|entry| text.starts_with(&format!("[{}]", entry.code)));
    let error = anyhow::Error::new(error);
    let Some(entry) = code else { return error.context("the agent failed") };
    let text = format!("{error:#}");
    let text = text.trim_start_matches(&format!("[{}] ", entry.code));
    Fail::new(Exit::Failure, text).code(entry.code).into()
}

fn registry_failed(error: registry::Error) -> anyhow::Error {
    let code = error.code();
    let error = anyhow::Error::new(error);
    match code {
        Some(code) => Fail::new(Exit::Failure, format!("{error:#}")).code(code).into(),
        None => error.context("the registry failed"),
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    if name.is_empty() { "localhost".to_owned() } else { name.chars().take(Name::MAX_BYTES).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, wanted) in [("0", 0), ("10", 10), ("1k", 1024), ("24MiB", 24 << 20), ("1 GiB", 1 << 30)] {
            assert_eq!(text.parse(), Ok(Size(wanted)), "{text}");
        }
        for bad in ["", "x", "1x", "MiB", "-1", "1.5G", "99999999999TiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_shown_to_persons_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        assert!(pages("http://h", &file, true).starts_with("http://h/ (sign in with"));
        std::fs::write(&file, "secret\n").unwrap();
        assert_eq!(pages("http://h", &file, true), "http://h/#token=secret");
        assert!(!pages("http://h", &file, false).contains("secret"));
    }

    #[test]
    fn vector_sockets() {
        assert_eq!(vector("unix:/run/v.sock"), Ok(PathBuf::from("/run/v.sock")));
        assert!(vector("unix:").is_err() && vector("/run/v.sock").is_err());
    }
}
