//! Governance as a whole, over tables in memory: what the optimizer, the planner and the operators of
//! DataFusion do to a barrier, and what a plan without it would have told.

mod fixture;
mod leaks;
mod plans;
mod privileges;
mod refusals;
mod stored;
