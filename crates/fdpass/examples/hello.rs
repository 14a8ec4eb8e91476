//! A worker of a few lines: answers every connection with its generation, one after the other.
//!
//! It runs under whatever passes a listening socket:
//!
//! ```sh
//! cargo build --example hello
//! start_server --port=127.0.0.1:8080 -- target/debug/examples/hello
//! systemd-socket-activate -l 8080 target/debug/examples/hello
//! ```
//!
//! and says that it is ready to whoever set `NOTIFY_SOCKET`.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // SAFETY: first thing in main; nothing else has touched a descriptor or the environment.
    #[allow(unsafe_code)]
    let mut inherited = unsafe { fdpass::Inherited::from_env()? };
    let listener = inherited.take_tcp()?;
    let generation = std::env::var("SERVER_STARTER_GENERATION").unwrap_or_else(|_| "1".to_owned());
    let answer = format!("hello from generation {generation}\n");

    // Nobody may be listening any more; that is no reason not to serve.
    let _ = fdpass::notify::ready();
    for client in listener.incoming() {
        // One client's trouble is not the next one's.
        let _ = client.and_then(|mut client| client.write_all(answer.as_bytes()));
    }
    Ok(())
}
