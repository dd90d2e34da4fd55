use super::*;
use proptest::prelude::*;

fn check(line: &str, level: Level, source: LevelSource) {
    assert_eq!(infer(line.as_bytes()), (level, source), "{line}");
}

#[test]
fn json() {
    for (line, level) in [
        (r#"{"level":"error","msg":"x"}"#, Level::Error),
        (r#"{"msg":"a\"b","severity":"WARNING"}"#, Level::Warn),
        (r#"  {"time":1,"level":50,"msg":"pino"}"#, Level::Error),
        (r#"{"level":20}"#, Level::Debug),
        (r#"{"level":30}"#, Level::Info),
        (r#"{"level":40}"#, Level::Warn),
        (r#"{"a":{"level":"error"},"b":[1,{"level":"error"}],"lvl":"debug"}"#, Level::Debug),
        (r#"{"log":{"level":"warn","logger":"x"},"message":"ecs"}"#, Level::Warn),
        (r#"{"log.level":"error","message":"ecs"}"#, Level::Error),
        (r#"{"level":"fatal","cut":"in the mid"#, Level::Error),
    ] {
        check(line, level, LevelSource::Json);
    }
    for line in [r#"{"msg":"level: error"}"#, r#"{"level":null}"#, r#"{"level":"loud"}"#, "{", r#"{"level"#] {
        check(line, Level::Info, LevelSource::Default);
    }
}

#[test]
fn words_in_front() {
    for (line, level) in [
        ("ERROR: relation does not exist", Level::Error),
        ("error: no such file", Level::Error),
        ("warning: unused variable", Level::Warn),
        ("[error] mod_jk child workerEnv in error state 6", Level::Error),
        ("[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok", Level::Info),
        ("[Sun Dec 04 04:47:44 2005] [error] mod_jk child", Level::Error),
        ("2015-07-29 17:41:44,747 - WARN  [QuorumPeer[myid=1]/0:0:0:0] - x", Level::Warn),
        ("081109 203615 148 INFO dfs.DataNode$PacketResponder: x", Level::Info),
        ("17/06/09 20:10:40 ERROR executor.Executor: x", Level::Error),
        (
            "nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 WARNING nova.osapi [req-1] x",
            Level::Warn,
        ),
        ("2015-10-18 18:01:47,978 FATAL [main] org.apache.hadoop: x", Level::Error),
        ("2026-11-22 10:00:00 UTC [123] ERROR:  relation \"x\"", Level::Error),
        ("2026/11/22 10:00:00 [warn] 7#7: conflicting", Level::Warn),
        ("WARNING:root:careful", Level::Warn),
        ("2026-11-22T10:00:00Z DEBUG app: x", Level::Debug),
        ("E1122 10:00:00.000000    1 main.go:1] x", Level::Error),
        ("W20261122 10:00:00.000000 1 main.cc:1] x", Level::Warn),
        ("I, [2026-11-22T10:00:00 #1]  INFO -- : x", Level::Info),
        ("F, [2026-11-22T10:00:00 #1] FATAL -- : x", Level::Error),
    ] {
        check(line, level, LevelSource::Text);
    }
}

#[test]
fn logfmt_and_syslog() {
    check("time=10:00 level=warn msg=\"x\"", Level::Warn, LevelSource::Logfmt);
    check("msg=x level=\"error\"", Level::Error, LevelSource::Logfmt);
    check("ts=1 lvl=dbg x", Level::Debug, LevelSource::Logfmt);
    check("<11>Nov 22 10:00:00 host app: x", Level::Error, LevelSource::Syslog);
    check("<14>x", Level::Info, LevelSource::Syslog);
}

#[test]
fn whatever_does_not_say_is_info() {
    for line in [
        "",
        "   ",
        "no ERROR was found",
        "Error handling is a virtue",
        "information wants to be free",
        "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure",
        "sublevel=error",
        "<999>x",
        "<>x",
        "logging in as root",
        "\u{0}\u{1}",
        "Exit: 1",
    ] {
        check(line, Level::Info, LevelSource::Default);
    }
}

proptest! {
    #[test]
    fn any_bytes_have_a_level(line: Vec<u8>) {
        infer(&line);
    }

    #[test]
    fn any_text_in_json_s_clothes_has_a_level(rest in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,60}") {
        infer(format!("{{\"level{rest}").as_bytes());
    }
}
