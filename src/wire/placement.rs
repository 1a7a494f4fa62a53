//! Where a thread waits for a client that runs on the same machine. Woken on another processor than the one that the client
//! has just left, it would first have to wake that processor, which costs more than a short statement; beside the client it goes on
//! where the client stopped, and the other way round.

use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Blocks this thread until something can be read, or the time is over.
pub(super) fn wait_beside_sender(stream: &TcpStream, limit: Duration) {
    let beside = Beside::sender_of(stream);
    wait(stream, limit);
    drop(beside);
}

#[cfg(target_os = "linux")]
fn wait(stream: &TcpStream, limit: Duration) {
    let mut poll = [libc::pollfd {
        fd: stream.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    }];
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(limit.subsec_nanos()),
    };
    // SAFETY: the pointers are to one pollfd and one timespec that live until the call returns; no signal mask is given.
    unsafe { libc::ppoll(poll.as_mut_ptr(), 1, &limit, std::ptr::null()) };
}

/// There the runtime waits.
#[cfg(not(target_os = "linux"))]
fn wait(_: &TcpStream, _: Duration) {}

/// This thread is kept on one processor until this is dropped.
#[cfg(target_os = "linux")]
struct Beside {
    /// Where the thread may run.
    allowed: libc::cpu_set_t,
}

#[cfg(not(target_os = "linux"))]
struct Beside;

#[cfg(target_os = "linux")]
impl Beside {
    /// On the processor from which the stream's last bytes came, if this thread may run there.
    fn sender_of(stream: &TcpStream) -> Option<Beside> {
        let mut processor: libc::c_int = -1;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the pointers are to an integer and to its size.
        let answer = unsafe {
            let value = (&raw mut processor).cast();
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_INCOMING_CPU,
                value,
                &mut length,
            )
        };
        let processor = usize::try_from(processor).ok().filter(|_| answer == 0)?;
        // SAFETY: a set of processors is plain bits, and none of them set is one.
        let (mut allowed, mut one): (libc::cpu_set_t, libc::cpu_set_t) = unsafe { std::mem::zeroed() };
        if processor >= libc::CPU_SETSIZE as usize {
            return None;
        }
        // SAFETY: zero is this thread; the pointers are to whole sets, and the processor is one that a set has room for.
        unsafe {
            if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut allowed) != 0
                || !libc::CPU_ISSET(processor, &allowed)
            {
                return None;
            }
            libc::CPU_SET(processor, &mut one);
            (libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one) == 0).then_some(Beside { allowed })
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Beside {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &self.allowed) };
    }
}

#[cfg(not(target_os = "linux"))]
impl Beside {
    fn sender_of(_: &TcpStream) -> Option<Beside> {
        None
    }
}
