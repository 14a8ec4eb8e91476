//! What supervisorctl does not have, with supervisord as the server.

use super::pair::{REAL, supervisord};
use crate::supervise::ctl::{Served, everything};
use crate::supervise::ctl_completions::{bash_completes_behind_a_colon, lines_are_completed};

#[test]
fn supervisord_is_controlled_as_ours_is() {
    if supervisord() {
        everything(&Served::start("ctl-more-real", REAL, ""));
    }
}

#[test]
fn supervisord_has_nothing_that_is_replaced() {
    if !supervisord() {
        return;
    }
    let served = Served::start("ctl-hot-real", REAL, "");
    let before = served.said("pid all").1;
    for (line, rest) in [("cat manual", "manual"), ("pool:*", "pool:p_1, pool:p_2")] {
        let text =
            format!("ERROR: --hot needs a server that is supervise\nnot restarted: {rest}\n");
        assert_eq!(served.said(&format!("restart --hot {line}")), (Some(1), text), "{line}");
    }
    assert_eq!(served.said("pid all").1, before);
}

#[test]
fn shells_complete_lines_for_supervisord() {
    if supervisord() {
        let served = Served::start("ctl-completions-real", REAL, "");
        lines_are_completed(&served);
        bash_completes_behind_a_colon(&served);
    }
}
