//! Logway's own paths, below `/api/v1`. Whatever is wrong is said as `{"error":"…","code":"…"}`.

mod apps;
mod codes;
mod doctor;
mod machines;
mod own;
mod page;
mod tokens;
mod whoami;

use std::sync::Arc;

use access::Action;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use line::Name;

use crate::args::short;
use crate::logins::Caller;
use crate::reply::{self, Refused, Reply};
use crate::route::{Params, V1};
use crate::serve::{Api, Asked};
use crate::tail::{self, Whose};
pub(crate) use page::{Quiet, probe as page_token};

/// What all paths are, kept by hand. Tests compare it with the routes, and ask for what it says.
pub(crate) const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// 403 unless the token allows what is asked. Everybody may ask who it is, and make its own token narrower.
pub(crate) fn must(own: V1, caller: &Caller) -> Result<(), Refused> {
    match own {
        V1::Whoami | V1::Attenuate | V1::Codes | V1::Code | V1::OpenApi => Ok(()),
        V1::Tokens | V1::Token => caller.must(Action::Admin),
        V1::Page | V1::AppTail | V1::SubjectTail | V1::Apps | V1::Machines | V1::Doctor => {
            caller.must(Action::Read)
        }
    }
}

/// The answer to what anybody may ask.
pub(crate) fn public(own: V1, params: &Params) -> Result<Reply, Refused> {
    match own {
        V1::Codes => codes::list(),
        V1::Code => codes::one(params.get("code")),
        V1::OpenApi => Ok(reply::ok(reply::JSON, OPENAPI)),
        _ => Err(not_here_yet()),
    }
}

/// The answer to what a caller asks who may ask it ([`must`]).
pub(crate) async fn answer(
    api: &Arc<Api>,
    own: V1,
    mut asked: Asked,
    method: &Method,
    body: Incoming,
) -> Result<Reply, Refused> {
    match own {
        V1::Page => page::answer(api, &mut asked).await,
        V1::AppTail => {
            let whose = Whose { app: Some(app_of(&asked)?), ..Whose::default() };
            tail::answer(api, &mut asked, &whose).await
        }
        V1::SubjectTail => {
            let whose = Whose::of_subject(asked.args.get("subject").unwrap_or("logs.>"))?;
            if let Some(app) = &whose.app {
                must_see(&asked.caller, app.as_str())?;
            }
            // Who may see one app alone hears that one: no cursor tells of others.
            let only = asked.caller.grant.scope.apps.as_ref().filter(|apps| apps.len() == 1);
            let only = only.and_then(|apps| apps.first().cloned());
            let whose = Whose { app: whose.app.or(only), ..whose };
            tail::answer(api, &mut asked, &whose).await
        }
        V1::Apps => apps::answer(api, &mut asked).await,
        V1::Machines => machines::answer(api, &mut asked).await,
        V1::Doctor => doctor::answer(api, &mut asked).await,
        V1::Whoami => whoami::answer(api, &asked),
        V1::Tokens if method == Method::POST => tokens::create(api, &asked, body).await,
        V1::Tokens => tokens::list(api, &asked).await,
        V1::Token => tokens::revoke(api, &asked).await,
        V1::Attenuate => tokens::attenuate(api, &asked, body).await,
        V1::Codes | V1::Code | V1::OpenApi => public(own, &asked.params),
    }
}

/// The app that the path names. 400 if it is no name, 403 if the token is for other apps, whether there is such an app or not.
pub(crate) fn app_of(asked: &Asked) -> Result<Name, Refused> {
    must_see(&asked.caller, asked.params.get("app"))
}

/// An app by its name, if the token may see it. 400 if it is no name, 403 if the token is for other apps.
fn must_see(caller: &Caller, app: &str) -> Result<Name, Refused> {
    let name = Name::new("app", app).map_err(|error| Refused::bad(error.to_string()))?;
    if caller.grant.scope.apps.as_ref().is_none_or(|apps| apps.contains(&name)) {
        return Ok(name);
    }
    let text = format!("LR13: the token does not allow the app {}: ask with one that names it", short(app));
    Err(Refused::new(StatusCode::FORBIDDEN, text))
}

fn not_here_yet() -> Refused {
    Refused::new(StatusCode::NOT_IMPLEMENTED, "not here yet")
}
