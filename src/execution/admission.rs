//! Admission: how many queries compute at once. Others wait in line, and a query whose reader has gone away
//! for a while (a slow client, a cursor between two fetches) gives its place to those.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result as PlanResult;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::telemetry::QueryRecord;

/// How long nobody may pull a query's rows before those who wait may take its place.
const ABSENCE: Duration = Duration::from_millis(200);

/// The places, and who has one.
#[derive(Debug)]
pub struct Admission {
    count: usize,
    places: Arc<Semaphore>,
    holders: Mutex<VecDeque<Weak<Place>>>,
}

/// A query's place. Dropping it lets the next one in.
#[derive(Debug, Default)]
pub struct Place {
    state: Mutex<PlaceState>,
}

#[derive(Debug, Default)]
struct PlaceState {
    permit: Option<OwnedSemaphorePermit>,
    /// Since when nobody pulls; `None` while somebody does.
    away_since: Option<Instant>,
}

impl Admission {
    /// `places` queries at once.
    pub fn new(places: usize) -> Arc<Admission> {
        let count = places.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Admission {
            count,
            places: Arc::new(Semaphore::new(count)),
            holders: Mutex::new(VecDeque::new()),
        })
    }

    /// How many places are taken now.
    pub fn running(&self) -> usize {
        self.count.saturating_sub(self.places.available_permits())
    }

    /// Waits in line for a place.
    pub async fn enter(self: &Arc<Self>) -> Arc<Place> {
        let place = Arc::new(Place::default());
        let permit = self.permit().await;
        place.state.lock().permit = permit;
        let mut holders = self.holders.lock();
        holders.retain(|holder| holder.strong_count() > 0);
        holders.push_back(Arc::downgrade(&place));
        place
    }

    /// `None` never comes: nobody closes the semaphore.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let mut next = Box::pin(Arc::clone(&self.places).acquire_owned());
        loop {
            match tokio::time::timeout(ABSENCE / 4, &mut next).await {
                Ok(permit) => return permit.ok(),
                Err(_) => self.reclaim(),
            }
        }
    }

    /// Takes one place back from a query that nobody pulls.
    fn reclaim(&self) {
        let holders = self.holders.lock();
        let mut places = holders.iter().filter_map(Weak::upgrade);
        places.find_map(|place| {
            let mut state = place.state.lock();
            let away = state.away_since.is_some_and(|since| since.elapsed() >= ABSENCE);
            state.permit.take_if(|_| away)
        });
    }
}

/// The rows of a query that runs: keeps its place, if it needs one, for as long as rows are wanted, and its
/// record.
pub fn running(
    admission: &Arc<Admission>,
    place: Option<Arc<Place>>,
    stream: SendableRecordBatchStream,
    record: Arc<QueryRecord>,
) -> SendableRecordBatchStream {
    // A cursor that nobody fetches from yet keeps nobody out.
    if let Some(place) = &place {
        place.state.lock().away_since = Some(Instant::now());
    }
    Box::pin(RunningStream {
        admission: Arc::clone(admission),
        place,
        stream,
        waiting: None,
        pulled_at: None,
        record,
    })
}

struct RunningStream {
    admission: Arc<Admission>,
    /// `None` after the last row.
    place: Option<Arc<Place>>,
    stream: SendableRecordBatchStream,
    /// In line again, after the place was given away.
    waiting: Option<BoxFuture<'static, Option<OwnedSemaphorePermit>>>,
    /// Since when the next rows are wanted.
    pulled_at: Option<Instant>,
    record: Arc<QueryRecord>,
}

impl RunningStream {
    /// Ready when the query has its place, which it then keeps while somebody pulls.
    fn poll_place(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(place) = &self.place else {
            return Poll::Ready(());
        };
        if self.waiting.is_none() {
            let mut state = place.state.lock();
            state.away_since = None;
            if state.permit.is_some() {
                return Poll::Ready(());
            }
        }
        let admission = Arc::clone(&self.admission);
        let waiting = self
            .waiting
            .get_or_insert_with(|| async move { admission.permit().await }.boxed());
        let permit = ready!(waiting.as_mut().poll_unpin(context));
        place.state.lock().permit = permit;
        self.waiting = None;
        Poll::Ready(())
    }
}

impl Stream for RunningStream {
    type Item = PlanResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(self.poll_place(context));
        let pulled_at = *self.pulled_at.get_or_insert_with(Instant::now);
        let next = ready!(self.stream.as_mut().poll_next(context));
        self.pulled_at = None;
        self.record.add_execute_time(pulled_at.elapsed());
        match (&next, &self.place) {
            (Some(Ok(_)), Some(place)) => place.state.lock().away_since = Some(Instant::now()),
            _ => self.place = None,
        }
        Poll::Ready(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl RecordBatchStream for RunningStream {
    fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int32Array};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::StreamExt;
    use tokio::time::timeout;

    use super::*;
    use crate::telemetry::identity_for_tests;

    const SOON: Duration = Duration::from_millis(20);
    const LATER: Duration = Duration::from_secs(5);

    /// A query with two batches of one row.
    async fn query(admission: &Arc<Admission>) -> SendableRecordBatchStream {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let schema = batch.schema();
        let batches = futures::stream::iter([Ok(batch.clone()), Ok(batch)]);
        let stream = Box::pin(RecordBatchStreamAdapter::new(schema, batches));
        let record = Arc::new(QueryRecord::new(identity_for_tests("select n")));
        running(admission, Some(admission.enter().await), stream, record)
    }

    #[tokio::test]
    async fn a_query_waits_until_another_ends() {
        let admission = Admission::new(1);
        let first = admission.enter().await;
        assert!(timeout(SOON, admission.enter()).await.is_err());
        drop(first);
        assert!(timeout(LATER, admission.enter()).await.is_ok());
    }

    #[tokio::test]
    async fn the_last_row_ends_a_query() {
        let admission = Admission::new(1);
        let mut stream = query(&admission).await;
        while stream.next().await.is_some() {}
        assert!(timeout(SOON, admission.enter()).await.is_ok());
    }

    #[tokio::test]
    async fn a_query_that_nobody_reads_gives_its_place_and_takes_another_to_go_on() {
        let admission = Admission::new(1);
        let mut stream = query(&admission).await;
        assert!(stream.next().await.is_some());
        let second = timeout(LATER, admission.enter()).await.unwrap();
        assert!(timeout(SOON, stream.next()).await.is_err());
        drop(second);
        assert!(timeout(LATER, stream.next()).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_query_that_computes_keeps_its_place() {
        let admission = Admission::new(1);
        let place = admission.enter().await;
        assert!(timeout(ABSENCE * 3, admission.enter()).await.is_err());
        drop(place);
    }
}
