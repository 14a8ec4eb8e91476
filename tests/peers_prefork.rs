//! Servers that other people wrote, as workers of prefork-run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use sigpolicy::Signal;

use crate::peers::{installed, perl_modules, program, python};
use crate::peers_load::{Load, Mode, Pace, Tally, Target};
use crate::prefork::fastcgi::request;
use crate::prefork::harness::{Pool, children};
use crate::sandbox::{Launch, Sandbox, eventually, free_port};

/// How many reloads each peer has to bear.
const RELOADS: u64 = 3;

/// Starts a pool of it with a port of its own.
fn pool(sandbox: &Sandbox, options: &[&str], words: &[&str]) -> Pool {
    pool_with(sandbox, options, words, |launch| launch)
}

fn pool_with(
    sandbox: &Sandbox,
    options: &[&str],
    words: &[&str],
    more: impl FnOnce(Launch) -> Launch,
) -> Pool {
    let port = free_port();
    let launch = sandbox.prefork_run().arg(format!("--port=127.0.0.1:{port}")).args(options);
    Pool::new(more(launch.program(words)).spawn(), port)
}

/// Reloads under HTTP load; every generation must have answered.
fn reload_http(pool: &Pool, what: &str, modes: &[Mode], pace: Pace) -> Tally {
    let load = Load::start(std::slice::from_ref(&pool.target), modes, pace);
    let answers = |generation: u64| {
        eventually("answers of a generation", || {
            load.newest().filter(|(newest, count)| *newest == generation && *count >= 30)
        });
    };
    answers(1);
    for generation in 2..=RELOADS + 1 {
        let old: Vec<i32> = children(pool.server.pid());
        pool.signal(Signal::HUP);
        answers(generation);
        let gone = || !children(pool.server.pid()).iter().any(|pid| old.contains(pid));
        eventually("the end of the old ones", || gone().then_some(()));
    }
    let tally = load.finish(what);
    assert!(tally.generations.iter().copied().eq(1..=RELOADS + 1), "{tally:?}");
    tally
}

/// A server that takes connections before it knows whether it may go on loses those that it has
/// just accepted when it is told to leave. No connection is refused, though.
fn expect_few_failures(tally: &Tally, workers: u64) {
    let allowed = usize::try_from(RELOADS * workers).unwrap();
    assert!(tally.failures.len() <= allowed, "{tally:#?}");
    let own = |failure: &String| failure.starts_with("read on a ");
    assert!(tally.failures.iter().all(own), "{tally:#?}");
}

/// FastCGI clients without a break.
struct FastCgiLoad {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl FastCgiLoad {
    fn start(target: &Target, script: &str) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..2).map(|_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let (target, script) = (target.clone(), script.to_owned());
            thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match ask(&target, &script, b"") {
                        Ok(_) => _ = answered.fetch_add(1, Ordering::Relaxed),
                        Err(error) => failures.push(error.to_string()),
                    }
                }
                failures
            })
        });
        let clients = clients.collect();
        Self { stop, answered, clients }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn finish(mut self, what: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let clients = self.clients.drain(..);
        let failures: Vec<String> = clients.flat_map(|client| client.join().unwrap()).collect();
        eprintln!("{what}: {} answered, {} failed", self.answered(), failures.len());
        assert!(failures.is_empty(), "{failures:#?}");
    }
}

impl Drop for FastCgiLoad {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The generation and the pid of the responder, and how many bytes of input it got.
fn ask(target: &Target, script: &str, input: &[u8]) -> std::io::Result<(u64, i32, u64)> {
    let more = [("SCRIPT_FILENAME", script), ("REDIRECT_STATUS", "200")];
    let answer = request(target, script, &more, input)?;
    let line = answer.lines().find(|line| line.starts_with("generation "));
    let words: Vec<&str> = line.unwrap_or_default().split(' ').collect();
    match words[..] {
        ["generation", generation, "pid", pid, "bytes", bytes] => {
            Ok((generation.parse().unwrap(), pid.parse().unwrap(), bytes.parse().unwrap()))
        }
        _ => Err(std::io::Error::other(format!("answer {answer:?}"))),
    }
}

/// On descriptor 0, fixed and with spares, reloaded under load in all three ways.
fn fastcgi(topic: &str, sandbox: &Sandbox, script: &str, words: &[&str], ways: &[&str]) {
    for way in ways {
        let what = format!("{topic} {way}");
        let options = ["--fcgi", "--workers=3", &format!("--reload={way}")];
        let mut pool = pool_with(sandbox, &options, words, |launch| {
            launch.env("PHP_FCGI_MAX_REQUESTS", "0").env_remove("PHP_FCGI_CHILDREN")
        });
        let old = pool.wait_workers(3);
        let (generation, pid, bytes) = ask(&pool.target, script, &[b'x'; 100_000]).unwrap();
        assert_eq!((generation, bytes), (1, 100_000), "{what}");
        assert!(old.contains(&pid));
        let load = FastCgiLoad::start(&pool.target, script);
        let mut old: BTreeSet<i32> = old.into_iter().collect();
        for _ in 0..RELOADS {
            let before = load.answered();
            eventually("answers", || (load.answered() > before + 30).then_some(()));
            pool.signal(Signal::HUP);
            eventually("new ones", || {
                let now: BTreeSet<i32> = pool.workers().into_iter().collect();
                (now.len() == 3 && now.is_disjoint(&old)).then(|| old = now)
            });
        }
        load.finish(&what);
        pool.wait_workers(3);
        assert_eq!(ask(&pool.target, script, b"").unwrap().0, RELOADS + 1);
        pool.stop(sandbox);
    }
}

#[test]
fn php() {
    if !installed("php-cgi", program("php-cgi")) {
        return;
    }
    let sandbox = Sandbox::new("peer-php");
    let script = sandbox.write(
        "page.php",
        "<?php printf(\"generation %s pid %d bytes %d\\n\", getenv('PREFORK_GENERATION'), \
         getmypid(), strlen(file_get_contents('php://input')));\n",
    );
    let script = script.to_str().unwrap();
    fastcgi("php-cgi", &sandbox, script, &["php-cgi"], &["all", "rolling", "replace"]);
}

/// Scaled by its load like php-fpm's `pm = dynamic`.
#[test]
fn php_with_spares() {
    if !installed("php-cgi", program("php-cgi")) {
        return;
    }
    let sandbox = Sandbox::new("peer-php-spare");
    let script = sandbox.write(
        "page.php",
        "<?php usleep(300000); printf(\"generation %s pid %d bytes 0\\n\", \
         getenv('PREFORK_GENERATION'), getmypid());\n",
    );
    let script = script.to_str().unwrap().to_owned();
    let options = [
        "--fcgi",
        "--min-spare=1",
        "--max-spare=2",
        "--max-workers=8",
        "--idle-timeout=0.2",
        "--max-pressure=100",
    ];
    let mut pool = pool(&sandbox, &options, &["php-cgi"]);
    pool.wait_workers(1);
    let asked: Vec<_> = (0..16)
        .map(|_| {
            let (target, script) = (pool.target.clone(), script.clone());
            thread::spawn(move || ask(&target, &script, b""))
        })
        .collect();
    let answers: Vec<_> = asked.into_iter().map(|asked| asked.join().unwrap().unwrap()).collect();
    let pids: BTreeSet<i32> = answers.iter().map(|(_, pid, _)| *pid).collect();
    assert!((4..=8).contains(&pids.len()), "{pids:?}");
    pool.wait_until("spares", |pids| (1..=2).contains(&pids.len()));
    pool.stop(&sandbox);
}

const FCGI: &str = r#"
use FCGI;
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    my $size = read STDIN, my $input, $ENV{CONTENT_LENGTH} || 0;
    print "Content-Type: text/plain\r\n\r\n";
    printf "generation %s pid %d bytes %d\n", $generation, $$, $size;
}
"#;

/// TERM has its default effect in these, so only what spares the busy loses nothing.
#[test]
fn perl_fcgi() {
    if installed("libfcgi-perl", perl_modules(&["FCGI"])) {
        let sandbox = Sandbox::new("peer-fcgi");
        let head = "my $generation = $ENV{PREFORK_GENERATION};";
        sandbox.write("worker.pl", format!("{head}{FCGI}"));
        let words = ["perl", "worker.pl"];
        fastcgi("FCGI", &sandbox, "/app", &words, &["rolling", "replace"]);
    }
}

/// With the handlers that FCGI::ProcManager gives its workers: HUP in its own way loses nothing.
#[test]
fn perl_fcgi_with_the_policy_of_procmanager() {
    let modules = ["FCGI", "FCGI::ProcManager"];
    if installed("libfcgi-procmanager-perl", perl_modules(&modules)) {
        let sandbox = Sandbox::new("peer-procmanager");
        let program = r#"
use FCGI; use FCGI::ProcManager;
my ($generation, $parent) = ($ENV{PREFORK_GENERATION}, getppid);
my $manager = FCGI::ProcManager->new({n_processes => 1, role => 'server'});
$manager->{MANAGER_PID} = $parent;
$manager->handling_init;
my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%ENV, 0, FCGI::FAIL_ACCEPT_ON_INTR());
while ($request->Accept >= 0) {
    $manager->pm_pre_dispatch;
    my $size = read STDIN, my $input, $ENV{CONTENT_LENGTH} || 0;
    print "Content-Type: text/plain\r\n\r\n";
    printf "generation %s pid %d bytes %d\n", $generation, $$, $size;
    $request->Finish;
    $manager->pm_post_dispatch;
}
"#;
        sandbox.write("worker.pl", program);
        // TERM to all hits some in Accept, where FCGI::ProcManager lets it interrupt the reading of a
        // request, as its own manager does.
        fastcgi("FCGI::ProcManager", &sandbox, "/app", &["perl", "worker.pl"], &["rolling"]);
    }
}

#[test]
fn starlet() {
    let there = program("plackup") && perl_modules(&["Plack::Handler::Starlet"]);
    if !installed("starlet", there) {
        return;
    }
    let sandbox = Sandbox::new("peer-starlet");
    sandbox.write(
        "app.psgi",
        r#"my $body = "generation $ENV{PREFORK_GENERATION} pid $$\n";
sub { [200, ['Content-Type' => 'text/plain', 'Content-Length' => length $body], [$body]] };
"#,
    );
    let words = ["plackup", "-s", "Starlet", "--max-workers=0", "--disable-proctitle"];
    let words = [&words[..], &["-E", "production", "--no-default-middleware", "app.psgi"]].concat();
    let mut pool = pool(&sandbox, &["--workers=3", "--reload=rolling"], &words);
    reload_http(&pool, "Starlet", &[Mode::Close; 2], Pace::Fast).expect_no_failure();
    pool.stop(&sandbox);
}

const WSGI: &str = r#"
import os
body = b"generation %s pid %d\n" % (os.environ["PREFORK_GENERATION"].encode(), os.getpid())
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"#;

/// Each worker is a gunicorn with one process of its own below it.
#[test]
fn gunicorn() {
    if !installed("gunicorn", program("gunicorn")) {
        return;
    }
    let sandbox = Sandbox::new("peer-gunicorn");
    sandbox.write("shop.py", WSGI);
    let words = ["-m", "gunicorn", "-b", "fd://{fd}", "--workers=1", "shop:app"];
    let words = [&[python()], &words[..]].concat();
    let options = ["--workers=2", "--reload=replace", "--ready-after=3"];
    let mut pool = pool(&sandbox, &options, &words);
    let tally = reload_http(&pool, "gunicorn", &[Mode::Close], Pace::Slow);
    expect_few_failures(&tally, 2);
    pool.stop(&sandbox);
}

const ASGI: &str = r#"
import os
body = b"generation %s pid %d\n" % (os.environ["PREFORK_GENERATION"].encode(), os.getpid())
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"#;

#[test]
fn uvicorn() {
    if !installed("uvicorn", program("uvicorn")) {
        return;
    }
    let sandbox = Sandbox::new("peer-uvicorn");
    sandbox.write("shop.py", ASGI);
    let words = ["-m", "uvicorn", "--fd", "{fd}", "--no-access-log", "--lifespan=off", "shop:app"];
    let words = [&[python()], &words[..]].concat();
    let options = ["--workers=2", "--reload=replace", "--ready-after=3"];
    let mut pool = pool(&sandbox, &options, &words);
    let tally = reload_http(&pool, "uvicorn", &[Mode::Close], Pace::Slow);
    expect_few_failures(&tally, 2);
    pool.stop(&sandbox);
}

#[test]
fn node() {
    if !program("node") {
        eprintln!("skipped: node is not installed");
        return;
    }
    let sandbox = Sandbox::new("peer-node");
    sandbox.write(
        "server.js",
        "const body = `generation ${process.env.PREFORK_GENERATION} pid ${process.pid}\\n`;\n\
         const server = require('http').createServer((request, response) => {\n\
         response.setHeader('Content-Length', body.length); response.end(body); });\n\
         server.listen({fd: Number(process.argv[2])});\n\
         process.on('SIGTERM', () => { server.close(); });\n",
    );
    let options = ["--workers=2", "--reload=replace", "--ready-after=2"];
    let mut pool = pool(&sandbox, &options, &["node", "server.js", "{fd}"]);
    let tally = reload_http(&pool, "node", &[Mode::Close], Pace::Slow);
    expect_few_failures(&tally, 2);
    pool.stop(&sandbox);
}
