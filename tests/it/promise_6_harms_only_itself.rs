//! Promise 6: a slow or hostile client, a flood, a full disk or a dead neighbour harms only itself.

use line::{Body, Stream};
use logway_tests::{Up, Web, lines, wait_until};

/// A flood from one app beside a quiet one, while the spool is small and what takes the lines is away.
#[test]
fn promise_6_a_flood_leaves_the_quiet_neighbour_without_gaps() {
    // There is no store anywhere: each line stays in the spool for it.
    let up = Up::start(&["--no-store", "--spool-quota", "24MiB"]);
    let flood = "yes 'a line of a flood that never ends and that nobody asked for' | head -n 600000";
    let mut loud = up.run("run", &["--app", "loud", "--", "sh", "-c", flood]);
    let quiet = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo q $i; sleep 0.02; done";
    let mut still = up.run("run", &["--app", "quiet", "--", "sh", "-c", quiet]);
    assert!(still.wait().success());
    assert!(loud.wait().success());
    // Apps are named to the admin of their org alone.
    let token = std::fs::read_to_string(up.data().join("token")).expect("reading the token");
    let web = Web::new(&up.address("http"), &token);
    let metrics = wait_until("the figures", || {
        let reply = web.ask("/metrics", &[]);
        (reply.status == 200).then(|| reply.text())
    });
    assert!(!up.metrics().contains("quiet"), "{}", up.metrics());
    let value = |app: &str, family: &str| -> f64 {
        let of_app = |row: &&str| row.starts_with(family) && row.contains(&format!("app=\"{app}\""));
        metrics.lines().filter(of_app).filter_map(|row| row.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    assert_eq!(value("quiet", "logway_agent_gap_lines_total"), 0.0, "{metrics}");
    assert!(value("quiet", "logway_agent_lines_total") >= 100.0, "{metrics}");
    assert!(
        value("loud", "logway_agent_gap_lines_total") > 0.0,
        "the flood itself had to give way\n{metrics}"
    );
}

#[test]
fn promise_6_terminal_escapes_and_binary_output_stay_with_their_app() {
    let up = Up::start(&[]);
    let script = r"printf '\033]0;owned\007\033[2J\000\377\n'; head -c 300000 /dev/zero | tr '\000' x; echo";
    assert!(up.run("run", &["--app", "web", "--", "sh", "-c", script]).wait().success());
    let (status, out, err) = up.run("logs", &["-a", "web", "-n", "-j"]).wait_with_output();
    assert!(status.success(), "{err}");
    assert!(!out.contains('\u{1b}') && !out.contains('\0'), "JSON holds no control bytes");
    let messages = lines::parse(&out);
    let of_app: Vec<_> = messages.iter().filter(|m| m.entry.stream == Stream::Stdout).collect();
    assert_eq!(of_app[0].message, "\u{1b}]0;owned\u{7}\u{1b}[2J\0\u{fffd}");
    let Body::Line(text) = &of_app[1].entry.body else { panic!("a line") };
    assert!(text.more, "300,000 bytes are more than one record");
    let total: usize = of_app[1..].iter().map(|m| m.message.len()).sum();
    assert_eq!(total, 300_000);
}
