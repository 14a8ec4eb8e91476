//! What `docs/deploy.md` shows: the image's configuration with supervise as process 1, and whether the
//! manifests of the engines say the same as it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::{Config, is_root};
use super::pid1::{inner, unshare};
use crate::peers::example;
use crate::sandbox::{DEADLINE, Finished, Launch, Sandbox, eventually, free_port};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A file of `examples/deploy`.
fn file(name: &str) -> String {
    let path = root().join("examples/deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The values of all lines `KEY: VALUE`, `KEY = VALUE` or `KEY=VALUE`, without quotes.
fn values(text: &str, key: &str) -> Vec<String> {
    let of = |line: &str| {
        let line = line.trim().trim_start_matches("- ");
        let rest = line.strip_prefix(key)?.trim_start();
        let rest = rest.strip_prefix(':').or_else(|| rest.strip_prefix('='))?;
        Some(rest.trim().trim_matches('"').to_owned())
    };
    text.lines().filter_map(of).collect()
}

fn value(text: &str, key: &str) -> String {
    let all = values(text, key);
    assert_eq!(all.len(), 1, "{key}: {all:?}");
    all[0].clone()
}

fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap_or_else(|_| panic!("{text:?}"))
}

/// The image's file with everything that is the machine's in the sandbox.
struct Image<'s> {
    sandbox: &'s Sandbox,
    path: PathBuf,
    web: u16,
    control: u16,
}

impl<'s> Image<'s> {
    fn new(sandbox: &'s Sandbox) -> Self {
        Self::with(sandbox, &[])
    }

    /// And with other texts in place of these.
    fn with(sandbox: &'s Sandbox, others: &[(&str, &str)]) -> Self {
        let (web, control) = (free_port(), free_port());
        let mut text = file("supervise.conf");
        let run = sandbox.path("").display().to_string();
        let mut changes = vec![
            ("/usr/bin/http_worker", example("http_worker").display().to_string()),
            ("tcp://0.0.0.0:8080", format!("tcp://127.0.0.1:{web}")),
            ("0.0.0.0:9001", format!("127.0.0.1:{control}")),
            // What was built here is not nobody's to run.
            ("user=nobody\n", String::new()),
            ("/run/", run),
        ];
        changes.splice(0..0, others.iter().map(|(from, to)| (*from, (*to).to_owned())));
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, &to);
        }
        if !is_root() {
            text = text.replace("user=root\n", "");
        }
        let path = sandbox.write("image.conf", text);
        Self { sandbox, path, web, control }
    }

    fn launch(&self) -> Launch {
        let launch = self.sandbox.supervise().arg("-c").arg(&self.path);
        launch.env_remove("SHUTDOWN_TIMEOUT").env("SUPERVISE_PASSWORD", "image secret")
    }

    /// What the HEALTHCHECK says.
    fn check(&self) -> Finished {
        let check = health_check();
        let [program, rest @ ..] = &check[..] else { panic!("{check:?}") };
        assert_eq!(program, "supervise");
        let rest = rest.iter().map(|word| match word.as_str() {
            "/etc/supervise.conf" => self.path.display().to_string(),
            other => other.to_owned(),
        });
        self.sandbox.supervise().args(rest).env("SUPERVISE_PASSWORD", "x").output()
    }

    /// The client, asked over the unix socket as in the container.
    fn ctl(&self, words: &[&str]) -> Finished {
        let launch = self.sandbox.supervise().args(["ctl", "-c"]).arg(&self.path).args(words);
        launch.env("SUPERVISE_PASSWORD", "x").output()
    }

    fn get(&self, path: &str) -> (u16, String) {
        let stream = TcpStream::connect(("127.0.0.1", self.control)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        ask(stream, path)
    }
}

/// The status and the body of an answer.
fn ask(mut stream: impl Read + Write, path: &str) -> (u16, String) {
    // Without Host, as the simplest of probes.
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{head}")), body.to_owned())
}

/// As in a container: nobody says -n, TERM comes to process 1 alone.
#[test]
fn the_image_as_the_first_process() {
    let sandbox = Sandbox::new("sv-image");
    let image = Image::new(&sandbox);
    let Some(mut words) = unshare(&sandbox) else { return };
    words.push("--");
    let mut server = image.launch().through(words).spawn();
    let first = inner(&server);
    server.wait_line("[prepare] preparing");
    server.wait_line("success: web entered RUNNING state");
    // Probes need no password, and are told a word.
    for path in ["/health", "/ready"] {
        assert_eq!(image.get(path), (200, "ok\n".to_owned()), "{path}");
    }
    assert_eq!(image.get("/").0, 401);
    assert_eq!(image.get("/metrics").0, 401);
    let socket = UnixStream::connect(sandbox.path("supervise.sock")).unwrap();
    assert_eq!(ask(socket, "/ready"), (200, "ready\n".to_owned()));
    let web = TcpStream::connect(("127.0.0.1", image.web)).unwrap();
    assert_eq!(ask(web, "/").0, 200);
    let checked = image.check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let begun = Instant::now();
    crate::sandbox::kill(first, Signal::TERM);
    let status = server.wait_exit();
    assert_eq!(status.code(), Some(0), "{}", server.transcript());
    let patience = Duration::from_secs(8);
    assert!(begun.elapsed() < patience, "longer than shutdown_timeout");
    assert_eq!(server.count("stopped: web (exit status 0)"), 1, "{}", server.transcript());
    assert_eq!(server.count("image secret"), 0);
    let checked = image.check();
    assert_eq!(checked.code, Some(4), "nobody answers: {checked:?}");
    let left = sandbox.processes();
    assert!(left.is_empty(), "{left:?}");
}

/// A program that never comes up: it is in BACKOFF for nearly all of the time.
#[test]
fn a_program_that_never_comes_up_is_not_healthy() {
    let sandbox = Sandbox::new("sv-image-backoff");
    // false does not mind what it is given.
    let command = "command=/usr/bin/http_worker\n";
    let never = "command=/bin/false /usr/bin/http_worker\nstartretries=-1\n";
    let image = Image::with(&sandbox, &[(command, never)]);
    let mut server = image.launch().spawn();
    server.wait_line("exited: web (exit status 1; not expected)");
    eventually("web is dead", || (image.check().code == Some(3)).then_some(()));
    // Ready it is not, but the next start may be a good one.
    assert_eq!(image.get("/ready").0, 503);
    assert_eq!(image.get("/health").0, 200);
    server.stop();
}

/// A server that ends with 0 is started again, and the container goes on.
#[test]
fn an_end_with_0_is_not_that_of_the_container() {
    let sandbox = Sandbox::new("sv-image-zero");
    let image = Image::new(&sandbox);
    let mut server = image.launch().spawn();
    let first = server.wait_line("spawned: 'web' with pid ").number_after("with pid");
    server.wait_line("success: web entered RUNNING state");
    crate::sandbox::kill(first, Signal::TERM);
    server.wait_line("exited: web (exit status 0; expected)");
    server.wait_line("success: web entered RUNNING state");
    assert_eq!(image.check().code, Some(0));
    server.stop();
}

/// Without `autorestart=true` it is: nothing that starts failures again would start this one.
#[test]
fn an_essential_program_that_ends_with_0_is_no_failure() {
    let sandbox = Sandbox::new("sv-essential-zero");
    let mut ours = Config::new(&sandbox).puppet("p", "exit 0", "essential=true").spawn();
    ours.ends(0);
    assert_eq!(ours.count_spawned("p"), 1);
}

/// A stop does not; a start and a removal do.
#[test]
fn what_clears_a_failure() {
    let sandbox = Sandbox::new("sv-image-fatal");
    let more = "\n[program:odd]\ncommand=/bin/sh -c \"test -e <DIR>mended && exec sleep 1000\"\n\
                startretries=0\nstartsecs=1\nautostart=false\n\n[program:prepare]\n";
    let more = more.replace("<DIR>", &sandbox.path("").display().to_string());
    let image = Image::with(&sandbox, &[("\n[program:prepare]\n", &more)]);
    let mut server = image.launch().spawn();
    server.wait_line("success: web entered RUNNING state");
    let fails = || {
        assert_eq!(image.ctl(&["start", "odd"]).code, Some(7));
        let stopped = image.ctl(&["stop", "odd"]);
        assert!(stopped.stdout.contains("not running"), "{stopped:?}");
        assert_eq!((image.get("/health").0, image.get("/ready").0), (503, 200));
    };
    fails();
    sandbox.write("mended", "");
    assert_eq!(image.ctl(&["start", "odd"]).code, Some(0));
    assert_eq!(image.get("/health").0, 200);
    assert_eq!(image.ctl(&["stop", "odd"]).code, Some(0));
    sandbox.remove("mended");
    fails();
    assert_eq!(image.ctl(&["remove", "odd"]).code, Some(0));
    assert_eq!(image.get("/health").0, 200);
    server.stop();
}

#[test]
fn the_image_wants_its_password() {
    let sandbox = Sandbox::new("sv-image-password");
    let image = Image::new(&sandbox);
    let made = image.launch().env_remove("SUPERVISE_PASSWORD").output();
    assert_eq!((made.code, made.stdout.as_str()), (Some(2), ""), "{made:?}");
    assert!(made.stderr.contains("'ENV_SUPERVISE_PASSWORD'"), "{}", made.stderr);
}

/// As it is, and with the time that the engines give.
#[test]
fn the_configuration_of_the_image_is_accepted() {
    let sandbox = Sandbox::new("sv-image-config");
    let path = sandbox.write("supervise.conf", file("supervise.conf"));
    for (given, expected) in [(None, "8"), (Some("20"), "20")] {
        let launch = sandbox.supervise().arg("--dump-config").arg("-c").arg(&path);
        let launch = launch.env_remove("SHUTDOWN_TIMEOUT").env("SUPERVISE_PASSWORD", "x");
        let launch = match given {
            Some(given) => launch.env("SHUTDOWN_TIMEOUT", given),
            None => launch,
        };
        let made = launch.output();
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
        let timeout = made.stdout.lines().find(|line| line.contains("\"shutdown_timeout\""));
        assert!(timeout.is_some_and(|line| line.contains(expected)), "{timeout:?}");
    }
}

fn health_check() -> Vec<String> {
    let text = file("Dockerfile");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("CMD [")).unwrap();
    let words = line.trim_end_matches(']').split(", ");
    words.map(|word| word.trim_matches('"').to_owned()).collect()
}

#[test]
fn the_dockerfile_agrees_with_the_configuration() {
    let (docker, config) = (file("Dockerfile"), file("supervise.conf"));
    let line = |word: &str| {
        let line = docker.lines().find(|line| line.starts_with(&format!("{word} ")));
        line.unwrap_or_else(|| panic!("no {word}")).to_owned()
    };
    assert_eq!(line("STOPSIGNAL"), "STOPSIGNAL SIGTERM");
    assert_eq!(line("ENTRYPOINT"), r#"ENTRYPOINT ["supervise", "-c", "/etc/supervise.conf"]"#);
    assert!(docker.contains("COPY examples/deploy/supervise.conf /etc/supervise.conf\n"));
    assert!(value(&config, "socket").ends_with(":8080"));
    assert!(value(&config, "port").ends_with(":9001"));
    assert_eq!(line("EXPOSE"), "EXPOSE 8080 9001");
    let check = health_check();
    let program = check.last().unwrap();
    assert!(config.contains(&format!("[program:{program}]\n")), "{program}");
    let page = std::fs::read_to_string(root().join("docs/deploy.md")).unwrap();
    assert_eq!(check[4..], ["stat", program]);
    for written in
        [format!("`supervise ctl stat {program}`"), format!("[supervise, ctl, stat, {program}]")]
    {
        assert!(page.contains(&written), "{written}");
    }
    assert!(values(&config, "command").contains(&"/usr/bin/http_worker".to_owned()));
    // `docker stop` kills after ten seconds, whatever the image says.
    assert_eq!(value(&config, "shutdown_timeout"), "%(ENV_SHUTDOWN_TIMEOUT:-8)s");
    assert!(seconds(&value(&config, "stopwaitsecs")) < 8);
}

#[test]
fn the_pod_agrees_with_the_configuration() {
    let (pod, config) = (file("pod.yaml"), file("supervise.conf"));
    assert_eq!(values(&pod, "containerPort"), ["8080", "9001"]);
    assert_eq!(values(&pod, "path"), ["/ready", "/ready", "/health"]);
    assert_eq!(values(&pod, "port"), ["9001"; 3]);
    let names = values(&pod, "name");
    for name in ["SUPERVISE_PASSWORD", "SHUTDOWN_TIMEOUT"] {
        assert!(names.contains(&name.to_owned()) && config.contains(&format!("ENV_{name}")));
    }
    let given: u64 = value(&pod, "value").parse().unwrap();
    let pause = value(&pod, "command");
    let pause = seconds(pause.trim_matches(['[', ']']).split('"').nth(3).unwrap());
    let grace = seconds(&value(&pod, "terminationGracePeriodSeconds"));
    assert!(pause + given < grace, "{pause} {given} {grace}");
    assert!(seconds(&value(&config, "stopwaitsecs")) < given);
}

#[test]
fn the_nomad_job_agrees_with_the_configuration() {
    let job = file("job.nomad.hcl");
    assert_eq!(values(&job, "to"), ["8080", "9001"]);
    assert_eq!(values(&job, "path"), ["/ready", "/health"]);
    assert_eq!(value(&job, "kill_signal"), "SIGTERM");
    let given: u64 = value(&job, "SHUTDOWN_TIMEOUT").parse().unwrap();
    let patience = seconds(&value(&job, "kill_timeout"));
    // The client's max_kill_timeout, unless it is configured.
    assert!(given < patience && patience <= 30, "{given} {patience}");
    assert!(job.contains("SUPERVISE_PASSWORD={{"));
    let open = job.matches('{').count();
    assert_eq!(open, job.matches('}').count());
}
