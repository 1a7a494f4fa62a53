//! Where a thread waits for a client that runs on the same machine. Woken on another processor than the one that the client
//! has just left, it would first have to wake that processor, which costs more than a short statement; beside the client it goes on
//! where the client stopped, and the other way round. It stays there from one message to the next, until what it runs has to wait.

use std::future::{Future, poll_fn};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::time::Duration;

/// Blocks this thread, beside the client, until something can be read or the time is over.
pub(super) fn wait_beside_sender(stream: &TcpStream, limit: Duration) {
    place::beside_sender_of(stream);
    wait(stream, limit);
}

/// Lets this thread run everywhere again.
pub(super) fn leave() {
    place::leave();
}

/// The future, from whose waiting on this thread is for others, and may run everywhere.
pub(super) async fn leaving_to_wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            leave();
        }
        polled
    })
    .await
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

#[cfg(target_os = "linux")]
mod place {
    use std::cell::Cell;
    use std::net::TcpStream;
    use std::os::fd::AsRawFd;

    /// A thread that is kept on one processor.
    #[derive(Clone, Copy)]
    struct Kept {
        processor: usize,
        /// Where it may run otherwise.
        allowed: libc::cpu_set_t,
    }

    thread_local! {
        static KEPT: Cell<Option<Kept>> = const { Cell::new(None) };
    }

    /// Keeps this thread on the processor from which the stream's last bytes came, if it may run there.
    pub(super) fn beside_sender_of(stream: &TcpStream) {
        let sender = sender_of(stream);
        let kept = KEPT.get();
        if kept.map(|kept| kept.processor) == sender {
            return;
        }
        let moved = sender.and_then(|processor| keep_on(processor, kept.map(|kept| kept.allowed)));
        match moved {
            Some(_) => KEPT.set(moved),
            None => leave(),
        }
    }

    pub(super) fn leave() {
        if let Some(kept) = KEPT.take() {
            // SAFETY: zero is this thread; the pointer is to a whole set.
            unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &kept.allowed) };
        }
    }

    fn sender_of(stream: &TcpStream) -> Option<usize> {
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
        (processor < libc::CPU_SETSIZE as usize).then_some(processor)
    }

    /// `allowed`: where it may run, if that is known.
    fn keep_on(processor: usize, allowed: Option<libc::cpu_set_t>) -> Option<Kept> {
        let allowed = allowed.or_else(everywhere)?;
        // SAFETY: a set of processors is plain bits, and none of them set is one.
        let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: zero is this thread; the pointer is to a whole set, and the processor is one that a set has room for.
        let is_kept = unsafe {
            libc::CPU_SET(processor, &mut one);
            libc::CPU_ISSET(processor, &allowed) && libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one) == 0
        };
        is_kept.then_some(Kept { processor, allowed })
    }

    /// Where this thread may run.
    fn everywhere() -> Option<libc::cpu_set_t> {
        // SAFETY: as above.
        unsafe {
            let mut allowed: libc::cpu_set_t = std::mem::zeroed();
            (libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut allowed) == 0).then_some(allowed)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn allowed() -> Vec<usize> {
            let set = everywhere().unwrap();
            (0..libc::CPU_SETSIZE as usize)
                // SAFETY: the set has room for the processor.
                .filter(|processor| unsafe { libc::CPU_ISSET(*processor, &set) })
                .collect()
        }

        #[test]
        fn a_thread_is_kept_on_one_processor_until_it_leaves() {
            std::thread::spawn(|| {
                let before = allowed();
                for processor in &before {
                    // From one to the next without leaving.
                    KEPT.set(keep_on(*processor, KEPT.get().map(|kept| kept.allowed)));
                    assert_eq!(allowed(), [*processor]);
                }
                leave();
                assert_eq!(allowed(), before);
                let elsewhere = (0..libc::CPU_SETSIZE as usize).find(|processor| !before.contains(processor));
                assert!(elsewhere.is_none_or(|processor| keep_on(processor, None).is_none()));
                assert_eq!(allowed(), before);
            })
            .join()
            .unwrap();
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod place {
    pub(super) fn beside_sender_of(_: &std::net::TcpStream) {}

    pub(super) fn leave() {}
}
