//! Micro-benchmarks of the stages of a query and of the operators, in one process without a socket: `make bench-micro`.
//! Without `--bench` each runs once over a little data.

mod operators;
mod stages;
mod warehouse;

use criterion::{criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group!(benches, stages::all, operators::all);
criterion_main!(benches);
