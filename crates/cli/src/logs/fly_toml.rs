//! The app that a fly.toml names, as flyctl's `-c` takes it.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::exit::Exit;
use crate::fail::Fail;

/// The name of the app in the file at `path`.
///
/// # Errors
/// When it cannot be read, or names none.
pub(super) fn app(path: &Path) -> Result<String> {
    let fail = || Fail::new(Exit::Usage, format!("{} names no app", path.display()));
    match fs::read_to_string(path) {
        Ok(text) => match named(&text) {
            Some(app) => Ok(app.to_owned()),
            None => fail().hint("it has a line: app = \"name\"; or give the app with -a").err(),
        },
        Err(error) => fail().why(error).hint("give the path of a fly.toml, or the app with -a").err(),
    }
}

/// The value of `app` before the first table.
fn named(text: &str) -> Option<&str> {
    let top = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let mut values = top.filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim().trim_matches(['"', '\'']) == "app").then(|| value.trim())
    });
    let value = values.next()?;
    let quote = value.chars().next().filter(|quote| "\"'".contains(*quote))?;
    value[1..].split(quote).next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_of_a_file() {
        for (text, wanted) in [
            ("app = \"web\"\n", Some("web")),
            ("# x\nprimary_region='lhr'\n app='web' # mine\n[env]\napp = \"no\"", Some("web")),
            ("[env]\napp = \"no\"", None),
            ("app = web", None),
            ("apple = \"web\"", None),
            ("", None),
        ] {
            assert_eq!(named(text), wanted, "{text}");
        }
        let (text, exit) = crate::fail::describe(&app(Path::new("/no/fly.toml")).unwrap_err());
        assert!(exit == Exit::Usage && text.contains("hint: "), "{text}");
    }
}
