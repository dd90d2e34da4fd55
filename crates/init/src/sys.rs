//! The kernel: the one file with `unsafe`, and the one that names libc.

#![allow(unsafe_code, reason = "this is the file that talks to the kernel")]

use std::ffi::{CStr, CString, OsString};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use libc::{c_int, c_void};

use crate::exec::Exec;
use crate::kernel::{
    Death, Interest, Output, Pid, Process, Ready, Reaped, Signal, SpawnError, Started, Sys, Used,
};
use crate::proc;

/// What is asked for each pipe. An unprivileged user gets this much for 64 pipes.
const PIPE_BYTES: c_int = 256 * 1024;

const _: () = assert!(
    Signal::USR1.number() == libc::SIGUSR1
        && Signal::USR2.number() == libc::SIGUSR2
        && Signal::CHLD.number() == libc::SIGCHLD
        && Signal::WINCH.number() == libc::SIGWINCH
);

/// The real kernel. Dropped, it closes what it opened.
#[derive(Debug, Default)]
pub struct Kernel {
    signals: Option<OwnedFd>,
    outputs: [Option<OwnedFd>; 2],
    agent: Option<OwnedFd>,
}

/// The result of a call that returns -1 and sets errno.
fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for a call that counts bytes.
fn check_len(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Takes a descriptor that a call has just returned.
fn own(result: c_int) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the kernel has just returned `fd` as a new descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn clock(id: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to. Both clocks exist on every kernel since 2.6.39.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// A set of the signals that init takes.
fn taken_signals() -> libc::sigset_t {
    // SAFETY: a sigset_t is plain bits; all zero is a valid value, and sigemptyset then gives it its meaning.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid sigset_t, and the numbers are signals of Linux.
    unsafe {
        libc::sigemptyset(&raw mut set);
        for signal in Signal::TAKEN {
            libc::sigaddset(&raw mut set, signal.number());
        }
    }
    set
}

/// A pipe: the end to read, the end to write. Both close on exec.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds: [RawFd; 2] = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) })?;
    Ok((own(fds[0])?, own(fds[1])?))
}

/// A pipe for an output, and how many bytes it holds. Only our end is non-blocking: the app must not notice us.
fn output_pipe() -> io::Result<(OwnedFd, OwnedFd, usize)> {
    let (ours, theirs) = pipe()?;
    let fd = ours.as_raw_fd();
    // SAFETY: `fd` is open; the commands take an int. A refused size is no fault, the pipe is then smaller.
    let held = unsafe {
        libc::fcntl(fd, libc::F_SETPIPE_SZ, PIPE_BYTES);
        check(libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK))?;
        check(libc::fcntl(fd, libc::F_GETPIPE_SZ))?
    };
    Ok((ours, theirs, usize::try_from(held).unwrap_or(0)))
}

/// The entries of this process's environment as they are. The standard library's view leaves some out and says nothing.
fn environment() -> Vec<CString> {
    unsafe extern "C" {
        static environ: *const *const libc::c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: the C library keeps `environ` null or a list of NUL-ended strings that ends with a null pointer; nothing in this
    // program changes it.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            entries.push(CStr::from_ptr(*next).to_owned());
            next = next.add(1);
        }
    }
    entries
}

fn recv(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of `buffer`, which the kernel writes to.
    check_len(unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast::<c_void>(), buffer.len()) })
}

fn not_connected() -> io::Error {
    io::Error::from(io::ErrorKind::NotConnected)
}

impl Sys for Kernel {
    fn boottime(&self) -> i64 {
        clock(libc::CLOCK_BOOTTIME)
    }

    fn realtime(&self) -> i64 {
        clock(libc::CLOCK_REALTIME)
    }

    fn random(&mut self) -> u64 {
        let mut bytes = [0; 8];
        // SAFETY: the pointer and the length are those of `bytes`.
        let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast::<c_void>(), 8, libc::GRND_NONBLOCK) };
        if got == 8 { u64::from_ne_bytes(bytes) } else { self.boottime().unsigned_abs() << 10 }
    }

    fn memory_bytes(&self) -> u64 {
        // SAFETY: sysconf has no precondition.
        let (pages, page) =
            unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
        let all = u64::try_from(pages).unwrap_or(0).saturating_mul(u64::try_from(page).unwrap_or(0));
        all.min(proc::cgroup_memory_bytes().unwrap_or(u64::MAX))
    }

    fn oom_kills(&self) -> u64 {
        proc::oom_kills()
    }

    fn give_memory_back(&mut self) {
        #[cfg(target_env = "gnu")]
        // SAFETY: malloc_trim has no precondition.
        unsafe {
            libc::malloc_trim(0);
        }
    }

    fn prepare(&mut self) -> io::Result<()> {
        let set = taken_signals();
        // SAFETY: `set` is a valid sigset_t, the old mask is not asked for, and no handler is installed.
        unsafe {
            // Ignored, as some parents leave it, CHLD would have the kernel reap the app's status away.
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
        }
        // SAFETY: -1 asks for a new descriptor; `set` is valid.
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        self.signals = Some(own(fd)?);
        // SAFETY: this prctl takes one number. A kernel without it leaves orphans to PID 1, which is no worse than before.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
        Ok(())
    }

    fn spawn(&mut self, argv: &[OsString]) -> Result<Started, SpawnError> {
        let exec = Exec::prepare(argv, environment())?;
        if exec.odd_entries > 0 {
            let count = exec.odd_entries;
            self.say(&format!(
                "{count} entries of the environment are not of the form NAME=VALUE and are left out"
            ));
        }
        let (out, out_theirs, pipe_bytes) = output_pipe().map_err(SpawnError::Process)?;
        let (err, err_theirs, _) = output_pipe().map_err(SpawnError::Process)?;
        let (failed, failed_theirs) = pipe().map_err(SpawnError::Process)?;
        let null = std::fs::File::open("/dev/null").map_err(SpawnError::Process)?;
        let (candidates, args, env) = exec.pointers();
        let stdio = [null.as_raw_fd(), out_theirs.as_raw_fd(), err_theirs.as_raw_fd()];
        // SAFETY: the child calls only functions that are safe after fork (see `run_child`) and never returns; the pointers
        // stay valid in it because it has a copy of `exec`.
        let pid = check(unsafe { libc::fork() }).map_err(SpawnError::Process)?;
        if pid == 0 {
            // SAFETY: we are the child of a fork, the three lists end with a null pointer or are counted, and their strings
            // end with NUL.
            unsafe { run_child(stdio, failed_theirs.as_raw_fd(), &candidates, args.as_ptr(), env.as_ptr()) }
        }
        drop((out_theirs, err_theirs, failed_theirs));
        let mut report = [0; 5];
        if recv(&failed, &mut report).is_ok_and(|len| len == report.len()) {
            let [tried, errno @ ..] = report;
            let source = io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
            return Err(SpawnError::Exec { path: exec.path(usize::from(tried), source.kind()), source });
        }
        self.outputs = [Some(out), Some(err)];
        Ok(Started { pid, pipe_bytes })
    }

    fn wait(&mut self, interest: Interest, timeout: Option<Duration>) -> io::Result<Ready> {
        let entry = |fd: Option<&OwnedFd>, events| libc::pollfd {
            fd: fd.map_or(-1, AsRawFd::as_raw_fd),
            events,
            revents: 0,
        };
        let output =
            |at: usize| entry(self.outputs[at].as_ref().filter(|_| interest.outputs[at]), libc::POLLIN);
        let agent = if interest.agent_read { libc::POLLIN } else { 0 }
            | if interest.agent_write { libc::POLLOUT } else { 0 };
        let mut fds = [
            entry(self.signals.as_ref(), libc::POLLIN),
            output(0),
            output(1),
            entry(self.agent.as_ref().filter(|_| agent != 0), agent),
        ];
        let time = timeout.map(|time| libc::timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: `fds` is an array of that length, `time` null or a valid timespec, and no mask is given.
        let woke =
            unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, time, std::ptr::null()) };
        match check(woke) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let ends = libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;
        Ok(Ready {
            signals: fds[0].revents != 0,
            outputs: [fds[1].revents != 0, fds[2].revents != 0],
            agent_read: fds[3].revents & (libc::POLLIN | ends) != 0,
            agent_write: fds[3].revents & libc::POLLOUT != 0,
        })
    }

    fn read(&mut self, output: Output, buffer: &mut [u8]) -> io::Result<usize> {
        self.outputs[output as usize].as_ref().map_or(Ok(0), |fd| recv(fd, buffer))
    }

    fn close(&mut self, output: Output) {
        self.outputs[output as usize] = None;
    }

    fn signal(&mut self) -> Option<Signal> {
        let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
        let len = recv(self.signals.as_ref()?, &mut info).ok()?;
        let number = info.first_chunk::<4>().filter(|_| len == info.len())?;
        i32::try_from(u32::from_ne_bytes(*number)).ok().map(Signal::new)
    }

    fn reap(&mut self) -> Reaped {
        let mut status = 0;
        // SAFETY: an rusage is plain numbers; all zero is a valid value.
        let mut used: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to valid values that the kernel writes to.
        match unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut used) } {
            0 => Reaped::Alive,
            pid if pid > 0 => Reaped::Child { pid, death: death_of(status), used: used_of(&used) },
            _ => Reaped::None,
        }
    }

    fn kill(&mut self, pid: Pid, signal: Signal) {
        // Zero and below mean groups and everybody.
        if pid > 0 {
            // SAFETY: kill has no precondition.
            unsafe { libc::kill(pid, signal.number()) };
        }
    }

    fn descendants(&mut self) -> Vec<Process> {
        proc::descendants(std::process::id())
    }

    fn writers(&mut self) -> Vec<Process> {
        let inodes: Vec<u64> = self.outputs.iter().flatten().filter_map(proc::inode).collect();
        proc::holders(&inodes)
    }

    fn connect(&mut self, path: &Path) -> io::Result<()> {
        self.agent = None;
        // SAFETY: a sockaddr_un is plain bytes; all zero is a valid value.
        let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        address.sun_family = libc::sa_family_t::try_from(libc::AF_UNIX).unwrap_or_default();
        let bytes = path.as_os_str().as_bytes();
        // The last byte stays NUL.
        if bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
            return Err(io::Error::from(io::ErrorKind::InvalidFilename));
        }
        for (to, from) in address.sun_path.iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket has no precondition.
        let socket = own(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
        let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_un>()).unwrap_or_default();
        // SAFETY: the pointer is to a sockaddr_un and the length is its size.
        check(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) })?;
        self.agent = Some(socket);
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fd = self.agent.as_ref().ok_or_else(not_connected)?.as_raw_fd();
        // SAFETY: the pointer and the length are those of `bytes`, which the kernel only reads.
        check_len(unsafe { libc::send(fd, bytes.as_ptr().cast::<c_void>(), bytes.len(), libc::MSG_NOSIGNAL) })
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        recv(self.agent.as_ref().ok_or_else(not_connected)?, buffer)
    }

    fn disconnect(&mut self) {
        self.agent = None;
    }

    fn say(&mut self, notice: &str) {
        // Nobody is left to be told if stderr is gone.
        let _ = io::stderr().write_all(format!("logway-init: {notice}\n").as_bytes());
    }

    fn die_of(&mut self, signal: Signal) {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `none` and the set are valid; the default handler runs no code of ours.
        unsafe {
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
            libc::signal(signal.number(), libc::SIG_DFL);
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
            libc::raise(signal.number());
        }
    }
}

fn death_of(status: c_int) -> Death {
    if libc::WIFSIGNALED(status) {
        let signal = Signal::new(libc::WTERMSIG(status));
        Death::Signal { signal, core_dumped: libc::WCOREDUMP(status) }
    } else {
        Death::Code(libc::WEXITSTATUS(status))
    }
}

fn used_of(used: &libc::rusage) -> Used {
    let time = |time: libc::timeval| {
        let micros = time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_usec);
        Duration::from_micros(micros.unsigned_abs())
    };
    Used { user: time(used.ru_utime), system: time(used.ru_stime), max_rss_kb: used.ru_maxrss }
}

/// The child's way from fork to exec. If the exec fails, writes one byte (which candidate) and errno to `failed`.
///
/// # Safety
///
/// Only in the child of a fork. Only functions that are safe there are called: no allocation, no lock, no panic.
/// `candidates` hold NUL-ended strings, `argv` and `env` are lists of such that end with a null pointer. The descriptors are above
/// 2 (the runtime fills 0 to 2 when a program starts), so dup2 does not lose one of them.
unsafe fn run_child(
    stdio: [RawFd; 3],
    failed: RawFd,
    candidates: &[*const libc::c_char],
    argv: *const *const libc::c_char,
    env: *const *const libc::c_char,
) -> ! {
    // SAFETY: as this function's own contract says.
    unsafe {
        libc::setsid();
        for (to, from) in (0..).zip(stdio) {
            if libc::dup2(from, to) == -1 {
                fail(failed, 0);
            }
        }
        close_on_exec_from(3);
        // The kernel's own struct, all zero: the default. The library's call would not touch its private signals 32 and 33.
        let default = [0u64; 4];
        for number in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), std::ptr::null::<u64>(), 8);
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());

        let mut tried = (0, libc::ENOENT);
        for (index, path) in (0u8..).zip(candidates) {
            libc::execve(*path, argv, env);
            match *libc::__errno_location() {
                // Look in the next folder of PATH, but remember a file that was there and could not be run.
                libc::ENOENT | libc::ENOTDIR => {}
                libc::EACCES => tried = (index, libc::EACCES),
                _ => fail(failed, index),
            }
        }
        *libc::__errno_location() = tried.1;
        fail(failed, tried.0)
    }
}

/// Reports errno and ends the child.
///
/// # Safety
///
/// Only in the child of a fork.
unsafe fn fail(failed: RawFd, index: u8) -> ! {
    // SAFETY: errno's place is valid, the pointer and length are those of `report`, and `_exit` runs no code of ours.
    unsafe {
        let [a, b, c, d] = (*libc::__errno_location()).to_ne_bytes();
        let report = [index, a, b, c, d];
        libc::write(failed, report.as_ptr().cast::<c_void>(), report.len());
        libc::_exit(127)
    }
}

/// Lets every descriptor from `first` on close at exec.
///
/// # Safety
///
/// Only in the child of a fork.
unsafe fn close_on_exec_from(first: libc::c_uint) {
    // SAFETY: setting a flag on descriptors that may not be open has no precondition; `limit` is a valid rlimit to write to.
    unsafe {
        let flag = libc::CLOSE_RANGE_CLOEXEC;
        if libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flag) == 0 {
            return;
        }
        // Before Linux 5.11.
        let mut limit = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let mut fd = first.cast_signed();
        while u64::from(fd.cast_unsigned()) < limit.rlim_cur.min(1 << 20) {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            fd += 1;
        }
    }
}
