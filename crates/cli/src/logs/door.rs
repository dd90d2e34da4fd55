//! Live lines through a front door: what comes, as it comes. There is nobody yet to ask for what came before or in between.

use anyhow::Result;
use bus::client::{Client, Delivery, Status, Subscription};
use line::subject;

use super::item::Item;
use super::printer::Printer;
use super::tail::Scope;
use crate::context::Context;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::login;
use crate::output::notice;
use crate::signals::Signals;

/// Lines that are taken at once before they are written.
const BATCH: usize = 512;

/// Shows lines until a signal comes.
pub(super) async fn follow(
    context: &Context,
    scope: &Scope,
    mut printer: Printer,
    mut signals: Signals,
) -> Result<Exit> {
    let client = tokio::select! {
        client = connect(context) => client?,
        _ = signals.next() => return Ok(Exit::Interrupted),
    };
    let (app, region, instance) = (scope.app.as_ref(), scope.region.as_ref(), scope.instance.as_ref());
    let mut lines = client.subscribe(&subject::client_pattern(app, region, instance), None).await?;
    notice(&format!("● live: {}", scope.describe()));
    let mut status = client.status();
    status.mark_unchanged();
    loop {
        tokio::select! {
            delivery = lines.next() => {
                let Some(delivery) = delivery else {
                    notice("■ ended: the front door closed the subscription");
                    return Ok(Exit::Disconnected);
                };
                take(delivery, &mut lines, &mut printer)?;
                printer.flush()?;
            }
            Ok(()) = status.changed() => match &*status.borrow_and_update() {
                Status::Refused { .. } => return Err(login::refused(&context.server)),
                Status::Connecting { .. } => notice("◌ reconnecting: lines that come meanwhile are not shown"),
                Status::Connected { .. } => notice("● live again"),
                Status::Closed => {}
            },
            signal = signals.next() => {
                printer.flush()?;
                notice(&format!("■ ended: {signal}"));
                return Ok(Exit::Ok);
            }
        }
    }
}

async fn connect(context: &Context) -> Result<Client> {
    let client = Client::start(login::options(context, "logway logs")?);
    let server = &context.server;
    match login::settle(&client).await {
        Status::Connected { .. } => Ok(client),
        Status::Refused { .. } => Err(login::refused(server)),
        Status::Connecting { last_error, .. } => {
            Fail::new(Exit::Disconnected, format!("cannot reach the front door at {server}"))
                .why(last_error.unwrap_or_else(|| "it does not answer".to_owned()))
                .hint("check the address; 'logway logout' forgets it")
                .err()
        }
        Status::Closed => {
            Fail::new(Exit::Disconnected, format!("the connection to {server} was closed")).err()
        }
    }
}

/// Takes a delivery and those that wait behind it.
fn take(first: Delivery, lines: &mut Subscription, printer: &mut Printer) -> Result<()> {
    let mut next = Some(first);
    for _ in 0..BATCH {
        match next {
            Some(Delivery::Message(message)) => {
                if let Some(item) = Item::read(message.payload) {
                    printer.item(&item, item.message.entry.span)?;
                }
            }
            Some(Delivery::Denied { .. }) => {
                return Fail::new(Exit::Refused, "the token does not allow to read these lines")
                    .code("LR13")
                    .hint("name an app or a region that it is for; 'logway tokens inspect' says which")
                    .err();
            }
            // The status says it.
            Some(Delivery::Interrupted { .. } | Delivery::NoResponders) => {}
            None => break,
        }
        next = lines.try_next();
    }
    Ok(())
}
