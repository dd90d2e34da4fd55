//! Errors as a person reads them: what, why, and what to do.

use std::fmt;

use line::codes;

use crate::exit::Exit;

/// What a command ends with when it cannot do its work. Anything else that comes up as an `anyhow::Error` is shown with its
/// chain of causes and ends with code 1.
#[derive(Debug)]
pub(crate) struct Fail {
    exit: Exit,
    code: Option<&'static str>,
    what: String,
    why: Option<String>,
    hint: Option<String>,
}

impl Fail {
    /// An error that ends with `exit`.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, code: None, what: what.into(), why: None, hint: None }
    }

    /// The same with a code of the catalogue. Its remedy is the hint unless another is given.
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The same with the cause.
    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// The same with what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same as an `anyhow::Error`, for `?`.
    pub(crate) fn err<T>(self) -> anyhow::Result<T> {
        Err(self.into())
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, ": {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fail {}

/// What is printed for `error`, without colours, and how to end.
pub(crate) fn describe(error: &anyhow::Error) -> (String, Exit) {
    let Some(fail) = error.downcast_ref::<Fail>() else {
        return (format!("error: {error:#}\n"), Exit::Failure);
    };
    let code = fail.code.map_or(String::new(), |code| format!("[{code}]"));
    let mut text = format!("error{code}: {fail}\n");
    let remedy = fail.code.and_then(codes::find).map(|entry| entry.remedy.to_owned());
    if let Some(hint) = fail.hint.clone().or(remedy) {
        text.push_str(&format!("hint: {hint}\n"));
    }
    if let Some(code) = fail.code {
        text.push_str(&format!("      more: logway explain {code}\n"));
    }
    (text, fail.exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_why_and_what_to_do() {
        let fail =
            Fail::new(Exit::Failure, "cannot listen on 127.0.0.1:4222").code("LB03").why("address in use");
        let (text, exit) = describe(&fail.into());
        assert_eq!(exit, Exit::Failure);
        let remedy = codes::find("LB03").unwrap().remedy;
        assert_eq!(
            text,
            format!(
                "error[LB03]: cannot listen on 127.0.0.1:4222: address in use\nhint: {remedy}\n      more: logway explain LB03\n"
            )
        );
        let other = anyhow::anyhow!("inner").context("outer");
        assert_eq!(describe(&other), ("error: outer: inner\n".to_owned(), Exit::Failure));
    }
}
