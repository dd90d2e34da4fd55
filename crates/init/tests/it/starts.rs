//! Starting: commands that run, commands that do not, and what the app finds.
//!
//! Row 2, what overrides the command of an image, comes with images: here the command is what stands after `--`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use line::Stream;

use crate::run::{Run, each};

#[test]
fn row_01_a_command_runs() {
    each("row_01", |binary| {
        let mut run = Run::start(binary, &["--instance", "i1"], &["sh", "-c", "echo hi"]);
        assert_eq!(run.finish().code(), Some(0));
        assert_eq!(run.agent.lines(Stream::Stdout), ["hi"]);
        let started = run.agent.event("started").unwrap();
        assert_eq!(started.message, "Preparing to run: `sh -c 'echo hi'`");
        assert!(started.get_int("pid").unwrap() > 1);
        let exited = run.agent.exited();
        assert_eq!(exited.message, "Main child exited normally with code: 0");
        assert_eq!((exited.get_int("code"), exited.get_int("signal")), (Some(0), Some(-1)));
        assert!(exited.get_int("duration_ms").is_some() && exited.get_int("max_rss_kb") > Some(0));
        assert_eq!(run.agent.greetings[0].instance, "i1");
        assert_eq!(run.stderr(), "");
    });
}

#[test]
fn row_03_nothing_to_run() {
    each("row_03", |binary| {
        let mut run = Run::start(binary, &[], &[]);
        assert_eq!(run.finish().code(), Some(125));
        let event = run.agent.event("config_error").unwrap();
        assert_eq!(event.get_text("code_name"), Some("LI01"));
        assert_eq!(run.agent.exited().get_int("code"), Some(125));
        assert!(run.stderr().contains("LI01"));
    });
}

#[test]
fn row_04_missing_or_not_executable() {
    each("row_04", |binary| {
        for (command, code, code_name, path) in [
            ("/nowhere/app", 127, "LI02", "/nowhere/app"),
            ("no-such-command-anywhere", 127, "LI02", "no-such-command-anywhere"),
            ("./plain", 126, "LI03", "./plain"),
            ("/", 126, "LI03", "/"),
            ("./garbage", 126, "LI03", "./garbage"),
            ("./no-interpreter", 127, "LI02", "./no-interpreter"),
            // In the first of two folders of PATH.
            ("plain", 126, "LI03", "./plain"),
        ] {
            let mut run = Run::under(binary, &["env", "PATH=.:/bin"], fill, &[command, "arg"]);
            assert_eq!(run.finish().code(), Some(code), "{command}");
            let event = run.agent.event("exec_failed").unwrap();
            assert_eq!((event.get_text("code_name"), event.get_text("path")), (Some(code_name), Some(path)));
            assert_eq!(run.agent.exited().get_int("code"), Some(code.into()));
            let said = run.stderr();
            assert!(said.contains(code_name) && said.contains(path), "{said}");
        }
    });
}

/// Files that cannot be run, each in its way.
fn fill(dir: &Path) {
    for (name, text, mode) in [
        ("plain", "x", 0o644),
        ("garbage", "\x7fgarbage", 0o755),
        ("no-interpreter", "#!/nowhere/sh\n", 0o755),
    ] {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// The other half of the row, entries without `=` and names that come twice, no shell or library can hand to a program; it is
/// tested where the entries are taken (`src/exec.rs`), and again with images.
#[test]
fn row_05_the_environment_comes_through() {
    each("row_05", |binary| {
        let argv = ["sh", "-c", r#"printf '%s\n' "$A" "$B""#];
        let mut run = Run::with_env(binary, &[("A", "b=c"), ("B", "x\ny")], &argv);
        assert_eq!(run.finish().code(), Some(0));
        assert_eq!(run.agent.lines(Stream::Stdout), ["b=c", "x", "y"]);
    });
}

#[test]
fn row_28_a_clean_start() {
    each("row_28", |binary| {
        let script = "grep -E '^(SigBlk|SigIgn):' /proc/self/status; readlink /proc/self/fd/0; \
                      for fd in $(seq 0 20); do [ -e /proc/$$/fd/$fd ] && echo fd $fd; done; \
                      cut -d' ' -f1,5,6 /proc/$$/stat";
        let mess = "trap '' HUP USR1 CHLD; exec 7</dev/null 8</dev/null; exec \"$@\"";
        let mut run = Run::under(binary, &["sh", "-c", mess, "sh"], |_| (), &["sh", "-c", script]);
        assert_eq!(run.finish().code(), Some(0));
        let lines = run.agent.lines(Stream::Stdout);
        assert_eq!(lines[0], "SigBlk:\t0000000000000000");
        assert_eq!(lines[1], "SigIgn:\t0000000000000000");
        assert_eq!(lines[2], "/dev/null");
        let fds: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("fd ")).collect();
        assert_eq!(fds, ["0", "1", "2"], "{lines:?}");
        let ids: Vec<_> = lines.last().unwrap().split(' ').collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2], "a session and a group of its own: {ids:?}");
    });
}

#[test]
fn mistakes_on_the_command_line_are_told() {
    each("usage", |binary| {
        let mut run = Run::start(binary, &["--colour"], &["true"]);
        assert_eq!(run.wait().code(), Some(125));
        assert_eq!(run.stderr(), "logway-init: --colour is not known; see --help\n");
    });
}
