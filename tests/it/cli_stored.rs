//! `logway search`, `export` and `logs` before the store of a real `logway up`.

use logway_tests::{Up, wait_until};

#[test]
fn what_was_printed_is_found_counted_written_out_and_shown_again_after_a_crash() {
    let mut up = Up::start(&[]);
    let script = "for i in $(seq 1 300); do echo line $i needle-$i; done";
    let (code, _, err) =
        up.output("run", &["--app", "web", "-i", "i1", "-r", "lhr", "--", "sh", "-c", script]);
    assert_eq!(code, 0, "{err}");
    wait_until("all lines in the store", || {
        let (_, out, _) = up.output("search", &["-c", "-a", "web", "line !\"Preparing to run\""]);
        (out == "300\n").then_some(())
    });
    let (code, out, err) = up.output("search", &["-a", "web", "\"needle-7\""]);
    assert!(
        code == 0 && out.ends_with("Z app[i1] lhr [info] line 7 needle-7\n") && out.lines().count() == 1,
        "{out}{err}"
    );
    // What is asked for cannot reach beyond the app.
    let (code, out, _) = up.output("search", &["-a", "api", "line or needle"]);
    assert!(code == 1 && out.is_empty(), "{out}");

    up.restart();
    let path = up.files().join("out.ndjson");
    let file = path.to_str().expect("the path is text");
    let (code, _, err) =
        up.output("export", &["-a", "web", "--since", "1h", "--out", file, "line !\"Preparing to run\""]);
    assert!(code == 0 && err.contains("300 lines"), "{err}");
    let text = std::fs::read_to_string(&path).expect("reading the export");
    assert_eq!(text.lines().count(), 300);
    // Store and agent both have these lines, and each is shown once.
    let (code, out, err) = up.output("logs", &["-a", "web", "-n", "--lines", "50"]);
    let shown: Vec<&str> = out.lines().filter(|line| line.contains("] line ")).collect();
    assert!(code == 0 && out.lines().count() == 50 && shown.len() == 49, "{out}{err}");
    assert!(
        shown.windows(2).all(|two| two[0] != two[1]) && shown[48].ends_with("line 300 needle-300"),
        "{out}"
    );
}
