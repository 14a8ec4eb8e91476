//! Hot deploy for server programs; everything is in the library.

fn main() -> std::process::ExitCode {
    superdaemon::start_server::entry::main()
}
