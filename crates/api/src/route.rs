//! Which path means what.

use hyper::Method;

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
}

/// All paths.
const ROUTES: [(&str, Route); 19] = [
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
];

impl Route {
    /// The route of a path that went through [`plain`].
    pub(crate) fn of(path: &str) -> Option<Self> {
        ROUTES.iter().find(|(known, _)| *known == path).map(|(_, route)| *route)
    }

    /// Whether a request may come with `method`.
    pub(crate) fn takes(self, method: &Method) -> bool {
        match self {
            Self::InsertJsonLine => method == Method::POST || method == Method::PUT,
            Self::Health | Self::Metrics | Self::InsertReady => {
                [Method::GET, Method::HEAD, Method::POST].contains(method)
            }
            _ => method == Method::GET || method == Method::POST,
        }
    }

    /// The methods, for the header Allow.
    pub(crate) const fn methods(self) -> &'static str {
        match self {
            Self::InsertJsonLine => "POST, PUT",
            Self::Health | Self::Metrics | Self::InsertReady => "GET, HEAD, POST",
            _ => "GET, POST",
        }
    }

    /// Whether what is wrong is said in the form of Prometheus.
    pub(crate) const fn is_prometheus(self) -> bool {
        matches!(self, Self::StatsQuery | Self::StatsQueryRange)
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
        ] {
            assert_eq!(Route::of(&plain(path)), wanted, "{path}");
        }
        assert!(Route::InsertJsonLine.takes(&Method::POST) && !Route::InsertJsonLine.takes(&Method::GET));
        assert!(Route::Query.takes(&Method::GET) && !Route::Query.takes(&Method::DELETE));
    }
}
