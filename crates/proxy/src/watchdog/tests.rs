use proptest::prelude::*;

use super::*;

fn host(number: usize) -> HostName {
    HostName { region: "lhr".to_owned(), host: format!("h{number}") }
}

/// A watchdog and its clock.
struct Play {
    dog: Watchdog,
    now: Instant,
}

impl Play {
    fn new(servers: usize) -> Self {
        let now = Instant::now();
        let mut dog = Watchdog::new(servers);
        dog.connected(now);
        Self { dog, now }
    }

    /// Lets so many seconds pass in which these hosts send heartbeats, and gives the looks that came to something, by the second.
    fn run(&mut self, seconds: u64, hosts: &[usize]) -> Vec<(u64, Report)> {
        let mut reports = Vec::new();
        for second in 1..=seconds {
            self.now += Duration::from_secs(1);
            if second % HEARTBEAT_SECONDS == 0 {
                self.beat(hosts);
            }
            let report = self.dog.look(self.now);
            if report != Report::default() {
                // Who is told to, does: the connection is a new one.
                if report.reconnect.is_some() {
                    self.dog.disconnected();
                    self.dog.connected(self.now);
                }
                reports.push((second, report));
            }
        }
        reports
    }

    fn beat(&mut self, hosts: &[usize]) -> Vec<usize> {
        let now = self.now;
        let healed = |number: &&usize| self.dog.heard(&host(**number), now);
        hosts.iter().filter(healed).copied().collect()
    }

    fn counts(&self) -> (usize, usize, usize) {
        let counts = self.dog.counts(self.now);
        (counts.heard, counts.silent, counts.unknown)
    }
}

fn names(report: &Report) -> Vec<&str> {
    report.silent.iter().map(|silence| silence.host.host.as_str()).collect()
}

#[test]
fn a_host_that_dies_is_said_once_and_costs_no_connection() {
    let mut play = Play::new(3);
    assert_eq!(play.run(20, &[1, 2, 3, 4]), []);
    assert_eq!(play.counts(), (4, 0, 0));
    // Its last heartbeat was now: it is missed after twelve and a half seconds.
    let reports = play.run(60, &[1, 2, 3]);
    let [(13, report)] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((names(report), report.reconnect), (vec!["h4"], None));
    assert_eq!(report.silent[0].heard_ago, Some(Duration::from_secs(13)));
    assert_eq!(play.counts(), (3, 1, 0));
    assert_eq!(play.beat(&[1, 2, 3, 4]), [4]);
    assert_eq!(play.counts(), (4, 0, 0));
    assert!(!play.dog.heard(&host(4), play.now));
    let [(1, report)] = &play.run(1, &[])[..] else { panic!() };
    assert_eq!(report.healed, [(host(4), Duration::from_secs(47))]);
}

#[test]
fn a_deaf_connection_is_given_up_as_often_as_there_are_other_servers() {
    for (servers, wanted) in [(0, 1), (1, 1), (2, 1), (3, 2), (5, 4)] {
        let mut play = Play::new(servers);
        play.run(20, &[1, 2, 3, 4]);
        let reports = play.run(600, &[4]);
        let changes: Vec<_> =
            reports.iter().filter_map(|(second, report)| Some((*second, report.reconnect?))).collect();
        assert_eq!(changes.len(), wanted, "{servers} servers: {changes:?}");
        assert_eq!(changes[0], (13, (3, 4)));
        assert!(changes.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 30), "{changes:?}");
        assert_eq!(play.counts(), (1, 3, 0), "said once, and not healed by a new connection");
        // They are dead, then. The next one to die must not be taken for the half of all.
        assert!(play.run(60, &[]).iter().all(|(_, report)| report.reconnect.is_none()));
        // Once heard, they are worth a change again.
        assert_eq!(play.beat(&[1, 2, 3, 4]), [1, 2, 3, 4]);
        assert!(play.run(60, &[4]).iter().any(|(_, report)| report.reconnect == Some((3, 4))));
    }
}

#[test]
fn when_another_server_hears_all_is_well() {
    let mut play = Play::new(2);
    play.run(20, &[1, 2, 3]);
    let reports = play.run(14, &[3]);
    assert!(reports.iter().any(|(_, report)| report.reconnect == Some((2, 3))));
    assert_eq!(play.beat(&[1, 2, 3]), [1, 2]);
    let [(1, report)] = &play.run(600, &[1, 2, 3])[..] else { panic!("nothing but that they are back") };
    assert_eq!((report.healed.len(), report.silent.len(), report.reconnect), (2, 0, None));
}

#[test]
fn what_makes_most() {
    for (known, silent, wanted) in
        [(1, 1, false), (2, 1, false), (2, 2, true), (3, 2, true), (4, 2, true), (5, 2, false), (5, 3, true)]
    {
        let all: Vec<_> = (0..known).collect();
        let mut play = Play::new(2);
        play.run(10, &all);
        let reports = play.run(20, &all[silent..]);
        let is_given_up = reports.iter().any(|(_, report)| report.reconnect.is_some());
        assert_eq!(is_given_up, wanted, "{silent} of {known}");
    }
}

#[test]
fn one_that_is_known_to_live_is_enough() {
    let mut play = Play::new(2);
    play.run(10, &[1, 2, 3, 4, 5]);
    play.run(11, &[1, 2, 3, 4]);
    play.dog.alive(&host(5), play.now);
    let reports = play.run(10, &[1, 2, 3, 4]);
    assert_eq!(reports[0].1.reconnect, Some((1, 5)));
    assert!(reports[0].1.silent[0].is_alive);
    // Long ago does not count.
    let mut play = Play::new(2);
    play.run(10, &[1, 2, 3]);
    play.dog.alive(&host(3), play.now);
    play.run(5, &[1, 2]);
    assert!(
        play.run(60, &[1, 2])
            .iter()
            .all(|(_, report)| report.reconnect.is_none() || report.silent[0].is_alive)
    );
}

#[test]
fn without_a_connection_nobody_is_missed() {
    let mut play = Play::new(2);
    play.run(10, &[1, 2]);
    play.dog.disconnected();
    assert_eq!(play.run(600, &[]), []);
    assert_eq!(play.counts(), (0, 0, 2));
    play.dog.connected(play.now);
    assert_eq!(play.run(12, &[]), []);
    assert_eq!(play.run(1, &[])[0].1.silent.len(), 2);
}

#[test]
fn those_that_the_registry_knows_are_expected() {
    let mut play = Play::new(2);
    play.dog.expect([host(1), host(2), host(3), host(4), host(5)]);
    assert_eq!(play.counts(), (0, 0, 5));
    let reports = play.run(20, &[1, 2, 3, 4]);
    assert_eq!((names(&reports[0].1), reports[0].1.silent[0].heard_ago), (vec!["h5"], None));
    // Known ones are never forgotten, others after an hour.
    assert_eq!(play.run(3 * 60 * 60, &[1, 2, 3, 4]), []);
    play.dog.expect([host(1), host(2), host(3), host(4)]);
    assert_eq!(play.counts(), (4, 0, 0));
    play.dog.expect([host(1), host(2), host(3)]);
    let reports = play.run(3 * 60 * 60, &[1, 2, 3]);
    assert_eq!((names(&reports[0].1), reports[1].1.forgotten), (vec!["h4"], 1));
    assert_eq!((reports.len(), play.counts()), (2, (3, 0, 0)));
}

#[test]
fn bounds() {
    let mut play = Play::new(2);
    let all: Vec<_> = (0..MAX_HOSTS + 5).collect();
    play.beat(&all);
    for bad in [String::new(), "x".repeat(64)] {
        play.dog.heard(&HostName { region: "lhr".to_owned(), host: bad.clone() }, play.now);
        play.dog.heard(&HostName { region: bad, host: "h".to_owned() }, play.now);
    }
    let counts = play.dog.counts(play.now);
    assert_eq!((counts.heard, counts.unwatched), (MAX_HOSTS, 9));
    let reports = play.run(20, &[]);
    assert_eq!((reports[0].1.silent.len(), reports[0].1.more_silent), (MAX_NAMED, MAX_HOSTS - MAX_NAMED));
    assert!(names(&reports[0].1).is_sorted());
    play.beat(&all);
    let report = play.dog.look(play.now);
    assert_eq!((report.healed.len(), report.more_healed), (MAX_NAMED, MAX_HOSTS - MAX_NAMED));
}

#[derive(Debug, Clone)]
enum Step {
    Heard(usize),
    Alive(usize),
    Expect(usize),
    Connected,
    Disconnected,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6usize).prop_map(Step::Heard),
        1 => (0..6usize).prop_map(Step::Alive),
        1 => (0..6usize).prop_map(Step::Expect),
        1 => Just(Step::Connected),
        1 => Just(Step::Disconnected),
        6 => (1..20u64).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever happens: who was heard lately is not silent, a silence is said once, and servers are not changed more often than the
    /// bound allows.
    #[test]
    fn it_neither_cries_wolf_nor_runs_wild(steps in prop::collection::vec(step(), 1..200)) {
        let mut play = Play::new(3);
        let mut heard: HashMap<HostName, Instant> = HashMap::new();
        let mut said: Vec<HostName> = Vec::new();
        let mut changed: Option<Instant> = None;
        for step in steps {
            match step {
                Step::Heard(number) => {
                    let was_silent = play.dog.heard(&host(number), play.now);
                    let before = said.len();
                    said.retain(|name| *name != host(number));
                    prop_assert_eq!(was_silent, said.len() < before);
                    heard.insert(host(number), play.now);
                }
                Step::Alive(number) => play.dog.alive(&host(number), play.now),
                Step::Expect(count) => {
                    play.dog.expect((0..count).map(host));
                    said.retain(|name| play.dog.hosts.contains_key(name));
                }
                Step::Connected => play.dog.connected(play.now),
                Step::Disconnected => play.dog.disconnected(),
                Step::Pass(seconds) => play.now += Duration::from_secs(seconds),
            }
            let report = play.dog.look(play.now);
            for silence in &report.silent {
                let lately = heard.get(&silence.host).is_some_and(|at| play.now - *at < SILENT_AFTER);
                prop_assert!(!lately && !said.contains(&silence.host), "{:?}", silence);
                said.push(silence.host.clone());
            }
            if let Some((silent, known)) = report.reconnect {
                prop_assert!(silent >= 1 && silent <= known && !said.is_empty());
                prop_assert!(changed.is_none_or(|at| play.now - at >= SETTLE));
                changed = Some(play.now);
            }
            // Some were silent for an hour.
            said.retain(|name| play.dog.hosts.contains_key(name));
            prop_assert_eq!(play.dog.counts(play.now).silent, said.len());
        }
    }
}
