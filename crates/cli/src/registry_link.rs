//! The way to the registry: over its socket while `up` runs, else by opening it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use disk::RealDisk;
use registry::admin::{self, Request, Response};
use registry::{Desk, JOURNAL, Report};

use crate::data::Data;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::notice;

/// How long the registry may take to answer.
const ANSWER: Duration = Duration::from_secs(15);

/// Has the registry do it. `what` names it for an error: "the token is not made".
pub(crate) fn ask(data: &Data, request: Request, what: &str) -> Result<Response> {
    let answer = match admin::call(&data.registry().join(admin::SOCKET), &request, ANSWER) {
        Err(admin::Error::NotRunning { path, source })
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            return Fail::new(Exit::Refused, what)
                .code("LR12")
                .why(format!("{}: {source}", path.display()))
                .err();
        }
        Err(admin::Error::NotRunning { .. }) => directly(data, request)?,
        answer => answer,
    };
    match answer {
        Ok(response) => Ok(response),
        Err(admin::Error::Refused { code, message, hint }) => Err(refused(what, &code, &message, hint)),
        Err(error) => {
            let text = error.to_string();
            let text = text.trim_start_matches("[LR11] ");
            Fail::new(Exit::Disconnected, what).code("LR11").why(text).err()
        }
    }
}

/// Opens the registry for one request, under the lock of the data directory.
fn directly(data: &Data, request: Request) -> Result<Result<Response, admin::Error>> {
    if !data.registry().join(JOURNAL).exists() {
        if data.running()?.is_none() {
            return Err(data.not_running());
        }
        let what = format!("the Logway on {} keeps no registry", data.path().display());
        return Fail::new(Exit::Disconnected, what)
            .code("LR11")
            .hint("do this on the machine whose 'logway up' was started without --no-registry")
            .err();
    }
    let _lock = data.take()?;
    let now_ns = now_ns()?;
    let opened = Desk::open(Arc::new(RealDisk), &data.registry(), now_ns);
    let mut desk = match opened {
        Ok(desk) => desk,
        Err(error) => {
            let code = error.code().unwrap_or("LR02");
            return Fail::new(Exit::Failure, "the registry cannot be opened")
                .code(code)
                .why(chain(error))
                .err();
        }
    };
    say(desk.registry().report());
    Ok(desk.answer(request, now_ns).into_result())
}

/// Tells the person of damage: there is no log to look at.
fn say(report: &Report) {
    if report.torn_bytes + report.damaged_bytes > 0 {
        notice(
            "warning[LR01]: a part of the registry's journal could not be read; see 'logway explain LR01'",
        );
    }
}

fn refused(what: &str, code: &str, message: &str, hint: Option<String>) -> anyhow::Error {
    let known = line::codes::find(code).map(|entry| entry.code);
    let exit = match known {
        Some("LR05" | "LR15") => Exit::NotFound,
        Some("LR06" | "LR07" | "LR08" | "LA12") => Exit::Usage,
        Some("LR12") => Exit::Refused,
        _ => Exit::Failure,
    };
    let fail = Fail::new(exit, what).why(message);
    let fail = if let Some(known) = known { fail.code(known) } else { fail };
    if let Some(hint) = hint { fail.hint(hint) } else { fail }.into()
}

fn chain(error: registry::Error) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

/// The error of an answer to another question, which no registry gives.
pub(crate) fn strange(response: &Response) -> anyhow::Error {
    // What it says may be a token: that is not for an error.
    let kind = std::mem::discriminant(response);
    anyhow::anyhow!("the registry answered something else than it was asked ({kind:?})")
}

/// Unix nanoseconds.
pub(crate) fn now_ns() -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    i64::try_from(now.as_nanos()).context("the clock is beyond 2262")
}
