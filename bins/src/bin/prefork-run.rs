//! Preforked workers on shared sockets; everything is in the library.

fn main() -> std::process::ExitCode {
    superdaemon::prefork::entry::main()
}
