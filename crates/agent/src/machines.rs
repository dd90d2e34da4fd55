//! All Machines of the host: registered or not, and the task that serves each.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use line::{Address, Boot, Name, OrgId};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::accept;
use crate::admin::{AppStatus, MachineInfo, Registered, Registration, Status};
use crate::context::Context;
use crate::error::chain;
use crate::machine::{Machine, Terms};
use crate::rate::{RateLimit, Rates};
use crate::registry::{Entry, Refusal, Registry};
use crate::socket::{MachineSocket, make_private_dir};
use crate::spool::{BootState, Recovery};
use crate::writer::Job;
use crate::{Config, Error};

/// How long to wait before the end of a registration is tried again that could not be journalled.
const END_DELAY: Duration = Duration::from_secs(1);

/// What a Machine's task is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Go on.
    No,
    /// The agent ends: take what is in the socket, and leave the boots open.
    Agent,
    /// The Machine is deregistered: end its boots.
    Machine,
}

/// All Machines.
#[derive(Debug)]
pub(crate) struct Machines {
    context: Arc<Context>,
    dir: PathBuf,
    default_rate: Option<u64>,
    grace: Duration,
    /// Locked before `running`, and as long as a registration begins or ends.
    registry: Mutex<Registry>,
    running: Mutex<HashMap<Name, Running>>,
    rates: Mutex<Rates>,
}

#[derive(Debug)]
struct Running {
    machine: Arc<Machine>,
    stop: watch::Sender<Stop>,
    task: JoinHandle<()>,
}

/// What became of a Machine that seemed to be over.
#[derive(Debug)]
enum Ended {
    /// It was registered again, and goes on.
    Goes,
    /// Somebody else had ended it.
    Before,
    /// Its registration has ended.
    Now(Entry),
}

impl Machines {
    /// Reads the journal and listens for all Machines in it.
    pub(crate) fn open(
        context: Arc<Context>,
        config: &Config,
        recovery: &Recovery,
    ) -> Result<Arc<Self>, Error> {
        let dir = config.data_dir.join("m");
        let io = |source| Error::Io { action: "make the directory", path: dir.clone(), source };
        make_private_dir(&dir).map_err(io)?;
        let registry = Registry::open(Arc::clone(&config.disk), &config.data_dir.join("journal"))
            .map_err(Error::Journal)?;
        let machines = Arc::new(Self {
            context,
            dir,
            default_rate: config.rate_limit,
            grace: config.grace,
            registry: Mutex::new(registry),
            running: Mutex::default(),
            rates: Mutex::default(),
        });
        machines.reopen(&recovery.boots)?;
        Ok(machines)
    }

    /// What all parts of the agent share.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Name, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the sockets of all registered Machines again. `boots` is what the spool knows: those that have not ended get
    /// their time to come back, also those of Machines that are not registered any more. A Machine whose socket cannot be made
    /// is left out: the others must not wait for it.
    fn reopen(self: &Arc<Self>, boots: &[BootState]) -> Result<(), Error> {
        let entries: Vec<Entry> = self.registry().entries().cloned().collect();
        let slots: Vec<u64> = entries.iter().map(|entry| entry.slot).collect();
        let error = |source| Error::Io { action: "clean up", path: self.dir.clone(), source };
        crate::socket::remove_stale(&self.dir, &slots).map_err(error)?;
        let mut open: Vec<&BootState> = boots.iter().filter(|boot| !boot.ended).collect();
        for entry in entries {
            let key = entry.address.key();
            let machine = self.machine(&entry);
            open.retain(|boot| {
                let own = *boot.key == *key.as_bytes();
                if own {
                    machine.was_seen.store(true, Ordering::Release);
                }
                if own && !boot.is_stated() {
                    machine.remember(Boot::from_bits(boot.boot));
                }
                !own
            });
            if let Err(why) = self.start(&entry, Arc::clone(&machine)) {
                let Address { org, app, instance, .. } = &entry.address;
                tracing::error!(code = "LA14", %org, %app, %instance, error = %chain(&why), "the socket of a Machine cannot be made, it is left out until it is registered again");
                accept::vanish_unserved(&self.context, machine);
            }
        }
        accept::vanish_orphans(&self.context, &open);
        Ok(())
    }

    fn machine(&self, entry: &Entry) -> Arc<Machine> {
        let metrics = self.context.metrics.app(&entry.address);
        Arc::new(Machine::new(entry.address.clone(), self.terms(entry), metrics))
    }

    fn terms(&self, entry: &Entry) -> Terms {
        Terms { rate: self.rate(entry), ephemeral: entry.registration.ephemeral }
    }

    fn rate(&self, entry: &Entry) -> Option<Arc<RateLimit>> {
        let lines_per_second = entry.registration.rate.or(self.default_rate)?;
        let app = format!("{}.{}", entry.address.org, entry.address.app);
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        Some(rates.limit(app, lines_per_second, Instant::now()))
    }

    fn start(self: &Arc<Self>, entry: &Entry, machine: Arc<Machine>) -> Result<(), Error> {
        let socket = MachineSocket::new(&self.dir, entry.slot);
        let listener = socket.listen(entry.registration.uid)?;
        let (stop, stopped) = watch::channel(Stop::No);
        let mut door = accept::Door {
            context: Arc::clone(&self.context),
            machine: Arc::clone(&machine),
            listener,
            uid: entry.registration.uid,
            stop: stopped,
        };
        let machines = Arc::downgrade(self);
        // Held until the task is entered, so that it cannot be over before.
        let mut running = self.running();
        let task = tokio::spawn(async move {
            while let accept::Outcome::Over { registrations } = door.serve().await {
                let Some(machines) = machines.upgrade() else { return };
                if machines.over(&door.machine, registrations).await {
                    return;
                }
            }
        });
        self.context.metrics.machines.inc();
        running.insert(entry.address.instance.clone(), Running { machine, stop, task });
        Ok(())
    }

    /// Registers a Machine and listens on its socket.
    pub(crate) async fn register(
        self: &Arc<Self>,
        registration: Registration,
    ) -> Result<Registered, Refusal> {
        let (machines, runtime) = (Arc::clone(self), Handle::current());
        blocking(move || {
            let _inside = runtime.enter();
            machines.register_now(registration)
        })
        .await
    }

    fn register_now(self: &Arc<Self>, registration: Registration) -> Result<Registered, Refusal> {
        // The path of the longest slot, so that a Machine is not journalled whose socket cannot be made.
        let longest = MachineSocket::new(&self.dir, u64::from(u32::MAX));
        crate::socket::check_path(longest.path()).map_err(|why| refusal(&why))?;
        // Held to the end: a Machine is either over before, or knows that it was registered again.
        let mut registry = self.registry();
        let (entry, _new) = registry.register(registration)?;
        let running = self.running().get(&entry.address.instance).map(|running| Arc::clone(&running.machine));
        if let Some(machine) = running {
            machine.register(self.terms(&entry));
        } else {
            let machine = self.machine(&entry);
            machine.register(self.terms(&entry));
            if let Err(why) = self.start(&entry, machine) {
                registry.end(&entry.address.org, &entry.address.instance)?;
                return Err(refusal(&why));
            }
        }
        Ok(self.registered(&entry))
    }

    fn registered(&self, entry: &Entry) -> Registered {
        Registered {
            socket: MachineSocket::new(&self.dir, entry.slot).path().to_owned(),
            app: entry.address.app.to_string(),
            region: entry.address.region.to_string(),
            instance: entry.address.instance.to_string(),
        }
    }

    /// Ends a registration: the connection is closed, what its boots left is stated, the socket is removed.
    pub(crate) async fn deregister(self: &Arc<Self>, org: &str, instance: &str) -> Result<(), Refusal> {
        let bad = |why: line::Error| Refusal::new("LA12", why.to_string());
        let (org, name) = (OrgId::new(org).map_err(bad)?, Name::new("instance", instance).map_err(bad)?);
        let machines = Arc::clone(self);
        let ended = blocking(move || {
            let mut registry = machines.registry();
            let entry = registry.end(&org, &name)?;
            Ok(entry.map(|entry| (machines.running().remove(&name), entry)))
        });
        let Some((running, entry)) = ended.await? else { return Ok(()) };
        if let Some(running) = running {
            running.stop.send_replace(Stop::Machine);
            // A task that has panicked has nothing more to say.
            let _ended = running.task.await;
            self.context.metrics.machines.dec();
        }
        self.clear(&entry).await
    }

    /// An ephemeral Machine is over, everything of it is on disk. False if it was registered again, so that somebody still
    /// comes, or if its end cannot be journalled now.
    async fn over(self: &Arc<Self>, machine: &Arc<Machine>, registrations: u64) -> bool {
        let (machines, ending) = (Arc::clone(self), Arc::clone(machine));
        let ended = blocking(move || machines.end_if_over(&ending, registrations)).await;
        let cleared = match ended {
            Ok(Ended::Goes) => return false,
            Ok(Ended::Before) => Ok(()),
            Ok(Ended::Now(entry)) => {
                self.context.metrics.machines.dec();
                self.clear(&entry).await
            }
            Err(why) => {
                tracing::warn!(code = why.code, error = %why.message, "the end of a registration could not be written");
                sleep(END_DELAY).await;
                return false;
            }
        };
        if let Err(why) = cleared {
            tracing::warn!(code = why.code, error = %why.message, "a registration has ended and left something behind");
        }
        true
    }

    fn end_if_over(&self, machine: &Arc<Machine>, registrations: u64) -> Result<Ended, Refusal> {
        let mut registry = self.registry();
        let name = &machine.address.instance;
        let is_here = |running: &Running| Arc::ptr_eq(&running.machine, machine);
        if !self.running().get(name).is_some_and(is_here) {
            return Ok(Ended::Before);
        }
        if machine.registrations() != registrations {
            return Ok(Ended::Goes);
        }
        let ended = registry.end(&machine.address.org, name)?;
        self.running().remove(name);
        Ok(ended.map_or(Ended::Before, Ended::Now))
    }

    /// Takes away what is left of a registration that has ended. Its slot is never used again.
    async fn clear(&self, entry: &Entry) -> Result<(), Refusal> {
        // Nobody can come back with lines any more.
        self.context.queue.push(Job::Retire { key: entry.address.key().as_bytes().into() }).await;
        let socket = MachineSocket::new(&self.dir, entry.slot);
        let path = socket.path().display().to_string();
        let failed =
            move |why| Refusal::new("LA14", format!("cannot remove {path} and its directory: {why}"));
        blocking(move || socket.remove().map_err(failed)).await
    }

    /// The registered Machines, by name.
    pub(crate) async fn list(self: &Arc<Self>) -> Result<Vec<MachineInfo>, Refusal> {
        let machines = Arc::clone(self);
        blocking(move || Ok(machines.list_now())).await
    }

    fn list_now(&self) -> Vec<MachineInfo> {
        let registry = self.registry();
        let running = self.running();
        let connected = |name| running.get(name).is_some_and(|running| running.machine.is_live());
        let info = registry.entries().map(|entry| MachineInfo {
            org: entry.address.org.to_string(),
            registered: self.registered(entry),
            ephemeral: entry.registration.ephemeral,
            connected: connected(&entry.address.instance),
        });
        info.collect()
    }

    /// How the agent is.
    pub(crate) fn status(&self) -> Status {
        let context = &self.context;
        let running = self.running();
        let mut apps: Vec<AppStatus> = running.values().map(|running| running.machine.app_status()).collect();
        apps.sort_by(|a, b| (&a.org, &a.app).cmp(&(&b.org, &b.app)));
        apps.dedup();
        Status {
            host: context.host.clone(),
            region: context.region.to_string(),
            bus: context.outlet.state(),
            fault: context.health.fault(),
            machines: running.len() as u64,
            connected: running.values().filter(|running| running.machine.is_live()).count() as u64,
            spool_unsent_bytes: context.metrics.spool_unsent_bytes(),
            spool_quota_bytes: context.spool_quota_bytes,
            lag_seconds: context.health.lag().as_secs_f64(),
            store: context.store.as_ref().map(|store| store.status()),
            apps,
        }
    }

    /// Stops all Machines' tasks, each after it has taken what is in its socket.
    pub(crate) async fn stop(&self) {
        let running: Vec<Running> = self.running().drain().map(|(_, running)| running).collect();
        for one in &running {
            one.stop.send_replace(Stop::Agent);
        }
        let until = tokio::time::Instant::now() + self.grace;
        for mut one in running {
            // One that waits for a full disk is cut off: init sends again what was not acknowledged.
            if tokio::time::timeout_at(until, &mut one.task).await.is_err() {
                one.task.abort();
            }
        }
    }
}

fn refusal(why: &Error) -> Refusal {
    let code = if matches!(why, Error::PathTooLong { .. }) { "LA13" } else { "LA14" };
    Refusal::new(code, chain(why))
}

/// Runs what waits for the disk where it disturbs nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let failed = |why| Refusal::new("LA14", format!("the agent could not do it: {why}"));
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
