//! The dashboard in a browser, on a real `logway up`: one test for each of `dashboard/tests/*.spec.js`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use logway_tests::{Process, Up, parts, skip};

/// How long the browser may take for one file: it has its own limits for each step.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs `dashboard/tests/NAME.spec.js`. Screenshots go to `TARGET/dashboard-screenshots`, where a person looks at them.
fn spec(name: &str) {
    let Some((packages, browser)) = parts::browser() else {
        return skip(&format!("dashboard::{name}"), "no Chromium or no Playwright is installed");
    };
    let up = Up::start(&[]);
    let token = std::fs::read_to_string(up.data().join("token")).expect("reading the token");
    // It answers only when it lets in who has a token.
    drop(up.web());
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/tests");
    let mut command = Command::new("node");
    command.arg(packages.join("@playwright/test/cli.js")).arg("test");
    command.arg("--config").arg(here.join("playwright.config.js")).arg(format!("/{name}.spec.js"));
    command.current_dir(&here).env("NODE_PATH", &packages).env("LOGWAY_CHROMIUM", browser);
    command.env("LOGWAY_URL", format!("http://{}", up.address("http"))).env("LOGWAY_TOKEN", token.trim());
    command.env("LOGWAY_BIN", parts::logway()).env("LOGWAY_DATA", up.data()).env("LOGWAY_SPEC", name);
    command.env("LOGWAY_SHOTS", parts::target_dir().join("dashboard-screenshots"));
    let mut process = Process::start("playwright", &mut command);
    let status = process.wait_up_to(PATIENCE);
    assert!(status.success(), "{}", process.said());
}

/// One test for each file, and one that says when a file has none.
macro_rules! specs {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            spec(stringify!($name));
        })*

        #[test]
        fn every_file_has_its_test() {
            let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/tests");
            let entries = std::fs::read_dir(&here).expect("listing the specs");
            let names = entries.filter_map(|entry| entry.expect("reading an entry").file_name().into_string().ok());
            let mut specs: Vec<_> = names.filter_map(|name| Some(name.strip_suffix(".spec.js")?.to_owned())).collect();
            specs.sort();
            assert_eq!(specs, [$(stringify!($name)),*], "name each dashboard/tests/*.spec.js in specs!, by the alphabet");
        }
    };
}

specs! {
    apps
    codes
    download
    harness
    health
    live
    machine
    modules
    resume
    search
    signin
    strange
    tokens
    view
    words
}
