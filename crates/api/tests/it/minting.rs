//! Tokens over HTTP: who may make, list, narrow and revoke which.

use std::sync::{Arc, Mutex};

use access::{Action, Scope, inspect};
use api::logs::Pending;
use api::tokens::{Failure, Token};
use line::OrgId;
use serde_json::{Value, json};

use crate::support::{Answered, Api, get, scope};

/// Tokens of orgs, in memory. What it makes is no real token.
#[derive(Default)]
struct Registry {
    tokens: Mutex<Vec<(OrgId, Token)>>,
    revoked: Mutex<Vec<String>>,
}

impl Registry {
    fn add(&self, org: &str, number: u64, scope: Scope) -> String {
        let id = format!("{number:064x}");
        let (name, standing) = (format!("{org} {number}"), "good".to_owned());
        let token = Token { id: id.clone(), name, scope, created_ns: 1, standing };
        self.tokens.lock().unwrap().push((OrgId::new(org).unwrap(), token));
        id
    }
}

/// The registry behind an `Arc`, as the API holds it.
struct Handle(Arc<Registry>);

fn done<T: Send + 'static>(value: T) -> Pending<Result<T, Failure>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl api::Tokens for Handle {
    fn list(&self, org: OrgId) -> Pending<Result<Vec<Token>, Failure>> {
        let tokens = self.0.tokens.lock().unwrap();
        done(tokens.iter().filter(|(of, _)| *of == org).map(|(_, token)| token.clone()).collect())
    }

    fn mint(&self, org: OrgId, scope: Scope, name: String) -> Pending<Result<(String, Token), Failure>> {
        if name.len() > 128 {
            let (code, text) = (String::new(), "the name is too long".to_owned());
            return Box::pin(std::future::ready(Err(Failure::Refused { code, text })));
        }
        let id = self.0.add(org.as_str(), 0xabc, scope);
        let mut tokens = self.0.tokens.lock().unwrap();
        let token = &mut tokens.iter_mut().find(|(_, token)| token.id == id).unwrap().1;
        token.name = name;
        done(("lw1_made".to_owned(), token.clone()))
    }

    fn revoke(&self, id: String) -> Pending<Result<(), Failure>> {
        self.0.revoked.lock().unwrap().push(id);
        done(())
    }
}

async fn start() -> (Api, Arc<Registry>) {
    let registry = Arc::new(Registry::default());
    let handle = Handle(Arc::clone(&registry));
    (Api::start_with(Vec::new(), |config| config.tokens = Some(Arc::new(handle))).await, registry)
}

async fn post(api: &Api, token: &str, path: &str, body: &Value) -> Answered {
    let body = body.to_string();
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    api.ask_as(token, &request).await
}

fn delete(id: &str) -> String {
    get(&format!("/api/v1/tokens/{id}")).replacen("GET", "DELETE", 1)
}

fn ids(answered: &Answered) -> Vec<String> {
    assert_eq!(answered.status, 200, "{answered:?}");
    let list = answered.json();
    list["tokens"].as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_token_is_made_and_listed() {
    let (api, _registry) = start().await;
    let admin = api.world.token("k3f9");
    let wanted =
        json!({ "name": "ci", "actions": ["read"], "apps": ["web"], "expires": "2100-01-01T00:00:00Z" });
    let made = post(&api, &admin, "/api/v1/tokens", &wanted).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.json();
    assert_eq!(
        (&made["token"], &made["name"], &made["standing"]),
        (&json!("lw1_made"), &json!("ci"), &json!("good"))
    );
    assert_eq!((&made["actions"], &made["apps"]), (&json!(["read"]), &json!(["web"])));
    assert_eq!(made["expires"], "2100-01-01T00:00:00.000000000Z");
    let listed = api.ask(&get("/api/v1/tokens")).await;
    assert!(!listed.body.contains("lw1_made"), "{listed:?}");
    assert_eq!(ids(&listed), [made["id"].as_str().unwrap()]);
    for (body, status) in [
        (json!({ "name": "x".repeat(200) }), 400),
        (json!({ "apps": [] }), 400),
        (json!({ "surprise": 1 }), 400),
        (json!([]), 400),
    ] {
        let refused = post(&api, &admin, "/api/v1/tokens", &body).await;
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        assert!(refused.json()["error"].is_string());
    }
    api.stop().await;
}

#[tokio::test]
async fn nobody_sees_or_revokes_tokens_of_others() {
    let (api, registry) = start().await;
    let web = scope(&["web"], &[Action::Read]);
    let mine = registry.add("k3f9", 0x1111_1111_1111_0001 << 4, Scope::ALL);
    let narrow = registry.add("k3f9", 2, web.clone());
    let foreign = registry.add("m7x2", 3, web);
    let admin = api.world.token("k3f9");
    let of_web = api.world.token_for("k3f9", &scope(&["web"], &[Action::Read, Action::Admin]));
    let reader = api.world.token_for("k3f9", &scope(&[], &[Action::Read]));
    assert_eq!(ids(&api.ask_as(&admin, &get("/api/v1/tokens")).await), [mine.clone(), narrow.clone()]);
    assert_eq!(ids(&api.ask_as(&of_web, &get("/api/v1/tokens")).await), std::slice::from_ref(&narrow));
    for (token, request, status) in [
        (&reader, get("/api/v1/tokens"), 403),
        (&reader, delete(&narrow), 403),
        (&admin, delete(&foreign), 404),
        (&admin, delete(&"f".repeat(64)), 404),
        (&admin, delete("0000"), 400),
        (&admin, delete("000000000000"), 400),
        (&admin, delete("..%2F..%2Fetc%2F"), 400),
        (&of_web, delete(&mine), 404),
    ] {
        let answered = api.ask_as(token, &request).await;
        assert_eq!(answered.status, status, "{request}: {answered:?}");
    }
    assert!(registry.revoked.lock().unwrap().is_empty());
    assert_eq!(post(&api, &of_web, "/api/v1/tokens", &json!({ "apps": ["db"] })).await.status, 403);
    assert_eq!(post(&api, &of_web, "/api/v1/tokens", &json!({ "actions": ["write"] })).await.status, 403);
    let made = post(&api, &of_web, "/api/v1/tokens", &json!({ "name": "as mine" })).await.json();
    assert_eq!((&made["apps"], &made["actions"]), (&json!(["web"]), &json!(["read", "admin"])));
    assert_eq!(api.ask_as(&of_web, &delete(&narrow)).await.status, 200);
    assert_eq!(api.ask_as(&admin, &delete(&mine)).await.json(), json!({ "revoked": mine }));
    assert_eq!(*registry.revoked.lock().unwrap(), [narrow, mine]);
    api.stop().await;
}

#[tokio::test]
async fn anybody_may_narrow_its_own_token() {
    // No registry is needed for that.
    let api = Api::start(Vec::new()).await;
    let reader = api.world.token_for("k3f9", &scope(&["web", "db"], &[Action::Read]));
    let path = "/api/v1/tokens/attenuate";
    let made = post(&api, &reader, path, &json!({ "apps": ["web"], "expires": "1h" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let narrow = made["token"].as_str().unwrap();
    assert_eq!((&made["apps"], &made["actions"]), (&json!(["web"]), &json!(["read"])));
    let who = api.ask_as(narrow, &get("/api/v1/whoami")).await.json();
    assert_eq!((&who["apps"], &who["expires"]), (&json!(["web"]), &made["expires"]));
    assert_eq!(
        inspect(narrow).unwrap().revocation_ids.last().unwrap().to_string(),
        made["id"].as_str().unwrap()
    );
    assert_eq!(api.ask_as(narrow, &get("/api/v1/apps/db/logs")).await.status, 403);
    for body in
        [json!({}), json!({ "apps": ["other"] }), json!({ "actions": ["write"] }), json!({ "apps": "web" })]
    {
        let refused = post(&api, &reader, path, &body).await;
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
    }
    let admin = api.world.token("k3f9");
    assert_eq!(api.ask_as(&admin, &get("/api/v1/tokens")).await.status, 501);
    assert_eq!(post(&api, &admin, "/api/v1/tokens", &json!({})).await.status, 501);
    api.stop().await;
}

#[tokio::test]
async fn a_narrowed_token_is_revoked_by_itself() {
    let (api, registry) = start().await;
    let admin = api.world.token("k3f9");
    let narrowed = post(&api, &admin, "/api/v1/tokens/attenuate", &json!({ "apps": ["web"] })).await.json();
    let token = narrowed["token"].as_str().unwrap().replace('=', "%3D");
    let of_db = api.world.token_for("k3f9", &scope(&["db"], &[Action::Read, Action::Admin]));
    let foreign = api.world.token("m7x2");
    // Whoever may not see it learns nothing of it.
    for (who, what) in
        [(&of_db, &token), (&foreign, &token), (&admin, &foreign), (&admin, &"lw1_x".to_owned())]
    {
        let refused = api.ask_as(who, &delete(what)).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.json()["error"].as_str().unwrap().contains("no good token of this org"));
    }
    let revoked = api.ask_as(&admin, &delete(&token)).await;
    assert_eq!((revoked.status, &revoked.json()["revoked"]), (200, &narrowed["id"]), "{revoked:?}");
    assert_eq!(*registry.revoked.lock().unwrap(), [narrowed["token"].as_str().unwrap()]);
    api.stop().await;
}
