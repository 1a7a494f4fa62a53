//! Holds the ladder: a module imports only from modules below it, and a library that one module owns
//! is named nowhere else.
