//! `/api/v1/codes`: what the codes in messages mean.

use hyper::StatusCode;
use line::codes::{ALL, Code, find};
use serde_json::{Value, json};

use crate::args::short;
use crate::reply::{self, Refused, Reply};

/// All codes.
pub(crate) fn list() -> Result<Reply, Refused> {
    let codes: Vec<_> = ALL.iter().map(shown).collect();
    Ok(reply::ok(reply::JSON, json!({ "codes": codes }).to_string()))
}

/// One code, in any case; 404 if there is none.
pub(crate) fn one(code: &str) -> Result<Reply, Refused> {
    let found = find(code).ok_or_else(|| {
        let text = format!("there is no code {}: /api/v1/codes has all that there are", short(code));
        Refused::new(StatusCode::NOT_FOUND, text)
    })?;
    Ok(reply::ok(reply::JSON, shown(found).to_string()))
}

fn shown(code: &Code) -> Value {
    json!({
        "code": code.code,
        "title": code.title,
        "cause": code.cause,
        "remedy": code.remedy,
        "family": code.family(),
    })
}
