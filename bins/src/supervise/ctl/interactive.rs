//! The prompt: actions read line by line, from a terminal or a pipe.

use std::io::Write;

use super::args::{Action, Misuse, Options, Request, read_line};

/// Carries out what a line asks for, or says what is wrong with it.
pub type Perform<'p> = &'p mut dyn FnMut(Result<Request, Misuse>, &mut dyn Write);

/// Shows the states of all processes, then does what each line that `input` gives says, until `exit`, `quit`
/// or the end. As in supervisorctl the prompt is written even where there is no terminal.
///
/// An output that nobody reads any more is the end, too.
pub fn run(
    options: &Options,
    prompt: &str,
    input: &mut dyn FnMut() -> Option<String>,
    out: &mut dyn Write,
    perform: Perform<'_>,
) {
    let mut next = read_line(options, "status");
    loop {
        match next {
            Ok(Some(Request { action: Action::Exit, .. })) => break,
            Ok(Some(request)) => perform(Ok(request), out),
            Ok(None) => {}
            Err(misuse) => perform(Err(misuse), out),
        }
        if out.write_all(prompt.as_bytes()).and_then(|()| out.flush()).is_err() {
            return;
        }
        let Some(line) = input() else { break };
        next = read_line(options, &line);
    }
    // The prompt's line is ended for whatever comes next on the terminal.
    let _ = out.write_all(b"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue(text: &str) -> (String, Vec<String>) {
        let mut lines = text.lines().map(str::to_owned);
        let mut out = Vec::new();
        let mut done = Vec::new();
        let options = Options { json: true, ..Options::default() };
        run(&options, "supervisor> ", &mut || lines.next(), &mut out, &mut |line, out| {
            done.push(match line {
                Ok(request) => {
                    assert!(request.options.json);
                    format!("{:?}", request.action)
                }
                Err(misuse) => misuse.lines[0].clone(),
            });
            writeln!(out, "-").unwrap();
        });
        (String::from_utf8(out).unwrap(), done)
    }

    #[test]
    fn every_line_is_carried_out_after_the_first_status() {
        let (out, done) = dialogue("stop a\n\nfoo\npid\n");
        let expected = ["Status([])", "Stop([\"a\"])", "*** Unknown syntax: foo", "Pid([])"];
        assert_eq!(done, expected);
        let shown = "-\nsupervisor> -\nsupervisor> supervisor> -\nsupervisor> -\nsupervisor> \n";
        assert_eq!(out, shown);
    }

    #[test]
    fn exit_and_quit_end_it() {
        for word in ["exit", "quit"] {
            let (out, done) = dialogue(&format!("{word}\nstop a\n"));
            assert_eq!((out.as_str(), done.len()), ("-\nsupervisor> \n", 1), "{word}");
        }
    }

    #[test]
    fn an_output_that_breaks_ends_it() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut lines = 0;
        let mut input = || panic!("nobody reads");
        run(&Options::default(), "> ", &mut input, &mut Broken, &mut |_, _| lines += 1);
        assert_eq!(lines, 1);
    }
}
