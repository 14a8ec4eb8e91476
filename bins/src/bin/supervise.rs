//! Programs of a `supervisord.conf`, kept running; everything is in the library.

fn main() -> std::process::ExitCode {
    superdaemon::supervise::entry::main()
}
