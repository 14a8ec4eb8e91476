//! superdaemon
