//! docs/openapi.json against a real `logway up`: schemathesis asks for what it says, and for what it does not say.
//!
//! What an example of a format is that no schema can describe stands in `openapi/hooks.py`, how it asks in
//! `openapi/schemathesis.toml`. A run at full length is one with `LOGWAY_SOAK=1`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use logway_tests::{Process, Up, parts, skip};

/// How long it may take: it has its own limits for each request.
const PATIENCE: Duration = Duration::from_secs(900);

/// Lines of two apps, some with what the Logs API has names for, and one start of a Machine and its end.
fn fill(up: &Up) {
    let web = up.web();
    let mut lines = String::new();
    for at in 0..300 {
        let (app, level) = (["web", "db"][at % 2], ["info", "error", "warn"][at % 3]);
        let more = r#""http":{"request":{"method":"GET"},"response":{"status_code":502}},"error":{"code":7}"#;
        lines.push_str(&format!(
            "{{\"_msg\":\"request {at} failed\",\"app\":\"{app}\",\"level\":\"{level}\",\"instance\":\"148e\",{more}}}\n"
        ));
    }
    let reply = web.insert(&lines);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let run = ["--app", "web", "--region", "lhr", "--", "sh", "-c", "echo hello; exit 3"];
    assert_eq!(up.run("run", &run).wait().code(), Some(3));
}

#[test]
fn what_it_says_is_so() {
    let Some(schemathesis) = parts::schemathesis() else {
        return skip("openapi::what_it_says_is_so", "no schemathesis is installed");
    };
    let up = Up::start(&[]);
    fill(&up);
    let token = std::fs::read_to_string(up.data().join("token")).expect("reading the token");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(schemathesis);
    // What it keeps of a run it keeps where it runs.
    command.current_dir(up.files()).env("SCHEMATHESIS_HOOKS", here.join("it/openapi/hooks.py"));
    command.arg("--config-file").arg(here.join("it/openapi/schemathesis.toml")).arg("run");
    command.arg(here.join("../docs/openapi.json")).arg("--url").arg(format!("http://{}", up.address("http")));
    command.args(["--no-color", "--checks", "all", "--header"]);
    command.arg(format!("Authorization: Bearer {}", token.trim()));
    let (examples, seed) = if parts::soak() { ("200", None) } else { ("4", Some("1")) };
    command.args(["--max-examples", examples]).args(seed.map(|seed| format!("--seed={seed}")));
    // It leaves nothing in the work tree.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let mut process = Process::start("schemathesis", &mut command);
    let status = process.wait_up_to(PATIENCE);
    assert!(status.success(), "{}", process.said());
}
