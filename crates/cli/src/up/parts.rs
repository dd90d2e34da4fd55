//! The parts of `logway up`, each in a task: started one after another, ended in the opposite order.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exit::Exit;
use crate::fail::Fail;

/// How long the parts may take to end once they are told.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// The parts that run.
#[derive(Default)]
pub(super) struct Parts(Vec<Part>);

struct Part {
    name: &'static str,
    task: JoinHandle<Result<()>>,
    end: watch::Sender<bool>,
}

/// What tells a part to end.
pub(super) type Ending = watch::Receiver<bool>;

/// Resolves when the part is to end.
pub(super) async fn until(mut ending: Ending) {
    // An error means that whoever would tell is gone, which is as good.
    let _ = ending.wait_for(|end| *end).await;
}

impl Parts {
    /// Starts a part. What others of it need must have been started before: it ends after them.
    pub(super) fn start<F>(&mut self, name: &'static str, run: impl FnOnce(Ending) -> F)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (end, ending) = watch::channel(false);
        self.0.push(Part { name, task: tokio::spawn(run(ending)), end });
    }

    /// Waits for a part to end by itself, which none should, and says why.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        let parts = &mut self.0;
        poll_fn(|cx| {
            for at in 0..parts.len() {
                if let Poll::Ready(ended) = Pin::new(&mut parts[at].task).poll(cx) {
                    // A task that has ended must not be asked again.
                    let name = parts.remove(at).name;
                    return Poll::Ready(match ended {
                        Ok(Ok(())) => anyhow::anyhow!("the {name} ended by itself"),
                        Ok(Err(error)) => error,
                        Err(error) => anyhow::Error::new(error).context(format!("the {name} failed")),
                    });
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Ends them, the last one first: its last words still go through those before it. The first failure is given.
    pub(super) async fn end(self) -> Result<Exit> {
        let all = async {
            let mut result = Ok(());
            for part in self.0.into_iter().rev() {
                part.end.send_replace(true);
                let ended = part.task.await.with_context(|| format!("ending the {}", part.name));
                result = result.and(ended.and_then(|ended| ended));
            }
            result
        };
        match tokio::time::timeout(END_PATIENCE, all).await {
            Ok(result) => result.map(|()| Exit::Ok),
            Err(_) => Fail::new(Exit::Timeout, "the parts did not end in time").err(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::fail::describe;

    #[tokio::test]
    async fn parts_end_in_the_opposite_order() {
        let (mut parts, order) = (Parts::default(), Arc::new(Mutex::new(Vec::new())));
        for name in ["broker", "registry", "agent"] {
            let order = Arc::clone(&order);
            parts.start(name, |ending| async move {
                until(ending).await;
                order.lock().unwrap().push(name);
                if name == "registry" { anyhow::bail!("no") } else { Ok(()) }
            });
        }
        let (text, _) = describe(&parts.end().await.unwrap_err());
        assert_eq!(text, "error: no\n");
        assert_eq!(*order.lock().unwrap(), ["agent", "registry", "broker"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_ends_by_itself_is_named_and_one_that_does_not_end_is_left() {
        let mut parts = Parts::default();
        parts.start("broker", |ending| async {
            until(ending).await;
            Ok(())
        });
        parts.start("agent", |_| async { Ok(()) });
        parts.start("registry", |_| std::future::pending());
        assert_eq!(parts.ended().await.to_string(), "the agent ended by itself");
        assert_eq!(describe(&parts.end().await.unwrap_err()).1, Exit::Timeout);
    }
}
