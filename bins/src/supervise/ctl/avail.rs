//! `avail`: what is configured.

use super::names::{list, namespec, number};
use super::outcome;
use super::server::CallError;
use super::session::Session;
use crate::supervise::rpc::FaultCode;

/// Shows every process of the configuration: whether its group is active, whether it starts by
/// itself, and the priorities of group and process.
///
/// # Errors
///
/// The server's.
pub fn avail(session: &mut Session<'_>) -> Result<(), CallError> {
    let configured = match session.call("getAllConfigInfo", &[]) {
        Err(error) if error.fault() == Some(FaultCode::ShutdownState) => {
            session.fail("ERROR: supervisor shutting down", outcome::FAILED);
            return Ok(());
        }
        answer => list(answer?)?,
    };
    for info in configured {
        let name = namespec(&info)?;
        let inuse = if number(&info, "inuse")? == 0 { "avail" } else { "in use" };
        let auto = if number(&info, "autostart")? == 0 { "manual" } else { "auto" };
        let (group, process) = (number(&info, "group_prio")?, number(&info, "process_prio")?);
        session.say(&format!("{name:<32} {inuse:<9} {auto:<9} {group}:{process}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, run};
    use super::*;
    use crate::supervise::rpc::Value;

    #[test]
    fn columns_are_supervisorctls() {
        let one = |group: &str, inuse: Value, autostart: Value| {
            Value::of_members([
                ("name", "w".into()),
                ("group", group.into()),
                ("inuse", inuse),
                ("autostart", autostart),
                ("group_prio", 999.into()),
                ("process_prio", 5.into()),
            ])
        };
        let configured = vec![
            one("w", true.into(), 1.into()),
            one("web", 0.into(), false.into()),
            one(&"g".repeat(40), 1.into(), 1.into()),
        ];
        let mut script = Script::default().answers("getAllConfigInfo", Value::Array(configured));
        let (text, exit) = run(&mut script, avail);
        let long = "g".repeat(40);
        assert_eq!(
            (text, exit),
            (
                format!(
                    "w                                in use    auto      999:5\n\
                     web:w                            avail     manual    999:5\n\
                     {long}:w in use    auto      999:5\n"
                ),
                0
            )
        );
    }

    #[test]
    fn a_server_that_goes_says_so() {
        let mut script = Script::default().faults("getAllConfigInfo", 6, "SHUTDOWN_STATE");
        let said = run(&mut script, avail);
        assert_eq!(said, ("ERROR: supervisor shutting down\n".to_owned(), 1));
        let mut script = Script::default().has_no_socket();
        let said = run(&mut script, avail);
        assert_eq!(said, ("error: unix:///s.sock no such file\n".to_owned(), 1));
    }
}
