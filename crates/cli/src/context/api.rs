//! The HTTP API that a command asks for what is stored, and the token that lets in there.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bus::client::ServerAddr;

use super::{
    CA, Chosen, Context, ContextArgs, Local, Missing, SERVER, Said, TOKEN, choose, is_tls, local, login,
};
use crate::data::Data;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::{Address, Server};

/// The environment's HTTP API.
const API: &str = "LOGWAY_API";

/// Why no API can be chosen.
#[derive(Debug, PartialEq, Eq)]
enum NoApi {
    /// What is written is no address.
    Address(String),
    /// An API is named, and none of the tokens is for it.
    Token(Address),
    /// Nothing is named, and nothing runs here.
    Nothing,
    /// As for a front door.
    Door(Missing),
}

/// The API that is named in a flag or in the environment, else that beside the front door that would be chosen. A token that was
/// not asked for goes to no other API than its own.
fn choose_api(
    named: Option<&str>,
    flags: Said<'_>,
    environment: Said<'_>,
    local: Option<&Local>,
    login: Option<&Context>,
) -> Result<(Address, Context), NoApi> {
    let Some(named) = named else {
        let context = match choose(flags, environment, local, login).map_err(NoApi::Door)? {
            Chosen::Door(context) | Chosen::Here(context) => context,
            Chosen::Local => return Err(NoApi::Nothing),
        };
        return Ok((api_of(&context)?, context));
    };
    let address: Address = named.parse().map_err(NoApi::Address)?;
    let known = local.and_then(|local| local.door.as_ref()).into_iter().chain(login);
    let own = known.into_iter().find(|context| api_of(context).as_ref() == Ok(&address));
    match (flags.token.or(environment.token), own) {
        (Some(token), own) => {
            let ca = own.and_then(|own| own.ca.clone());
            let token = token.to_owned();
            Ok((address, Context { server: String::new(), org: None, token, ca, api: None }))
        }
        (None, Some(own)) => Ok((address, own.clone())),
        (None, None) => Err(NoApi::Token(address)),
    }
}

/// The API that belongs to a front door.
fn api_of(context: &Context) -> Result<Address, NoApi> {
    if let Some(api) = &context.api {
        return api.parse().map_err(NoApi::Address);
    }
    let door: Result<ServerAddr, _> = context.server.parse();
    door.map(|door| Address::beside(&door)).map_err(|error| NoApi::Address(error.to_string()))
}

impl ContextArgs {
    /// Whether where the API is was only guessed: somebody named a front door, and it may stand beside that.
    pub(crate) fn guesses_api(&self) -> bool {
        self.api.is_none() && !is_set(API) && (self.server.is_some() || is_set(SERVER))
    }

    /// Whether somebody said which API is meant.
    pub(crate) fn names_api(&self) -> bool {
        self.api.is_some() || (is_set(API) && self.server.is_none())
    }

    /// Whether the API at `address` was named, and what would be read over NATS instead belongs to another Logway, which nobody named.
    pub(crate) fn is_elsewhere(&self, data: &Data, is_data_named: bool, address: &Address) -> bool {
        if !self.names_api() || self.server.is_some() || is_set(SERVER) {
            return false;
        }
        match self.chosen(data, is_data_named) {
            Ok(Chosen::Door(context) | Chosen::Here(context)) => api_of(&context).as_ref() != Ok(address),
            Ok(Chosen::Local) | Err(_) => true,
        }
    }

    /// The HTTP API to talk to. With a data directory that was named, no login counts. It may think about a question for
    /// `patience`.
    ///
    /// # Errors
    /// When there is none, or a token for none, or its CA cannot be used.
    pub(crate) fn server(&self, data: &Data, is_data_named: bool, patience: Duration) -> Result<Server> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (api, server, token) = (variable(API), variable(SERVER), variable(TOKEN));
        let flags = Said { server: self.server.as_deref(), token: self.token.as_deref() };
        let environment = Said { server: server.as_deref(), token: token.as_deref() };
        let local = local(data)?.or_else(|| is_data_named.then(Local::default));
        let login = if is_data_named { None } else { login()? };
        // A front door that is named in a flag is nearer than an API in the environment.
        let named = self.api.as_deref().or(api.as_deref().filter(|_| flags.server.is_none()));
        let chosen = choose_api(named, flags, environment, local.as_ref(), login.as_ref());
        let (address, context) = chosen.map_err(|why| why.fail(data, local.is_some()))?;
        self.check_ca(address.is_tls || is_tls(&context.server), &address.to_string())?;
        let ca = self.ca.clone().or_else(|| variable(CA).map(PathBuf::from)).or(context.ca);
        Server::new(address, &context.token, ca.as_deref(), patience)
    }
}

/// Whether the environment has a value of this name.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

impl NoApi {
    fn fail(self, data: &Data, is_running: bool) -> anyhow::Error {
        match self {
            Self::Address(why) => {
                Fail::new(Exit::Usage, why).hint("give the HTTP API with --api, as http://host:4280").into()
            }
            Self::Token(address) => Fail::new(Exit::Usage, format!("there is no token for {address}"))
                .hint(format!(
                    "give it in {TOKEN}, or log in: logway login --server URL --api {address} --token -"
                ))
                .into(),
            Self::Nothing if is_running && data.running().is_ok_and(|running| running.is_some()) => {
                Fail::new(
                    Exit::NotFound,
                    "the 'logway up' of this machine has no token of its own to search with",
                )
                .hint(format!("give one in {TOKEN}, and the HTTP API with --api"))
                .into()
            }
            Self::Nothing => data.not_running(),
            Self::Door(why) => why.fail(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(server: &str, token: &str, api: Option<&str>) -> Context {
        let (server, token, api) = (server.to_owned(), token.to_owned(), api.map(str::to_owned));
        Context { server, org: None, token, ca: None, api }
    }

    #[test]
    fn which_api_and_which_token() {
        let here =
            Local { door: Some(context("nats://127.0.0.1:4223", "local", Some("http://127.0.0.1:9"))) };
        let login = context("tls://far:4223", "login", None);
        let other = context("nats://far:4223", "login", Some("https://logs.far"));
        let none = Said::default();
        let token = Said { server: None, token: Some("said") };
        let both = Said { server: Some("nats://near"), token: Some("said") };
        let to = |api: &str, token: &str| Ok((api.parse().unwrap(), token.to_owned()));
        let no_token = |api: &str| Err(NoApi::Token(api.parse().unwrap()));
        // what names an API, what the flags say, local, login, wanted
        type Row<'a> = (
            Option<&'a str>,
            Said<'a>,
            Option<&'a Local>,
            Option<&'a Context>,
            Result<(Address, String), NoApi>,
        );
        let rows: [Row<'_>; 14] = [
            (None, none, Some(&here), Some(&login), to("http://127.0.0.1:9", "local")),
            (None, none, None, Some(&login), to("https://far:4280", "login")),
            (None, none, None, Some(&other), to("https://logs.far", "login")),
            (None, both, Some(&here), Some(&login), to("http://near:4280", "said")),
            (None, token, Some(&here), None, to("http://127.0.0.1:9", "said")),
            (None, token, None, None, Err(NoApi::Door(Missing::Server))),
            (None, none, None, None, Err(NoApi::Nothing)),
            (None, none, Some(&Local::default()), Some(&login), Err(NoApi::Nothing)),
            (Some("x"), token, Some(&here), Some(&login), to("http://x:4280", "said")),
            (Some("x"), token, None, None, to("http://x:4280", "said")),
            (Some("x"), none, Some(&here), Some(&login), no_token("x")),
            (Some("127.0.0.1:9"), none, Some(&here), Some(&login), to("http://127.0.0.1:9", "local")),
            (Some("https://far:4280/"), none, Some(&here), Some(&login), to("https://far:4280", "login")),
            (Some("http://far:4280"), none, Some(&here), Some(&login), no_token("http://far:4280")),
        ];
        for (named, flags, local, login, wanted) in rows {
            let found = choose_api(named, flags, none, local, login);
            assert_eq!(
                found.map(|(address, context)| (address, context.token)),
                wanted,
                "{named:?} {flags:?}"
            );
        }
        assert!(matches!(choose_api(Some("nats://x"), token, none, None, None), Err(NoApi::Address(_))));
    }

    #[test]
    fn why_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::new(Some(dir.path())).unwrap();
        for (why, exit, wanted) in [
            (NoApi::Address("bad".into()), Exit::Usage, "error: bad\nhint: "),
            (NoApi::Token("x".parse().unwrap()), Exit::Usage, "no token for http://x:4280"),
            (NoApi::Nothing, Exit::Disconnected, "error[LA17]: "),
            (NoApi::Door(Missing::Server), Exit::Usage, "no server to go to"),
        ] {
            let (text, found) = crate::fail::describe(&why.fail(&data, true));
            assert!(found == exit && text.contains(wanted), "{text}");
        }
    }
}
