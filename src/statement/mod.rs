//! SQL text → `Statement`. Pure: nothing here knows a catalog. Queries stay sqlparser's AST, which
//! binding plans; everything else becomes a small struct of its own, in a file of its own.

pub mod ast;
