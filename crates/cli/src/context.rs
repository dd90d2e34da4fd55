//! Which Logway a command talks to: a front door with a token, or the `up` of this machine; and the HTTP API beside it.

mod api;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bus::client::ServerAddr;
use clap::builder::NonEmptyStringValueParser;
use serde::{Deserialize, Serialize};

use crate::data::{Data, make_dir, replace};
use crate::exit::Exit;
use crate::fail::Fail;

/// The environment's server.
const SERVER: &str = "LOGWAY_SERVER";
/// The environment's token.
pub(crate) const TOKEN: &str = "LOGWAY_TOKEN";
/// The environment's CA.
const CA: &str = "LOGWAY_CA";
/// The name of a login's file.
const FILE: &str = "context.json";

/// A front door, and what lets in there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// Its address.
    pub(crate) server: String,
    /// The org's slug or id, as it was given; without it, the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<String>,
    /// The token.
    pub(crate) token: String,
    /// Whose certificates it has, as a PEM file; the path is absolute. Without one it is not reached by TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// The address of the HTTP API, for search and what is stored; without it, port 4280 of the front door's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api: Option<String>,
}

/// The options of the commands that may read through a front door.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ContextArgs {
    /// Read through this front door: nats://host[:4223] [env: LOGWAY_SERVER]
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    server: Option<String>,
    /// The token that lets in there [env: LOGWAY_TOKEN]
    #[arg(long, value_parser = token)]
    token: Option<String>,
    /// Whose certificates it has, as a PEM file: for tls:// and https:// [env: LOGWAY_CA]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The HTTP API, for what is stored: http://host:4280 [env: LOGWAY_API] [default: beside the front door]
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    api: Option<String>,
}

fn token(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => {
            Err(format!("it is empty: give the token, or leave --token out for that of {TOKEN} or the login"))
        }
        "-" => Err(format!("this command does not read it from stdin: give it in {TOKEN}")),
        token => Ok(token.to_owned()),
    }
}

/// What one source says.
#[derive(Debug, Clone, Copy, Default)]
struct Said<'a> {
    server: Option<&'a str>,
    token: Option<&'a str>,
}

/// The `up` of this machine, as far as it has a front door.
#[derive(Debug, Clone, Default)]
struct Local {
    door: Option<Context>,
}

/// What a command talks to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// A front door.
    Door(Context),
    /// That of the `up` that runs on this machine.
    Here(Context),
    /// The bus of the `up` that runs on this machine, or is to.
    Local,
}

/// Why nothing can be chosen.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    /// A token is there, and nowhere to go with it.
    Server,
    /// A server is named, and none of the tokens is for it.
    Token(String),
}

/// What is asked for in flags wins over the environment, that over the `up` of this machine, and that over a login. A token that was
/// not asked for goes to no other server than its own.
fn choose(
    flags: Said<'_>,
    environment: Said<'_>,
    local: Option<&Local>,
    login: Option<&Context>,
) -> Result<Chosen, Missing> {
    let server = flags.server.or(environment.server);
    let token = flags.token.or(environment.token);
    let door = local.and_then(|local| local.door.as_ref());
    if server.is_none() && token.is_none() {
        return Ok(match (local, login) {
            (Some(Local { door: Some(door) }), _) => Chosen::Here(door.clone()),
            (None, Some(login)) => Chosen::Door(login.clone()),
            _ => Chosen::Local,
        });
    }
    let known: Vec<&Context> = door.into_iter().chain(login).collect();
    let first = known.first().map(|context| context.server.as_str());
    let server = server.or(first).ok_or(Missing::Server)?;
    let own = known.into_iter().find(|context| is_same(&context.server, server));
    if let Some(token) = token {
        let ca = own.and_then(|own| own.ca.clone());
        let api = own.and_then(|own| own.api.clone());
        let (server, token) = (server.to_owned(), token.to_owned());
        return Ok(Chosen::Door(Context { server, org: None, token, ca, api }));
    }
    let own = own.ok_or_else(|| Missing::Token(server.to_owned()))?;
    Ok(Chosen::Door(Context { server: server.to_owned(), ..own.clone() }))
}

/// Whether two texts are the address of one server.
fn is_same(a: &str, b: &str) -> bool {
    match (a.parse::<ServerAddr>(), b.parse::<ServerAddr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

impl ContextArgs {
    /// What to talk to. With a data directory that was named, no login counts.
    ///
    /// # Errors
    /// When a token is there and no server, or the other way round.
    pub(crate) fn chosen(&self, data: &Data, is_data_named: bool) -> Result<Chosen> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (server, token) = (variable(SERVER), variable(TOKEN));
        let flags = Said { server: self.server.as_deref(), token: self.token.as_deref() };
        let environment = Said { server: server.as_deref(), token: token.as_deref() };
        let local = local(data)?.or_else(|| is_data_named.then(Local::default));
        let login = if is_data_named { None } else { login()? };
        match choose(flags, environment, local.as_ref(), login.as_ref()) {
            Ok(Chosen::Door(mut door)) => {
                // With nats:// the server decides about TLS, and a CA is what that takes.
                let named = self.ca.clone().or_else(|| variable(CA).map(PathBuf::from));
                door.ca = named.or(door.ca);
                Ok(Chosen::Door(door))
            }
            Ok(here @ (Chosen::Here(_) | Chosen::Local)) => Ok(here),
            Err(missing) => Err(missing.fail()),
        }
    }
}

impl ContextArgs {
    /// A CA that was given for an API without TLS is a slip: who gives one relies on it, and the token would go in the clear.
    fn check_ca(&self, is_tls: bool, server: &str) -> Result<()> {
        if self.ca.is_none() || is_tls {
            return Ok(());
        }
        Fail::new(Exit::Usage, format!("--ca is for TLS, and {server} is reached without"))
            .hint(
                "give the API with --api as https://host, or the front door as tls://host, or leave --ca out",
            )
            .err()
    }
}

/// Whether a front door is reached by TLS.
fn is_tls(server: &str) -> bool {
    server.parse::<ServerAddr>().is_ok_and(|address| address.is_tls)
}

impl Missing {
    fn fail(self) -> anyhow::Error {
        match self {
            Self::Server => Fail::new(Exit::Usage, "there is a token, and no server to go to with it")
                .hint(format!("name the front door with --server, in {SERVER}, or with 'logway login'"))
                .into(),
            Self::Token(server) => Fail::new(Exit::Usage, format!("there is no token for {server}"))
                .hint(format!(
                    "give it in {TOKEN}, or log in there: logway login --server {server} --token -"
                ))
                .into(),
        }
    }
}

/// Where the login is kept.
pub(crate) fn login_file() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    let config = config.context("no place for the login: neither XDG_CONFIG_HOME nor HOME is set")?;
    Ok(config.join("logway").join(FILE))
}

/// The login of this user, if there is one.
pub(crate) fn login() -> Result<Option<Context>> {
    // Without a home there is none.
    login_file().map_or(Ok(None), |path| read(&path))
}

/// Keeps a login for this user alone.
pub(crate) fn save(path: &Path, context: &Context) -> Result<()> {
    let text = format!("{}\n", serde_json::to_string(context)?);
    let dir = path.parent().context("a login's file lies in a directory")?;
    let saved = make_dir(dir).and_then(|()| replace(path, text.as_bytes()));
    saved.with_context(|| format!("writing {}", path.display()))
}

/// The `up` of this machine if it runs, and its front door with the token that is good now: the registry makes another one when
/// that is revoked or its key is about to be retired.
fn local(data: &Data) -> Result<Option<Local>> {
    let Some(running) = data.running()? else { return Ok(None) };
    let token = match fs::read_to_string(data.token_file()) {
        Ok(token) => Some(token),
        // Where another machine keeps the registry there is none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(data.unusable(&error)),
    };
    let door = match (running.proxy, token) {
        (Some(server), Some(token)) => {
            let token = token.trim().to_owned();
            Some(Context { server, org: Some(data.org()?.id), token, ca: None, api: Some(running.http) })
        }
        _ => None,
    };
    Ok(Some(Local { door }))
}

fn read(path: &Path) -> Result<Option<Context>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let context = serde_json::from_str(&text);
            Ok(Some(context.with_context(|| format!("reading {}; log in again", path.display()))?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::data::Running;

    fn context(server: &str, token: &str) -> Context {
        let (org, api) = (Some("acme".to_owned()), None);
        Context { server: server.to_owned(), org, token: token.to_owned(), ca: None, api }
    }

    #[test]
    fn who_is_talked_to() {
        let (plain, door) =
            (Local::default(), Local { door: Some(context("nats://127.0.0.1:4223", "local")) });
        let mut login = context("nats://far:4223", "login");
        login.ca = Some("/ca.pem".into());
        let door_to = |server: &str, token: &str| {
            let org = matches!(token, "local" | "login").then(|| "acme".to_owned());
            // What is known of a server's CA holds with every token.
            let ca = server.ends_with("far:4223").then(|| "/ca.pem".into());
            let (server, token) = (server.to_owned(), token.to_owned());
            Ok(Chosen::Door(Context { server, org, token, ca, api: None }))
        };
        let token_for = |server: &str| Err(Missing::Token(server.to_owned()));
        // flags, environment, local, login, wanted; of flags and environment first the server, then the token
        type Row<'a> = ([&'a str; 4], Option<&'a Local>, Option<&'a Context>, Result<Chosen, Missing>);
        let rows: [Row<'_>; 16] = [
            (["", "", "", ""], None, None, Ok(Chosen::Local)),
            (["", "", "", ""], Some(&plain), Some(&login), Ok(Chosen::Local)),
            (["", "", "", ""], Some(&door), Some(&login), Ok(Chosen::Here(door.door.clone().unwrap()))),
            (["", "", "", ""], None, Some(&login), door_to("nats://far:4223", "login")),
            (["nats://x", "flag", "nats://y", "env"], Some(&door), Some(&login), door_to("nats://x", "flag")),
            (["nats://x", "", "nats://y", "env"], Some(&door), Some(&login), door_to("nats://x", "env")),
            (["", "flag", "nats://y", "env"], Some(&door), Some(&login), door_to("nats://y", "flag")),
            (["", "", "nats://y", "env"], None, None, door_to("nats://y", "env")),
            (["", "", "", "env"], Some(&door), Some(&login), door_to("nats://127.0.0.1:4223", "env")),
            (["", "", "", "env"], Some(&plain), Some(&login), door_to("nats://far:4223", "env")),
            (["", "flag", "", ""], Some(&plain), None, Err(Missing::Server)),
            (["", "", "nats://far:4223", "env"], None, Some(&login), door_to("nats://far:4223", "env")),
            // A token goes to its own server, however that is written, and to no other.
            (["far:4223", "", "", ""], Some(&door), Some(&login), door_to("far:4223", "login")),
            (["127.0.0.1:4223", "", "", ""], Some(&door), Some(&login), door_to("127.0.0.1:4223", "local")),
            (["nats://x", "", "", ""], Some(&door), Some(&login), token_for("nats://x")),
            (["", "", "nats://far:1", ""], None, Some(&login), token_for("nats://far:1")),
        ];
        for (said, local, login, wanted) in rows {
            let [flag_server, flag_token, server, token] =
                said.map(|text| Some(text).filter(|text| !text.is_empty()));
            let flags = Said { server: flag_server, token: flag_token };
            assert_eq!(choose(flags, Said { server, token }, local, login), wanted, "{said:?}");
        }
    }

    #[test]
    fn a_ca_is_good_where_the_server_decides_about_tls_and_not_for_an_api_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::new(Some(dir.path())).unwrap();
        for server in ["nats://far:4223", "tls://far:4223"] {
            let [server, token] = [server, "said"].map(|text| Some(text.to_owned()));
            let args = ContextArgs { server, token, ca: Some("/ca.pem".into()), api: None };
            let Chosen::Door(door) = args.chosen(&data, true).unwrap() else { panic!("no door") };
            assert_eq!(door.ca, Some("/ca.pem".into()));
        }
        let [server, token] = ["nats://far:4223", "said"].map(|text| Some(text.to_owned()));
        let args = ContextArgs { server, token, ca: Some("/ca.pem".into()), api: None };
        let why = args.server(&data, true, std::time::Duration::ZERO).unwrap_err().to_string();
        assert!(why.contains("--ca is for TLS, and http://far:4280"), "{why}");
    }

    #[test]
    fn a_context_is_kept_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logway").join(FILE);
        assert_eq!(read(&path).unwrap(), None);
        let login = context("nats://far:4223", "secret");
        save(&path, &login).unwrap();
        assert_eq!(read(&path).unwrap(), Some(login));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(&path, "{}").unwrap();
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("log in again"));
    }

    #[test]
    fn the_token_of_this_machine_is_that_of_now_and_goes_to_who_runs_now() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::new(Some(dir.path())).unwrap();
        let lock = data.take().unwrap();
        let org = data.mint_org().unwrap().id;
        let text = |text: &str| text.to_owned();
        let mut running = Running {
            pid: std::process::id(),
            nats: text("nats://127.0.0.1:4222"),
            proxy: Some(text("nats://127.0.0.1:4223")),
            http: text("http://127.0.0.1:4280"),
            region: text("lhr"),
            host: text("h"),
        };
        let found = || local(&data).unwrap().map(|local| local.door);
        assert_eq!(found(), None);
        data.write_running(&running).unwrap();
        assert_eq!(found(), Some(None));
        for token in ["first", "second"] {
            fs::write(data.token_file(), format!("{token}\n")).unwrap();
            let server = text("nats://127.0.0.1:4223");
            let api = Some(running.http.clone());
            let door = Context { server, org: Some(org.clone()), token: text(token), ca: None, api };
            assert_eq!(found(), Some(Some(door)), "{token}");
        }
        // After a crash somebody else may listen there.
        drop(lock);
        assert_eq!(found(), None);
        // A command that opens the registry has the lock for a moment, and is no 'up'.
        let lock = data.take().unwrap();
        running.pid += 1;
        data.write_running(&running).unwrap();
        assert_eq!(found(), None);
        drop(lock);
    }
}
