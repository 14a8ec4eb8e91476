//! What the client's exit code says: supervisorctl's numbers.

/// Everything was done, or was so already.
pub const OK: u8 = 0;
/// Something was not done: a name that is not known, an answer that says no, no answer.
pub const FAILED: u8 = 1;
/// A command line or configuration that cannot be carried out; `start` without names, or of a group
/// that does not exist.
pub const USAGE: u8 = 2;
/// `status`, `stat`: something asked for does not run. Otherwise: the server does not know the
/// methods of supervisord.
pub const NOT_RUNNING: u8 = 3;
/// `status`, `stat`: a name that is not known, or no server. Otherwise: the server refused the
/// connection.
pub const UNKNOWN: u8 = 4;
/// The server speaks another version of the protocol.
pub const OTHER_VERSION: u8 = 5;
/// A process did not come up, or does not run; there is no socket where the server's should be.
pub const DEAD: u8 = 7;

/// Every exit code and what it says, for help and manual page.
///
/// As in supervisorctl, each failure replaces the code of the one before it.
pub const TABLE: [(u8, &str); 7] = [
    (OK, "everything was done, or was so already"),
    (FAILED, "something was not done: an unknown name, a refusal, no answer"),
    (USAGE, "a bad command line or configuration; start: no names, or an unknown group"),
    (NOT_RUNNING, "status, stat: something does not run; else: the server lacks the methods"),
    (UNKNOWN, "status, stat: an unknown name, or no server; else: connection refused"),
    (OTHER_VERSION, "the server speaks another version of the protocol"),
    (DEAD, "a process did not come up, or does not run; no socket where it should be"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_in_order() {
        let codes: Vec<u8> = TABLE.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, [OK, FAILED, USAGE, NOT_RUNNING, UNKNOWN, OTHER_VERSION, DEAD]);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 7]);
        assert!(TABLE.iter().all(|(_, text)| text.len() <= 80), "fits a terminal");
    }
}
