//! `field_names`, `field_values`, `stream_field_names`, `stream_field_values`, `streams` and `stream_ids`: what there is, and how
//! many rows have it.

use query::Block;
use query::field::{self, STREAM_FIELDS};

use super::aside;
use super::json::{count, text, write_value};
use super::question::{ENTRY_BYTES, Question, must_fit};
use crate::reply::{self, Refused, Reply};
use crate::route::Route;
use crate::serve::{Api, Asked};

pub(crate) async fn answer(api: &Api, route: Route, asked: &mut Asked) -> Result<Reply, Refused> {
    let mut question = Question::read(api, asked).await?;
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
    let (value, part) = (value.to_owned(), args.get("filter").map(str::to_owned));
    aside(move || {
        let mut found = values(&gathered.blocks, &value)?;
        if route == Route::StreamFieldNames {
            let hits = found.iter().map(|(_, hits)| hits).sum();
            let names = STREAM_FIELDS.iter().filter(|_| hits > 0);
            found = names.map(|name| ((*name).to_owned(), hits)).collect();
        }
        if let Some(part) = part {
            found.retain(|(value, _)| value.contains(&part));
        }
        // A missing value is an empty one, and there is nothing to choose in it.
        found.retain(|(value, _)| !value.is_empty());
        found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        found.truncate(limit);
        Ok(gathered.mark(reply::ok(reply::JSON, json(&found))))
    })
    .await
}

/// Each value with its hits, as long as all of them are not too long for an answer.
fn values(blocks: &[Block], field: &str) -> Result<Vec<(String, u64)>, Refused> {
    let (mut found, mut scratch, mut bytes) = (Vec::new(), Vec::new(), 0);
    for block in blocks {
        for row in 0..block.rows() {
            let value = text(block, field, row, &mut scratch);
            bytes += value.len() + ENTRY_BYTES;
            must_fit(bytes)?;
            found.push((value, count(block, "hits", row, &mut scratch)));
        }
    }
    Ok(found)
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
