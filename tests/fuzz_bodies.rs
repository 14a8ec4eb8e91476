//! The bodies of the fuzz targets, run on seeded inputs: mutations of their examples.

use std::fs;
use std::path::Path;

use fastrand::Rng;

#[path = "../fuzz/bodies/board_files.rs"]
mod board_files;
#[path = "../fuzz/bodies/command_line.rs"]
mod command_line;
#[path = "../fuzz/bodies/envdir.rs"]
mod envdir;
#[path = "../fuzz/bodies/legacy_boards.rs"]
mod legacy_boards;
#[path = "../fuzz/bodies/listen_fds.rs"]
mod listen_fds;
#[path = "../fuzz/bodies/machine.rs"]
mod machine;
#[path = "../fuzz/bodies/notify.rs"]
mod notify;
#[path = "../fuzz/bodies/port_spec.rs"]
mod port_spec;
#[path = "../fuzz/bodies/prefork_machine.rs"]
mod prefork_machine;
#[path = "../fuzz/bodies/prefork_status.rs"]
mod prefork_status;
#[path = "../fuzz/bodies/prefork_words.rs"]
mod prefork_words;
#[path = "../fuzz/bodies/server_starter_port.rs"]
mod server_starter_port;
#[path = "../fuzz/bodies/signal_names.rs"]
mod signal_names;
#[path = "../fuzz/bodies/status_wire.rs"]
mod status_wire;
#[path = "../fuzz/bodies/supervise_ansi.rs"]
mod supervise_ansi;
#[path = "../fuzz/bodies/supervise_config.rs"]
mod supervise_config;
#[path = "../fuzz/bodies/supervise_environment.rs"]
mod supervise_environment;
#[path = "../fuzz/bodies/supervise_events.rs"]
mod supervise_events;
#[path = "../fuzz/bodies/supervise_expand.rs"]
mod supervise_expand;
#[path = "../fuzz/bodies/supervise_http.rs"]
mod supervise_http;
#[path = "../fuzz/bodies/supervise_login.rs"]
mod supervise_login;
#[path = "../fuzz/bodies/supervise_rpc.rs"]
mod supervise_rpc;

const INPUTS: usize = 8_000;
/// Bytes that mean something to one or another reader.
const SPECIAL: &[u8] = b"\0\n\r\t \\\"=;:[]@/.,-+|%$09azAZ\x1b\x7f\x80\xc3\xff";

/// Gives `body` its examples as they are, then mutations of them, always the same ones.
fn explore(name: &str, examples: &[&[u8]], body: fn(&[u8])) {
    explore_some(INPUTS, name, examples, body);
}

fn explore_some(inputs: usize, name: &str, examples: &[&[u8]], body: fn(&[u8])) {
    leave_seeds(name, examples);
    let mut random = Rng::with_seed(name.bytes().map(u64::from).sum());
    let fixed = examples.iter().map(|example| example.to_vec());
    let mutated = std::iter::repeat_with(|| mutation(&mut random, examples));
    for input in fixed.chain(mutated).take(inputs) {
        let shown = input.clone();
        if let Err(cause) = std::panic::catch_unwind(|| body(&input)) {
            eprintln!("{name} fails on b\"{}\"", shown.escape_ascii());
            std::panic::resume_unwind(cause);
        }
    }
}

/// The fuzzer starts from the same examples.
fn leave_seeds(name: &str, examples: &[&[u8]]) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-seeds").join(name);
    fs::create_dir_all(&dir).unwrap();
    for (number, example) in examples.iter().enumerate() {
        fs::write(dir.join(number.to_string()), example).unwrap();
    }
}

fn mutation(random: &mut Rng, examples: &[&[u8]]) -> Vec<u8> {
    let mut input = random.choice(examples).unwrap().to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=input.len());
        let end = random.usize(at..=input.len());
        match random.u8(..8) {
            0 => input.insert(at, random.u8(..)),
            1 | 2 => input.insert(at, *random.choice(SPECIAL).unwrap()),
            3 if at < input.len() => input[at] = random.u8(..),
            3 | 4 if at < input.len() => input[at] ^= 1 << random.u32(..8),
            5 => drop(input.drain(at..end)),
            6 => {
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            // The beginning of one example and the end of another.
            _ => {
                let other = *random.choice(examples).unwrap();
                input.truncate(at);
                input.extend_from_slice(&other[random.usize(..=other.len())..]);
            }
        }
    }
    input
}

macro_rules! bodies {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            explore(stringify!($name), $name::EXAMPLES, $name::run);
        })*
    };
}

bodies! {
    board_files command_line legacy_boards listen_fds machine notify port_spec prefork_machine prefork_status
    prefork_words server_starter_port signal_names status_wire supervise_ansi supervise_environment
    supervise_events supervise_expand supervise_http supervise_login
}

#[test]
fn envdir() {
    explore("envdir", envdir::EXAMPLES, envdir::run);
    envdir::clean_up();
}

#[test]
fn supervise_config() {
    // Each is a whole configuration, with its users and directories.
    explore_some(INPUTS / 2, "supervise_config", supervise_config::EXAMPLES, supervise_config::run);
    supervise_config::clean_up();
}

#[test]
fn supervise_rpc() {
    // Each is read and written many times.
    explore_some(INPUTS / 2, "supervise_rpc", supervise_rpc::EXAMPLES, supervise_rpc::run);
}

/// Every target has its body here and its line in the manifest.
#[test]
fn targets_and_bodies_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let names = |dir: &str| {
        let entries = fs::read_dir(root.join(dir)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        // A body may have more files in a directory of its name.
        names.retain(|name| name.ends_with(".rs"));
        names.sort();
        names
    };
    let targets = names("fuzz_targets");
    assert_eq!(targets, names("bodies"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let here = include_str!("fuzz_bodies.rs");
    for target in targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}\"")), "{target}");
        assert!(here.contains(&format!("#[path = \"../fuzz/bodies/{target}\"]")), "{target}");
    }
}
