//! What clients ask of the catalogs, over a small catalog with policies, grants and a view.

mod fixture;
mod psql;
