use std::sync::mpsc;

use line::append::{Envelope, Run, Writer};
use line::{Body, Boot, Clock, Entry, Level, LevelSource, Stream, Text};
use store::{Config, Engine, SystemClock};

use super::*;
use crate::fail::describe;

/// A data directory whose store has a part of a hundred rows, and the store.
fn begun() -> (tempfile::TempDir, Data, Engine) {
    let dir = tempfile::tempdir().unwrap();
    let data = Data::new(Some(dir.path())).unwrap();
    let config = Config { background: false, reserve_bytes: 0, segment_bytes: 1 << 20, ..Config::default() };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let clock = Arc::new(SystemClock::new());
    let (engine, _) = Engine::open(disk, &data.store(), config, clock).unwrap();
    let (told, tells) = mpsc::sync_channel(1);
    engine.append(request(), Box::new(move |answer| told.send(answer).unwrap()));
    tells.recv().unwrap().unwrap();
    engine.flush_now().unwrap();
    (dir, data, engine)
}

fn request() -> Vec<u8> {
    let time = crate::scope::now().unwrap();
    let (mut writer, mut bytes) = (line::entry::Writer::new(1, time), Vec::new());
    for seq in 1..=100 {
        let body = Body::Line(Text::whole(format!("line {seq}").into_bytes()));
        let (stream, level, level_source) = (Stream::Stdout, Level::Info, LevelSource::Default);
        let time = time + i64::try_from(seq).unwrap();
        writer
            .push(
                &Entry { time, seq, span: 1, stream, level, level_source, clock: Clock::Guest, body },
                &mut bytes,
            )
            .unwrap();
    }
    let run = Run { first_seq: 1, base_time: time, count: writer.count(), bytes: &bytes };
    let mut groups = Writer::with_capacity(1000);
    groups.machine("k3f9.web.lhr.148e", "h1", Boot::parse("019a0c3f2b7c0001").unwrap(), false, run).unwrap();
    let body = groups.finish();
    let mut request = Vec::new();
    Envelope::of(&body, None).write(&mut request).unwrap();
    request
}

fn logway(data: &Data, action: Action, json: bool) -> Result<(String, Exit)> {
    let args = Args { action, json, data: DataArg::of(data.path()) };
    let mut out = Vec::new();
    let exit = run(&args, &mut out)?;
    Ok((String::from_utf8(out).unwrap(), exit))
}

fn part(data: &Data) -> PathBuf {
    let day = std::fs::read_dir(data.store().join("parts")).unwrap().next().unwrap().unwrap().path();
    std::fs::read_dir(day).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_store_that_is_sound() {
    let (_dir, data, engine) = begun();
    engine.close().unwrap();
    let (text, exit) = logway(&data, Action::Check, false).unwrap();
    assert!(exit == Exit::Ok && text.starts_with("sound: 1 parts with 100 rows, "), "{text}");
    let (text, exit) = logway(&data, Action::Stats, false).unwrap();
    assert!(exit == Exit::Ok && text.contains("bytes/row") && text.contains("100"), "{text}");
    let (text, _) = logway(&data, Action::Stats, true).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["sound"], &json["days"][0]["rows"]), (&json!(true), &json!(100)));
    assert_eq!(json["sections"].as_object().unwrap().len(), Section::ALL.len());
    let (text, exit) = logway(&data, Action::Repair, false).unwrap();
    assert!(exit == Exit::Ok && text.contains("nothing to repair"), "{text}");
    // Today is not over.
    let (text, exit) = logway(&data, Action::Pack, false).unwrap();
    assert!(exit == Exit::Ok && text.starts_with("0 days written anew, "), "{text}");
    let (text, _) = logway(&data, Action::Pack, true).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["lossy"], &json["bytes_before"]), (&json!(false), &json["bytes_after"]));
}

#[test]
fn damage_is_said_set_aside_and_then_gone() {
    let (_dir, data, engine) = begun();
    engine.close().unwrap();
    let path = part(&data);
    let mut bytes = std::fs::read(&path).unwrap();
    // In a frame: behind the file's head and the frame's.
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (text, exit) = logway(&data, Action::Check, false).unwrap();
    assert!(exit == Exit::Partial && text.contains(".part: ") && text.contains("may be lost"), "{text}");
    let (text, exit) = logway(&data, Action::Check, true).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(
        exit == Exit::Partial && json["sound"] == json!(false) && json["defects"][0]["loss"] == json!(true)
    );
    let (text, exit) = logway(&data, Action::Repair, false).unwrap();
    assert!(exit == Exit::Partial && text.contains("lost"), "{text}");
    let (text, exit) = logway(&data, Action::Check, false).unwrap();
    assert!(exit == Exit::Ok && text.contains("set aside earlier"), "{text}");
}

#[test]
fn a_store_that_runs_or_is_not_there_is_left_alone() {
    let (_dir, data, engine) = begun();
    for action in [Action::Check, Action::Stats, Action::Repair, Action::Pack] {
        let (text, exit) = describe(&logway(&data, action, false).unwrap_err());
        assert!(
            exit == Exit::Disconnected
                && text.starts_with("error[LS01]: ")
                && text.contains("stop 'logway up'"),
            "{text}"
        );
    }
    drop(engine);
    let empty = tempfile::tempdir().unwrap();
    let data = Data::new(Some(empty.path())).unwrap();
    for action in [Action::Check, Action::Stats, Action::Repair, Action::Pack] {
        let (text, exit) = describe(&logway(&data, action, false).unwrap_err());
        assert!(exit == Exit::NotFound && text.contains("there is no store"), "{text}");
    }
    assert!(!data.store().exists());
}
