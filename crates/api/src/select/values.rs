//! `field_names`, `field_values`, `stream_field_names`, `stream_field_values`, `streams` and `stream_ids`: what there is, and how
//! many rows have it.

use query::Block;
use query::field::{self, STREAM_FIELDS};

use super::json::{count, text, write_value};
use super::question::Question;
use crate::reply::{self, Refused, Reply};
use crate::route::Route;
use crate::serve::{Api, Asked};

pub(crate) async fn answer(api: &Api, route: Route, asked: &Asked) -> Result<Reply, Refused> {
    let mut question = Question::read(api, asked)?;
    let args = &asked.args;
    let limit = args.count("limit")?.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let named = match route {
        Route::FieldValues | Route::StreamFieldValues => args.get("field").ok_or_else(|| {
            Refused::bad("the argument 'field' is missing: give it in the URL or in a form")
        })?,
        Route::Streams => field::STREAM,
        Route::StreamIds => field::STREAM_ID,
        _ => "",
    };
    let value = match route {
        Route::FieldNames => {
            question.push_pipes("field_names")?;
            "name"
        }
        Route::StreamFieldNames => {
            question.push_pipes("stats count() as hits")?;
            ""
        }
        Route::StreamFieldValues if !STREAM_FIELDS.contains(&field::resolve(named)) => {
            return Ok(reply::ok(reply::JSON, "{\"values\":[]}"));
        }
        _ => {
            let mut quoted = Vec::new();
            write_value(named.as_bytes(), &mut quoted);
            question
                .push_pipes(&format!("stats by ({}) count() as hits", String::from_utf8_lossy(&quoted)))?;
            named
        }
    };
    let gathered = question.gather(api).await?;
    let mut found: Vec<(String, u64)> =
        gathered.blocks.iter().flat_map(|block| values(block, value)).collect();
    if route == Route::StreamFieldNames {
        let hits = found.iter().map(|(_, hits)| hits).sum();
        found = STREAM_FIELDS.iter().filter(|_| hits > 0).map(|name| ((*name).to_owned(), hits)).collect();
    }
    if let Some(part) = args.get("filter") {
        found.retain(|(value, _)| value.contains(part));
    }
    // A missing value is an empty one, and there is nothing to choose in it.
    found.retain(|(value, _)| !value.is_empty());
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    found.truncate(limit);
    Ok(gathered.mark(reply::ok(reply::JSON, json(&found))))
}

fn values(block: &Block, field: &str) -> Vec<(String, u64)> {
    let mut scratch = Vec::new();
    (0..block.rows())
        .map(|row| (text(block, field, row, &mut scratch), count(block, "hits", row, &mut scratch)))
        .collect()
}

fn json(found: &[(String, u64)]) -> Vec<u8> {
    let mut out = b"{\"values\":[".to_vec();
    for (at, (value, hits)) in found.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"value\":" } else { b"{\"value\":" });
        write_value(value.as_bytes(), &mut out);
        out.extend_from_slice(format!(",\"hits\":{hits}}}").as_bytes());
    }
    out.extend_from_slice(b"]}");
    out
}
