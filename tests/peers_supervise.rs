//! The same configuration under Debian's supervisord and under ours, side by side.
//!
//! States, with what their events say, texts of the main log, texts for a child, and error
//! messages must be the same. Where they are meant not to be:
//!
//! * supervisord looks at its programs once a second, ours at once: *when* something happens is not
//!   compared, nor the order of what happens to different programs;
//! * ours stops groups of equal priority together, supervisord one after the other: `waiting for A,
//!   B to die` and `waiting for A to stop` come at other times and with other names;
//! * supervisord starts a program that left RUNNING within a second again and again at once, ours
//!   once a second: of programs without an end the first events are compared;
//! * supervisord may reap a program before it has said that it runs: `success` is not compared for
//!   those that end by themselves;
//! * an event that a listener refuses, supervisord gives again to every pool of the same priority;
//! * a program that cannot be executed, or whose directory or user cannot be had, fails to start in
//!   ours; in supervisord it starts and exits with 127 (with `startsecs=0` again and again);
//! * inside a group supervisord starts in the order of `programs=`, ours by priority;
//! * children of supervisord ignore SIGPIPE, SIGXFSZ and what it inherited, ours nothing; their output
//!   to `NONE` goes to a pipe, with ours to /dev/null;
//! * supervisord loses up to 24 bytes behind a capture tag when a program ends;
//! * ours gets the orphans of its programs, also where it is not process 1, and says so;
//! * at HUP supervisord restarts everything, ours what has changed.

mod children;
mod clients;
mod control;
mod ctl;
mod ctl_more;
mod errors;
mod exporter;
mod listeners;
mod methods;
mod order;
mod pair;
mod programs;
mod superlance;
