//! The apps and Machines that the server knows: to choose from, and to find what a wrong name may have meant.

use serde::Deserialize;
use serde_json::Value;

use super::tail::Scope;
use crate::explain::distance;
use crate::http::{Form, Server, Trouble};

/// How many names are given for a wrong one.
const NEAREST: usize = 3;
/// How many names are given where none is near.
const SHOWN: usize = 5;
/// How far back apps and Machines are looked for where the server has no list of them.
const SINCE: &str = "7d";

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    /// What else is to be known of it.
    pub(super) about: String,
}

#[derive(Deserialize)]
struct Apps {
    apps: Vec<App>,
}

#[derive(Deserialize)]
struct App {
    name: String,
    #[serde(default)]
    regions: Vec<String>,
    #[serde(default)]
    lines_1h: u64,
    #[serde(default)]
    errors_1h: u64,
}

#[derive(Deserialize)]
struct Machines {
    machines: Vec<Machine>,
}

#[derive(Deserialize)]
struct Machine {
    instance: String,
    #[serde(default)]
    app: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    state: String,
    started: Option<String>,
}

/// All apps that the token may see.
pub(super) async fn apps(server: &Server) -> Result<Vec<Named>, Trouble> {
    if let Some(Apps { apps }) = document(server, "/api/v1/apps", &Form::new()).await? {
        return Ok(apps.into_iter().map(App::named).collect());
    }
    let streams = streams(server, None).await?;
    Ok(once(streams.iter().map(|stream| Named { name: stream.get("app"), about: String::new() })))
}

/// The Machines of an app, or of all.
pub(super) async fn machines(server: &Server, scope: &Scope) -> Result<Vec<Named>, Trouble> {
    let app = scope.app.as_ref().map(|app| app.as_str());
    let form = Form::new().with_some("app", app);
    if let Some(Machines { machines }) = document(server, "/api/v1/machines", &form).await? {
        let is_there = |machine: &Machine| scope.region.as_ref().is_none_or(|r| r.as_str() == machine.region);
        let some = machines.into_iter().filter(is_there);
        return Ok(some.map(|machine| machine.named(app.is_none())).collect());
    }
    let streams = streams(server, scope.filter().as_deref()).await?;
    let named = |stream: &Stream| {
        let about = match app {
            Some(_) => stream.get("region"),
            None => format!("{} {}", stream.get("app"), stream.get("region")),
        };
        Named { name: stream.get("instance"), about }
    };
    Ok(once(streams.iter().map(named)))
}

/// A document of the API; `None` from a server that does not have it.
async fn document<T: for<'a> Deserialize<'a>>(
    server: &Server,
    path: &str,
    form: &Form,
) -> Result<Option<T>, Trouble> {
    let answer = match server.get(path, form, "application/json").await {
        Ok(answer) => answer,
        Err(Trouble::Refused { status: 400 | 404 | 405 | 501, .. }) => return Ok(None),
        Err(trouble) => return Err(trouble),
    };
    let bytes = answer.document().await?;
    Ok(serde_json::from_slice(&bytes).ok())
}

/// `{app="web",instance="i1",region="lhr"}`, as it comes.
#[derive(Debug)]
struct Stream(String);

impl Stream {
    fn get(&self, name: &str) -> String {
        let begin = format!("{name}=\"");
        let rest = self.0.split_once(&begin).map_or("", |(_, rest)| rest);
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

async fn streams(server: &Server, filter: Option<&str>) -> Result<Vec<Stream>, Trouble> {
    let form = Form::new()
        .with("query", &format!("_time:{SINCE}"))
        .with("limit", "10000")
        .with_some("extra_stream_filters", filter);
    let answer = server.ask_again("/select/logsql/streams", &form).await?;
    let document: Value = serde_json::from_slice(&answer.document().await?).unwrap_or_default();
    let values = document["values"].as_array().cloned().unwrap_or_default();
    Ok(values.iter().filter_map(|value| Some(Stream(value["value"].as_str()?.to_owned()))).collect())
}

fn once(all: impl Iterator<Item = Named>) -> Vec<Named> {
    let mut all: Vec<Named> = all.filter(|named| !named.name.is_empty()).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup_by(|a, b| a.name == b.name);
    all
}

impl App {
    fn named(self) -> Named {
        let errors = if self.errors_1h == 0 { String::new() } else { format!(", {} errors", self.errors_1h) };
        let about = format!("{} {} lines/h{errors}", self.regions.join(","), self.lines_1h);
        Named { name: self.name, about: about.trim_start().to_owned() }
    }
}

impl Machine {
    fn named(self, with_app: bool) -> Named {
        let app = if with_app { format!("{} ", self.app) } else { String::new() };
        let started = self.started.map_or(String::new(), |time| format!(", started {time}"));
        Named { name: self.instance, about: format!("{app}{} {}{started}", self.region, self.state) }
    }
}

/// What to say to who asked for the lines of an app that has none; `None` if it is known, or none is.
pub(super) fn slip(app: &str, known: &[Named]) -> Option<String> {
    if let Some(names) = meant(app, known) {
        return Some(format!("hint: no app {app} has written lines; is it {names}?"));
    }
    if known.is_empty() || known.iter().any(|named| named.name == app) {
        return None;
    }
    let mut names: Vec<&str> = known.iter().take(SHOWN).map(|named| named.name.as_str()).collect();
    if known.len() > SHOWN {
        names.push("others");
    }
    Some(format!("hint: this token sees no lines of an app {app}, but of {}", names.join(", ")))
}

/// The names that are nearest to a wrong one, in words; `None` if it is not wrong, or none is near.
fn meant(wrong: &str, known: &[Named]) -> Option<String> {
    if known.iter().any(|named| named.name == wrong) {
        return None;
    }
    let far = |named: &Named| match named.name.contains(wrong) || wrong.contains(&named.name) {
        true => 0,
        false => distance(wrong, &named.name),
    };
    // Of short names every other is near: most letters are to be the same.
    let common = |name: &str| name.chars().filter(|letter| wrong.contains(*letter)).count() * 2;
    let is_near = |named: &&Named| {
        let name = &named.name;
        far(named) <= 2.max(wrong.len() / 3) && common(name) > name.chars().count().max(wrong.chars().count())
            || far(named) == 0
    };
    let mut near: Vec<&Named> = known.iter().filter(is_near).collect();
    near.sort_by_key(|named| far(named));
    let names: Vec<&str> = near.iter().take(NEAREST).map(|named| named.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fake::{Fake, refusal};

    fn json(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn scope(app: Option<&str>) -> Scope {
        let app = app.map(|app| line::Name::new("app", app).unwrap());
        let org = line::OrgId::mint(7);
        Scope { org, way: crate::logs::door::Way::Door, app, region: None, instance: None }
    }

    fn shown(all: &[Named]) -> Vec<String> {
        all.iter().map(|named| format!("{}: {}", named.name, named.about)).collect()
    }

    #[tokio::test]
    async fn lists_of_the_server() {
        let apps = r#"{"apps":[{"name":"web","regions":["lhr","ams"],"lines_1h":9,"errors_1h":2},{"name":"db","x":1}]}"#;
        let machines =
            r#"{"machines":[{"instance":"i1","app":"web","region":"lhr","state":"running","started":null}]}"#;
        let fake = Fake::of(&[json(apps), json(machines), json(machines)]).await;
        let server = fake.server();
        assert_eq!(
            shown(&super::apps(&server).await.unwrap()),
            ["web: lhr,ams 9 lines/h, 2 errors", "db: 0 lines/h"]
        );
        assert_eq!(shown(&super::machines(&server, &scope(Some("web"))).await.unwrap()), ["i1: lhr running"]);
        assert_eq!(shown(&super::machines(&server, &scope(None)).await.unwrap()), ["i1: web lhr running"]);
        assert_eq!(fake.asked()[1].arg("app").unwrap(), "web");
    }

    #[tokio::test]
    async fn without_lists_the_streams_say_it() {
        let streams = r#"{"values":[{"value":"{app=\"web\",instance=\"i2\",region=\"lhr\"}","hits":3},{"value":"{app=\"web\",instance=\"i1\",region=\"ams\"}","hits":1}]}"#;
        let none = || refusal(404, "", "");
        let fake = Fake::of(&[none(), json(streams), none(), json(streams)]).await;
        let server = fake.server();
        assert_eq!(shown(&super::apps(&server).await.unwrap()), ["web: "]);
        assert_eq!(
            shown(&super::machines(&server, &scope(Some("web"))).await.unwrap()),
            ["i1: ams", "i2: lhr"]
        );
        let fake = Fake::of(&[refusal(401, "", "")]).await;
        assert!(super::apps(&fake.server()).await.is_err());
    }

    #[test]
    fn what_is_said_of_an_app_without_lines() {
        let known = |names: &[&str]| -> Vec<Named> {
            names.iter().map(|name| Named { name: (*name).to_owned(), about: String::new() }).collect()
        };
        let many = known(&["a1", "a2", "a3", "a4", "a5", "a6"]);
        for (app, known, wanted) in [
            ("web", known(&["web", "api"]), None),
            ("web", known(&[]), None),
            ("wbe", known(&["web", "api"]), Some("hint: no app wbe has written lines; is it web?")),
            // As with a token for another app.
            ("web", known(&["api"]), Some("hint: this token sees no lines of an app web, but of api")),
            (
                "web",
                many,
                Some("hint: this token sees no lines of an app web, but of a1, a2, a3, a4, a5, others"),
            ),
        ] {
            assert_eq!(slip(app, &known).as_deref(), wanted, "{app}");
        }
    }

    #[test]
    fn what_a_wrong_name_may_have_meant() {
        let known =
            ["web", "webshop", "db", "worker"].map(|name| Named { name: name.into(), about: String::new() });
        for (wrong, wanted) in [
            ("web", None),
            ("wep", Some("web")),
            ("wbe", Some("web")),
            ("shop", Some("webshop")),
            ("workre", Some("worker")),
            ("something-else", None),
        ] {
            assert_eq!(meant(wrong, &known).as_deref(), wanted, "{wrong}");
        }
    }
}
