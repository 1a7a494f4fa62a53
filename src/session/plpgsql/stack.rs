//! How deep routines may nest: as deep as a thread's stack goes, which is measured, for what one level takes depends on
//! its statements. PostgreSQL's max_stack_depth works alike.

use std::cell::Cell;
use std::future::poll_fn;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::{Error, Result, SqlState};

/// Of a worker's 32 MB; the rest is for what the deepest statement takes to plan and to run.
const MOST_BYTES: usize = 12 << 20;

thread_local! {
    /// Where the stack of the outermost routine begins that this thread is polling; zero while it polls none.
    static BOTTOM: Cell<usize> = const { Cell::new(0) };
}

#[inline(never)]
fn stack_position() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}

/// A routine, whose depth counts from here, whichever thread goes on with it, unless another one runs it.
pub(super) async fn measured<T>(mut routine: BoxFuture<'_, T>) -> T {
    poll_fn(|context| {
        let around = BOTTOM.get();
        if around == 0 {
            BOTTOM.set(stack_position());
        }
        let polled = routine.poll_unpin(context);
        BOTTOM.set(around);
        polled
    })
    .await
}

/// 54001 where there is no room for another level.
pub(super) fn check_depth() -> Result<()> {
    if BOTTOM.get().abs_diff(stack_position()) > MOST_BYTES {
        return Err(Error::new(SqlState::StatementTooComplex, "stack depth limit exceeded"));
    }
    Ok(())
}
