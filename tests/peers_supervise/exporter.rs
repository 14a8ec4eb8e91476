//! `/metrics` for Prometheus: there is no exporter for supervisord on PyPI, so the judge of ours is
//! Prometheus' own parser, from PyPI. Exporters written in other languages ask by XML-RPC over TCP.

use std::path::Path;

use sigpolicy::Signal;

use super::clients::with_ports;
use super::pair::supervisord;
use crate::pypi::pypi;
use crate::sandbox::{Finished, free_port};

#[test]
fn what_prometheus_reads() {
    let Some(place) = supervisord().then(|| pypi("prometheus-client==0.21.1")).flatten() else {
        return;
    };
    let ports = [free_port(), free_port()];
    let programs = "[program:up]\ncommand=/bin/sleep 1000\n\
        [program:quoted]\ncommand=/bin/sleep 1000\nprocess_name=a\"b\\c\n\
        [program:off]\ncommand=/bin/sleep 1000\nautostart=false\n\
        [program:dead]\ncommand=/bin/false\nstartretries=0\n\
        [program:many]\ncommand=/bin/sleep 1000\nnumprocs=2\nprocess_name=%(process_num)d\n";
    let mut pair = with_ports("exporter", "username=u\npassword=p", programs, ports);
    pair.wait_log("gave up: dead");
    pair.wait_log("success: up entered RUNNING");
    pair.wait_log("success: 1 entered RUNNING");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/xmlrpc/exporter.py");
    let read = |place: &Path, side: &super::pair::Side, port: u16| -> Finished {
        let python = side.sandbox.run("/usr/bin/python3").arg(&script).arg(port.to_string());
        python.args(["u", "p"]).env("PYTHONPATH", place).output()
    };
    let done = read(&place, &pair.sides[1], ports[1]);
    assert_eq!(done.code, Some(0), "{done:?}\n{}", pair.transcript());
    let lines: Vec<&str> = done.stdout.lines().collect();
    let kinds: Vec<&&str> = lines.iter().filter(|line| line.starts_with("kind ")).collect();
    assert!(kinds[0].starts_with("kind application/openmetrics-text; version=1.0.0"), "{kinds:?}");
    assert_eq!(kinds.len(), 2);
    for name in ["up", "a\"b\\c", "off", "dead", "0", "1"] {
        let label = format!("{name:?}");
        let python = format!("'{}'", name.replace('\\', "\\\\"));
        let about = |line: &&&str| {
            line.starts_with("sample ") && (line.contains(&python) || line.contains(&label))
        };
        // In either format.
        assert!(lines.iter().filter(about).count() >= 2, "{name}: {}", done.stdout);
    }
    let infos: Vec<&&str> = lines.iter().filter(|line| line.starts_with("info ")).collect();
    for line in [
        "info dead dead 200 0 True",
        "info off off 0 0 True",
        "info up up 20 0 True",
        "info many 1 20 0 True",
    ] {
        assert!(infos.iter().any(|found| **found == line), "{line}: {infos:?}");
    }
    pair.stop_by(Signal::TERM);
}
