//! Which path means what.

use hyper::Method;

use crate::args::unescape;
use crate::reply::Refused;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Query,
    Tail,
    Hits,
    StatsQuery,
    StatsQueryRange,
    FieldNames,
    FieldValues,
    StreamFieldNames,
    StreamFieldValues,
    Streams,
    StreamIds,
    Facets,
    TenantIds,
    ForceFlush,
    InsertJsonLine,
    InsertReady,
    Health,
    Metrics,
    /// What is Logway's own, below `/api/v1`.
    V1(V1),
}

/// What a request for one of Logway's own paths wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum V1 {
    /// A page of an app's lines, as flyctl reads it.
    Page,
    AppTail,
    SubjectTail,
    Apps,
    Machines,
    Codes,
    Code,
    Whoami,
    Tokens,
    Token,
    Attenuate,
    Doctor,
    OpenApi,
}

/// Below this, whatever is wrong is said in JSON.
const OWN: &str = "/api/";

/// All paths. `:name` stands for one segment of any text; of two that fit the first one counts.
const ROUTES: [(&str, Route); 32] = [
    ("/select/logsql/query", Route::Query),
    ("/select/logsql/tail", Route::Tail),
    ("/select/logsql/hits", Route::Hits),
    ("/select/logsql/stats_query", Route::StatsQuery),
    ("/select/logsql/stats_query_range", Route::StatsQueryRange),
    ("/select/logsql/field_names", Route::FieldNames),
    ("/select/logsql/field_values", Route::FieldValues),
    ("/select/logsql/stream_field_names", Route::StreamFieldNames),
    ("/select/logsql/stream_field_values", Route::StreamFieldValues),
    ("/select/logsql/streams", Route::Streams),
    ("/select/logsql/stream_ids", Route::StreamIds),
    ("/select/logsql/facets", Route::Facets),
    ("/select/tenant_ids", Route::TenantIds),
    ("/internal/force_flush", Route::ForceFlush),
    ("/insert/jsonline", Route::InsertJsonLine),
    ("/insert/ready", Route::InsertReady),
    ("/health", Route::Health),
    ("/healthz", Route::Health),
    ("/metrics", Route::Metrics),
    ("/api/v1/apps/:app/logs", Route::V1(V1::Page)),
    ("/api/v1/apps/:app/logs/tail", Route::V1(V1::AppTail)),
    ("/api/v1/logs/tail", Route::V1(V1::SubjectTail)),
    ("/api/v1/apps", Route::V1(V1::Apps)),
    ("/api/v1/machines", Route::V1(V1::Machines)),
    ("/api/v1/codes", Route::V1(V1::Codes)),
    ("/api/v1/codes/:code", Route::V1(V1::Code)),
    ("/api/v1/whoami", Route::V1(V1::Whoami)),
    ("/api/v1/tokens", Route::V1(V1::Tokens)),
    ("/api/v1/tokens/attenuate", Route::V1(V1::Attenuate)),
    ("/api/v1/tokens/:id", Route::V1(V1::Token)),
    ("/api/v1/doctor", Route::V1(V1::Doctor)),
    ("/api/v1/openapi.json", Route::V1(V1::OpenApi)),
];

/// What stands in a path where its pattern has a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// What stands for `:name`; empty if the path has no such place.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }
}

impl Route {
    /// The route of a path that went through [`plain`], and what stands in it. `None`: there is none. An error: it is not escaped as
    /// in a URL.
    pub(crate) fn of(path: &str) -> Option<Result<(Self, Params), Refused>> {
        let (route, found) =
            ROUTES.iter().find_map(|(pattern, route)| Some((*route, segments(pattern, path)?)))?;
        let decode = |(name, text)| Ok((name, unescape(text, b'+')?.into_owned()));
        let params = found.into_iter().map(decode).collect::<Result<_, _>>();
        Some(params.map(|params| (route, Params(params))))
    }

    /// Whether a request may come with `method`.
    pub(crate) fn takes(self, method: &Method) -> bool {
        match self {
            Self::InsertJsonLine => method == Method::POST || method == Method::PUT,
            Self::Health | Self::Metrics | Self::InsertReady => {
                [Method::GET, Method::HEAD, Method::POST].contains(method)
            }
            Self::V1(own) => own.methods().split(", ").any(|one| method == one),
            _ => method == Method::GET || method == Method::POST,
        }
    }

    /// The methods, for the header Allow.
    pub(crate) const fn methods(self) -> &'static str {
        match self {
            Self::InsertJsonLine => "POST, PUT",
            Self::Health | Self::Metrics | Self::InsertReady => "GET, HEAD, POST",
            Self::V1(own) => own.methods(),
            _ => "GET, POST",
        }
    }

    /// Whether what is wrong is said in the form of Prometheus.
    pub(crate) const fn is_prometheus(self) -> bool {
        matches!(self, Self::StatsQuery | Self::StatsQueryRange)
    }
}

impl V1 {
    /// The methods, as a list in text.
    const fn methods(self) -> &'static str {
        match self {
            // A head alone would begin what nobody reads.
            Self::AppTail | Self::SubjectTail => "GET",
            Self::Tokens => "GET, HEAD, POST",
            Self::Token => "DELETE",
            Self::Attenuate => "POST",
            _ => "GET, HEAD",
        }
    }

    /// Whether it may ask the store, so that it wants a place among its org's queries.
    pub(crate) const fn is_query(self) -> bool {
        matches!(self, Self::Page | Self::Apps | Self::Machines | Self::Doctor)
    }

    /// Whether anybody may have it, without a token.
    pub(crate) const fn is_public(self) -> bool {
        matches!(self, Self::Codes | Self::Code | Self::OpenApi)
    }
}

/// Whether a path is one of Logway's own, be there such a one or not.
pub(crate) fn is_own(path: &str) -> bool {
    path.starts_with(OWN)
}

/// What stands in `path` where `pattern` has names; `None` unless it fits.
fn segments<'p>(pattern: &'static str, path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    let mut params = Vec::new();
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(params),
            (Some(wanted), Some(found)) => match wanted.strip_prefix(':') {
                Some(name) if !found.is_empty() => params.push((name, found)),
                None if wanted == found => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// A path with runs of slashes made one, as clients that join URLs carelessly mean it.
pub(crate) fn plain(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !out.ends_with('/') {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(path: &str) -> Option<Route> {
        Route::of(&plain(path)).map(|found| found.unwrap().0)
    }

    #[test]
    fn paths() {
        for (path, wanted) in [
            ("/select/logsql/query", Some(Route::Query)),
            ("//select///logsql//query", Some(Route::Query)),
            ("/select/logsql/query/", None),
            ("/select/logsql", None),
            ("/", None),
            ("", None),
            ("/Health", None),
            ("/api/v1/apps", Some(Route::V1(V1::Apps))),
            ("/api/v1/apps/", None),
            ("/api/v1/apps/web", None),
            ("/api/v1/apps//logs", None),
            ("/api/v1/logs/tail", Some(Route::V1(V1::SubjectTail))),
            ("/api/v1/codes/PU02", Some(Route::V1(V1::Code))),
            ("/api/v1/tokens/attenuate", Some(Route::V1(V1::Attenuate))),
            ("/api/v1/tokens/t1", Some(Route::V1(V1::Token))),
            ("/api/v2/apps", None),
        ] {
            assert_eq!(route(path), wanted, "{path}");
        }
        assert!(is_own("/api/v2/apps") && !is_own("/select/logsql/query"));
    }

    #[test]
    fn what_stands_in_a_path() {
        for (path, wanted) in [
            ("/api/v1/apps/web/logs", Some("web")),
            ("/api/v1/apps/My%2EApp/logs", Some("My.App")),
            ("/api/v1/apps/a%2Fb/logs", Some("a/b")),
            ("/api/v1/apps/a+b/logs/tail", Some("a+b")),
            ("/api/v1/apps/%C3%A4/logs", Some("ä")),
            ("/api/v1/apps/logs/logs", Some("logs")),
            ("/api/v1/apps/%/logs", None),
            ("/api/v1/apps/%ff/logs", None),
        ] {
            let found = Route::of(&plain(path)).unwrap();
            assert_eq!(found.as_ref().ok().map(|(_, params)| params.get("app")), wanted, "{path}");
            assert_eq!(
                found.map_err(|refused| refused.status.as_u16()).err(),
                wanted.is_none().then_some(400)
            );
        }
        let (_, params) = Route::of("/api/v1/codes/LA02").unwrap().unwrap();
        assert_eq!((params.get("code"), params.get("app")), ("LA02", ""));
    }

    /// What docs/openapi.json says: paths as ours are written, and the methods of each.
    fn described() -> std::collections::BTreeMap<String, Vec<String>> {
        let file: serde_json::Value = serde_json::from_str(crate::v1::OPENAPI).unwrap();
        let paths = file["paths"].as_object().unwrap().iter();
        let method = |name: &String| name.to_ascii_uppercase();
        paths
            .map(|(path, methods)| {
                let mut methods: Vec<_> = methods.as_object().unwrap().keys().map(method).collect();
                methods.sort_unstable();
                (path.replace('{', ":").replace('}', ""), methods)
            })
            .collect()
    }

    #[test]
    fn the_description_has_all_routes_and_no_other() {
        let mut known = std::collections::BTreeMap::new();
        for (path, route) in ROUTES {
            // Not there yet, and says so.
            if route != Route::Facets {
                let mut methods: Vec<_> = route.methods().split(", ").map(str::to_owned).collect();
                methods.sort_unstable();
                known.insert(path.to_owned(), methods);
            }
        }
        for (path, methods) in &mut known {
            // What GET has, HEAD has as well: below /api/v1 that goes without saying.
            if path.starts_with(OWN) {
                methods.retain(|method| method != "HEAD");
            }
        }
        assert_eq!(described(), known);
    }

    #[test]
    fn methods() {
        for (route, method, wanted) in [
            (Route::InsertJsonLine, Method::POST, true),
            (Route::InsertJsonLine, Method::GET, false),
            (Route::Query, Method::GET, true),
            (Route::Query, Method::DELETE, false),
            (Route::V1(V1::Apps), Method::GET, true),
            (Route::V1(V1::Apps), Method::HEAD, true),
            (Route::V1(V1::Apps), Method::POST, false),
            (Route::V1(V1::AppTail), Method::HEAD, false),
            (Route::V1(V1::Token), Method::DELETE, true),
            (Route::V1(V1::Tokens), Method::POST, true),
            (Route::V1(V1::Attenuate), Method::GET, false),
        ] {
            assert_eq!(route.takes(&method), wanted, "{route:?} {method}");
        }
    }

    proptest! {
        #[test]
        fn any_name_comes_back(name in "\\PC{1,20}") {
            let escaped: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let path = plain(&format!("/api/v1/apps/{escaped}/logs"));
            let (route, params) = Route::of(&path).unwrap().unwrap();
            prop_assert_eq!(route, Route::V1(V1::Page));
            prop_assert_eq!(params.get("app"), name);
        }

        #[test]
        fn any_path_is_a_route_or_none(path in "/\\PC{0,40}") {
            let _ = Route::of(&plain(&path));
        }
    }
}
