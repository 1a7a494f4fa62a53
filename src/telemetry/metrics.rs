//! Every metric, declared once, in Prometheus' text format.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::http::Readings;
use super::query_record::{CacheOutcome, FinishedQuery, Stage};
use crate::error::{Error, Result};

/// Seconds: from a cached answer to a long report.
const BUCKETS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0,
];

/// What a cache holds and has done, read when the metrics are asked for.
#[derive(Debug, Clone, Default)]
pub struct CacheReading {
    pub name: String,
    pub hits: u64,
    pub misses: u64,
    pub entries: u64,
    pub bytes: u64,
    pub capacity: u64,
}

/// What queries have reserved, and what they may.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryReading {
    pub reserved: u64,
    pub limit: u64,
}

/// The process's metrics. Counters that belong to a client's life are counted here; what others count
/// themselves (caches, memory) is read when the metrics are asked for.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub connections_open: IntGauge,
    pub connections_total: IntCounter,
    pub connections_refused: IntCounter,
    pub bytes_received: IntCounter,
    statements: IntCounterVec,
    statement_seconds: HistogramVec,
    /// Of labels that are known from the start, the very series: to look one up costs more than to count.
    stage_seconds: [Histogram; Stage::ALL.len()],
    rows_sent: IntCounter,
    bytes_sent: IntCounter,
    plan_cache: [IntCounter; CacheOutcome::ALL.len()],
    result_cache: [IntCounter; CacheOutcome::ALL.len()],
    cache_hits: IntGaugeVec,
    cache_misses: IntGaugeVec,
    cache_entries: IntGaugeVec,
    cache_bytes: IntGaugeVec,
    cache_capacity: IntGaugeVec,
    memory_reserved: IntGauge,
    memory_limit: IntGauge,
}

impl Metrics {
    pub fn new() -> Result<Metrics> {
        let registry = Registry::new();
        Metrics::declare(registry).map_err(|error| Error::internal(format!("could not declare the metrics: {error}")))
    }

    fn declare(registry: Registry) -> prometheus::Result<Metrics> {
        let opts = |name: &str, help: &str| Opts::new(format!("boathouse_{name}"), help);
        let counter = |name, help| register(&registry, IntCounter::with_opts(opts(name, help))?);
        let gauge = |name, help| register(&registry, IntGauge::with_opts(opts(name, help))?);
        let counters = |name, help, labels: &[&str]| register(&registry, IntCounterVec::new(opts(name, help), labels)?);
        let gauges = |name, help| register(&registry, IntGaugeVec::new(opts(name, help), &["cache"])?);
        let seconds = |name: &str, help: &str, label| {
            let opts = HistogramOpts::new(format!("boathouse_{name}"), help).buckets(BUCKETS.to_vec());
            register(&registry, HistogramVec::new(opts, &[label])?)
        };
        let stage_seconds = seconds("stage_seconds", "Time of statements in each stage.", "stage")?;
        let outcomes = |name, help| {
            let counted = counters(name, help, &["outcome"])?;
            prometheus::Result::Ok(CacheOutcome::ALL.map(|outcome| counted.with_label_values(&[outcome.name()])))
        };
        Ok(Metrics {
            connections_open: gauge("connections_open", "Clients connected now.")?,
            connections_total: counter("connections_total", "Clients that logged in.")?,
            connections_refused: counter(
                "connections_refused_total",
                "Clients refused by the limit or the login.",
            )?,
            bytes_received: counter("bytes_received_total", "Bytes read from clients.")?,
            statements: counters(
                "statements_total",
                "Statements by kind and SQLSTATE.",
                &["kind", "sqlstate"],
            )?,
            statement_seconds: seconds("statement_seconds", "Time of whole statements.", "kind")?,
            stage_seconds: Stage::ALL.map(|stage| stage_seconds.with_label_values(&[stage.name()])),
            rows_sent: counter("rows_total", "Rows sent to clients or written.")?,
            bytes_sent: counter("bytes_sent_total", "Bytes of rows sent to clients.")?,
            plan_cache: outcomes("plan_cache_total", "Statements by what the plan cache had.")?,
            result_cache: outcomes("result_cache_total", "Statements by what the result cache had.")?,
            cache_hits: gauges("cache_hits", "Lookups that found something, since the start.")?,
            cache_misses: gauges("cache_misses", "Lookups that found nothing, since the start.")?,
            cache_entries: gauges("cache_entries", "Entries held now.")?,
            cache_bytes: gauges("cache_bytes", "Bytes held now.")?,
            cache_capacity: gauges("cache_capacity_bytes", "The bound on the bytes held.")?,
            memory_reserved: gauge("memory_reserved_bytes", "Memory that queries have reserved.")?,
            memory_limit: gauge("memory_limit_bytes", "Memory that queries may reserve together.")?,
            registry,
        })
    }

    /// Counts a statement that ended.
    pub fn observe(&self, query: &FinishedQuery) {
        let kind = query.identity.kind;
        self.statements.with_label_values(&[kind, query.sqlstate.code()]).inc();
        self.statement_seconds
            .with_label_values(&[kind])
            .observe(query.total.as_secs_f64());
        for stage in Stage::ALL {
            let time = query.time(stage);
            if !time.is_zero() {
                self.stage_seconds[stage as usize].observe(time.as_secs_f64());
            }
        }
        self.rows_sent.inc_by(query.rows);
        self.bytes_sent.inc_by(query.bytes);
        self.plan_cache[query.plan_cache as usize].inc();
        self.result_cache[query.result_cache as usize].inc();
    }

    /// The text that Prometheus scrapes.
    pub(super) fn render(&self, readings: &dyn Readings) -> Result<String> {
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for cache in readings.caches() {
            let gauges = [
                (&self.cache_hits, cache.hits),
                (&self.cache_misses, cache.misses),
                (&self.cache_entries, cache.entries),
                (&self.cache_bytes, cache.bytes),
                (&self.cache_capacity, cache.capacity),
            ];
            for (gauge, value) in gauges {
                gauge.with_label_values(&[&cache.name]).set(signed(value));
            }
        }
        let memory = readings.memory();
        self.memory_reserved.set(signed(memory.reserved));
        self.memory_limit.set(signed(memory.limit));
        let mut text = vec![];
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .map_err(|error| Error::internal(format!("could not write the metrics: {error}")))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::super::query_record::{QueryRecord, identity_for_tests};
    use super::*;

    struct Fixed;

    impl Readings for Fixed {
        fn caches(&self) -> Vec<CacheReading> {
            vec![CacheReading {
                name: "plan".into(),
                hits: 3,
                capacity: 10,
                ..Default::default()
            }]
        }
        fn memory(&self) -> MemoryReading {
            MemoryReading { reserved: 5, limit: 6 }
        }
    }

    #[test]
    fn statements_and_readings_are_shown() {
        let metrics = Metrics::new().unwrap();
        metrics.connections_open.set(2);
        let record = QueryRecord::new(identity_for_tests("select 1"));
        record.add_rows(9);
        metrics.observe(&record.finish(None));
        let text = metrics.render(&Fixed).unwrap();
        for line in [
            "boathouse_connections_open 2",
            "boathouse_statements_total{kind=\"select\",sqlstate=\"00000\"} 1",
            "boathouse_statement_seconds_count{kind=\"select\"} 1",
            "boathouse_rows_total 9",
            "boathouse_cache_hits{cache=\"plan\"} 3",
            "boathouse_memory_limit_bytes 6",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }
}
