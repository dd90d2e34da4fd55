//! The catalogue of the codes that Logway's own messages carry: what happened, why, and what to do.
//!
//! The second letter is the family: LI init, LA agent, LB bus, LR registry and access, LP proxy (then LS store, LX ship,
//! LQ query). A code's meaning never changes and a retired code is never used again. `logway explain CODE` prints an entry.

/// One entry of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code, as `LA02`.
    pub code: &'static str,
    /// What happened, in a few words.
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What the first two letters of a code say: which part of the system, or of a platform's proxy, it is about.
const FAMILIES: &[(&str, &str)] = &[
    ("LI", "init"),
    ("LA", "agent"),
    ("LB", "bus"),
    ("LR", "registry and access"),
    ("LP", "front door"),
    ("LS", "store"),
    ("LX", "shipper"),
    ("LQ", "query"),
];

impl Code {
    /// Which part of the system, or of a platform's proxy, it is about.
    pub fn family(&self) -> &'static str {
        FAMILIES.iter().find(|(letters, _)| self.code.starts_with(letters)).map_or("", |(_, name)| name)
    }
}

/// The entry of `code`, in any case; `None` if there is none.
pub fn find(code: &str) -> Option<&'static Code> {
    ALL.iter().find(|c| c.code.eq_ignore_ascii_case(code.trim()))
}

const fn code(code: &'static str, title: &'static str, cause: &'static str, remedy: &'static str) -> Code {
    Code { code, title, cause, remedy }
}

/// All codes, by family and number.
pub const ALL: &[Code] = &[
    code(
        "LI01",
        "Nothing to run",
        "Init was given no command: neither arguments after `--` nor an entrypoint.",
        "Give the command after `--`, as in `logway run --app web -- ./server`. The exit code is 125.",
    ),
    code(
        "LI02",
        "Command not found",
        "The program does not exist, or its interpreter (the line after `#!`, or the dynamic loader) does not.",
        "Check the path and PATH of the Machine, and that the image has the interpreter. The exit code is 127.",
    ),
    code(
        "LI03",
        "Command not executable",
        "The file exists but the kernel will not run it: no execute permission, a directory, or a wrong format.",
        "`chmod +x` the file, or build it for this architecture. The exit code is 126.",
    ),
    code(
        "LI04",
        "Lines dropped in the Machine",
        "The host could not take lines as fast as the app wrote them, init's ring was full, and the policy is `drop-oldest`.",
        "Look for the reason on the host (agent down, disk full). To never lose a line, run with `--policy block`: the app then waits.",
    ),
    code(
        "LI05",
        "Output still held open",
        "The main process ended, but another process still has its output open and did not end within its time.",
        "Have the app wait for its children, or end them on SIGTERM. What they write after this point is lost.",
    ),
    code(
        "LI06",
        "Last lines not confirmed",
        "The Machine ended before the host agent confirmed that the last lines are on disk.",
        "Look whether the agent runs (`logway up`) and answers. A longer `--flush-timeout` waits longer.",
    ),
    code(
        "LI07",
        "Killed for lack of memory",
        "The kernel killed the app because memory ran out, in its cgroup or on the whole machine.",
        "Give the Machine more memory, or find what grows.",
    ),
    code(
        "LI08",
        "Agent not reachable",
        "Init cannot connect to the host agent's socket. Lines are kept in memory until it can.",
        "Start the agent (`logway up`), and check that the socket path is the one it printed.",
    ),
    code(
        "LA01",
        "Spool nearly full",
        "The host's spool is more than 80 % full because its lines cannot go on, and this app has used its share of it.",
        "Bring back what takes the lines (NATS, the store), or give the spool more room with `--spool-quota`.",
    ),
    code(
        "LA02",
        "Machine vanished",
        "A Machine's connection ended without a goodbye and it did not come back: killed, crashed, or its host lost power.",
        "The lines that it still held are gone; the count is what the agent knows of. Look for the cause at that time.",
    ),
    code(
        "LA03",
        "Spool damaged",
        "A part of the agent's spool could not be read: a torn or flipped block, or a file that was removed.",
        "The damaged file is set aside in the spool's folder. Check the disk; the lines of the gap may still be in the store.",
    ),
    code(
        "LA04",
        "Rate limit",
        "The app wrote more lines a second than its limit allows.",
        "Raise or remove the limit (`--rate`), or have the app write less.",
    ),
    code(
        "LA05",
        "Live output skipped ahead",
        "The bus was away for so long that live readers would only see old lines.",
        "Nothing is lost: the skipped lines are in the store. Look why the bus was away.",
    ),
    code(
        "LA06",
        "Second client refused",
        "A socket of the agent takes one client at a time, and one is connected.",
        "Two programs use the same instance id, or two commands the admin socket. Give each its own, or try again.",
    ),
    code(
        "LA07",
        "Wrong user",
        "A process of another user than the one that was registered tried to use a socket of the agent.",
        "Run init as the registered user. The socket lies in a private folder of the agent: mount the socket's folder into the Machine, or connect before dropping privileges.",
    ),
    code(
        "LA08",
        "Records missing from the sequence",
        "Records arrived whose numbers skip some, or in a form that this version does not read.",
        "Check that init and agent are of the same release. If it goes on, keep the spool's folder for a report.",
    ),
    code(
        "LA09",
        "Machine's clock is off",
        "The Machine's clock differs from the host's by more than an hour, so the host's time is used and marked.",
        "Set the Machine's clock.",
    ),
    code(
        "LA10",
        "Instance belongs to another org",
        "An instance id that was registered for one org cannot be used for another, ever.",
        "Use a fresh instance id; `logway run` makes one when `--instance` is not given.",
    ),
    code(
        "LA11",
        "NATS not reachable",
        "The agent has no connection to NATS. Lines are spooled on disk and go out when it is back.",
        "Check the address given with `--nats` and that the server runs. Watch the spool's size meanwhile.",
    ),
    code(
        "LA12",
        "Bad name",
        "The name of an app, region or instance is empty or too long.",
        "Use 1 to 63 characters, best of a-z, 0-9 and '-'. Others are taken and escaped, as `%2E` for a dot.",
    ),
    code(
        "LA13",
        "Socket path too long",
        "The kernel takes at most 107 bytes for the path of a unix socket.",
        "Use a shorter data directory, as `--data /var/lib/logway`.",
    ),
    code(
        "LA14",
        "Data directory not usable",
        "The data directory cannot be made, read or written, or another Logway uses it.",
        "Check owner and permissions, stop the other process, or name another with `--data`.",
    ),
    code(
        "LA15",
        "Disk full",
        "The disk of the data directory is full. Lines stay in the Machines' memory as long as they fit there.",
        "Free some space: the agent goes on by itself.",
    ),
    code(
        "LA16",
        "Batch refused by the store",
        "The store refused a batch of lines; they are in a dead-letter file of the agent, and stated as missing.",
        "See the reason in the agent's log and mend what it names. Each file in the agent's `dead-letter` folder is a request as it was sent: send it again on `sys.append.<shard>`, whose number ends its name, then remove it.",
    ),
    code(
        "LA17",
        "Agent not running",
        "Nothing answers on the agent's admin socket.",
        "Start it with `logway up`, and use the same `--data` here and there.",
    ),
    code(
        "LA18",
        "Instance registered differently",
        "The instance id is registered already, with another app, region or user: two programs use the same id.",
        "Use a fresh instance id; `logway run` makes one when `--instance` is not given.",
    ),
    code(
        "LA19",
        "Store not reached",
        "No store takes the lines, or not all of them. They stay in the spool, and live readers see them as ever, but a search does not find them yet.",
        "See `logway doctor` for what is in the way. Check that the store runs and that its disk has room. Nothing is lost as long as the spool has room.",
    ),
    code(
        "LB01",
        "NATS refused the login",
        "The user or the password is wrong, or none was given: nothing on the bus is anonymous.",
        "Use the credentials in the `bus` folder of the data directory, or those of your NATS cluster.",
    ),
    code(
        "LB02",
        "Not allowed on the bus",
        "This role may not publish or subscribe there. An agent, for one, cannot read lines.",
        "Use the credential of the role that fits: `api` to read lines, `bus/api` in the data directory.",
    ),
    code(
        "LB03",
        "Port taken",
        "Another program listens on the port.",
        "Stop it, or choose another port; port 0 takes any free one.",
    ),
    code(
        "LB04",
        "NATS and we do not agree on TLS",
        "The server requires TLS and nothing says whom to trust, or the address is tls:// and the server does not offer it.",
        "Give the file of the CA that signed the server's certificate, or dial the listener that the address asks for.",
    ),
    code(
        "LB05",
        "Reader too slow",
        "A reader did not take its lines as fast as they came and its queue was full.",
        "Nothing is lost on disk: the reader fetches what it missed. A narrower subscription is faster.",
    ),
    code(
        "LB06",
        "Certificate not accepted",
        "The server's certificate has expired, is for another name, or is not of our CA; or the server does not accept ours.",
        "Renew the certificate, dial a name that stands in it, or give the CA's file and the certificate that belong to this cluster.",
    ),
    code(
        "LR01",
        "Registry damaged",
        "A part of the registry's journal could not be read, or a newer version wrote it: an org, a slug, a key or a revocation may be missing.",
        "Look at `logway orgs list` and `logway tokens list`, and make again what is missing. Revoke again what must stay revoked. Check the disk.",
    ),
    code(
        "LR02",
        "Registry not writable",
        "The disk took no record of the registry's journal: it is full, or fails. What is there can be read; nothing can be changed.",
        "Free some space or mend the disk of the data directory, then try again.",
    ),
    code(
        "LR03",
        "Registry off the bus",
        "The registry has no connection to NATS. Front doors go on with what they know, and hear of no change.",
        "Check the address given with `--nats` and that the server runs.",
    ),
    code(
        "LR04",
        "Registry's state not readable",
        "What the registry sent is damaged, or of another version of the program. The former state stays in use.",
        "Run the same version everywhere. If they are the same, restart the registry.",
    ),
    code(
        "LR05",
        "No such org",
        "No org has this slug or this id, or it has ended.",
        "`logway orgs list` names the orgs. One that was renamed is found by its new slug; one that has ended never comes back.",
    ),
    code(
        "LR06",
        "Slug not usable",
        "A slug is 1 to 63 of the characters a-z, 0-9 and '-', and one org has it at a time.",
        "Choose another, or rename the org that has it: `logway orgs rename OLD NEW`.",
    ),
    code(
        "LR07",
        "Not a usable token",
        "The text is no token of Logway's, or a token with these limits would allow nothing or be too long.",
        "Copy the whole token, from `lw1_` on. `logway tokens inspect` says what is in one; the actions are read, write, ship and admin.",
    ),
    code(
        "LR08",
        "Signing key not usable",
        "The number names no key, or the key is the only one.",
        "`logway tokens keys` lists the keys; `logway tokens rotate` makes a new one.",
    ),
    code(
        "LR09",
        "Registry full",
        "A bound is reached: of orgs, stores, keys, revocations or tokens that are known by name.",
        "End what is not used any more: revoke tokens, end orgs, forget stores. To rotate the key ends every token it has signed.",
    ),
    code(
        "LR10",
        "Signing key lost",
        "The file of the key that signs tokens is missing or damaged. A new key signs from now on; tokens of the old one stay good.",
        "Nothing, if a person removed it. Otherwise look who can write to the `registry` folder of the data directory, and `logway tokens rotate`.",
    ),
    code(
        "LR11",
        "Registry not answering",
        "Nothing answers on the registry's admin socket, or not in time.",
        "Start it with `logway up`, and use the same `--data` here and there.",
    ),
    code(
        "LR12",
        "Registry does not take the request",
        "The admin socket belongs to the user that runs the registry and to root, and takes one request as one line.",
        "Run the command as that user, with the same release of Logway.",
    ),
    code(
        "LR13",
        "Token refused",
        "The front door does not let the token in, or not to these lines. It never says why: the token may be wrong, revoked, expired, or another org's.",
        "Where the registry is, `logway tokens inspect` says why, and `logway tokens create` makes another.",
    ),
    code(
        "LR14",
        "Two registries",
        "Another process on the bus also says what the registry's state is. Front doors would follow now the one, now the other.",
        "Run one registry for each bus: start `logway up --nats ...` with `--no-registry` on all machines but one.",
    ),
    code(
        "LR15",
        "No such store",
        "No store of this name answers on the bus, or shards were never given to it.",
        "`logway store list` names the stores that have or had shards. Start a new one with `logway up --store NAME` before it is given shards.",
    ),
    code(
        "LR16",
        "Store has shards",
        "A store cannot be forgotten while it keeps the lines of some shards: nobody would find them.",
        "Give its shards to another store first: `logway store assign OTHER --all-of STORE`.",
    ),
    code(
        "LR17",
        "Two stores of one name",
        "Two processes on the bus keep lines as the same store. Both keep what comes for its shards, and a search is answered by whichever is quicker.",
        "Give one of them another name with `logway up --store NAME`, or start it with `--no-store`.",
    ),
    code(
        "LP01",
        "Audit log not writable",
        "The front door is to keep who read what, and cannot open the file for it.",
        "Name another file with `--audit`, or make its folder, owned by the user that the front door runs as.",
    ),
    code(
        "LS01",
        "Store in use",
        "Another process has the store's directory open.",
        "Stop that process, or give this one another directory. `logway store` commands that write want the store to be stopped.",
    ),
    code(
        "LS02",
        "Store's disk full",
        "There is no room on the store's disk. What is stored stays readable; new lines wait in the agents' spools.",
        "Make room, or keep lines for a shorter time. The store goes on by itself.",
    ),
    code(
        "LS03",
        "Store's disk fails",
        "The disk refused to write, sync or read a file of the store. Nothing that it refused was acknowledged.",
        "Look into the kernel's log. The store tries again; if the disk is broken, move the directory to another one.",
    ),
    code(
        "LS04",
        "Store damaged",
        "A file of the store is missing, or does not hold what was written to it.",
        "`logway store check` says what is lost, `logway store repair` sets it aside. Files set aside are in the store's `damaged` folder.",
    ),
    code(
        "LS05",
        "Batch not readable",
        "A batch of lines does not decode: it was damaged on its way, or a newer release wrote it.",
        "Give agent and store the same release. The batch is in the agent's dead-letter file.",
    ),
    code(
        "LS06",
        "Store behind",
        "More lines come than the store's disk takes, or the store is being closed. Nothing is lost: agents send again.",
        "If it lasts, give the store a quicker disk, or share the apps among several stores.",
    ),
    code(
        "LS07",
        "Store busy with questions",
        "A store answers as many questions at once as it can, and was asked one more.",
        "Ask again in a moment. If it lasts, narrow what is asked by time and app, or share the apps among several stores.",
    ),
    code(
        "LS08",
        "Answer gone",
        "The rest of an answer was asked for and is not there: nobody had asked for it in 30 seconds, the store has started anew, or the question was none.",
        "Ask again from the beginning. If it comes again, look into the store's log.",
    ),
    code(
        "LS09",
        "Store's thread ended",
        "A thread of the store has ended by a fault of the program. What was acknowledged is safe; no lines are taken any more.",
        "Start it again, and report what its log says.",
    ),
    code(
        "LS10",
        "Org ended",
        "A batch has lines of an org that has ended. What was stored of it is deleted, and nothing more is taken.",
        "Stop its Machines. Agents let go of its lines by themselves.",
    ),
    code(
        "LQ01",
        "Not a query",
        "The text is not LogsQL: a quote or a parenthesis is not closed, a word stands where it means something else, or a value is of the wrong kind.",
        "Look at the byte that the message names. Put text with spaces or signs, and words that mean something to LogsQL, into quotes.",
    ),
    code(
        "LQ02",
        "Not supported yet",
        "The query uses a filter, pipe or function of VictoriaLogs that Logway does not have yet.",
        "docs/logsql.md lists what is supported and what can be used instead.",
    ),
    code(
        "LQ03",
        "Query too large",
        "The query is longer, more deeply nested, or has more filters or larger regular expressions than are taken.",
        "Shorten it. Many values of one field belong into `in(...)`, and alternatives of one regular expression into several filters.",
    ),
    code(
        "LQ04",
        "Limit not usable",
        "An argument that is to narrow the query cannot be obeyed: it has pipes, is empty, or is neither JSON nor a filter.",
        "Give `extra_filters` and `extra_stream_filters` as a JSON object of strings and lists of strings, or as filters without pipes.",
    ),
    code(
        "LQ05",
        "Query needs too much memory",
        "A pipe has to remember more than a query may use: too many groups, too many different values, or too many rows to sort.",
        "Narrow the filter or the time, group by fewer fields, or give `sort` a limit.",
    ),
    code(
        "LQ06",
        "Partial result not readable",
        "Another store answered with a partial result that this version does not read, or that was damaged on the way.",
        "Run the same version everywhere.",
    ),
    code(
        "LQ07",
        "Too many streams",
        "The org has sent lines of as many apps or streams (app, region and instance) over HTTP today as it may: 10,000 and 100,000. Lines of others are refused until 0:00 UTC; those of the same streams are taken.",
        "Give lines the app, region and instance that they come from. What is different in each line (a request, a user) belongs into other fields.",
    ),
    code(
        "LQ08",
        "Queries need too much memory together",
        "A pipe has to remember more than is left at the moment: other queries of this org or of others hold the rest. No org can take all of it.",
        "Ask again in a moment, fewer questions at once, or narrow the filter or the time.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_unique_and_complete() {
        let rank = |c: &Code| (FAMILIES.iter().position(|(f, _)| c.code.starts_with(f)), c.code);
        assert!(ALL.windows(2).all(|pair| rank(&pair[0]) < rank(&pair[1])));
        for entry in ALL {
            assert!(!entry.family().is_empty() && entry.code.len() == 4, "{}", entry.code);
            assert!(
                !entry.title.is_empty() && entry.cause.ends_with('.') && entry.remedy.ends_with('.'),
                "{}",
                entry.code
            );
        }
    }

    #[test]
    fn codes_are_found_in_any_case() {
        assert_eq!(find(" la02 ").map(|c| c.title), Some("Machine vanished"));
        assert_eq!(find("ZZ99"), None);
    }
}
