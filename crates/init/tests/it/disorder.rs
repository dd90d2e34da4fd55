//! Agents that are away, die, forget, refuse, or talk nonsense.

use line::Stream;
use line::frame::{Frame, Refused, Welcome};

use crate::run::{Run, each};

#[test]
fn row_32_an_absent_agent_gets_everything_later() {
    each("row_32", |binary| {
        let mut run = Run::alone(
            binary,
            &[],
            &["sh", "-c", "echo first; echo > wrote; while [ ! -e go ]; do sleep 0.02; done"],
        );
        let wrote = run.dir().join("wrote");
        run.until("app that was not delayed", || wrote.exists());
        run.agent.start();
        run.agent.serve_until("line", |agent| agent.lines(Stream::Stdout) == ["first"]);
        std::fs::write(run.dir().join("go"), "").unwrap();
        assert_eq!(run.finish().code(), Some(0));
        let said = run.stderr();
        assert_eq!(said.matches("LI08").count(), 1, "{said}");
        assert_eq!(said.matches("connected to the agent").count(), 1, "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    });
}

#[test]
fn row_33_a_killed_agent_resumes_without_loss_or_repetition() {
    each("row_33", |binary| {
        // The app writes until it is told to end, so that each kill is mid stream.
        let script = "i=0; while [ ! -e go ]; do echo line $i; i=$((i+1)); done; echo end";
        let mut run = Run::start(binary, &["--policy", "block"], &["sh", "-c", script]);
        for round in 1..=3 {
            run.agent.serve_until("lines", |agent| {
                agent.greetings.len() >= round && agent.of(Stream::Stdout).len() >= round * 500
            });
            run.agent.die();
            run.agent.start();
        }
        std::fs::write(run.dir().join("go"), "").unwrap();
        assert_eq!(run.finish().code(), Some(0));
        let mut lines = run.agent.lines(Stream::Stdout);
        assert_eq!(lines.pop().as_deref(), Some("end"));
        assert!(lines.iter().enumerate().all(|(i, line)| *line == format!("line {i}")));
        assert!(run.agent.gaps.is_empty());
        let boots: Vec<_> = run.agent.greetings.iter().map(|greeting| greeting.boot).collect();
        assert!(boots.len() >= 3 && boots.iter().all(|boot| *boot == boots[0]));
    });
}

#[test]
fn row_33_lines_that_were_not_acknowledged_come_again() {
    each("row_33 unacknowledged", |binary| {
        let mut run = Run::shell(binary, "seq 1 500; while [ ! -e go ]; do sleep 0.02; done");
        run.agent.manners.acks = false;
        run.agent.serve_until("lines", |agent| agent.of(Stream::Stdout).len() == 500);
        // Nothing of it was safe: the next agent knows nothing.
        run.agent.die();
        run.agent.forget();
        run.agent.manners.acks = true;
        run.agent.start();
        std::fs::write(run.dir().join("go"), "").unwrap();
        assert_eq!(run.finish().code(), Some(0));
        assert_eq!(run.agent.lines(Stream::Stdout).len(), 500);
    });
}

#[test]
fn row_37_an_agent_that_forgot_gets_what_is_held() {
    each("row_37 forgets", |binary| {
        let mut run = Run::shell(binary, "seq 1 100; while [ ! -e go ]; do sleep 0.02; done; echo last");
        run.agent.serve_until("lines", |agent| agent.of(Stream::Stdout).len() == 100);
        run.agent.step(std::time::Duration::from_millis(50));
        run.agent.drop_connection();
        run.agent.forget();
        std::fs::write(run.dir().join("go"), "").unwrap();
        run.agent.serve_until("goodbye", |agent| agent.bye.is_some());
        assert_eq!(run.wait().code(), Some(0));
        // What was acknowledged is gone; the greeting says so, so that the agent can make the gap.
        let greeting = run.agent.greetings.last().unwrap();
        assert!(greeting.first_seq > 1);
        assert_eq!(run.agent.lines(Stream::Stdout).last().unwrap(), "last");
        run.agent.exited();
    });
}

#[test]
fn row_37_nonsense_is_passed_over() {
    each("row_37 nonsense", |binary| {
        let mut bad_crc = Vec::new();
        Frame::Ack { next_seq: 1 << 40 }.write(&mut bad_crc).unwrap();
        *bad_crc.last_mut().unwrap() ^= 1;
        for noise in [b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), b"LLW".to_vec(), vec![0; 5000], bad_crc] {
            let mut run = Run::shell(binary, "seq 1 1000");
            run.agent.manners.noise = noise;
            assert_eq!(run.finish().code(), Some(0));
            assert_eq!(run.agent.of(Stream::Stdout).len(), 1000);
            assert_eq!(run.agent.greetings.len(), 1);
        }
    });
}

#[test]
fn row_37_acknowledgements_of_what_was_never_sent_are_harmless() {
    each("row_37 acks", |binary| {
        let mut run = Run::shell(binary, "seq 1 1000; while [ ! -e go ]; do sleep 0.02; done; seq 1 1000");
        run.agent.serve_until("lines", |agent| agent.of(Stream::Stdout).len() == 1000);
        for next_seq in [0, u64::MAX, 1 << 50] {
            run.agent.answer(&Frame::Ack { next_seq });
            run.agent.answer(&Frame::Flushed { next_seq });
        }
        std::fs::write(run.dir().join("go"), "").unwrap();
        assert_eq!(run.finish().code(), Some(0));
        assert_eq!(run.agent.of(Stream::Stdout).len(), 2000);
    });
}

#[test]
fn row_37_a_version_that_init_does_not_speak_is_refused_and_tried_again() {
    each("row_37 version", |binary| {
        let mut run = Run::start(
            binary,
            &["--flush-timeout", "200ms"],
            &["sh", "-c", "echo > up; while [ ! -e go ]; do sleep 0.02; done"],
        );
        let up = run.dir().join("up");
        run.until("app", || up.exists());
        run.agent.manners.mute = true;
        run.agent.serve_until("greeting", |agent| agent.greetings.len() == 1);
        let welcome = Welcome { version: 9, resume_seq: 0, window_bytes: 1 << 20, heartbeat_ms: 5000 };
        run.agent.answer(&Frame::Welcome(welcome));
        run.agent.serve_until("end of the connection", |agent| !agent.is_connected());
        std::fs::write(run.dir().join("go"), "").unwrap();
        assert_eq!(run.wait().code(), Some(0));
        let said = run.stderr();
        assert!(said.contains("the agent wants version 9 of the protocol, not 1"), "{said}");
    });
}

#[test]
fn an_agent_that_refuses_is_quoted() {
    each("refused", |binary| {
        let mut run = Run::start(
            binary,
            &["--flush-timeout", "200ms"],
            &["sh", "-c", "echo > up; while [ ! -e go ]; do sleep 0.02; done"],
        );
        run.agent.manners.mute = true;
        run.agent.serve_until("greeting", |agent| agent.greetings.len() == 1);
        run.agent.answer(&Frame::Refused(Refused { code: "LA06", reason: "another client is connected" }));
        run.agent.serve_until("end of the connection", |agent| !agent.is_connected());
        std::fs::write(run.dir().join("go"), "").unwrap();
        assert_eq!(run.wait().code(), Some(0));
        let said = run.stderr();
        assert_eq!(said.matches("LA06: another client is connected").count(), 1, "{said}");
    });
}

#[test]
fn a_refusal_at_the_door_is_heard_though_the_door_is_shut() {
    each("turned away", |binary| {
        let script = "while [ ! -e go ]; do sleep 0.02; done";
        let mut run = Run::start(binary, &["--flush-timeout", "200ms"], &["sh", "-c", script]);
        run.agent.turn_away(&Frame::Refused(Refused { code: "LA07", reason: "wrong user" }));
        std::fs::write(run.dir().join("go"), "").unwrap();
        assert_eq!(run.wait().code(), Some(0));
        let said = run.stderr();
        assert_eq!(said.matches("LA07: wrong user").count(), 1, "{said}");
    });
}

#[test]
fn row_36_a_silent_agent_counts_as_dead() {
    each("row_36", |binary| {
        let mut run = Run::shell(binary, "echo 1; while [ ! -e go ]; do sleep 0.02; done; echo 2");
        run.agent.manners.heartbeat_ms = 100;
        run.agent.manners.pongs = false;
        run.agent.manners.acks = false;
        run.agent.serve_until("second greeting", |agent| agent.greetings.len() == 2);
        assert!(run.agent.pings >= 1);
        run.agent.manners.pongs = true;
        run.agent.manners.acks = true;
        run.agent.serve_until("heartbeats", |agent| agent.pings >= 6);
        std::fs::write(run.dir().join("go"), "").unwrap();
        assert_eq!(run.finish().code(), Some(0));
        assert_eq!(run.agent.lines(Stream::Stdout), ["1", "2"]);
    });
}
